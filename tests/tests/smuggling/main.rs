//! Second mails hidden in a first one (docs/proof.md F1 to F20), sent by Python's sockets in one
//! write, cut at each offset and a byte at a time, and judged by what the upstream got.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may panic"
)]

mod rows;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Stdio;

use serde::Deserialize;
use serde_json::json;
use tokio::process::Command;
use zoho_simulator::{Account, Mail, Options, Running, Simulator};
use zohorelay_tests::document::document;
use zohorelay_tests::sidecar::{self, Sidecar};

use rows::{Expected, MESSAGE_BYTES, Mode, Row, SENDER, rows};

/// One session as it was played.
#[derive(Debug, Deserialize)]
struct Case {
    id: String,
    way: String,
    recipient: String,
    replies: Vec<String>,
}

#[tokio::test]
async fn normalise_f1_to_f20_no_second_mail_and_one_reply_a_command() {
    play(Mode::Normalise).await;
}

#[tokio::test]
async fn strict_f1_to_f20_no_second_mail_and_one_reply_a_command() {
    play(Mode::Strict).await;
}

async fn play(mode: Mode) {
    let account = Account::new(SENDER, "app-password");
    let zoho = Simulator::start(Options::with_account(account))
        .await
        .unwrap();
    let mut document = document("billing", SENDER, "app-password", &zoho);
    document["lineEndings"] = json!(mode.as_str());
    document["limits"] = json!({"messageBytes": MESSAGE_BYTES});
    let sidecar = Sidecar::start(sidecar::Options::with(vec![document]))
        .await
        .unwrap();
    let rows = rows(mode);
    let cases = send(&sidecar, &rows).await;
    assert!(cases.len() > 3 * rows.len(), "{} cases", cases.len());
    judge(&rows, &cases, &zoho);
    // Whatever was sent, the next app is served.
    let reply =
        zohorelay_tests::app::send(sidecar.smtp, SENDER, &["a@example.org"], "Subject: 1\r\n");
    assert_eq!(reply.await.unwrap().code, 250);
}

async fn send(sidecar: &Sidecar, rows: &[Row]) -> Vec<Case> {
    let lines: Vec<_> = rows.iter().map(|row| line(row).to_string()).collect();
    let file = sidecar.folder().join("rows");
    std::fs::write(&file, lines.join("\n")).unwrap();
    let address: SocketAddr = sidecar.smtp;
    let output = Command::new("python3")
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/smuggling/client.py"
        ))
        .arg(address.ip().to_string())
        .arg(address.port().to_string())
        .arg(file)
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .output()
        .await
        .expect("python3 is needed for these rows");
    assert!(output.status.success(), "{}", output.status);
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn line(row: &Row) -> serde_json::Value {
    let hex = |bytes: &[u8]| {
        bytes
            .iter()
            .fold(String::new(), |hex, b| hex + &format!("{b:02x}"))
    };
    json!({
        "id": row.id, "sender": SENDER, "recipient": row.recipient(),
        "head": hex(&row.head), "tail": hex(&row.tail), "cuts": row.cuts,
    })
}

fn judge(rows: &[Row], cases: &[Case], zoho: &Running) {
    let mut mails: BTreeMap<String, Vec<Mail>> = BTreeMap::new();
    for mail in zoho.mails() {
        let recipient = mail.recipients.join(" ");
        mails.entry(recipient).or_default().push(mail);
    }
    for case in cases {
        let row = rows.iter().find(|row| row.id == case.id).unwrap();
        let what = format!("{} {}: {:?}", case.id, case.way, case.replies);
        judge_replies(row, case, &what);
        let own = mails.remove(&case.recipient).unwrap_or_default();
        let second = mails.remove(&row.second_recipient(case.number()));
        judge_mails(row, &own, &second.unwrap_or_default(), &what);
    }
    let foreign: Vec<_> = mails.keys().collect();
    assert!(foreign.is_empty(), "mails that nobody sent: {foreign:?}");
    for connection in zoho.connections() {
        let defects = connection.defects;
        assert_eq!(
            (defects.bare_cr, defects.bare_lf, defects.nul),
            (0, 0, 0),
            "on the wire"
        );
        assert!(!connection.malformed_command && !connection.pipelined);
    }
}

/// One reply for each command that really was one, and the refusal is the last word.
fn judge_replies(row: &Row, case: &Case, what: &str) {
    let wanted: &[&str] = match row.expected {
        Expected::Mail(_) => &["250 2.0.0", "221 2.0.0"],
        Expected::Refused => &["554 5.6.0"],
        Expected::TooLarge => &["552 5.3.4", "221 2.0.0"],
        Expected::Two(..) => &[
            "250 2.0.0",
            "250 2.1.0",
            "250 2.1.5",
            "354 ",
            "250 2.0.0",
            "221 2.0.0",
        ],
    };
    assert_eq!(case.replies.len(), wanted.len(), "{what}");
    for (reply, wanted) in case.replies.iter().zip(wanted) {
        assert!(reply.starts_with(wanted), "{what}: no {wanted}");
    }
}

fn judge_mails(row: &Row, own: &[Mail], second: &[Mail], what: &str) {
    match &row.expected {
        Expected::Refused | Expected::TooLarge => {
            assert!(own.is_empty() && second.is_empty(), "{what}: sent");
        }
        Expected::Mail(body) => {
            assert_eq!((own.len(), second.len()), (1, 0), "{what}");
            assert_body(&own[0], body, what);
        }
        Expected::Two(body, second_body) => {
            assert_eq!((own.len(), second.len()), (1, 1), "{what}");
            assert!(own[0].id < second[0].id, "{what}: out of order");
            assert_body(&own[0], body, what);
            assert_body(&second[0], second_body, what);
        }
    }
}

/// The body arrived byte for byte, whatever was put on top of it.
fn assert_body(mail: &Mail, body: &[u8], what: &str) {
    let end = mail.content.windows(4).position(|four| four == b"\r\n\r\n");
    let arrived = &mail.content[end.unwrap() + 4..];
    let shown = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(300)]).into_owned();
    assert!(
        mask(arrived) == mask(body),
        "{what}: {:?} and not {:?}",
        shown(arrived),
        shown(body)
    );
    assert_eq!(mail.reverse_path, SENDER, "{what}");
}

/// The mark of a second recipient differs from case to case.
fn mask(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body).into_owned();
    match text.find("number") {
        Some(at) => format!("{}{}", &text[..at], &text[at + "number000".len()..]),
        None => text,
    }
}

impl Case {
    /// The number of the way in its row.
    fn number(&self) -> usize {
        let (name, _) = self.recipient.split_once('@').unwrap();
        name.rsplit('-').next().unwrap().parse().unwrap()
    }
}
