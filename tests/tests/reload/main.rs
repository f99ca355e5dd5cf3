//! New documents while mail flows: swapped as the kubelet does it, bad ones, older ones, none.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::float_cmp,
    clippy::cast_precision_loss,
    reason = "a test may panic, and metrics are small whole numbers"
)]

mod bad;
mod load;
mod removal;
mod revisions;
mod watch;

use serde_json::Value;
use zoho_simulator::{Account, Options, Running, Simulator};
use zohorelay_tests::document::document;
use zohorelay_tests::kubelet::Volume;
use zohorelay_tests::metrics::Metrics;
use zohorelay_tests::sidecar::{self, Sidecar};

const TO: &[&str] = &["ann@example.org"];
const FROM: &str = "billing@example.com";
const GOOD: &str = "From: billing@example.com\r\nSubject: hello\r\n";

/// A mailbox with two passwords that both work, as app passwords do, and a second login that may
/// send as the first.
async fn zoho() -> Running {
    let mut billing = Account::new(FROM, "first");
    billing.password = Some("second".to_owned());
    let backup = Account::new("backup@example.com", "third").alias(FROM);
    let accounts = vec![billing, backup];
    let options = Options {
        accounts,
        ..Options::default()
    };
    Simulator::start(options).await.unwrap()
}

fn billing(zoho: &Running, revision: u64) -> Value {
    let mut document = document("billing", FROM, "first", zoho);
    document["uid"] = "1".into();
    document["revision"] = revision.into();
    document
}

/// A sidecar with one identity, whose volume has this document from the start.
async fn start(document: &Value) -> (Sidecar, Volume) {
    let mut options = sidecar::Options::with(vec![]);
    options.identities.push("billing".to_owned());
    let sidecar = Sidecar::start(options).await.unwrap();
    let identities = sidecar.folder().join("identities");
    let mut volume = Volume::mount(&identities, "billing").unwrap();
    volume.publish(document).unwrap();
    sidecar
        .metrics_when(|metrics| reloads(metrics, "applied") == 1.0)
        .await
        .unwrap();
    (sidecar, volume)
}

fn reloads(metrics: &Metrics, result: &str) -> f64 {
    let labels = [("identity", "billing"), ("result", result)];
    metrics.value("zohorelay_sidecar_config_reloads_total", &labels)
}

fn revision(metrics: &Metrics) -> f64 {
    metrics.value("zohorelay_sidecar_config_revision", &[])
}
