//! Faults on a fresh connection. For each row the app hears the right answer in time, exactly one
//! failure is counted, the connection ends, and the next mail fares well on another one, unless
//! the fault was about the account: then it is held, and nothing is opened. A login whose verdict
//! was lost holds the next one for a minute or until `retry` is raised.

use std::time::Instant;

use serde_json::json;
use tokio::net::TcpListener;
use zoho_simulator::Action::StopReading;
use zoho_simulator::Stage::Content;
use zohorelay_tests::document::document;

use crate::row::{Row, TLS};
use crate::table::{before_content, before_login, certificates, content_and_dot, hostile};
use crate::world::{ADDRESS, Counted, World, assert_told, each, is_silent, limits_for};

async fn all_fail(rows: Vec<Row>) {
    each(rows, Row::name, judge).await;
}

async fn judge(row: Row) {
    let mut world = World::start(row.name(), row.port, limits_for(&row.action)).await;
    world.zoho.fault(row.fault()).unwrap();
    fails(&mut world, &row).await;
    if !matches!(row.action, StopReading) {
        world.ended(1).await;
    }
    if row.is_about_account() {
        is_held(&mut world, &row).await;
    } else {
        if row.leaves_login_open() {
            world.is_login_held().await;
            world.raise_retry().await;
        }
        is_delivered_anew(&mut world, &row).await;
    }
    let unknown = usize::from(row.class() == "unknown_outcome");
    world.assert_sound(unknown).await;
}

async fn fails(world: &mut World, row: &Row) {
    let name = world.name.clone();
    let before = world.metrics().await;
    let start = Instant::now();
    let reply = match row.at {
        Content => world.send_large().await,
        _ => world.send().await,
    };
    let took = start.elapsed();
    assert_told(&name, &reply, row.told);
    assert!(took < row.patience(), "{name}: answered after {took:?}");
    let counted = Counted::between(&before, &world.metrics().await);
    let possible = stages(row.fault).map(|fault| Counted::upstream(outcome(row), &fault));
    assert!(possible.contains(&counted), "{name}: {counted:?}");
    assert_eq!(world.connections().len(), 1, "{name}: connections");
    assert_eq!(world.logins(), row.logins(), "{name}: logins");
    if row.class() == "timeout" && row.at != Content {
        assert!(is_silent(&row.action), "{name}");
        let is_named = |detail: &str| detail.ends_with("the deadline of the mail passed");
        let line = world.sidecar.logged(|line| line["class"] == "timeout");
        let line = line.await.unwrap();
        assert!(is_named(line["detail"].as_str().unwrap()), "{name}: {line}");
    }
}

/// The label `outcome` of a row: what the app was told decides, but for the unknown.
fn outcome(row: &Row) -> &'static str {
    match (row.class(), row.told.as_bytes()[0]) {
        ("unknown_outcome", _) => "unknown",
        (_, b'4') => "deferred",
        _ => "refused",
    }
}

/// Class, stage and code with either of two stages.
fn stages(fault: &str) -> [String; 2] {
    let mut words = fault.split_whitespace();
    let mut word = || words.next().unwrap();
    let (class, stage, code) = (word(), word(), word());
    let (one, other) = stage.split_once('|').unwrap_or((stage, stage));
    [one, other].map(|stage| format!("{class} {stage} {code}"))
}

async fn is_delivered_anew(world: &mut World, row: &Row) {
    let name = world.name.clone();
    assert_eq!(world.zoho.mail_count(), 0, "{name}: nobody has the mail");
    let reply = world.send().await;
    assert_told(&name, &reply, "250 2.0.0");
    let mails = world.zoho.mails();
    assert_eq!(mails.len(), 1, "{name}: {mails:?}");
    assert_eq!(mails[0].connection, 2, "{name}: the connection of the next");
    assert_eq!(world.connections().len(), 2, "{name}: connections");
    assert_eq!(world.logins(), row.logins() + 1, "{name}: logins");
}

async fn is_held(world: &mut World, row: &Row) {
    let name = world.name.clone();
    let before = world.metrics().await;
    let reply = world.send().await;
    assert_told(&name, &reply, "451 4.7.1");
    assert!(reply.text.contains(row.class()), "{name}: {reply:?}");
    let counted = Counted::between(&before, &world.metrics().await);
    assert_eq!(counted, Counted::local("deferred", "held"), "{name}");
    assert_eq!(world.connections().len(), 1, "{name}: none is opened");
    assert_eq!(world.logins(), 1, "{name}: logins");
    assert_eq!(world.zoho.mail_count(), 0, "{name}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_before_the_login_is_named_answered_and_forgotten() {
    all_fail(before_login()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_from_the_login_to_data_is_named_answered_and_forgotten() {
    all_fail(before_content()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_in_the_upload_and_a_refusal_of_our_dot_are_named_answered_and_forgotten() {
    all_fail(content_and_dot()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn u1_to_u16_a_hostile_server_gets_no_login_in_the_clear_and_no_success() {
    all_fail(hostile()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn u17_a_certificate_that_does_not_prove_the_host_gets_no_login() {
    all_fail(certificates()).await;
}

#[tokio::test]
async fn a_port_that_nobody_listens_on_is_named_and_the_next_document_serves() {
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().port()
    };
    let mut world = World::start("nobody listens", TLS, json!({})).await;
    let good = document("billing", ADDRESS, "app-password", &world.zoho);
    let mut nobody = good.clone();
    nobody["upstream"]["port"] = json!(port);
    let applied = [("result", "applied")];
    let reloads = "zohorelay_sidecar_config_reloads_total";
    for (document, count) in [(&nobody, 2.0), (&good, 3.0)] {
        world.sidecar.write(document).unwrap();
        let taken = world
            .sidecar
            .metrics_when(|metrics| metrics.value(reloads, &applied) == count);
        let before = taken.await.unwrap();
        let reply = world.send().await;
        let counted = Counted::between(&before, &world.metrics().await);
        if count == 2.0 {
            assert_told(&world.name, &reply, "451 4.4.1");
            let fault = "connect connect none";
            assert_eq!(counted, Counted::upstream("deferred", fault));
        } else {
            assert_told(&world.name, &reply, "250 2.0.0");
            assert_eq!(counted, Counted::no_failure("accepted"));
        }
    }
    assert_eq!(world.connections().len(), 1);
    world.assert_sound(0).await;
}
