use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch as channel;
use tokio::time::{Instant, timeout};

use super::index::Range;
use super::pod::{Sidecar, Sighting};
use super::*;

const ALL: Range = None;
const PATIENCE: Duration = Duration::from_secs(20);

fn listed() -> Pods {
    let pods = Pods::new("1.0.0");
    pods.0.lock().index.begin_list(&ALL);
    pods.0.end_list(now(), &ALL);
    pods
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}

fn see(pods: &Pods, name: &str, identity: &str, admin: Option<SocketAddr>) {
    let sighting = Sighting {
        uid: name.into(),
        identities: [identity.into()].into(),
        sidecar: Some(Sidecar {
            injected_by: None,
            admin,
        }),
    };
    let key = NamespacedName::new("shop", name);
    pods.0
        .change(now(), |index| index.see(&ALL, key, Some(sighting)));
}

fn tally(pods: &Pods) -> PodTally {
    pods.tally("shop", "billing", "id", Some(7))
}

fn changed(pods: &Pods) -> Vec<String> {
    std::iter::from_fn(|| pods.0.next_changed())
        .map(|identity| identity.name.into())
        .collect()
}

#[test]
fn whoever_was_counted_before_the_list_was_complete_is_told_when_it_is() {
    let pods = Pods::new("1.0.0");
    assert!(!tally(&pods).listed);
    pods.0.lock().index.begin_list(&ALL);
    assert_eq!(changed(&pods), [""; 0]);
    pods.0.end_list(now(), &ALL);
    assert_eq!(changed(&pods), ["billing"]);
    assert!(tally(&pods).listed);
}

#[test]
fn whoever_was_counted_by_an_earlier_watch_is_told_by_the_next() {
    let pods = listed();
    see(&pods, "web", "alerts", None);
    assert_eq!(changed(&pods), ["alerts"]);
    pods.0.clear(jiff::Timestamp::now());
    assert!(!tally(&pods).listed, "billing is counted too early");
    assert_eq!(changed(&pods), [""; 0]);
    pods.0.lock().index.begin_list(&ALL);
    pods.0.end_list(now(), &ALL);
    let mut told = changed(&pods);
    told.sort();
    assert_eq!(told, ["alerts", "billing"]);
    assert_eq!(pods.tally("shop", "alerts", "id", None).attached, 0);
}

#[test]
fn a_pod_that_got_away_is_not_reported_as_missing() {
    let pods = listed();
    for name in ["a", "b"] {
        let bare = Sighting {
            uid: "u".into(),
            identities: [].into(),
            sidecar: None,
        };
        let key = NamespacedName::new("shop", name);
        pods.0
            .change(now(), |index| index.see(&ALL, key, Some(bare)));
    }
    let gone = NamespacedName::new("shop", "a");
    pods.0.change(now(), |index| index.remove(&gone));
    let (missing, uid) = pods.0.next_missing().unwrap();
    assert_eq!((&*missing.name, &*uid), ("b", "u"));
    assert_eq!(pods.0.next_missing(), None);
}

#[tokio::test(start_paused = true)]
async fn a_slow_listener_hears_of_every_identity_and_of_each_last_change() {
    let pods = listed();
    let (sender, mut receiver) = mpsc::channel(1);
    let listener = async {
        let mut heard = Vec::new();
        for round in 0..3 {
            for identity in ["a", "b", "c", "d"] {
                for pod in 0..50 {
                    let name = format!("{identity}-{round}-{pod}");
                    see(&pods, &name, identity, None);
                }
            }
            // What was changed meanwhile is told once more, and nothing else.
            for _ in 0..4 {
                let identity: ObjectRef<MailIdentity> = receiver.recv().await.unwrap();
                heard.push(identity.name);
            }
            let extra = timeout(Duration::from_millis(50), receiver.recv()).await;
            assert!(extra.is_err(), "{extra:?}");
        }
        heard
    };
    tokio::select! {
        () = tell::forward(&pods.0, sender) => panic!("the listener is there"),
        heard = listener => {
            assert_eq!(heard, ["a", "b", "c", "d"].repeat(3));
        }
    }
}

/// A sidecar that serves this revision of billing to whoever asks.
async fn sidecar(listener: TcpListener, revision: channel::Receiver<u64>) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 512]).await.unwrap();
        let page = format!(
            "HTTP/1.1 200 OK\r\n\r\n{{\"identities\":[{{\"name\":\"billing\",\
             \"namespace\":\"shop\",\"uid\":\"id\",\"state\":\"active\",\"revision\":{}}}]}}",
            *revision.borrow()
        );
        let _ = stream.write_all(page.as_bytes()).await;
    }
}

async fn until(pods: &Pods, what: impl Fn(&PodTally) -> bool) {
    let wait = async {
        while !what(&tally(pods)) {
            pods.0.changed.notified().await;
        }
    };
    let seen = timeout(10 * PATIENCE, wait).await;
    assert!(seen.is_ok(), "{:?}", tally(pods));
}

#[tokio::test(start_paused = true)]
async fn the_leader_asks_and_who_leads_anew_knows_nothing() {
    let pods = listed();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    see(
        &pods,
        "web",
        "billing",
        Some(listener.local_addr().unwrap()),
    );
    let (revision, revisions) = channel::channel(6);
    let (leads, leadership) = channel::channel(false);
    let stop = CancellationToken::new();
    let reading = pods
        .clone()
        .read_summaries(Leadership::new(leadership), stop.clone());
    let story = async {
        tokio::time::sleep(PATIENCE).await;
        assert_eq!(tally(&pods).unread, 1, "nobody leads");

        leads.send(true).unwrap();
        until(&pods, |tally| tally.behind == 1).await;
        revision.send(7).unwrap();
        until(&pods, |tally| tally.current == 1).await;

        leads.send(false).unwrap();
        let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
        see(&pods, "web", "billing", mute.local_addr().ok());
        tokio::time::sleep(PATIENCE).await;
        leads.send(true).unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(tally(&pods).unread, 1, "{:?}", tally(&pods));
        stop.cancel();
    };
    tokio::select! {
        () = sidecar(listener, revisions) => {}
        ((), ()) = async { tokio::join!(reading, story) } => {}
    }
}

#[tokio::test(start_paused = true)]
async fn a_sidecar_that_is_gone_becomes_silent_and_a_pod_that_comes_is_asked_at_once() {
    let pods = listed();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let web = listener.local_addr().ok();
    let nowhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (_revision, revisions) = channel::channel(7);
    let (_leads, leadership) = channel::channel(true);
    let stop = CancellationToken::new();
    let reading = pods
        .clone()
        .read_summaries(Leadership::new(leadership), stop.clone());
    let story = async {
        tokio::time::sleep(PATIENCE).await;
        let started = Instant::now();
        see(&pods, "web", "billing", web);
        until(&pods, |tally| tally.current == 1).await;
        assert!(started.elapsed() < Duration::from_secs(1));

        let address = nowhere.local_addr().ok();
        drop(nowhere);
        see(&pods, "gone", "billing", address);
        until(&pods, |tally| tally.silent == 1).await;
        assert_eq!(tally(&pods).examples.silent, ["gone"]);
        stop.cancel();
    };
    tokio::select! {
        () = sidecar(listener, revisions) => {}
        ((), ()) = async { tokio::join!(reading, story) } => {}
    }
}
