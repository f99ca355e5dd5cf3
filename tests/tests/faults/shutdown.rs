//! SIGTERM with a mail at each stage. Whatever the upstream does, the process ends by itself with
//! 0, each app is told the truth, and a mail without our dot is not sent.

use std::time::Duration;

use serde_json::{Value, json};
use zoho_simulator::Action::{self, AcceptThen, Stall};
use zoho_simulator::{Stage, Then};
use zohorelay_tests::app::App;
use zohorelay_tests::ledger::Told;

use crate::row::TLS;
use crate::world::{ADDRESS, TO, World, assert_told, content, each};

/// The kubelet grants two seconds; one more is for a busy machine. The limits of a mail are 25 s
/// and 300 s here, so that a process which waits for them is killed.
const GRACE: Duration = Duration::from_secs(3);

impl World {
    async fn exits_by_itself(&mut self) {
        let ended = tokio::time::timeout(GRACE, self.sidecar.ended()).await;
        let status = ended.unwrap_or_else(|_| panic!("{}: SIGKILL was due", self.name));
        assert_eq!(status.unwrap().code(), Some(0), "{}", self.name);
    }

    /// `failed` of the last words.
    fn failed(&self) -> Value {
        let path = self.sidecar.folder().join("termination-log");
        let words: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        words["identities"]["billing"]["failed"].clone()
    }

    fn dots(&self) -> usize {
        let said = self
            .connections()
            .into_iter()
            .flat_map(|record| record.transcript);
        said.filter(|line| line == "C: .").count()
    }

    fn assert_ledger(&self, unknown: usize) {
        self.ledger.judge(&self.zoho.mails()).assert_sound(unknown);
    }
}

/// Where the upstream keeps silent, and the point that shows that the mail is there.
#[rustfmt::skip]
fn before_our_dot() -> Vec<(Stage, &'static str)> {
    vec![
        (Stage::Connect,  "open"),
        (Stage::Tls,      "open"),
        (Stage::Greeting, "secured"),
        (Stage::Ehlo,     "C: EHLO localhost"),
        (Stage::Auth,     "C: AUTH PLAIN *"),
        (Stage::Mail,     "C: MAIL"),
        (Stage::Rcpt,     "C: RCPT TO:<ann@example.org>"),
        (Stage::Data,     "C: DATA"),
    ]
}

async fn ends_before_our_dot((at, point): (Stage, &str)) {
    let name = format!("SIGTERM at {at:?}");
    let mut world = World::start(name.clone(), TLS, json!({})).await;
    world.arm(at, Stall);
    let (id, mut app) = world.submit(TO, 0).await;
    world.reached(point).await;
    world.sidecar.signal("TERM").unwrap();
    let reply = app.reply().await.unwrap();
    assert_told(&name, &reply, "421 4.3.2");
    assert_eq!(app.reply_or_end().await.unwrap(), None, "{name}: the end");
    world.ledger.note(&id, Told::Code(reply.code));
    world.exits_by_itself().await;
    world.ended(1).await;
    assert_eq!((world.connections().len(), world.dots()), (1, 0), "{name}");
    assert_eq!(world.zoho.mail_count(), 0, "{name}");
    world.assert_ledger(0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_without_our_dot_is_told_421_and_not_sent() {
    each(
        before_our_dot(),
        |row| format!("{row:?}"),
        ends_before_our_dot,
    )
    .await;
}

/// What the upstream does with our dot, the setting, what the app is told, what the upstream has.
type Row = (Action, &'static str, &'static str, usize);

#[rustfmt::skip]
fn after_our_dot() -> Vec<Row> {
    // Later than the moment at which mails without our dot end.
    let late = Action::Delay { ms: 1200 };
    vec![
        (Stall,                   "Retry", "451 4.4.2", 0),
        (Stall,                   "Fail",  "554 5.4.2", 0),
        (AcceptThen(Then::Stall), "Retry", "451 4.4.2", 1),
        (AcceptThen(Then::Stall), "Fail",  "554 5.4.2", 1),
        (late.clone(),            "Retry", "250 2.0.0", 1),
        (late,                    "Fail",  "250 2.0.0", 1),
    ]
}

async fn ends_after_our_dot(row: Row) {
    let name = format!("SIGTERM after our dot: {row:?}");
    let (action, setting, told, taken) = row;
    let delivery = json!({"unknownOutcome": setting});
    let mut world = World::start(name.clone(), TLS, delivery).await;
    world.arm(Stage::EndOfData, action);
    let (id, mut app) = world.submit(TO, 0).await;
    world.reached("C: .").await;
    world.sidecar.signal("TERM").unwrap();
    let reply = app.reply().await.unwrap();
    assert_told(&name, &reply, told);
    world.ledger.note(&id, Told::Code(reply.code));
    world.exits_by_itself().await;
    let unknown = usize::from(told != "250 2.0.0");
    let counted = world.failed()["unknown_outcome"].as_u64().unwrap_or(0);
    assert_eq!(counted, unknown as u64, "{name}: {}", world.failed());
    assert_eq!(world.zoho.mail_count(), taken, "{name}");
    world.assert_ledger(unknown);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_with_our_dot_is_told_the_verdict_or_that_it_is_unknown() {
    each(
        after_our_dot(),
        |row| format!("{row:?}"),
        ends_after_our_dot,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_without_a_mail_hear_421_at_once_and_a_mail_that_began_may_end() {
    let mut world = World::start("SIGTERM before DATA", TLS, json!({})).await;
    let smtp = world.sidecar.smtp;
    let mut idle = App::connect(smtp).await.unwrap();
    let mut silent = App::connect(smtp).await.unwrap();
    silent.begin(ADDRESS, TO).await.unwrap();
    silent.write(b"From: billing@exam").await.unwrap();
    let mut quick = App::connect(smtp).await.unwrap();
    quick.say("EHLO app.example").await.unwrap();
    quick.say("MAIL FROM:<billing@example.com>").await.unwrap();

    world.sidecar.signal("TERM").unwrap();
    assert_told("idle", &idle.reply().await.unwrap(), "421 4.3.2");
    assert_eq!(idle.reply_or_end().await.unwrap(), None);

    let id = world.new_id();
    let to = quick.say("RCPT TO:<ann@example.org>").await.unwrap();
    let data = quick.say("DATA").await.unwrap();
    assert_eq!((to.code, data.code), (250, 354));
    quick.write(content(&id, 0).as_bytes()).await.unwrap();
    let reply = quick.say(".").await.unwrap();
    assert_told("quick", &reply, "250 2.0.0");
    world.ledger.note(&id, Told::Code(reply.code));
    assert_told("quick", &quick.reply().await.unwrap(), "421 4.3.2");

    assert!(App::knock(smtp).await.is_err(), "no session begins");
    assert_told("silent", &silent.reply().await.unwrap(), "421 4.3.2");
    assert_eq!(silent.reply_or_end().await.unwrap(), None);
    world.exits_by_itself().await;
    assert_eq!(world.zoho.mail_count(), 1);
    world.assert_ledger(0);
}

#[tokio::test]
async fn an_idle_process_ends_at_once() {
    let mut world = World::start("idle", TLS, json!({})).await;
    assert_told("idle", &world.send().await, "250 2.0.0");
    world.sidecar.signal("TERM").unwrap();
    world.exits_by_itself().await;
    world.assert_ledger(0);
}
