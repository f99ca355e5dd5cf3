//! The questions of Zoho's own help page, as `docs/troubleshooting.md` answers them: each is played as
//! it hurts, and then with its remedy.

#![allow(clippy::unwrap_used, reason = "a test")]

use serde_json::{Value, json};
use zoho_simulator::{Account, Mail, Options, Running, Simulator};
use zohorelay_tests::app::{App, Reply};
use zohorelay_tests::document::document;
use zohorelay_tests::sidecar::{self, Sidecar};

const DOCS: &str = include_str!("../../docs/troubleshooting.md");
const SECTION: &str = "## In your words";
const OURS: &str = "From: billing@example.com\r\nMessage-ID: <1@app.example>\r\n";
const VISITOR: &str = "From: Visitor <visitor@example.net>\r\nSubject: question\r\n";
const BOSS: &str = "From: boss@example.com\r\n";
const INVITATION: &str = "From: Organiser <organiser@example.net>\r\nSubject: FW: lunch\r\n\
    MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n\
    Content-Type: text/calendar; method=REQUEST\r\n\r\nBEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\n\
    ORGANIZER:mailto:organiser@example.net\r\nEND:VCALENDAR\r\n--b--\r\n";

/// Fields of the document, as JSON pointers, and their values.
type Changes = &'static [(&'static str, fn() -> Value)];

struct Row {
    /// The heading in the documentation.
    question: &'static str,
    mail: &'static str,
    to: &'static str,
    /// With these changes it fails: code, a part of the text, and the class.
    hurts: Option<(Changes, u16, &'static str, &'static str)>,
    /// With these it arrives.
    remedy: Changes,
    /// Stands in the one mail that Zoho has then.
    arrives: &'static str,
}

const POLICY: &str = "/senderPolicy";

const ROWS: [Row; 7] = [
    Row {
        question: "I set port 25, and nothing is sent",
        mail: OURS,
        to: "ann@example.org",
        hurts: Some((
            &[("/upstream/port", || json!(25))],
            451,
            "not configured",
            "not_configured",
        )),
        remedy: &[],
        arrives: "Message-ID: <1@app.example>",
    },
    Row {
        question: "Authentication failed, and the password is right",
        mail: OURS,
        to: "ann@example.org",
        hurts: Some((
            &[("/login/password", || json!("password-of-the-web-mail"))],
            451,
            "its credential needs attention",
            "auth_failed",
        )),
        remedy: &[],
        arrives: "Message-ID: <1@app.example>",
    },
    Row {
        question: "553 Relaying disallowed",
        mail: BOSS,
        to: "ann@example.org",
        hurts: Some((
            &[("/addresses/aliases", || json!(["boss@example.com"]))],
            553,
            "Zoho does not let identity billing send as \"boss@example.com\"",
            "relay_denied",
        )),
        remedy: &[(POLICY, || json!({"foreignFrom": "Rewrite"}))],
        arrives: "Reply-To: boss@example.com",
    },
    Row {
        question: "My contact form is refused",
        mail: VISITOR,
        to: "billing@example.com",
        hurts: Some((
            &[],
            553,
            "may send as billing@example.com",
            "sender_refused",
        )),
        remedy: &[(POLICY, || json!({"foreignFrom": "Rewrite"}))],
        arrives: "Reply-To: visitor@example.net",
    },
    Row {
        question: "Mails of my contact form to my own domain never arrive",
        mail: OURS,
        to: "office@example.com",
        hurts: None,
        remedy: &[],
        arrives: "Message-ID: <1@app.example>",
    },
    Row {
        question: "A forwarded Outlook invitation is refused",
        mail: INVITATION,
        to: "ann@example.org",
        hurts: Some((
            &[],
            553,
            "may send as billing@example.com",
            "sender_refused",
        )),
        remedy: &[(POLICY, || json!({"foreignCalendar": "Attach"}))],
        arrives: "\r\nORGANIZER:mailto:organiser@example.net\r\n",
    },
    Row {
        question: "Every mail is twice in Sent",
        mail: OURS,
        to: "ann@example.org",
        hurts: None,
        remedy: &[],
        arrives: "Message-ID: <1@app.example>",
    },
];

async fn zoho() -> Running {
    let account = Account::new("billing@example.com", "app-password");
    Simulator::start(Options::with_account(account))
        .await
        .unwrap()
}

async fn sidecar(zoho: &Running, changes: Changes) -> Sidecar {
    let mut document = document("billing", "billing@example.com", "app-password", zoho);
    document[&POLICY[1..]] = json!({});
    document["addresses"]["aliases"] = json!([]);
    for (field, value) in changes {
        *document.pointer_mut(field).unwrap() = value();
    }
    let options = sidecar::Options::with(vec![document]);
    Sidecar::start(options).await.unwrap()
}

/// The first reply that refuses, or that to the end of the mail.
async fn send(sidecar: &Sidecar, row: &Row) -> Reply {
    let mut app = App::connect(sidecar.smtp).await.unwrap();
    app.say("EHLO app.example").await.unwrap();
    let early = app.say("MAIL FROM:<billing@example.com>").await.unwrap();
    if early.code != 250 {
        return early;
    }
    app.say(&format!("RCPT TO:<{}>", row.to)).await.unwrap();
    app.say("DATA").await.unwrap();
    app.say(&format!("{}\r\nbody\r\n.", row.mail))
        .await
        .unwrap()
}

async fn hurts(zoho: &Running, row: &Row) {
    let Some((changes, code, text, class)) = row.hurts else {
        return;
    };
    let sidecar = sidecar(zoho, changes).await;
    let reply = send(&sidecar, row).await;
    let question = row.question;
    assert_eq!(reply.code, code, "{question}: {reply:?}");
    assert!(reply.text.contains(text), "{question}: {reply:?}");
    let status = sidecar.status().await.unwrap();
    let failed = &status["identities"][0]["failed"];
    assert_eq!(*failed, json!({class: 1}), "{question}");
    let answer = answer(question);
    let link = format!("(#{class})");
    assert!(answer.contains(&link), "{question}: no {link} in {answer}");
}

async fn arrived(zoho: &Running, row: &Row) -> Vec<Mail> {
    let sidecar = sidecar(zoho, row.remedy).await;
    let reply = send(&sidecar, row).await;
    assert_eq!(reply.code, 250, "{}: {reply:?}", row.question);
    zoho.mails()
}

fn questions() -> Vec<&'static str> {
    let (_, section) = DOCS.split_once(SECTION).unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let lines = section.lines();
    lines.filter_map(|line| line.strip_prefix("### ")).collect()
}

fn answer(question: &str) -> &'static str {
    let (_, rest) = DOCS.split_once(&format!("\n### {question}\n")).unwrap();
    rest.split("\n##").next().unwrap()
}

#[test]
fn each_question_is_a_row_and_each_row_a_question() {
    assert_eq!(questions(), ROWS.map(|row| row.question));
}

#[tokio::test]
async fn each_question_hurts_as_told_and_is_cured_by_its_answer() {
    for row in &ROWS {
        let zoho = zoho().await;
        hurts(&zoho, row).await;
        assert!(zoho.mails().is_empty(), "{}", row.question);
        let mails = arrived(&zoho, row).await;
        assert_eq!(mails.len(), 1, "{}", row.question);
        assert_eq!(mails[0].recipients, [row.to], "{}", row.question);
        let content = String::from_utf8_lossy(&mails[0].content);
        assert!(content.contains(row.arrives), "{}: {content}", row.question);
        let header = content.split("\r\n\r\n").next().unwrap();
        let from = header.lines().find(|line| line.starts_with("From: "));
        let is_ours = from.is_some_and(|from| from.contains("billing@example.com"));
        assert!(is_ours, "{}: {header}", row.question);
    }
}
