//! Faults on a connection that has carried a mail. One that proves dead before the 354 is replaced
//! once and silently; nothing is replaced after it, and no reply is taken for a later mail's.

use serde_json::json;
use zoho_simulator::Action::{self, Close, Garbage, Reset, Stall};
use zoho_simulator::{Fault, Stage, Then};

use crate::row::{TLS, extra, half, last, reply};
use crate::world::{Counted, World, assert_told, each, limits_for};

/// What strikes the second mail of a connection, what its app hears, what is counted (empty:
/// nothing), and how many connections there were then.
type Row = (Stage, Action, &'static str, &'static str, usize);

#[rustfmt::skip]
fn rows() -> Vec<Row> {
    use Stage::{Content, Data, EndOfData, Mail, Rcpt};
    let taken = "250 2.0.0";
    vec![
        // U15
        (Mail, last("421 bye"),             taken, "", 2),
        (Rcpt, last("421 bye"),             taken, "", 2),
        (Data, last("421 bye"),             taken, "", 2),
        (Content, last("421 bye"),          "451 4.4.0", "transient end_of_data 421", 1),
        (EndOfData, last("421 bye"),        "451 4.4.0", "transient end_of_data 421", 1),
        // U16
        (Mail, Close,                       taken, "", 2),
        (Mail, Reset,                       taken, "", 2),
        (Mail, half("25", Then::Close),     taken, "", 2),
        (Rcpt, Close,                       taken, "", 2),
        (Rcpt, Reset,                       taken, "", 2),
        (Data, Close,                       taken, "", 2),
        (Data, Reset,                       taken, "", 2),
        (Content, Close,                    "451 4.4.1", "connect end_of_data none", 1),
        (Content, Reset,                    "451 4.4.1", "connect end_of_data none", 1),
        (EndOfData, Close,                  "451 4.4.2", "unknown_outcome end_of_data none", 1),
        (EndOfData, Action::AcceptThen(Then::Reset), "451 4.4.2", "unknown_outcome end_of_data none", 1),
        // A server that answers, or that keeps silent, is not dead.
        (Mail, Stall,                       "451 4.4.2", "timeout mail none", 1),
        (Data, Stall,                       "451 4.4.2", "timeout data none", 1),
        (Mail, Garbage,                     "451 4.5.0", "protocol mail none", 1),
        (Mail, reply("452 4.3.1 Temporary System Error"), "451 4.4.0", "transient mail 452", 1),
        (Rcpt, reply("550 5.1.1 User does not exist"), "550 5.1.1", "recipient_refused rcpt 550", 1),
        (EndOfData, reply("554 no"),        "554 5.0.0", "unclassified end_of_data 554", 1),
        (Mail, extra("250 one more"),       "451 4.5.0", "protocol rcpt none", 1),
        (Data, extra("250 one more"),       "451 4.5.0", "protocol end_of_data other", 1),
    ]
}

fn name(row: &Row) -> String {
    format!("the second mail: {:?} {:?}", row.0, row.1)
}

async fn judge(row: Row) {
    let name = name(&row);
    let (at, action, told, fault, connections) = row;
    let mut world = World::start(name.clone(), TLS, limits_for(&action)).await;
    assert_told(&name, &world.send().await, "250 2.0.0");
    let strikes = Fault::new(at, action).times(1);
    let strikes = if at == Stage::Content {
        strikes.after_bytes(1000)
    } else {
        strikes
    };
    world.zoho.fault(strikes).unwrap();

    let before = world.metrics().await;
    let reply = if at == Stage::Content {
        world.send_large().await
    } else {
        world.send().await
    };
    assert_told(&name, &reply, told);
    let counted = Counted::between(&before, &world.metrics().await);
    let expected = match (fault, told.as_bytes()[0]) {
        ("", _) => Counted::no_failure("accepted"),
        (fault, _) if fault.starts_with("unknown") => Counted::upstream("unknown", fault),
        (fault, b'4') => Counted::upstream("deferred", fault),
        (fault, _) => Counted::upstream("refused", fault),
    };
    assert_eq!(counted, expected, "{name}");
    assert_eq!(
        world.connections().len(),
        connections,
        "{name}: connections"
    );
    world.ended(1).await;

    assert_told(&name, &world.send().await, "250 2.0.0");
    assert_eq!(
        (world.connections().len(), world.logins()),
        (2, 2),
        "{name}"
    );
    world
        .assert_sound(usize::from(fault.starts_with("unknown")))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn u15_u16_a_dead_connection_is_replaced_once_before_the_354_and_never_after() {
    each(rows(), name, judge).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn u15_u16_a_replacement_that_dies_too_is_a_failure() {
    for at in [Stage::Mail, Stage::Rcpt, Stage::Data] {
        let name = format!("{at:?} of both");
        let mut world = World::start(name.clone(), TLS, json!({})).await;
        assert_told(&name, &world.send().await, "250 2.0.0");
        world.zoho.fault(Fault::new(at, Close)).unwrap();
        let before = world.metrics().await;
        assert_told(&name, &world.send().await, "451 4.4.1");
        let stage = format!("{at:?}").to_lowercase();
        let fault = format!("connect {stage} none");
        let counted = Counted::between(&before, &world.metrics().await);
        assert_eq!(counted, Counted::upstream("deferred", &fault), "{name}");
        assert_eq!(world.connections().len(), 2, "{name}: one replacement");
        world.zoho.clear_faults();
        assert_told(&name, &world.send().await, "250 2.0.0");
        world.assert_sound(0).await;
    }
}

/// What the upstream does while the connection waits for a mail.
fn idle() -> Vec<Action> {
    vec![
        last("421 bye"),
        Close,
        Reset,
        reply("250 Message received"),
        half("25", Then::Stall),
    ]
}

async fn carries_no_other(action: Action) {
    let name = format!("idle {action:?}");
    let mut world = World::start(name.clone(), TLS, json!({})).await;
    assert_told(&name, &world.send().await, "250 2.0.0");
    assert_eq!(world.zoho.signal_idle(action).unwrap(), [1], "{name}");
    let said = world.connections()[0].transcript.len();
    world
        .seen("the end or a word", |zoho| {
            let record = &zoho.connections()[0];
            record.ended.is_some() || record.transcript.len() > said
        })
        .await;
    let before = world.metrics().await;
    assert_told(&name, &world.send().await, "250 2.0.0");
    let counted = Counted::between(&before, &world.metrics().await);
    assert_eq!(counted, Counted::no_failure("accepted"), "{name}");
    assert_eq!(world.zoho.mails()[1].connection, 2, "{name}");
    assert_eq!(
        (world.connections().len(), world.logins()),
        (2, 2),
        "{name}"
    );
    world.ended(1).await;
    world.assert_sound(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn u14_u15_u16_a_connection_that_spoke_or_died_while_idle_carries_no_other_mail() {
    each(
        idle(),
        |action| format!("idle {action:?}"),
        carries_no_other,
    )
    .await;
}

#[tokio::test]
async fn u14_a_reply_too_many_to_a_dot_is_not_the_next_mails() {
    let name = "extra reply to the dot";
    let mut world = World::start(name, TLS, json!({})).await;
    world.arm(Stage::EndOfData, extra("250 Message received"));
    world
        .zoho
        .fault(Fault::new(Stage::EndOfData, reply("554 no")).nth(1))
        .unwrap();
    assert_told(name, &world.send().await, "250 2.0.0");
    assert_told(name, &world.send().await, "554 5.0.0");
    world.ended(1).await;
    assert_eq!((world.zoho.mail_count(), world.connections().len()), (1, 2));
    world.assert_sound(0).await;
}
