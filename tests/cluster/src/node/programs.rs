//! The command lines of a node, and which of its programs run.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::binaries::{Binaries, BuildError, Program};

/// Where those are that are built here.
#[derive(Debug)]
pub(super) struct Paths {
    scheduler: PathBuf,
    kubelet: PathBuf,
    proxy: PathBuf,
    dns: PathBuf,
}

impl Paths {
    /// Finds or builds them.
    pub(super) fn find(binaries: &Binaries) -> Result<Self, BuildError> {
        Ok(Self {
            scheduler: binaries.find(Program::KubeScheduler)?,
            kubelet: binaries.find(Program::Kubelet)?,
            proxy: binaries.find(Program::KubeProxy)?,
            dns: binaries.find(Program::Coredns)?,
        })
    }
}

/// A program of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Scheduler,
    Containerd,
    Kubelet,
    Proxy,
    Dns,
}

impl Part {
    /// In the order of their start.
    pub(super) const ALL: [Self; 5] = [
        Self::Containerd,
        Self::Scheduler,
        Self::Dns,
        Self::Proxy,
        Self::Kubelet,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Scheduler => "kube-scheduler",
            Self::Containerd => "containerd",
            Self::Kubelet => "kubelet",
            Self::Proxy => "kube-proxy",
            Self::Dns => "coredns",
        }
    }

    pub(super) fn command(self, paths: &Paths, folder: &Path, address: &str) -> Command {
        let file = |name: &str| folder.join(name).display().to_string();
        let kubeconfig = format!("--kubeconfig={}", file("kubeconfig"));
        let (program, arguments): (&Path, Vec<String>) = match self {
            Self::Scheduler => (
                &paths.scheduler,
                vec![
                    kubeconfig,
                    "--leader-elect=false".to_owned(),
                    // No port: nobody asks it.
                    "--secure-port=0".to_owned(),
                ],
            ),
            Self::Containerd => (
                Path::new("containerd"),
                vec![format!("--config={}", file("containerd.toml"))],
            ),
            Self::Kubelet => (
                &paths.kubelet,
                vec![
                    kubeconfig,
                    format!("--config={}", file("kubelet.yaml")),
                    format!("--root-dir={}", file("kubelet")),
                    format!("--cert-dir={}", file("certificates")),
                    format!("--hostname-override={}", super::NAME),
                    format!("--node-ip={address}"),
                ],
            ),
            Self::Proxy => (
                &paths.proxy,
                vec![format!("--config={}", file("kube-proxy.yaml"))],
            ),
            Self::Dns => (&paths.dns, vec![format!("-conf={}", file("Corefile"))]),
        };
        let mut command = Command::new(program);
        command.args(arguments);
        command
    }
}
