//! The series of `/metrics` are a closed set: whatever applications send and servers answer, no address, host or text
//! of theirs becomes a label.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeSet;

use serde_json::{Value, json};
use zoho_simulator::{Account, Action, Fault, Options, Running, Simulator, Stage};
use zohorelay_tests::app::App;
use zohorelay_tests::document::document;
use zohorelay_tests::sidecar::{self, Sidecar, get};
use zohorelay_upstream::failure::Class;

/// Mails, each with a sender, a recipient and a reply that no other has.
const ODD: u32 = 1000;
/// Stands in every text that is not ours.
const CANARY: &str = "canary";
/// Every code that may be a label; the others are `other`.
const CODES: [&str; 16] = [
    "421", "451", "452", "454", "500", "501", "503", "530", "535", "541", "550", "552", "553",
    "554", "other", "none",
];
const STAGES: [&str; 9] = [
    "connect",
    "tls",
    "greeting",
    "ehlo",
    "auth",
    "mail",
    "rcpt",
    "data",
    "end_of_data",
];
const REPLIES: &str = "zohorelay_sidecar_failure_replies_total";

async fn zoho() -> Running {
    let account = Account::new("billing@example.com", "app-password");
    Simulator::start(Options::with_account(account))
        .await
        .unwrap()
}

fn passing(zoho: &Running) -> Value {
    let mut document = document("billing", "billing@example.com", "app-password", zoho);
    document["senderPolicy"] = json!({"foreignFrom": "Pass"});
    document
}

/// The names of all series, with their labels.
async fn series(sidecar: &Sidecar) -> BTreeSet<String> {
    let (_, text) = get(sidecar.admin, "/metrics").await.unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let names = lines.filter_map(|line| line.rsplit_once(' '));
    names.map(|(name, _)| name.to_owned()).collect()
}

/// What a server may say: codes that exist and codes that do not. Not those that end all sending, as of a login.
fn answer(number: u32) -> String {
    let code = match 400 + number % 200 {
        530 | 535 => 553,
        code => code,
    };
    format!(
        "{code} {CANARY}{number} \"}}= \\ host{number}.{CANARY}.example <x{number}@{CANARY}.example>\r\n"
    )
}

/// One mail, whose reply at this stage is odd. The application may hear any refusal.
async fn send(sidecar: &Sidecar, zoho: &Running, number: u32) {
    zoho.clear_faults();
    let stage = [Stage::EndOfData, Stage::Rcpt, Stage::Mail][number as usize % 3];
    zoho.fault(Fault::new(stage, Action::Reply(answer(number).into())).times(1))
        .unwrap();
    let from = format!("sender{number}@{CANARY}{number}.example");
    let to = format!("recipient{number}@{CANARY}{number}.example");
    let header = format!("From: {CANARY} {number} <{from}>\r\nSubject: {CANARY}{number}\r\n");
    let mut app = App::connect(sidecar.smtp).await.unwrap();
    app.send(&from, &[&to], &header).await.unwrap();
}

/// The value of a label of a series.
fn label<'a>(series: &'a str, name: &str) -> &'a str {
    let (_, rest) = series.split_once(&format!("{name}=\"")).unwrap();
    rest.split('"').next().unwrap()
}

#[tokio::test]
async fn a_thousand_odd_senders_recipients_and_replies_make_no_label() {
    let zoho = zoho().await;
    let sidecar = Sidecar::start(sidecar::Options::with(vec![passing(&zoho)]))
        .await
        .unwrap();
    let before = series(&sidecar).await;
    for number in 0..ODD {
        send(&sidecar, &zoho, number).await;
    }
    let counted = sidecar.metrics().await.unwrap().value(REPLIES, &[]);
    assert!((counted - f64::from(ODD)).abs() < 0.5, "{counted} replies");
    let after = series(&sidecar).await;
    let new: Vec<_> = after.difference(&before).collect();
    assert!(before.is_subset(&after), "a series is gone");
    assert!(new.len() > 15, "too few kinds of replies: {new:?}");
    for series in &new {
        assert!(series.starts_with(&format!("{REPLIES}{{")), "{series}");
        assert_eq!(label(series, "identity"), "billing");
        let is_class = |class: &Class| class.as_str() == label(series, "class");
        assert!(Class::ALL.iter().any(is_class), "{series}");
        assert!(STAGES.contains(&label(series, "stage")), "{series}");
        assert!(CODES.contains(&label(series, "code")), "{series}");
        assert_eq!(series.matches('=').count(), 4, "{series}");
    }
    let own = after.iter().any(|series| series.contains(CANARY));
    assert!(!own, "{after:?}");
}
