//! Away, in every order, while pods send.

use std::collections::BTreeSet;
use std::time::Instant;

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::Pod;
use kube::api::PostParams;
use serde_json::Value;
use tokio::time::sleep;
use zohorelay_tests::ground::SYSTEM;
use zohorelay_tests::ground::shop::{IDENTITY, Shop};
use zohorelay_tests::program::PATIENCE;

use super::versions::Version;
use super::{DEFINITION, LOOK, delete, goes_on, install, sending, shop, sidecar, uninstall};

/// Titles of all objects in the cluster, but for those that come and go by themselves, those of a shop, and
/// the release's namespace with what Kubernetes puts into each, which helm makes and leaves.
async fn inventory(shop: &Shop) -> Result<BTreeSet<String>> {
    let kinds = shop
        .ground
        .kubectl("api-resources --verbs=list -o name")
        .await?;
    let passing = [
        "events",
        "events.events.k8s.io",
        "leases.coordination.k8s.io",
    ];
    let lasting: Vec<&str> = kinds
        .lines()
        .filter(|kind| !passing.contains(kind))
        .collect();
    let mut titles = BTreeSet::new();
    for what in [
        format!("{} --all-namespaces", lasting.join(",")),
        format!("leases -n {SYSTEM}"),
    ] {
        let command = format!("get {what} --ignore-not-found -o json");
        let list = shop.ground.kubectl(&command).await?;
        let list: Value = serde_json::from_str(&list).unwrap_or_default();
        let objects = list["items"].as_array().into_iter().flatten();
        titles.extend(objects.filter(|object| !is_of(object, shop)).map(title));
    }
    for left in [
        format!("Namespace /{SYSTEM}"),
        format!("ConfigMap {SYSTEM}/kube-root-ca.crt"),
        format!("ServiceAccount {SYSTEM}/default"),
    ] {
        titles.remove(&left);
    }
    Ok(titles)
}

fn is_of(object: &Value, shop: &Shop) -> bool {
    let metadata = &object["metadata"];
    let is_the_namespace = object["kind"] == "Namespace" && metadata["name"] == shop.namespace;
    is_the_namespace || metadata["namespace"] == shop.namespace
}

fn title(object: &Value) -> String {
    let metadata = &object["metadata"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let namespace = text(&metadata["namespace"]);
    format!(
        "{} {namespace}/{}",
        text(&object["kind"]),
        text(&metadata["name"])
    )
}

/// Waits until nothing is there beside what was there before.
async fn until_nothing_is_left(shop: &Shop, before: &BTreeSet<String>) {
    let start = Instant::now();
    let mut left = None;
    while start.elapsed() < PATIENCE {
        // A definition may go between the question for kinds and that for objects.
        if let Ok(now) = inventory(shop).await {
            let more: Vec<String> = now.difference(before).cloned().collect();
            if more.is_empty() {
                return;
            }
            left = Some(more);
        }
        sleep(LOOK).await;
    }
    panic!("left: {left:#?}");
}

/// A shop whose pods send by today's release, and what was in the cluster before that.
async fn open(name: &str, values: &[&'static str]) -> (Shop, BTreeSet<String>) {
    let shop = shop(name).await;
    let before = inventory(&shop).await.unwrap();
    let mut today = Version::today();
    today.values.extend(values);
    install(&shop, &today).await.unwrap();
    shop.declare(IDENTITY).await.unwrap();
    shop.start(&sending(&shop, "shop").replicas(2))
        .await
        .unwrap();
    shop.until_available("shop").await.unwrap();
    goes_on(&shop, 10).await;
    (shop, before)
}

/// Takes these away in this order; nothing may wait for what comes later.
async fn take_away(shop: &Shop, order: &[&str]) {
    for part in order {
        let start = Instant::now();
        match *part {
            "release" => uninstall(shop).await,
            "definition" => delete(shop, DEFINITION).await,
            "shop" => namespace_goes(shop, &shop.namespace).await,
            "its namespace" => namespace_goes(shop, SYSTEM).await,
            "by label" => shop.ground.kubectl(&documented()).await.map(drop).unwrap(),
            other => panic!("{other}"),
        }
        println!(
            "cluster: {} gone in {:.1} s ({order:?})",
            part,
            start.elapsed().as_secs_f64()
        );
    }
}

async fn namespace_goes(shop: &Shop, namespace: &str) {
    delete(shop, &format!("namespace {namespace} --timeout=90s")).await;
}

/// What docs/install.md says for a release whose namespace went first.
fn documented() -> String {
    let page = include_str!("../../../../docs/install.md");
    let mut lines = page.lines();
    let start = "kubectl delete mutatingwebhookconfiguration,";
    let command = lines
        .find(|line| line.starts_with(start))
        .expect("a command");
    command.replacen("kubectl ", "", 1)
}

/// All apps have ended: the mails that they were told of are there, once each.
async fn judge(shop: &Shop) {
    let end = shop.judged().await.unwrap();
    println!("cluster: {} mails", end.mails.len());
    end.verdict.assert_sound(0);
}

#[tokio::test]
#[ignore = "release-check: a cluster of its own"]
async fn pods_go_on_sending_without_the_release_and_new_ones_are_strangers() {
    let (shop, before) = open("release-first", &[]).await;
    take_away(&shop, &["release"]).await;
    goes_on(&shop, 20).await;
    let probe = serde_json::from_value(shop.pod("probe").object().clone()).unwrap();
    let params = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let made = shop
        .api::<Pod>()
        .create(&params, &probe)
        .await
        .context("no webhook, no policy");
    assert!(sidecar(&made.unwrap()).is_err());
    goes_on(&shop, 20).await;
    assert_eq!(shop.told.failed().len(), 0, "{:#?}", shop.told.failed());

    take_away(&shop, &["definition", "shop"]).await;
    judge(&shop).await;
    until_nothing_is_left(&shop, &before).await;
}

#[tokio::test]
#[ignore = "release-check: a cluster of its own"]
async fn the_definition_goes_first_and_nothing_waits_for_the_identities() {
    let (shop, before) = open("definition-first", &[]).await;
    take_away(&shop, &["definition", "shop", "release"]).await;
    judge(&shop).await;
    until_nothing_is_left(&shop, &before).await;
}

#[tokio::test]
#[ignore = "release-check: a cluster of its own"]
async fn the_namespace_of_the_pods_goes_first_and_they_lose_no_mail() {
    let (shop, before) = open("shop-first", &["crds.keep=false"]).await;
    take_away(&shop, &["shop", "release"]).await;
    judge(&shop).await;
    until_nothing_is_left(&shop, &before).await;
}

#[tokio::test]
#[ignore = "release-check: a cluster of its own"]
async fn the_namespace_of_the_release_goes_first_and_the_rest_by_its_label() {
    let (shop, before) = open("namespace-first", &[]).await;
    take_away(&shop, &["its namespace"]).await;
    goes_on(&shop, 20).await;
    assert_eq!(shop.told.failed().len(), 0, "{:#?}", shop.told.failed());
    take_away(&shop, &["by label", "definition", "shop"]).await;
    judge(&shop).await;
    until_nothing_is_left(&shop, &before).await;
}
