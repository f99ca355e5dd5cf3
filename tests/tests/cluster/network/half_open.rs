//! Connections that die while they are there: between two mails, and between our dot and its reply.

use serde_json::json;
use zoho_simulator::{Action, Fault, Stage};
use zohorelay_tests::ground::shop::{Shop, ask};
use zohorelay_tests::ground::told::Entry;

use super::filter::{Filter, SMTPS};
use super::scene::{Scene, declare, failures, node_for};

#[tokio::test]
async fn a_warm_connection_that_died_costs_no_mail() {
    let delivery = json!({"deadline": "3s"});
    let Some(scene) = Scene::set("half-open", delivery, 2500).await.unwrap() else {
        return;
    };
    let address = scene.shop.address();
    let logins = async || scene.shop.zoho.logins_of(&address).await.unwrap().total;

    // One that is reset says so to the next mail, which goes by a fresh one.
    let before = logins().await;
    scene.filter.learn(SMTPS).await.unwrap();
    scene.until_more("2.0.0").await.unwrap();
    let reset = "tcp sport @known reject with tcp reset";
    scene.filter.rules(&[reset]).await.unwrap();
    let told = scene.until_more("").await.unwrap();
    assert_eq!(told.code, Some(250), "{told:?}");
    assert_eq!(logins().await, before + 1, "a fresh connection");

    // One that swallows all is given up within the deadline, before any content.
    let before = logins().await;
    scene.filter.learn(SMTPS).await.unwrap();
    scene.until_more("2.0.0").await.unwrap();
    scene
        .filter
        .rules(&["tcp sport @known counter drop"])
        .await
        .unwrap();
    let told = scene.until_more("").await.unwrap();
    println!(
        "cluster: a half-open connection was given up after {:?}",
        told.took
    );
    assert!(scene.filter.counted().await.unwrap() > 0);
    assert_eq!(told.code, Some(451), "{told:?}");
    assert!(told.text.starts_with("4.4.2 "), "{told:?}");
    let told = scene.until_more("").await.unwrap();
    assert_eq!(told.code, Some(250), "{told:?}");
    assert_eq!(logins().await, before + 1, "a fresh connection");
    assert!(scene.failures("timeout").await.unwrap() >= 1.0);

    let end = scene.close().await.unwrap();
    end.verdict.assert_sound(0);
}

#[tokio::test]
async fn a_reply_to_the_dot_that_is_lost_is_counted_and_answered_as_the_identity_says() {
    let shop = Shop::bare("lost-reply").await.unwrap();
    let Some(node) = node_for("lost-reply", &shop) else {
        return;
    };
    let cases = [
        ("billing", "Retry", 451, "4.4.2 "),
        ("alerts", "Fail", 554, "5.4.2 "),
    ];
    let mut filters = Vec::new();
    for (identity, unknown_outcome, ..) in cases {
        let delivery = json!({"finalReplyTimeout": "10s", "unknownOutcome": unknown_outcome});
        declare(&shop, identity, delivery).await.unwrap();
        let fault = Fault::new(Stage::EndOfData, Action::Delay { ms: 6000 });
        let address = shop.address_of(identity);
        shop.zoho.fault(&address, fault.times(1)).await.unwrap();
        let (from, names) = (format!("--from={address}"), json!(identity));
        let app = shop
            .deployment(identity)
            .set_pod(
                "/metadata/annotations",
                json!({"zohorelay.dev/identities": names}),
            )
            .flags(&[&from, "--count=1", "--linger"]);
        shop.start(&app).await.unwrap();
        let pod = shop.pod_of(identity).await.unwrap();
        let name = format!("lost-reply-{identity}");
        let ip = ask::address(&pod).unwrap();
        let filter = Filter::new(node, &name, &ip);
        let filter = filter.await.unwrap();
        // The simulator has the mail, and thinks for six seconds.
        shop.zoho.until_mails(&address, 1).await.unwrap();
        filter.cut(SMTPS).await.unwrap();
        filters.push((identity, ask::name(&pod), filter));
    }
    let both = |entries: &[Entry]| entries.iter().filter(|entry| entry.ended).count() == 2;
    shop.told.until("both apps were told", both).await.unwrap();
    for (identity, _, code, enhanced) in cases {
        let entries = shop.told.entries();
        let told = entries.iter().find(|entry| entry.id.contains(identity));
        let told = told.unwrap();
        assert_eq!(told.code, Some(code), "{told:?}");
        assert!(told.text.starts_with(enhanced), "{told:?}");
        assert!(told.text.contains("may have been taken"), "{told:?}");
        println!(
            "cluster: {identity} was told of a lost reply after {:?}",
            told.took
        );
    }
    for (identity, pod, filter) in &filters {
        filter.repair().await.unwrap();
        let metrics = shop.metrics_of(pod).await.unwrap();
        assert_eq!(failures(&metrics, identity, "unknown_outcome"), 1.0);
        let labels = [("identity", *identity), ("outcome", "unknown")];
        let unknown = metrics.value("zohorelay_sidecar_mails_total", &labels);
        assert_eq!(unknown, 1.0, "{metrics:?}");
    }
    let end = shop.close().await.unwrap();
    end.verdict.assert_sound(2);
    assert_eq!(end.mails.len(), 2, "the simulator took both");
}
