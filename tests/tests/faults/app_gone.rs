//! The app leaves. Before our dot the mail is not sent; after it the upstream's answer is awaited
//! and counted, so that a person knows whether the app's retry made a second mail.

use serde_json::json;
use zoho_simulator::Action::{self, Stall, StopReading};
use zoho_simulator::{AccountUpdate, Block, BlockChange, Stage};
use zohorelay_tests::ledger::Told;

use crate::row::TLS;
use crate::world::{ADDRESS, Counted, LARGE_BYTES, TO, World, assert_told, each};

/// Where the upstream keeps silent, the point at which the app leaves, the logins until then.
type Row = (Stage, Action, &'static str, u64);

#[rustfmt::skip]
fn rows() -> Vec<Row> {
    vec![
        (Stage::Tls,      Stall, "open", 0),
        (Stage::Greeting, Stall, "secured", 0),
        (Stage::Ehlo,     Stall, "C: EHLO localhost", 0),
        (Stage::Auth,     Stall, "C: AUTH PLAIN *", 1),
        (Stage::Mail,     Stall, "C: MAIL", 1),
        (Stage::Rcpt,     Stall, "C: RCPT TO:<ann@example.org>", 1),
        (Stage::Data,     Stall, "C: DATA", 1),
        (Stage::Content,  StopReading, "S: 354", 1),
    ]
}

async fn leaves_before_our_dot((at, action, point, logins): Row) {
    let name = format!("left at {at:?}");
    let mut world = World::start(name.clone(), TLS, json!({})).await;
    let body_bytes = if at == Stage::Content { LARGE_BYTES } else { 0 };
    world.arm(at, action.clone());
    let before = world.metrics().await;
    let (id, app) = world.submit(TO, body_bytes).await;
    world.reached(point).await;
    drop(app);
    world.ledger.note(&id, Told::Nothing);

    let gone = [("class", "app_gone"), ("origin", "local")];
    let failures = "zohorelay_sidecar_failures_total";
    let counts = world
        .sidecar
        .metrics_when(|metrics| metrics.value(failures, &gone) == 1.0);
    let counted = Counted::between(&before, &counts.await.unwrap());
    assert_eq!(counted, Counted::local("app_gone", "app_gone"), "{name}");
    world.zoho.clear_faults();
    if action == Stall {
        world.ended(1).await;
    }
    let dots = world
        .connections()
        .into_iter()
        .flat_map(|record| record.transcript);
    assert_eq!(dots.filter(|line| line == "C: .").count(), 0, "{name}");
    assert_eq!(
        (world.zoho.mail_count(), world.logins()),
        (0, logins),
        "{name}"
    );

    if at == Stage::Auth {
        world.is_login_held().await;
        world.raise_retry().await;
    }
    assert_told(&name, &world.send().await, "250 2.0.0");
    assert_eq!(
        (world.connections().len(), world.zoho.mail_count()),
        (2, 1),
        "{name}"
    );
    let late = world
        .metrics()
        .await
        .value("zohorelay_sidecar_late_replies_total", &[]);
    assert_eq!(late, 0.0, "{name}");
    world.assert_sound(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_that_leaves_before_our_dot_takes_its_mail_along() {
    each(rows(), |row| format!("{row:?}"), leaves_before_our_dot).await;
}

/// Long enough for the sidecar to see that the app is gone.
const LATER: Action = Action::Delay { ms: 1500 };

/// What the late reply is, what the upstream does, whether the account is blocked there, and what
/// is counted.
type Late = (&'static str, Action, bool, Counted);

async fn leaves_after_our_dot((result, action, is_blocked, expected): Late) {
    let limits = json!({"finalReplyTimeoutSeconds": if result == "lost" { 2 } else { 60 }});
    let mut world = World::start(result, TLS, limits).await;
    if is_blocked {
        let blocked = BlockChange::Set(Block::UnusualActivity);
        world.zoho.put_account(
            ADDRESS,
            AccountUpdate {
                blocked,
                ..Default::default()
            },
        );
    }
    world.arm(Stage::EndOfData, action);
    let before = world.metrics().await;
    let (id, app) = world.submit(TO, 0).await;
    world.reached("C: .").await;
    drop(app);
    world.ledger.note(&id, Told::Nothing);

    let late = "zohorelay_sidecar_late_replies_total";
    let counts = world
        .sidecar
        .metrics_when(|metrics| metrics.value(late, &[]) == 1.0);
    let after = counts.await.unwrap();
    assert_eq!(after.value(late, &[("result", result)]), 1.0, "{result}");
    assert_eq!(Counted::between(&before, &after), expected, "{result}");
    assert_eq!(
        world.zoho.mail_count(),
        usize::from(result == "accepted"),
        "{result}"
    );
    assert_eq!(
        (world.connections().len(), world.logins()),
        (1, 1),
        "{result}"
    );
    world.assert_sound(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_our_dot_the_late_reply_is_awaited_and_counted() {
    let blocked = Counted::upstream("refused", "account_blocked end_of_data 550");
    let rows = vec![
        ("accepted", LATER, false, Counted::no_failure("accepted")),
        (
            "refused",
            LATER,
            true,
            Counted {
                mails: deferred(),
                ..blocked
            },
        ),
        (
            "lost",
            Stall,
            false,
            Counted::upstream("unknown", "unknown_outcome end_of_data none"),
        ),
    ];
    each(rows, |row| row.0.to_owned(), leaves_after_our_dot).await;
}

fn deferred() -> String {
    Counted::no_failure("deferred").mails
}
