//! The upgrade and the way back, under load.

use std::pin::pin;
use std::time::Duration;

use anyhow::Result;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kube::api::PostParams;
use tokio::select;
use tokio::time::interval;
use zohorelay_tests::ground::shop::{IDENTITY, Shop};

use super::versions::{Version, assert_they_differ};
use super::{
    goes_on, install, roll_back, said, sending, shop, sidecar, sidecars_of, until_counted,
};

/// Does something while pods that ask for a sidecar are made, ten a second; says how many. None may be
/// refused, or let in without a sidecar. They are dry runs: the webhook and the policies see no difference.
async fn while_pods_come(shop: &Shop, work: impl Future<Output = Result<f64>>) -> (f64, usize) {
    let pods = shop.api::<Pod>();
    let probe = serde_json::from_value(shop.pod("probe").object().clone()).unwrap();
    let params = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let mut rhythm = interval(Duration::from_millis(100));
    let mut work = pin!(work);
    let mut count = 0;
    loop {
        let next = async {
            rhythm.tick().await;
            pods.create(&params, &probe).await
        };
        let made = select! {
            seconds = &mut work => return (seconds.unwrap(), count),
            made = next => made,
        };
        sidecar(&made.expect("a pod is let in")).expect("it has a sidecar");
        count += 1;
    }
}

/// Name, start, and how often anything in it was started again, of each pod.
async fn lives(shop: &Shop, workload: &str) -> Vec<(String, i32)> {
    let pods = shop.pods_of(workload).await.unwrap();
    let restarts = |pod: &Pod| {
        let status = pod.status.iter();
        let containers =
            status.flat_map(|status| [&status.container_statuses, &status.init_container_statuses]);
        containers
            .flatten()
            .flatten()
            .map(|container| container.restart_count)
            .sum()
    };
    let mut lives: Vec<_> = pods
        .iter()
        .map(|pod| (pod.name_any(), restarts(pod)))
        .collect();
    lives.sort();
    lives
}

async fn restart(shop: &Shop, deployment: &str) {
    let command = format!("rollout restart deployment/{deployment}");
    shop.kubectl(&command).await.unwrap();
    shop.until_available(deployment).await.unwrap();
}

#[tokio::test]
#[ignore = "release-check: builds the version before"]
async fn no_mail_is_lost_and_no_pod_refused_by_an_upgrade_nor_by_the_way_back() {
    let shop = shop("upgrade").await;
    let (previous, today) = (Version::previous().await.unwrap(), Version::today());
    assert_they_differ(shop.ground).await.unwrap();
    install(&shop, &previous).await.unwrap();
    shop.declare(IDENTITY).await.unwrap();
    shop.start(&sending(&shop, "old").replicas(2))
        .await
        .unwrap();
    shop.until_available("old").await.unwrap();
    assert_eq!(sidecars_of(&shop, "old").await, [&*previous.sidecar; 2]);
    until_counted(&shop, 2, 0).await;
    goes_on(&shop, 20).await;

    let before = lives(&shop, "old").await;
    let (seconds, pods) = while_pods_come(&shop, Box::pin(install(&shop, &today))).await;
    println!("cluster: helm upgrade {seconds:.1} s, {pods} pods let in meanwhile");
    shop.start(&sending(&shop, "new")).await.unwrap();
    shop.until_available("new").await.unwrap();
    assert_eq!(sidecars_of(&shop, "new").await, [&*today.sidecar]);
    assert_eq!(sidecars_of(&shop, "old").await, [&*previous.sidecar; 2]);
    assert_eq!(lives(&shop, "old").await, before);
    let identity = until_counted(&shop, 3, 2).await;
    let rolled_out = said(&identity, "RolledOut");
    assert!(
        rolled_out.contains("; 2 pods run the sidecar of another release"),
        "{rolled_out}"
    );
    goes_on(&shop, 20).await;

    restart(&shop, "old").await;
    assert_eq!(sidecars_of(&shop, "old").await, [&*today.sidecar; 2]);
    until_counted(&shop, 3, 0).await;
    goes_on(&shop, 20).await;

    let before = lives(&shop, "old").await;
    let (seconds, pods) = while_pods_come(&shop, Box::pin(roll_back(&shop, &previous))).await;
    println!("cluster: helm rollback {seconds:.1} s, {pods} pods let in meanwhile");
    restart(&shop, "new").await;
    assert_eq!(sidecars_of(&shop, "new").await, [&*previous.sidecar]);
    assert_eq!(lives(&shop, "old").await, before);
    until_counted(&shop, 3, 2).await;
    goes_on(&shop, 20).await;

    let failed = shop.told.failed();
    let end = shop.close().await.unwrap();
    println!(
        "cluster: {} mails through upgrade and rollback",
        end.mails.len()
    );
    end.verdict.assert_sound(0);
    assert_eq!(failed.len(), 0, "{failed:#?}");
}
