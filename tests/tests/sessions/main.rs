//! Apps that are odd, hostile, slow or many (docs/proof.md S1 to S15), and the limits they meet.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::float_cmp,
    reason = "a test may panic, and metrics are small whole numbers"
)]

mod bombs;
mod commands;
mod crowd;
mod differentials;
mod limits;
mod login;
mod many;
mod slow;

use serde_json::{Value, json};
use zoho_simulator::{Account, Options, Running, Simulator};
use zohorelay_tests::app::App;
use zohorelay_tests::document::document;
use zohorelay_tests::sidecar::{self, Sidecar};

const TO: &[&str] = &["ann@example.org"];
const FROM: &str = "billing@example.com";
const GOOD: &str = "From: billing@example.com\r\nSubject: hello\r\n";

async fn zoho() -> Running {
    let account = |name| Account::new(format!("{name}@example.com"), name);
    let options = Options {
        accounts: ["billing", "alerts", "orders"].map(account).to_vec(),
        ..Options::default()
    };
    Simulator::start(options).await.unwrap()
}

/// The document of a mailbox called as its identity, with its name for a password.
fn identity(name: &str, zoho: &Running) -> Value {
    document(name, &format!("{name}@example.com"), name, zoho)
}

async fn start(documents: Vec<Value>, flags: &[&str]) -> Sidecar {
    let options = sidecar::Options::with(documents).flags(flags);
    Sidecar::start(options).await.unwrap()
}

/// A greeted app.
async fn app(sidecar: &Sidecar) -> App {
    let mut app = App::connect(sidecar.smtp).await.unwrap();
    assert_eq!(app.say("EHLO app.example").await.unwrap().code, 250);
    app
}

/// Each command is answered as said: a code, and how the text begins.
async fn converse(app: &mut App, dialog: &[(&str, &str)]) {
    for (command, answer) in dialog {
        let reply = app.say(command).await.unwrap();
        let said = format!("{} {}", reply.code, reply.text);
        let shown = &command[..command.len().min(60)];
        assert!(said.starts_with(answer), "{shown}: {said} and not {answer}");
    }
}

/// The session is as good as new: a mail goes through it.
async fn assert_usable(app: &mut App) {
    converse(app, &[("RSET", "250 ")]).await;
    let reply = app.send(FROM, TO, GOOD).await.unwrap();
    assert_eq!(reply.code, 250, "{reply:?}");
}

fn limits(mut document: Value, limits: Value) -> Value {
    document["limits"] = limits;
    document
}

fn failures(metrics: &zohorelay_tests::metrics::Metrics, class: &str) -> f64 {
    metrics.value("zohorelay_sidecar_failures_total", &[("class", class)])
}

fn rejecting(zoho: &Running) -> Value {
    let mut document = identity("billing", zoho);
    document["senderPolicy"] = json!({"foreignFrom": "Reject"});
    document
}
