//! What programs that nobody here wrote make of an object: whether it is fine, on its way, or broken.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use zohorelay_cluster::binaries::{Binaries, Program};

/// What one of them says.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Verdict {
    /// kstatus: Current, `InProgress`, Failed, Terminating …; Argo CD: Healthy, Progressing, Degraded,
    /// Suspended, Missing or Unknown.
    pub status: String,
    /// Why.
    pub message: String,
}

/// What kstatus (Flux, kpt) makes of objects, one verdict each.
pub async fn kstatus(objects: &[impl Serialize]) -> Result<Vec<Verdict>> {
    judge(Program::Kstatus, &[], objects).await
}

/// What a health script makes of objects in Argo CD, one verdict each.
pub async fn argocd_health(script: &Path, objects: &[impl Serialize]) -> Result<Vec<Verdict>> {
    judge(Program::ArgocdHealth, &[script.as_os_str()], objects).await
}

async fn judge(
    program: Program,
    arguments: &[&OsStr],
    objects: &[impl Serialize],
) -> Result<Vec<Verdict>> {
    let path = tokio::task::spawn_blocking(move || Binaries::from_env().find(program)).await??;
    let mut input = Vec::new();
    for object in objects {
        serde_json::to_writer(&mut input, object)?;
        input.push(b'\n');
    }
    let mut child = Command::new(path)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut stdin = child.stdin.take().context("its stdin")?;
    let write = async move { stdin.write_all(&input).await };
    let (written, output) = tokio::join!(write, child.wait_with_output());
    let output = output?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr));
    }
    written?;
    let lines = output.stdout.split(|byte| *byte == b'\n');
    lines
        .filter(|line| !line.is_empty())
        .map(|line| Ok(serde_json::from_slice(line)?))
        .collect()
}
