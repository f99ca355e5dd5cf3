//! The way out is closed: silently, as clouds and most network policies do it, or with a word.

use serde_json::json;

use super::filter::{SMTPS, SUBMISSION};
use super::scene::{HOST, Scene, is_egress_blocked};

const GAUGE: &str = "zohorelay_sidecar_egress_blocked";

#[tokio::test]
async fn egress_that_is_blocked_on_465_and_587_is_named_and_mail_goes_once_it_is_open() {
    let delivery = json!({"deadline": "6s"});
    let Some(scene) = Scene::set("egress", delivery, 2000).await.unwrap() else {
        return;
    };
    let both = format!("tcp dport {{ {SMTPS}, {SUBMISSION} }} drop");
    scene.filter.rules(&[&both]).await.unwrap();

    // As docs/troubleshooting.md says it.
    let told = scene.until_more("no connection to").await.unwrap();
    assert_eq!(told.code, Some(451), "{told:?}");
    assert!(told.text.starts_with("4.4.1 "), "{told:?}");
    assert!(told.text.contains(HOST), "{told:?}");
    assert!(told.text.contains("port 465"), "{told:?}");
    let what = format!("{GAUGE} is 1");
    let metrics = scene
        .shop
        .until_metrics(&scene.pod, &what, is_egress_blocked);
    metrics.await.unwrap();
    assert!(scene.failures("connect").await.unwrap() >= 1.0);
    let logged = scene.logged("465 and on 587").await.unwrap();
    assert_eq!(logged.len(), 1, "{logged:?}");
    assert_eq!(logged[0]["host"], HOST);

    scene.filter.repair().await.unwrap();
    scene.until_more("2.0.0").await.unwrap();
    assert!(!is_egress_blocked(&scene.metrics().await.unwrap()));
    scene.close().await.unwrap().verdict.assert_sound(0);
}

#[tokio::test]
async fn where_only_465_is_blocked_egress_is_not_and_the_log_names_the_open_port() {
    let delivery = json!({"deadline": "6s"});
    let Some(scene) = Scene::set("egress-465", delivery, 2000).await.unwrap() else {
        return;
    };
    let rules = [
        format!("tcp dport {SMTPS} drop"),
        format!("tcp dport {SUBMISSION} tcp flags & (syn|ack) == syn counter"),
    ];
    scene.filter.rules(&[&rules[0], &rules[1]]).await.unwrap();

    let told = scene.until_more("no connection to").await.unwrap();
    assert!(told.text.contains("port 465"), "{told:?}");
    // The other port is tried after the mail; the mail after this one fails later than that.
    scene.until_more("no connection to").await.unwrap();
    assert_eq!(
        scene.filter.counted().await.unwrap(),
        1,
        "once in 5 minutes"
    );
    assert!(!is_egress_blocked(&scene.metrics().await.unwrap()));
    let logged = scene.logged("taken on the open one").await.unwrap();
    assert_eq!(logged.len(), 1, "{logged:?}");
    assert_eq!(
        (&logged[0]["port"], &logged[0]["open"]),
        (&json!(465), &json!(587))
    );

    scene.filter.repair().await.unwrap();
    scene.until_more("2.0.0").await.unwrap();
    scene.close().await.unwrap().verdict.assert_sound(0);
}

#[tokio::test]
async fn a_refusal_of_the_network_is_told_at_once_and_is_no_blocked_egress() {
    let Some(scene) = Scene::set("refused", json!({}), 1000).await.unwrap() else {
        return;
    };
    for (how, words) in [
        ("tcp reset", "connection refused"),
        ("icmp type admin-prohibited", "unreachable"),
        ("icmp type host-unreachable", "unreachable"),
    ] {
        let both = format!("tcp dport {{ {SMTPS}, {SUBMISSION} }} reject with {how}");
        scene.filter.rules(&[&both]).await.unwrap();
        let told = scene.until_more(words).await.unwrap();
        assert_eq!(told.code, Some(451), "{told:?}");
        assert!(told.text.starts_with("4.4.1 no connection to"), "{told:?}");
        println!("cluster: told of {how} after {:?}", told.took);
        assert!(!is_egress_blocked(&scene.metrics().await.unwrap()));
    }
    assert!(scene.failures("connect").await.unwrap() >= 3.0);

    scene.filter.repair().await.unwrap();
    scene.until_more("2.0.0").await.unwrap();
    scene.close().await.unwrap().verdict.assert_sound(0);
}
