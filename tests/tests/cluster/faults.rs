//! What fails around the sidecar while apps send all the time: no mail is lost or doubled, and mail flows
//! again by itself.

mod load;

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;
use zohorelay_cluster::Node;
use zohorelay_tests::ground::absence::and_then_always;
use zohorelay_tests::ground::shop::Shop;
use zohorelay_tests::ground::{Ground, zoho};

use self::load::{
    assert_all_taken, assert_sound, gaps, until_more, until_restarted, until_taken_since,
};

async fn kill(node: &Node, shop: &Shop, pod: &Pod) {
    let pod = pod.name_any();
    let kill = node.kill_container(&shop.namespace, &pod, "zohorelay");
    kill.await.unwrap();
}

#[tokio::test]
async fn a_sidecar_that_is_killed_is_back_and_the_apps_go_on() {
    let ground = Ground::shared().await.unwrap();
    let Some(node) = ground.own_node("a killed sidecar") else {
        return;
    };
    let shop = Shop::open("killed").await.unwrap();
    let pods = load::start(&shop, &load::workload(&shop, 2)).await;

    let killed = Timestamp::now();
    for pod in &pods {
        kill(node, &shop, pod).await;
    }
    for pod in &pods {
        assert_eq!(until_restarted(&shop, pod).await, (137, "Error".to_owned()));
    }
    until_taken_since(&shop, &pods, Timestamp::now(), 5).await;

    let end = shop.close().await.unwrap();
    let gaps = gaps(&end.entries, killed);
    assert_eq!(gaps.len(), 2, "each app met a refused connection");
    println!("cluster: kill -9 of a sidecar until it takes a mail again: {gaps:?} ms");
    assert_sound("sidecars killed", &end);
    assert_all_taken(&end.entries);
}

#[tokio::test]
async fn a_sidecar_that_runs_out_of_memory_is_back_and_the_app_was_not_touched() {
    let ground = Ground::shared().await.unwrap();
    let Some(node) = ground.own_node("a sidecar without memory") else {
        return;
    };
    let shop = Shop::open("memory").await.unwrap();
    let limited = load::workload(&shop, 1)
        .annotation("zohorelay.dev/memory-limit", "16Mi")
        .container(load::crowd());
    let pods = load::start(&shop, &limited).await;
    let id = load::sidecar_id(&pods[0]);
    let limit = load::memory_limit(&id);
    assert_eq!(
        limit,
        16 << 20,
        "the kernel enforces what the annotation says"
    );

    // That is plenty: it is left what it has and no more, while more and more sessions begin.
    let struck = Timestamp::now();
    load::squeeze(node, &id);
    let reason = until_restarted(&shop, &pods[0]).await;
    assert_eq!(reason, (137, "OOMKilled".to_owned()));
    until_taken_since(&shop, &pods, Timestamp::now(), 5).await;

    let end = shop.close().await.unwrap();
    let gaps = gaps(&end.entries, struck);
    println!("cluster: out of memory until the sidecar takes a mail again: {gaps:?} ms");
    assert_sound("sidecar out of memory", &end);
    assert_all_taken(&end.entries);
}

#[tokio::test]
async fn containerd_and_kubelet_restart_and_no_app_notices() {
    let ground = Ground::shared().await.unwrap();
    let Some(node) = ground.own_node("restarts of the node's programs") else {
        return;
    };
    let shop = Shop::open_alone("programs").await.unwrap();
    load::start(&shop, &load::workload(&shop, 2)).await;

    node.restart_containerd().await.unwrap();
    until_more(&shop, 40).await;
    node.stop_kubelet();
    let part = until_more(&shop, 40);
    let start = async { Ok(node.start_kubelet()?) };
    and_then_always(part, start).await.unwrap();
    // Both work again: a further pod comes up, and is heard.
    shop.start(&load::workload(&shop, 3)).await.unwrap();
    shop.until_available(load::NAME).await.unwrap();
    let pods = shop.pods_of(load::NAME).await.unwrap();
    until_taken_since(&shop, &pods, Timestamp::now(), 5).await;

    let failed = shop.told.failed();
    assert!(failed.is_empty(), "{failed:#?}");
    let end = shop.close().await.unwrap();
    assert_sound("containerd and kubelet restarted", &end);
    assert_all_taken(&end.entries);
}

#[tokio::test]
async fn after_a_reboot_mail_flows_again() {
    let ground = Ground::shared().await.unwrap();
    let Some(node) = ground.own_node("a reboot") else {
        return;
    };
    let shop = Shop::open_alone("rebooted").await.unwrap();
    let pods = load::start(&shop, &load::workload(&shop, 2)).await;

    let clock = Instant::now();
    // What the simulator knows is in its memory.
    node.reboot(zoho::NAMESPACE).await.unwrap();
    until_taken_since(&shop, &pods, Timestamp::now(), 5).await;
    let seconds = clock.elapsed().as_secs_f32();
    println!("cluster: reboot until all pods send again: {seconds:.1} s");
    for pod in shop.pods_of(load::NAME).await.unwrap() {
        let statuses = pod.status.unwrap().container_statuses.unwrap();
        assert!(
            statuses.iter().all(|app| app.restart_count >= 1),
            "{statuses:#?}"
        );
    }
    // The operator was rebooted as well: a further pod is let in.
    shop.start(&load::workload(&shop, 3)).await.unwrap();
    shop.until_available(load::NAME).await.unwrap();

    let end = shop.close().await.unwrap();
    assert_sound("all containers killed", &end);
}

#[tokio::test]
async fn without_the_operator_mail_flows_and_a_killed_sidecar_comes_back() {
    let ground = Ground::shared().await.unwrap();
    let shop = Shop::open_alone("unattended").await.unwrap();
    let pods = load::start(&shop, &load::workload(&shop, 2)).await;

    ground.scale_operator(0).await.unwrap();
    let alone = Box::pin(async {
        until_taken_since(&shop, &pods, Timestamp::now(), 20).await;
        if let Some(node) = ground.own_node("a sidecar killed without operator") {
            kill(node, &shop, &pods[0]).await;
            until_restarted(&shop, &pods[0]).await;
        }
        until_taken_since(&shop, &pods, Timestamp::now(), 20).await;
    });
    and_then_always(alone, ground.scale_operator(2))
        .await
        .unwrap();

    let end = shop.close().await.unwrap();
    assert_sound("no operator", &end);
    assert_all_taken(&end.entries);
}

#[tokio::test]
async fn without_the_api_server_mail_flows_and_is_accounted_for_afterwards() {
    /// Long enough for the operator's lease to run out.
    const AWAY: Duration = Duration::from_secs(60);
    let ground = Ground::shared().await.unwrap();
    if ground.own_node("an API server that is gone").is_none() {
        return;
    }
    let cluster = ground.cluster.running().unwrap();
    let shop = Shop::open_alone("no-api").await.unwrap();
    let pods = load::start(&shop, &load::workload(&shop, 2)).await;

    let stopped = Timestamp::now();
    cluster.stop_api_server();
    tokio::time::sleep(AWAY).await;
    let back = Timestamp::now();
    cluster.start_api_server().await.unwrap();
    let clock = Instant::now();
    until_taken_since(&shop, &pods, back, 5).await;
    let heard = clock.elapsed().as_secs_f32();
    shop.declare("alerts").await.unwrap();
    let seconds = clock.elapsed().as_secs_f32();
    println!(
        "cluster: API server back: apps heard after {heard:.1} s, a new identity ready after {seconds:.1} s"
    );

    let failed = shop.told.failed();
    assert!(failed.is_empty(), "{failed:#?}");
    cluster.restart_clients().unwrap();
    let end = shop.close().await.unwrap();
    let meanwhile = load::taken_between(&end.entries, stopped, back);
    println!("cluster: {meanwhile} mails while the API server was gone");
    assert!(
        meanwhile > 100,
        "two apps, a minute, up to 20 mails a second each: {meanwhile}"
    );
    assert_sound("no API server", &end);
    assert_all_taken(&end.entries);
}
