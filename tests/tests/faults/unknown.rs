//! The reply to our dot is lost, late, broken or none: the mail may have been taken. The app is
//! told so as the identity says, it is counted, and it is never sent again.

use serde_json::json;
use zoho_simulator::Action::{
    self, AcceptThen, Close, EndlessReply as Endless, Garbage, Reset, Stall,
};
use zoho_simulator::{EndlessReply, Stage, Then};

use crate::row::{TLS, half, raw, reply};
use crate::world::{Counted, World, assert_told, each, limits_for};

/// What stands in place of the reply, the code that is counted, and how many mails the simulator
/// takes by it: it believes what it says.
#[rustfmt::skip]
fn rows() -> Vec<(Action, &'static str, usize)> {
    vec![
        (Stall,                               "none", 0),
        (Reset,                               "none", 0),
        (Close,                               "none", 0),
        (AcceptThen(Then::Stall),             "none", 1),
        (AcceptThen(Then::Reset),             "none", 1),
        (AcceptThen(Then::Close),             "none", 1),
        (half("25", Then::Stall),             "none", 1),
        (half("250-Message\r\n", Then::Close), "none", 1),
        (half("250 Message received\r", Then::Reset), "none", 1),
        (Garbage,                             "none", 0),
        (reply("354 go on"),                  "other", 0),
        (reply("334 "),                       "other", 0),
        (raw(b"250-a\r\n550 b\r\n"),          "none", 1),
        (raw(b"2500 Message received\r\n"),   "none", 1),
        (raw(b"250Message received\r\n"),     "none", 1),
        (raw(b"250 Message\0received\r\n"),   "none", 1),
        (raw(b"250 Message\rreceived\r\n"),   "none", 1),
        (raw(b"250 Message received\n"),      "none", 1),
        (Endless(EndlessReply::Lines),        "none", 0),
        (Endless(EndlessReply::Line),         "none", 0),
    ]
}

struct Row {
    action: Action,
    code: &'static str,
    taken: usize,
    setting: &'static str,
    told: &'static str,
}

fn rows_under(setting: &'static str, told: &'static str) -> Vec<Row> {
    let row = |(action, code, taken)| Row {
        action,
        code,
        taken,
        setting,
        told,
    };
    rows().into_iter().map(row).collect()
}

fn name(row: &Row) -> String {
    format!("{} {:?}", row.setting, row.action)
}

async fn judge(row: Row) {
    let name = name(&row);
    let mut delivery = limits_for(&row.action);
    delivery["unknownOutcome"] = json!(row.setting);
    let mut world = World::start(name.clone(), TLS, delivery).await;
    world.arm(Stage::EndOfData, row.action);
    let before = world.metrics().await;
    let reply = world.send().await;
    assert_told(&name, &reply, row.told);
    assert!(reply.text.contains("may have been taken"), "{name}");
    let counted = Counted::between(&before, &world.metrics().await);
    let fault = format!("unknown_outcome end_of_data {}", row.code);
    assert_eq!(counted, Counted::upstream("unknown", &fault), "{name}");
    world.ended(1).await;
    assert_eq!(
        (world.connections().len(), world.logins()),
        (1, 1),
        "{name}"
    );
    assert_eq!(world.zoho.mail_count(), row.taken, "{name}: taken");

    assert_told(&name, &world.send().await, "250 2.0.0");
    assert_eq!(
        (world.connections().len(), world.logins()),
        (2, 2),
        "{name}"
    );
    assert_eq!(world.zoho.mail_count(), row.taken + 1, "{name}: not again");
    world.assert_sound(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_retry_an_unknown_outcome_is_temporary_counted_and_not_sent_again() {
    each(rows_under("Retry", "451 4.4.2"), name, judge).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_fail_an_unknown_outcome_is_permanent_counted_and_not_sent_again() {
    each(rows_under("Fail", "554 5.4.2"), name, judge).await;
}
