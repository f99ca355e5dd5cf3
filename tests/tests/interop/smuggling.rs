//! Rows of docs/proof.md in front of a real Postfix: bytes that a lax server takes for the end of a
//! mail, and after them a whole second transaction. There is never a second mail.

use std::process::Stdio;

use serde_json::json;
use tokio::process::Command;
use zohorelay_tests::sidecar::{self, Sidecar};

use crate::arrived::assert_is_sent;
use crate::available::{program, script};
use crate::form::{FROM, Form};
use crate::upstreams::server::{Kind, Security, Server};

const ANN: &str = "ann@example.org";

/// What the sidecar makes of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    /// One mail, with this where the row's bytes were.
    Mail(&'static str),
    /// 554, and the connection closes.
    Refusal,
}

use Expected::{Mail, Refusal};

/// Row, its bytes, what `Strict` makes of them, what `Normalise` does.
const ROWS: [(&str, &str, Expected, Expected); 5] = [
    ("F1", "\n.\n", Refusal, Mail("\r\n.\r\n")),
    ("F2", "\n.\r\n", Refusal, Mail("\r\n.\r\n")),
    ("F3", "\r\n.\n", Refusal, Mail("\r\n.\r\n")),
    ("F9", "\r\n.\r\r\n", Refusal, Refusal),
    ("F13", "\r\n. \r\n", Mail("\r\n \r\n"), Mail("\r\n \r\n")),
];

fn before() -> String {
    format!("From: {FROM}\r\nSubject: first\r\n\r\nbody")
}

fn after() -> String {
    format!(
        "MAIL FROM:<{FROM}>\r\nRCPT TO:<{ANN}>\r\nDATA\r\nFrom: {FROM}\r\nSubject: second\r\n\r\n\
         smuggled\r\n"
    )
}

/// What the client was told after it had written these bytes into DATA.
async fn write(python: &std::path::Path, port: u16, content: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("content");
    std::fs::write(&path, content).unwrap();
    let mut command = Command::new(python);
    command.arg(script("clients/raw_socket.py"));
    command.args([&port.to_string(), FROM, ANN]).arg(&path);
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    String::from_utf8(output.stdout).unwrap()
}

async fn no_row_makes_a_second_mail(line_endings: &str) {
    let what = "content that smuggles";
    let Some(python) = program("python3", what) else {
        return;
    };
    let Some(server) = Server::start(Kind::Postfix).await else {
        return;
    };
    let mut document = server.document(Security::ImplicitTls);
    document["lineEndings"] = json!(line_endings);
    let options = sidecar::Options::with(vec![document]);
    let sidecar = Sidecar::start(options).await.unwrap();
    let mut sent = Vec::new();
    for (row, bytes, strict, normalise) in ROWS {
        let expected = if line_endings == "Strict" {
            strict
        } else {
            normalise
        };
        let content = before() + bytes + &after() + ".\r\n";
        let told = write(&python, sidecar.smtp.port(), &content).await;
        let told: Vec<_> = told.lines().map(|line| &line[..3]).collect();
        match expected {
            Mail(separator) => {
                assert_eq!(told, ["250", "221"], "{row}");
                sent.push((row, before() + separator + &after()));
            }
            Refusal => assert_eq!(told, ["554"], "{row}"),
        }
        assert_mailbox(&server, &sent).await;
    }
    // A mail that nobody can take for two ends the run: what came before it has come.
    let last = String::from_utf8(Form::Plain.mail()).unwrap();
    let told = write(&python, sidecar.smtp.port(), &(last.clone() + ".\r\n")).await;
    assert!(told.starts_with("250"), "{told}");
    sent.push(("last", last));
    assert_mailbox(&server, &sent).await;
}

/// Postfix has these mails and no other, and never began another one.
async fn assert_mailbox(server: &Server, sent: &[(&str, String)]) {
    let mails = server.mailbox_when(ANN, sent.len()).await;
    assert_eq!(mails.len(), sent.len(), "{sent:?}");
    for (mail, (row, content)) in mails.iter().zip(sent) {
        assert_is_sent(mail, content.as_bytes(), row);
    }
    let transactions = server.transactions_when(sent.len()).await;
    assert_eq!(transactions, sent.len(), "{sent:?}");
}

#[tokio::test]
async fn f1_f2_f3_f9_f13_are_one_mail_at_postfix_or_none_when_line_ends_are_normalised() {
    no_row_makes_a_second_mail("Normalise").await;
}

#[tokio::test]
async fn f1_f2_f3_f9_f13_are_one_mail_at_postfix_or_none_when_line_ends_are_strict() {
    no_row_makes_a_second_mail("Strict").await;
}
