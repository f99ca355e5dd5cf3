//! Our images come into the cluster: those of `make images`, the apps, Prometheus and Alertmanager.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

use super::cluster::Cluster;

/// Of `tests/prometheus/images`, and who listens to them.
const MONITORING: [&str; 3] = ["prometheus", "alertmanager", "on-call"];

/// Loads what every test needs.
pub(super) async fn load(cluster: &Cluster) -> Result<()> {
    load_all(cluster, &["operator", "sidecar", "simulator", "app"]).await
}

/// Loads what watches and tells.
pub(super) async fn load_monitoring(cluster: &Cluster) -> Result<()> {
    load_all(cluster, &MONITORING).await
}

/// Whether that can be had here.
pub(super) fn has_monitoring() -> bool {
    MONITORING.iter().all(|name| archive(name).is_file())
}

async fn load_all(cluster: &Cluster, names: &[&str]) -> Result<()> {
    for name in names {
        let archive = archive(name);
        ensure!(
            archive.is_file(),
            "{} is not there: run `make images app-image`",
            archive.display()
        );
        cluster.load(&archive).await?;
    }
    Ok(())
}

fn archive(name: &str) -> PathBuf {
    folder().join(name).with_extension("tar")
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/images")
}
