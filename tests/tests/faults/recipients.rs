//! Some of several recipients are refused: nobody gets the mail, the text names the refused ones,
//! and the app is told to try again if any refusal was temporary.

use serde_json::json;
use zoho_simulator::{Fault, Stage};

use crate::row::{TLS, reply};
use crate::world::{Counted, World, assert_told, each};

const TO: [&str; 3] = ["ann@example.org", "bob@example.org", "eve@example.org"];

/// The replies to the three RCPTs (empty: the usual 250), what the app hears, and what is counted.
struct Row {
    replies: [&'static str; 3],
    told: &'static str,
    fault: &'static str,
}

const GREY: &str = "451 4.7.1 Greylisted";
const GONE: &str = "550 5.1.1 User does not exist";
const UNKNOWN: &str = "550 5.1.6 User does not exist";
const LATER: &str = "450 not now";
const NO: &str = "550 no";

#[rustfmt::skip]
fn rows() -> Vec<Row> {
    let row = |replies, told, fault| Row { replies, told, fault };
    vec![
        row(["", GONE, ""],         "550 5.1.1", "recipient_refused rcpt 550"),
        row([GONE, "", ""],         "550 5.1.1", "recipient_refused rcpt 550"),
        row([GONE, UNKNOWN, ""],    "550 5.1.1", "recipient_refused rcpt 550"),
        row(["", UNKNOWN, GONE],    "550 5.1.6", "recipient_refused rcpt 550"),
        row([GONE, GREY, ""],       "451 4.4.0", "transient rcpt 451"),
        row([GREY, GONE, LATER],    "451 4.4.0", "transient rcpt 451"),
        row([GONE, LATER, GREY],    "451 4.0.0", "unclassified rcpt other"),
        row(["", NO, ""],           "554 5.0.0", "unclassified rcpt 550"),
        row(["", "501 Syntax error in address", ""], "451 4.5.0", "protocol rcpt 501"),
        // U12: nothing of the first is carried into the second.
        row([GONE, "451 ", ""],     "451 4.0.0", "unclassified rcpt 451"),
    ]
}

async fn judge(row: Row) {
    let name = format!("{:?}", row.replies);
    let mut world = World::start(name.clone(), TLS, json!({})).await;
    let answers = TO.into_iter().zip(row.replies);
    let refused: Vec<_> = answers.filter(|(_, line)| !line.is_empty()).collect();
    for (recipient, line) in &refused {
        let fault = Fault::new(Stage::Rcpt, reply(line)).recipient(*recipient);
        world.zoho.fault(fault).unwrap();
    }
    let before = world.metrics().await;
    let answer = world.send_to(&TO, 0).await;
    assert_told(&name, &answer, row.told);
    for recipient in TO {
        let is_refused = refused.iter().any(|(refused, _)| *refused == recipient);
        let is_named = answer.text.contains(recipient);
        assert_eq!(is_named, is_refused, "{name}: {recipient}: {answer:?}");
    }
    let counted = Counted::between(&before, &world.metrics().await);
    let outcome = if row.told.starts_with('4') {
        "deferred"
    } else {
        "refused"
    };
    assert_eq!(counted, Counted::upstream(outcome, row.fault), "{name}");
    world.ended(1).await;
    let record = &world.connections()[0];
    let begun = record.transcript.iter().any(|line| line == "C: DATA");
    assert!(!begun, "{name}: the body went: {record:?}");

    world.zoho.clear_faults();
    assert_told(&name, &world.send_to(&TO, 0).await, "250 2.0.0");
    assert_eq!(world.zoho.mails()[0].recipients, TO, "{name}");
    assert_eq!(
        (world.connections().len(), world.logins()),
        (2, 2),
        "{name}"
    );
    world.assert_sound(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_refused_recipient_refuses_the_mail_and_is_named() {
    each(rows(), |row| format!("{:?}", row.replies), judge).await;
}
