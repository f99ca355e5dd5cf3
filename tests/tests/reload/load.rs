//! Swaps while several apps send without a pause.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;
use zoho_simulator::{Action, Fault, Running, Stage};
use zohorelay_tests::app::{self, App};
use zohorelay_tests::kubelet::Volume;
use zohorelay_tests::ledger::{Ledger, Told};
use zohorelay_tests::sidecar::Sidecar;

use super::{FROM, GOOD, TO, billing, reloads, revision, start, zoho};

const SWAPS: u64 = 100;
const APPS: usize = 4;

/// Mails between two swaps.
const PACE: u64 = 3;

#[tokio::test]
async fn a_hundred_swaps_under_load_lose_no_mail_and_refuse_none() {
    let zoho = zoho().await;
    let (sidecar, mut volume) = start(&billing(&zoho, 1)).await;
    let load = Load::start(sidecar.smtp);
    for swap in 1..=SWAPS {
        swap_once(&mut volume, &zoho, swap, &load).await;
        if swap.is_multiple_of(20) {
            until_in_use(&sidecar, swap).await;
            older_until_seen(&sidecar, &mut volume, &zoho, swap).await;
        }
    }
    volume.publish(&variant(&zoho, SWAPS + 1)).unwrap();
    until_in_use(&sidecar, SWAPS + 1).await;
    let ledger = load.stop().await;
    let metrics = sidecar.metrics().await.unwrap();
    assert!(reloads(&metrics, "applied") >= 7.0);
    assert!(reloads(&metrics, "stale") >= 5.0);
    assert_eq!(reloads(&metrics, "rejected"), 0.0);
    ledger.judge(&zoho.mails()).assert_sound(0);
    assert!(ledger.accepted() as u64 >= SWAPS * PACE);
    let logins = zoho.all_logins();
    assert!(
        logins.values().all(|login| login.refused == 0),
        "{logins:?}"
    );
    assert!(logins.len() == 2, "both logins were used: {logins:?}");
}

/// Each document differs: three logins that all work, 1 to 4 connections, names and deadlines.
fn variant(zoho: &Running, swap: u64) -> Value {
    let mut document = billing(zoho, 100 + swap);
    let (username, password) = [
        (FROM, "first"),
        (FROM, "second"),
        ("backup@example.com", "third"),
    ][usize::try_from(swap / 5).unwrap() % 3];
    document["login"] = json!({"username": username, "password": password});
    document["limits"] = json!({"connections": 1 + swap % 4});
    document["addresses"]["displayName"] = json!(format!("Billing {swap}"));
    document["delivery"] = json!({"deadlineSeconds": 20 + swap % 10});
    document
}

async fn swap_once(volume: &mut Volume, zoho: &Running, swap: u64, load: &Load) {
    match swap % 10 {
        3 => {
            volume.withdraw().unwrap();
            load.more(PACE).await;
        }
        6 => {
            volume.publish(&variant(zoho, swap - 3)).unwrap();
            load.more(PACE).await;
        }
        _ => {}
    }
    volume.publish(&variant(zoho, swap)).unwrap();
    load.more(PACE).await;
}

async fn until_in_use(sidecar: &Sidecar, swap: u64) {
    sidecar
        .metrics_when(|metrics| revision(metrics) == (100 + swap) as f64)
        .await
        .unwrap();
}

async fn older_until_seen(sidecar: &Sidecar, volume: &mut Volume, zoho: &Running, swap: u64) {
    let seen = reloads(&sidecar.metrics().await.unwrap(), "stale");
    volume.publish(&variant(zoho, swap - 1)).unwrap();
    sidecar
        .metrics_when(|metrics| reloads(metrics, "stale") > seen)
        .await
        .unwrap();
}

#[tokio::test]
async fn an_older_revision_is_ignored_under_load_until_the_next_one_comes() {
    let zoho = zoho().await;
    let (sidecar, mut volume) = start(&billing(&zoho, 50)).await;
    let load = Load::start(sidecar.smtp);
    let mut older = billing(&zoho, 49);
    older["login"]["password"] = json!("wrong");
    volume.publish(&older).unwrap();
    sidecar
        .metrics_when(|metrics| reloads(metrics, "stale") == 1.0)
        .await
        .unwrap();
    load.more(20).await;
    volume.publish(&variant(&zoho, 5)).unwrap();
    sidecar
        .metrics_when(|metrics| revision(metrics) == 105.0)
        .await
        .unwrap();
    load.more(20).await;
    let ledger = load.stop().await;
    ledger.judge(&zoho.mails()).assert_sound(0);
    assert_eq!(zoho.logins(FROM).refused, 0);
}

#[tokio::test]
async fn a_mail_under_way_ends_over_the_connection_that_it_began_with() {
    let zoho = zoho().await;
    let (sidecar, mut volume) = start(&billing(&zoho, 1)).await;
    let slow = Fault::new(Stage::EndOfData, Action::Delay { ms: 6000 }).times(1);
    zoho.fault(slow).unwrap();
    let mut first = App::connect(sidecar.smtp).await.unwrap();
    first.begin(FROM, TO).await.unwrap();
    first
        .write(format!("{GOOD}\r\nbody\r\n.\r\n").as_bytes())
        .await
        .unwrap();
    zoho.wait_until(|zoho| zoho.faults()[0].fired == 1).await;
    let mut document = billing(&zoho, 2);
    document["login"] = json!({"username": "backup@example.com", "password": "third"});
    volume.publish(&document).unwrap();
    sidecar
        .metrics_when(|metrics| revision(metrics) == 2.0)
        .await
        .unwrap();
    let second = app::send(sidecar.smtp, FROM, TO, GOOD).await.unwrap();
    assert_eq!(second.code, 250, "{second:?}");
    let stored: Vec<_> = zoho.mails().iter().map(|mail| mail.answered).collect();
    assert_eq!(stored, [false, true], "the first is still under way");
    assert_eq!(first.reply().await.unwrap().code, 250);
    let logins: Vec<_> = zoho.mails().into_iter().map(|mail| mail.login).collect();
    assert_eq!(logins, [FROM, "backup@example.com"]);
    zoho.wait_until(|zoho| zoho.connections()[0].ended.is_some())
        .await;
    assert_eq!(zoho.connections().len(), 2);
}

/// Apps that send one mail after the other, each with a Message-ID of its own.
struct Load {
    apps: JoinSet<Ledger>,
    sent: watch::Receiver<u64>,
    stopped: Arc<AtomicBool>,
}

impl Load {
    fn start(smtp: SocketAddr) -> Self {
        let (done, sent) = watch::channel(0);
        let stopped = Arc::new(AtomicBool::new(false));
        let ids = Arc::new(AtomicU64::new(0));
        let mut apps = JoinSet::new();
        for _ in 0..APPS {
            apps.spawn(send_until(stopped.clone(), smtp, ids.clone(), done.clone()));
        }
        Self {
            apps,
            sent,
            stopped,
        }
    }

    /// Waits for so many more mails.
    async fn more(&self, count: u64) {
        let mut sent = self.sent.clone();
        let goal = *sent.borrow() + count;
        sent.wait_for(|sent| *sent >= goal).await.unwrap();
    }

    async fn stop(self) -> Ledger {
        self.stopped.store(true, Ordering::Relaxed);
        let mut all = Ledger::default();
        for ledger in self.apps.join_all().await {
            all.merge(ledger);
        }
        all
    }
}

async fn send_until(
    stopped: Arc<AtomicBool>,
    smtp: SocketAddr,
    ids: Arc<AtomicU64>,
    done: watch::Sender<u64>,
) -> Ledger {
    let mut ledger = Ledger::default();
    let mut app = App::connect(smtp).await.unwrap();
    while !stopped.load(Ordering::Relaxed) {
        let id = format!("<{}@load.example>", ids.fetch_add(1, Ordering::Relaxed));
        let header = format!("{GOOD}Message-ID: {id}\r\n");
        let reply = app.send(FROM, TO, &header).await.unwrap();
        assert_eq!(reply.code, 250, "{id}: {reply:?}");
        ledger.note(&id, Told::Code(reply.code));
        done.send_modify(|done| *done += 1);
    }
    ledger
}
