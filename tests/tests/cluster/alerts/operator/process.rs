//! The Prometheus operator as a process: the real one, at the API server of the node.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::process::{Child, Command};
use zohorelay_cluster::Running;
use zohorelay_cluster::binaries::Program;
use zohorelay_cluster::control_plane::Guard;

const MODULE: &str = "github.com/prometheus-operator/prometheus-operator";

/// A running operator; killed when dropped.
pub(super) struct PrometheusOperator {
    log: PathBuf,
    _child: Child,
    _guard: Guard,
}

impl PrometheusOperator {
    /// Installs the definitions of its kinds, and starts it.
    pub(super) async fn start(cluster: &Running) -> Result<Self> {
        let definitions = definitions().await?;
        let definitions = definitions.to_str().context("a path in UTF-8")?;
        kubectl(cluster, &["apply", "--server-side", "-f", definitions]).await?;
        let established = ["wait", "--for=condition=Established", "crd", "--all"];
        kubectl(cluster, &established).await?;
        let log = cluster.folder().join("prometheus-operator.log");
        let file = File::create(&log)?;
        let child = Command::from(cluster.command(Program::PrometheusOperator)?)
            .arg("--web.listen-address=127.0.0.1:0")
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .kill_on_drop(true)
            .spawn()?;
        let pid = child.id().context("it runs")?;
        Ok(Self {
            log,
            _child: child,
            _guard: cluster.guard(pid),
        })
    }

    /// What it logged.
    pub(super) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

async fn kubectl(cluster: &Running, arguments: &[&str]) -> Result<()> {
    let output = cluster.kubectl(arguments).await?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "kubectl {arguments:?}: {stderr}");
    Ok(())
}

/// The folder of definitions in the operator's own module, got with the checksum that go.sum has.
async fn definitions() -> Result<PathBuf> {
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("cluster/go/prometheus-operator");
    let output = Command::new("go")
        .args(["mod", "download", "-json", MODULE])
        .env("GOWORK", "off")
        .current_dir(module)
        .output()
        .await?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "go mod download: {stderr}");
    let answer: Value = serde_json::from_slice(&output.stdout)?;
    let folder = Path::new(answer["Dir"].as_str().context("a folder")?);
    Ok(folder.join("example/prometheus-operator-crd"))
}
