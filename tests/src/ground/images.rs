//! Our images come into the cluster: those of `make images`, and that of the app.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

use super::cluster::Cluster;

/// Loads all of them.
pub(super) async fn load(cluster: &Cluster) -> Result<()> {
    for name in ["operator", "sidecar", "simulator", "app"] {
        let archive = folder().join(name).with_extension("tar");
        ensure!(
            archive.is_file(),
            "{} is not there: run `make images app-image`",
            archive.display()
        );
        cluster.load(&archive).await?;
    }
    Ok(())
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/images")
}
