//! Pods at the door: while nobody is there to let them in, and when they are refused.

use std::time::Instant;

use anyhow::Result;
use futures_util::{StreamExt as _, pin_mut};
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::ResourceExt as _;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, watcher};
use serde_json::json;
use tokio::time::timeout;
use zohorelay_tests::ground::absence::and_then_always;
use zohorelay_tests::ground::shop::Shop;
use zohorelay_tests::ground::workload::Workload;
use zohorelay_tests::program::PATIENCE;

/// Waits until the controller of pods that could not be made tells so; gives what it tells.
async fn until_refused(shop: &Shop, kind: &str, name: &str) -> Result<String> {
    let fields = format!("reason=FailedCreate,involvedObject.kind={kind}");
    let events = watcher(
        shop.api::<Event>(),
        watcher::Config::default().fields(&fields),
    );
    let events = events.default_backoff().applied_objects();
    pin_mut!(events);
    let told = async {
        while let Some(event) = events.next().await {
            let Ok(event) = event else { continue };
            let of = event.involved_object.name.unwrap_or_default();
            if of.starts_with(name) {
                return event.message.unwrap_or_default();
            }
        }
        String::new()
    };
    Ok(timeout(PATIENCE, told).await?)
}

#[tokio::test]
async fn while_the_webhook_is_down_opted_in_pods_wait_and_strangers_start_at_once() {
    let shop = Shop::open_alone("door").await.unwrap();
    let ground = shop.ground;
    let waiting = shop.deployment("waiting").flags(&["--linger"]);
    let passer_by = shop.deployment("passer-by").stranger().flags(&[
        "--count=0",
        "--every-ms=60000",
        "--exit-zero",
    ]);

    ground.scale_operator(0).await.unwrap();
    let down = Box::pin(async {
        shop.start(&waiting).await.unwrap();
        let begun = Instant::now();
        shop.start(&passer_by).await.unwrap();
        shop.until_available("passer-by").await.unwrap();
        let seconds = begun.elapsed().as_secs_f32();
        println!("cluster: a stranger while the webhook is down is available after {seconds:.1} s");
        let told = until_refused(&shop, "ReplicaSet", "waiting").await.unwrap();
        assert!(told.contains("inject.zohorelay.dev"), "{told}");
        let waiting = shop.pods_of("waiting").await.unwrap();
        assert_eq!(waiting.len(), 0);
        let strangers = shop.pods_of("passer-by").await.unwrap();
        let inits = strangers
            .into_iter()
            .map(|pod| pod.spec.unwrap().init_containers);
        assert_eq!(inits.collect::<Vec<_>>(), [None], "one, without a sidecar");
    });
    let clock = Instant::now();
    and_then_always(down, ground.scale_operator(2))
        .await
        .unwrap();
    let (away, back) = (clock.elapsed().as_secs_f32(), Instant::now());
    // By itself: its controller tries again.
    shop.until_mails(1).await.unwrap();
    let seconds = back.elapsed().as_secs_f32();
    println!("cluster: a pod that waited {away:.1} s for the webhook sends {seconds:.1} s later");
    let end = shop.close().await.unwrap();
    end.verdict.assert_sound(0);
}

#[tokio::test]
async fn a_pod_that_is_refused_tells_why_where_people_look() {
    let shop = Shop::bare("refused-pods").await.unwrap();
    let named = Workload::deployment("named", "Billing!");
    let host = Workload::job("host", "billing").set_pod("/spec/hostNetwork", json!(true));
    for workload in [&named, &host] {
        shop.start(workload).await.unwrap();
    }
    until_refused(&shop, "ReplicaSet", "named").await.unwrap();
    until_refused(&shop, "Job", "host").await.unwrap();

    let said = shop.kubectl("describe replicaset -l app=named").await;
    let wanted = "annotation zohorelay.dev/identities: \"Billing!\" is no name of an identity; write \
                  names of a-z, 0-9 and inner hyphens";
    let said = said.unwrap();
    assert!(said.contains(wanted), "{said}");
    let said = shop.kubectl("describe job host").await.unwrap();
    let wanted = "hostNetwork is true, so 127.0.0.1 is the node's and whoever is on the node could \
                  send mail: take hostNetwork away";
    assert!(said.contains(wanted), "{said}");

    let pods: Vec<String> = shop
        .pods_of("named")
        .await
        .unwrap()
        .iter()
        .map(Pod::name_any)
        .collect();
    assert_eq!(pods, Vec::<String>::new());
    shop.close().await.unwrap();
}
