//! What people see of identities and of the pods that send as them.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use http::Request;
use kube::ResourceExt as _;
use serde_json::Value;
use tokio::time::{Duration, Instant, sleep};
use zohorelay_crds::MailIdentity;
use zohorelay_tests::ground::shop::Shop;
use zohorelay_tests::program::PATIENCE;

/// Between two looks at what nobody tells of by itself.
pub(crate) const LOOK: Duration = Duration::from_millis(200);

/// The row of an identity as `kubectl get mid` prints it, by column.
pub(crate) async fn row(shop: &Shop, identity: &str) -> Result<BTreeMap<String, String>> {
    let table = shop.kubectl(&format!("get mid {identity}")).await?;
    let mut lines = table.lines();
    let (head, row) = (lines.next().context("a head")?, lines.next());
    let row = row.context("a row")?;
    let names: Vec<&str> = head.split_whitespace().collect();
    let starts: Vec<usize> = names.iter().filter_map(|name| head.find(name)).collect();
    let cell = |n: usize| {
        let end = starts.get(n + 1).copied().unwrap_or(row.len());
        row[starts[n]..end].trim().to_owned()
    };
    let cells = names.iter().enumerate();
    Ok(cells
        .map(|(n, name)| ((*name).to_owned(), cell(n)))
        .collect())
}

/// The columns READY, VERIFIED and PODS of the identity `billing`.
pub(crate) async fn state(shop: &Shop) -> Result<String> {
    let row = row(shop, zohorelay_tests::ground::shop::IDENTITY).await?;
    Ok(["READY", "VERIFIED", "PODS"]
        .map(|name| row[name].clone())
        .join(" "))
}

/// Waits until those columns are so.
pub(crate) async fn until_state(shop: &Shop, wanted: &str) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let now = state(shop).await?;
        if now == wanted {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("kubectl get mid shows {now}, not {wanted}");
        }
        sleep(LOOK).await;
    }
}

/// The message of a condition.
pub(crate) fn message(identity: &MailIdentity, kind: &str) -> String {
    let conditions = identity.status.iter().flat_map(|status| &status.conditions);
    let mut fitting = conditions.filter(|condition| condition.type_ == kind);
    fitting
        .next()
        .map(|found| found.message.clone())
        .unwrap_or_default()
}

/// What the sidecar of a pod says of its first identity.
pub(crate) async fn summary(shop: &Shop, pod: &str) -> Result<Value> {
    let namespace = &shop.namespace;
    let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}:9465/proxy/summary");
    let request = Request::get(&path).body(Vec::new())?;
    let mut summary: Value = shop.client.request(request).await.context(path)?;
    Ok(summary["identities"][0].take())
}

/// Pods of a workload and all containers in them: the same again if nothing was restarted.
pub(crate) async fn running(shop: &Shop, workload: &str) -> Result<BTreeSet<String>> {
    let mut ids = BTreeSet::new();
    for pod in shop.pods_of(workload).await? {
        ids.insert(pod.uid().context("a uid")?);
        let status = pod.status.unwrap_or_default();
        let init = status.init_container_statuses.unwrap_or_default();
        let containers = status.container_statuses.unwrap_or_default();
        let started = init.into_iter().chain(containers);
        ids.extend(started.filter_map(|container| container.container_id));
    }
    Ok(ids)
}
