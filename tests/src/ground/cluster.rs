//! The cluster of the suite: one that this program starts, or one that a person gives.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use kube::Client;
use zohorelay_cluster::binaries::{Binaries, Program};
use zohorelay_cluster::{NodeOptions, Options, Running};

/// Says how an image archive comes into the cluster that `KUBECONFIG` names: a command of the shell, with
/// `{}` for the archive's path; `true` where the images are there already. Only where it is set is that
/// cluster touched: not everybody's `KUBECONFIG` is for tests.
const LOAD: &str = "ZOHORELAY_LOAD";

/// A cluster with real pods.
#[derive(Debug)]
pub enum Cluster {
    /// Started by this program, and ended with it.
    Own(Box<Running>),
    /// A person's own, disposable, by `KUBECONFIG`.
    Given {
        /// The value of `ZOHORELAY_LOAD`.
        load: String,
    },
}

impl Cluster {
    /// The one that the environment gives, else one of our own.
    pub async fn find() -> Result<Self> {
        if let Ok(load) = std::env::var(LOAD) {
            return Ok(Self::Given { load });
        }
        let options = Options {
            node: Some(NodeOptions::default()),
            ..Options::default()
        };
        Ok(Self::Own(Box::new(Running::start(options).await?)))
    }

    /// Our own.
    pub fn running(&self) -> Option<&Running> {
        match self {
            Self::Own(running) => Some(running),
            Self::Given { .. } => None,
        }
    }

    /// A client of the administrator.
    pub async fn client(&self) -> Result<Client> {
        match self {
            Self::Own(running) => Ok(running.client()?),
            Self::Given { .. } => Client::try_default()
                .await
                .context("reaching the cluster that KUBECONFIG names"),
        }
    }

    /// Makes the images of an archive known to the node.
    pub async fn load(&self, archive: &Path) -> Result<()> {
        match self {
            Self::Own(running) => {
                let node = running.node().context("a node")?;
                Ok(node.load_image(archive).await?)
            }
            Self::Given { load } => {
                let line = load.replace("{}", &format!("'{}'", archive.display()));
                let mut command = Command::new("sh");
                command.args(["-c", &line]);
                output(command, &line).await.map(drop)
            }
        }
    }

    /// A command line (kubectl, helm) as the administrator.
    pub fn command(&self, program: Program) -> Result<Command> {
        match self {
            Self::Own(running) => Ok(running.command(program)?),
            Self::Given { .. } => Ok(Command::new(Binaries::from_env().find(program)?)),
        }
    }

    /// What such a command prints; it must succeed.
    pub async fn output(&self, program: Program, arguments: &[&str]) -> Result<String> {
        let mut command = self.command(program)?;
        command.args(arguments);
        let line = format!("{} {}", program.name(), arguments.join(" "));
        output(command, &line).await
    }
}

async fn output(command: Command, line: &str) -> Result<String> {
    let output = tokio::process::Command::from(command)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{line}: {stderr}");
    Ok(String::from_utf8(output.stdout)?)
}
