//! With the Prometheus operator: of the chart's objects it makes configuration with which the real Prometheus
//! scrapes each pod of ours and evaluates each rule of ours.

mod process;

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use zohorelay_tests::ground::absence::and_then_always;
use zohorelay_tests::ground::monitoring::Monitoring;
use zohorelay_tests::ground::monitoring::operated::{LABEL, Target, Written, written};
use zohorelay_tests::ground::shop::Shop;
use zohorelay_tests::ground::workload::Workload;
use zohorelay_tests::ground::{Ground, RELEASE, SYSTEM, VALUES, restricted};
use zohorelay_tests::objects;

use self::process::PrometheusOperator;

/// The namespace of the shop, and one beside it.
const SHOP: &str = "operated";
const ELSEWHERE: &str = "operated-elsewhere";

/// The chart with all that the operator reads; more values may follow.
async fn install(ground: &Ground, more: &[&str]) -> Result<()> {
    let label = |what: &str| format!("{what}.labels.{}={}", LABEL.0, LABEL.1);
    let labels = [label("podMonitor"), label("prometheusRule")];
    let enabled = [
        "podMonitor.enabled=true",
        "podMonitor.interval=2s",
        "prometheusRule.enabled=true",
    ];
    let labels = labels.iter().map(String::as_str);
    let values = VALUES.into_iter().chain(enabled).chain(labels);
    let values: Vec<&str> = values.chain(more.iter().copied()).collect();
    ground.install(&values).await.map(drop)
}

/// Whether a configuration looks for sidecars in these namespaces; null is all of them.
fn looks_in(namespaces: &Value) -> impl Fn(&Value) -> bool {
    let job = format!("podMonitor/{SYSTEM}/{RELEASE}-sidecars/0");
    move |config| {
        let jobs = config["scrape_configs"].as_array().into_iter().flatten();
        let mut ours = jobs.filter(|one| one["job_name"] == *job);
        ours.any(|one| one["kubernetes_sd_configs"][0]["namespaces"]["names"] == *namespaces)
    }
}

/// The pods of our operator, and the sidecars in these namespaces.
async fn targets(shop: &Shop, namespaces: &[&str]) -> Result<BTreeSet<Target>> {
    let component = "app.kubernetes.io/component=operator";
    let sidecars = namespaces
        .iter()
        .map(|&namespace| (namespace, "zohorelay.dev/inject=true", "sidecars"));
    let mut targets = BTreeSet::new();
    for (namespace, label, monitor) in sidecars.chain([(SYSTEM, component, "operator")]) {
        let pods: Api<Pod> = objects::api(&shop.client, namespace);
        let found = pods.list(&ListParams::default().labels(label)).await?;
        targets.extend(found.iter().map(|pod| Target {
            job: format!("{SYSTEM}/{RELEASE}-{monitor}"),
            namespace: namespace.to_owned(),
            pod: pod.name_any(),
        }));
    }
    Ok(targets)
}

/// The groups of rules that people get who have no operator.
fn shipped_groups() -> Vec<Value> {
    let text = include_str!("../../../../examples/prometheus/rules.yaml");
    let mut shipped: Value = serde_saphyr::from_str(text).unwrap();
    serde_json::from_value(shipped["groups"].take()).unwrap()
}

fn names(groups: &[Value]) -> BTreeSet<String> {
    let rules = groups.iter().filter_map(|group| group["rules"].as_array());
    let name = |rule: &Value| {
        let name = rule["alert"].as_str().or(rule["record"].as_str());
        name.expect("a name").to_owned()
    };
    rules.flatten().map(name).collect()
}

/// Prometheus does what was written for it: each of our pods in these namespaces is scraped, none besides, and
/// each rule is evaluated.
async fn assert_scraped(
    shop: &Shop,
    namespace: &'static str,
    written: &Written,
    namespaces: &[&str],
) {
    assert_eq!(written.groups, shipped_groups());
    let prometheus = Monitoring::operated(shop.ground, &shop.client, namespace, written);
    let Some(prometheus) = prometheus.await.unwrap() else {
        return;
    };
    let wanted = async || targets(shop, namespaces).await;
    let targets = prometheus.until_up(wanted).await.unwrap();
    let evaluated = prometheus.until_evaluated().await.unwrap();
    let loaded: BTreeSet<String> = evaluated.iter().cloned().collect();
    assert_eq!(loaded, names(&written.groups));
    println!(
        "cluster: by the Prometheus operator {} targets are up, {} rules evaluated",
        targets.len(),
        evaluated.len()
    );
    // The operator's metrics keep the namespace of the identity, though its pods are in another.
    let ours = format!("{{__name__=~\"zohorelay_operator_.+\", namespace=\"{SHOP}\"}}");
    let ours = prometheus.query(&ours).await.unwrap();
    assert!(!ours.is_empty(), "the namespace is not kept");
}

/// A pod with a sidecar in a namespace that is not on the list.
async fn start_elsewhere(shop: &Shop) -> Result<()> {
    let old = format!("delete namespace {ELSEWHERE} --ignore-not-found --timeout=60s");
    shop.ground.kubectl(&old).await?;
    objects::namespace_named(&shop.client, ELSEWHERE, &restricted()).await?;
    let pod = Workload::pod("other", "nobody");
    objects::apply_object(&shop.client, ELSEWHERE, pod.object()).await?;
    let pods: Api<Pod> = objects::api(&shop.client, ELSEWHERE);
    let runs = |found: Option<&Pod>| {
        let status = found.and_then(|pod| pod.status.as_ref());
        let sidecars = status
            .iter()
            .flat_map(|status| &status.init_container_statuses);
        let mut running = sidecars
            .flatten()
            .filter_map(|one| one.state.as_ref()?.running.as_ref());
        running.next().is_some()
    };
    objects::until(&pods, "other", "its sidecar runs", runs).await?;
    Ok(())
}

async fn in_each_scope(shop: &Shop) -> Result<()> {
    install(shop.ground, &[]).await?;
    start_elsewhere(shop).await?;
    let any = "operated-any";
    let made = written(&shop.client, any, looks_in(&Value::Null)).await;
    assert_scraped(
        shop,
        any,
        &made.context("any namespace")?,
        &[SHOP, ELSEWHERE],
    )
    .await;

    let only = format!("rbac.namespaces={{{SHOP}}}");
    install(shop.ground, &["rbac.scope=Namespaces", &only]).await?;
    let listed = "operated-listed";
    let made = written(&shop.client, listed, looks_in(&json!([SHOP]))).await;
    assert_scraped(shop, listed, &made.context("one namespace")?, &[SHOP]).await;
    Ok(())
}

#[tokio::test]
#[ignore = "release-check: the Prometheus operator is built for this test alone"]
async fn what_the_prometheus_operator_makes_of_the_chart_scrapes_each_pod_and_has_each_rule() {
    let shop = Shop::open_alone(SHOP).await.unwrap();
    let ground = shop.ground;
    let Some(cluster) = ground.cluster.running() else {
        println!("left out: the Prometheus operator runs beside a cluster of our own");
        return;
    };
    let operator = PrometheusOperator::start(cluster).await.unwrap();
    let app = shop.deployment("web").replicas(2).flags(&["--linger"]);
    shop.start(&app).await.unwrap();
    shop.until_available("web").await.unwrap();

    let put_back = async { ground.install(&VALUES).await.map(drop) };
    let done = and_then_always(Box::pin(in_each_scope(&shop)), put_back).await;
    if let Err(error) = done.unwrap() {
        panic!("{error:#}\nits log:\n{}", operator.log());
    }
    ground
        .kubectl(&format!("delete namespace {ELSEWHERE} --wait=false"))
        .await
        .unwrap();
    shop.close().await.unwrap().verdict.assert_sound(0);
}
