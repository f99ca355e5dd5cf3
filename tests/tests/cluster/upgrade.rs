//! From the version before to today's, back again, and away, with pods that send meanwhile. On a cluster of
//! its own, in which no other test finds its release missing: `make release-check` runs these.

mod compatible;
mod story;
mod uninstall;
mod versions;

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use tokio::sync::OnceCell;
use tokio::time::sleep;
use zohorelay_crds::MailIdentity;
use zohorelay_crds::v1alpha1::PodCounts;
use zohorelay_tests::ground::shop::{IDENTITY, Shop};
use zohorelay_tests::ground::workload::Workload;
use zohorelay_tests::ground::{Ground, RELEASE, SYSTEM};
use zohorelay_tests::objects::api;
use zohorelay_tests::program::PATIENCE;

use self::versions::Version;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(200);
const DEFINITION: &str = "crd mailidentities.zohorelay.dev --timeout=60s";

/// A cluster without a release, which knows the images of both versions.
async fn ground() -> Result<&'static Ground> {
    static GROUND: OnceCell<Ground> = OnceCell::const_new();
    let make = async || {
        let ground = Ground::bare().await?;
        versions::load_previous(&ground.cluster).await?;
        Ok(ground)
    };
    GROUND.get_or_try_init(make).await
}

/// A namespace for one test alone, in a cluster without anything that the test before it installed.
async fn shop(name: &str) -> Shop {
    let shop = Shop::alone_on(ground().await.unwrap(), name).await.unwrap();
    uninstall(&shop).await;
    delete(&shop, &format!("{DEFINITION} --ignore-not-found")).await;
    shop
}

async fn uninstall(shop: &Shop) {
    let arguments = [
        "uninstall",
        RELEASE,
        "-n",
        SYSTEM,
        "--wait",
        "--timeout=60s",
        "--ignore-not-found",
    ];
    shop.ground.helm(&arguments).await.unwrap();
}

async fn delete(shop: &Shop, what: &str) {
    let command = format!("delete {what}");
    shop.ground.kubectl(&command).await.unwrap();
}

/// `helm upgrade --install`, until no pod of the operator is another version's; gives the seconds that helm
/// took.
async fn install(shop: &Shop, version: &Version) -> Result<f64> {
    let start = Instant::now();
    let mut values = version.values.clone();
    values.push("--create-namespace");
    shop.ground.install_chart(&version.chart, &values).await?;
    let seconds = start.elapsed().as_secs_f64();
    until_alone(shop, version).await?;
    Ok(seconds)
}

/// `helm rollback` to the revision before, which was this version, in the same way.
async fn roll_back(shop: &Shop, version: &Version) -> Result<f64> {
    let start = Instant::now();
    let arguments = [
        "rollback",
        RELEASE,
        "-n",
        SYSTEM,
        "--wait",
        "--timeout",
        "3m",
    ];
    shop.ground.helm(&arguments).await?;
    let seconds = start.elapsed().as_secs_f64();
    until_alone(shop, version).await?;
    Ok(seconds)
}

/// Waits until all pods of the operator are of this version: helm does not wait for the end of others, which
/// serve the webhook for some seconds more.
async fn until_alone(shop: &Shop, version: &Version) -> Result<()> {
    let start = Instant::now();
    let is_another = |pod: &Pod| {
        let mut containers = pod.spec.iter().flat_map(|spec| &spec.containers);
        !containers.any(|container| container.image.as_ref() == Some(&version.operator))
    };
    let pods = api::<Pod>(&shop.client, SYSTEM);
    loop {
        let mut others = pods.list(&ListParams::default()).await?.items;
        others.retain(is_another);
        if others.is_empty() {
            let seconds = start.elapsed().as_secs_f64();
            println!("cluster: replicas of the other version gone {seconds:.1} s after helm");
            return Ok(());
        }
        ensure!(start.elapsed() < PATIENCE, "these stay: {others:#?}");
        sleep(LOOK).await;
    }
}

/// What sends without end, and again what was not taken for now.
fn sending(shop: &Shop, name: &str) -> Workload {
    let flags = [
        "--count=0",
        "--every-ms=200",
        "--retries=30",
        "--retry-ms=500",
    ];
    shop.deployment(name).flags(&flags)
}

/// Waits until so many more mails came.
async fn goes_on(shop: &Shop, more: usize) {
    let so_far = shop.zoho.count_from(&shop.address()).await.unwrap();
    shop.until_mails(so_far + more).await.unwrap();
}

/// The sidecar's image of each pod that is to stay.
async fn sidecars_of(shop: &Shop, workload: &str) -> Vec<String> {
    let pods = shop.pods_of(workload).await.unwrap();
    let staying = pods
        .iter()
        .filter(|pod| pod.metadata.deletion_timestamp.is_none());
    staying.map(|pod| sidecar(pod).unwrap()).collect()
}

/// The sidecar's image of a pod.
fn sidecar(pod: &Pod) -> Result<String> {
    let spec = pod.spec.as_ref().context("a spec")?;
    let mut containers = spec.init_containers.iter().flatten();
    let sidecar = containers.find(|container| container.name == "zohorelay");
    sidecar
        .and_then(|sidecar| sidecar.image.clone())
        .context("no sidecar")
}

/// Waits until the identity's status counts its pods so; gives the identity.
async fn until_counted(shop: &Shop, attached: i32, outdated: i32) -> MailIdentity {
    let expected = PodCounts {
        attached,
        missing: 0,
        outdated,
        current: attached,
    };
    let what = format!("its pods are counted as {expected:?}");
    let fits = |found: &MailIdentity| {
        found.status.as_ref().and_then(|status| status.pods) == Some(expected)
    };
    shop.until(IDENTITY, &what, fits).await.unwrap()
}

/// What a condition of the identity says, as `True AllPodsCurrent 2 of 2 pods report …`.
fn said(identity: &MailIdentity, kind: &str) -> String {
    let conditions = identity.status.iter().flat_map(|status| &status.conditions);
    let mut conditions = conditions.filter(|condition| condition.type_ == kind);
    let condition = conditions.next().expect("the condition");
    format!(
        "{} {} {}",
        condition.status, condition.reason, condition.message
    )
}
