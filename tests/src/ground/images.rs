//! Our images come into the cluster: those of `make images`, and the app's.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use zohorelay_images::{Arch, Image};

use super::cluster::Cluster;

/// Loads all of them.
pub(super) async fn load(cluster: &Cluster) -> Result<()> {
    for name in ["operator", "sidecar", "simulator"] {
        let archive = target().join("images").join(name).with_extension("tar");
        anyhow::ensure!(
            archive.is_file(),
            "{} is not there: run `make images`",
            archive.display()
        );
        cluster.load(&archive).await?;
    }
    let folder = tempfile::tempdir()?;
    let archive = folder.path().join("app.tar");
    let version = env!("CARGO_PKG_VERSION");
    Image::new("zohorelay/app", version, Arch::host())
        .program(&app(), "/app")
        .context("run `tests/app/build` first")?
        .write(&archive)?;
    cluster.load(&archive).await
}

/// The static program that `tests/app/build` leaves, or `ZOHORELAY_APP`.
fn app() -> PathBuf {
    let built = || target().join(Arch::host().target()).join("debug/app");
    std::env::var_os("ZOHORELAY_APP").map_or_else(built, PathBuf::from)
}

fn target() -> PathBuf {
    let usual = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(usual, PathBuf::from)
}
