//! What sends mail, from its start to its end.

mod annotations;
mod identities;
mod jobs;
mod restricted;
mod seconds;
mod status;

use std::time::Instant;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use zohorelay_tests::ground::shop::Shop;
use zohorelay_tests::ground::told::Entry;

use self::status::{is_ready, of_pod};

#[tokio::test]
async fn a_deployment_whose_app_sends_at_once_after_its_start_is_delivered() {
    let shop = Shop::open("at-once").await.unwrap();
    let app = shop.deployment("shop").replicas(2);
    let app = app.flags(&["--count=5", "--every-ms=1", "--linger"]);
    shop.start(&app).await.unwrap();
    // The same without a sidecar: the app does not wait by itself.
    let alone = shop.pod("alone").stranger().restart("Never");
    shop.start(&alone).await.unwrap();
    shop.until_available("shop").await.unwrap();
    shop.until_mails(10).await.unwrap();

    let end = shop.close().await.unwrap();
    end.verdict.assert_sound(0);
    assert_eq!(end.ledger.accepted(), 10);
    assert_eq!(end.mails.len(), 10);
    let (alone, served): (Vec<Entry>, Vec<Entry>) =
        end.entries.into_iter().partition(|e| e.pod == "alone");
    // Nothing is submitted twice, so this is also what each app was told first.
    let taken_at_once = |entry: &Entry| entry.attempt == 1 && entry.code == Some(250);
    assert!(served.iter().all(taken_at_once), "{served:#?}");
    let texts: Vec<_> = alone.iter().map(|entry| entry.text.as_str()).collect();
    assert!(
        matches!(texts[..], [text] if text.contains("refused")),
        "{texts:?}"
    );
}

#[tokio::test]
async fn what_an_app_sends_when_it_is_told_to_end_is_delivered() {
    let shop = Shop::open("at-term").await.unwrap();
    let flags = ["--count=1", "--at-term=3"];
    let scaled = shop.deployment("scaled").replicas(2).flags(&flags);
    shop.start(&scaled).await.unwrap();
    shop.start(&shop.pod("deleted").flags(&flags))
        .await
        .unwrap();
    shop.until_mails(3).await.unwrap();

    let begin = Instant::now();
    for command in [
        "scale deployment scaled --replicas=0",
        "delete pod deleted --wait=false",
        "wait --for=delete pod -l app=scaled --timeout=60s",
        "wait --for=delete pod -l app=deleted --timeout=60s",
    ] {
        shop.kubectl(command).await.unwrap();
    }
    let seconds = begin.elapsed().as_secs_f64();
    println!("cluster: pods whose apps send at SIGTERM are gone after {seconds:.1} s");

    let end = shop.close().await.unwrap();
    end.verdict.assert_sound(0);
    assert_eq!(end.ledger.accepted(), 12);
    assert_eq!(end.mails.len(), 12);
    assert!(end.entries.iter().all(|entry| entry.code == Some(250)));
}

#[tokio::test]
async fn a_stateful_set_sends_and_its_pod_that_was_replaced_sends_again() {
    let shop = Shop::open("stateful").await.unwrap();
    let set = shop.stateful_set("set").replicas(2);
    let set = set.flags(&["--count=3", "--every-ms=1", "--linger"]);
    shop.start(&set).await.unwrap();
    shop.until_available_set("set").await.unwrap();
    shop.until_mails(6).await.unwrap();

    let before = shop.api::<Pod>().get("set-1").await.unwrap().uid();
    shop.kubectl("delete pod set-1").await.unwrap();
    let is_back = |pod: &Pod| pod.uid() != before && is_ready(pod);
    shop.until("set-1", "it is another pod, and ready", is_back)
        .await
        .unwrap();
    shop.until_mails(9).await.unwrap();

    let end = shop.close().await.unwrap();
    end.verdict.assert_sound(0);
    assert_eq!(end.ledger.accepted(), 9);
    assert!(end.entries.iter().all(|entry| entry.code == Some(250)));
    let mails = ["set-0", "set-1"].map(|pod| of_pod(&end.entries, pod).count());
    assert_eq!(mails, [3, 6]);
}
