//! The command lines.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use super::StartError;
use super::guardian::Guardian;
use super::process::Process;
use crate::binaries::{Binaries, BuildError, Program};
use crate::node::Namespaces;

/// Where the programs are.
#[derive(Debug)]
pub(super) struct Paths {
    binaries: Binaries,
    etcd: PathBuf,
    api_server: PathBuf,
    controllers: PathBuf,
}

impl Paths {
    /// Finds or builds them.
    pub(super) fn find(binaries: &Binaries) -> Result<Self, BuildError> {
        Ok(Self {
            binaries: binaries.clone(),
            etcd: binaries.find(Program::Etcd)?,
            api_server: binaries.find(Program::KubeApiserver)?,
            controllers: binaries.find(Program::KubeControllerManager)?,
        })
    }
}

/// The programs of one run and their flags.
#[derive(Debug)]
pub(super) struct Programs {
    paths: Paths,
    folder: PathBuf,
    port: u16,
    api_server_flags: Vec<String>,
    /// Where a node is: its namespaces. Else they run on this machine as it is.
    namespaces: Option<Arc<Namespaces>>,
}

impl Programs {
    pub(super) fn new(
        paths: Paths,
        folder: &Path,
        api_server_flags: Vec<String>,
        namespaces: Option<Arc<Namespaces>>,
    ) -> Self {
        Self {
            paths,
            folder: folder.to_owned(),
            port: 0,
            api_server_flags,
            namespaces,
        }
    }

    /// Starts one of these commands where it belongs.
    pub(super) fn start(
        &self,
        name: &'static str,
        command: Command,
        guardian: &Arc<Guardian>,
    ) -> Result<Process, StartError> {
        match &self.namespaces {
            Some(namespaces) => {
                Process::start_inside(name, namespaces.enter(&command), &self.folder, guardian)
            }
            None => Process::start(name, command, &self.folder, guardian),
        }
    }

    pub(super) fn namespaces(&self) -> Option<&Arc<Namespaces>> {
        self.namespaces.as_ref()
    }

    /// The address of the API server.
    pub(super) fn address(&self) -> Ipv4Addr {
        let node = self
            .namespaces
            .as_ref()
            .map(|namespaces| namespaces.address());
        node.unwrap_or(Ipv4Addr::LOCALHOST)
    }

    pub(super) fn binaries(&self) -> &Binaries {
        &self.paths.binaries
    }

    pub(super) fn kubeconfig(&self) -> PathBuf {
        self.file("kubeconfig").into()
    }

    /// The port of the API server from now on.
    pub(super) fn listen_on(&mut self, port: u16) {
        self.port = port;
    }

    /// The port of the API server.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// The database. Nothing must survive a power cut, so nothing is synced.
    pub(super) fn etcd(&self) -> Command {
        let mut command = Command::new(&self.paths.etcd);
        let socket = self.socket();
        command
            .arg(format!("--data-dir={}", self.file("etcd")))
            .arg(format!("--listen-client-urls={socket}"))
            .arg(format!("--advertise-client-urls={socket}"))
            .arg(format!(
                "--listen-peer-urls=unix://{}",
                self.file("peer.sock")
            ))
            // It has no peers, but must name an address of its own for them.
            .arg("--initial-advertise-peer-urls=http://127.0.0.1:1")
            .arg("--initial-cluster=default=http://127.0.0.1:1")
            .arg("--unsafe-no-fsync");
        command
    }

    pub(super) fn api_server(&self) -> Command {
        let mut command = Command::new(&self.paths.api_server);
        command
            .arg(format!("--etcd-servers={}", self.socket()))
            .arg(format!("--bind-address={}", self.address()))
            .arg(format!("--secure-port={}", self.port))
            .arg(format!("--tls-cert-file={}", self.file("server.crt")))
            .arg(format!(
                "--tls-private-key-file={}",
                self.file("server.key")
            ))
            .arg(format!("--cert-dir={}", self.file("certificates")))
            .arg(format!("--token-auth-file={}", self.file("tokens.csv")))
            .arg("--authorization-mode=Node,RBAC")
            .arg("--allow-privileged=true")
            .arg("--service-cluster-ip-range=10.96.0.0/16")
            .arg("--service-account-issuer=https://kubernetes.default.svc")
            .arg(format!(
                "--service-account-key-file={}",
                self.file("accounts.pub")
            ))
            .arg(format!(
                "--service-account-signing-key-file={}",
                self.file("accounts.key")
            ))
            .args(&self.api_server_flags);
        if self.namespaces.is_some() {
            command
                .arg("--kubelet-preferred-address-types=InternalIP")
                .arg(format!(
                    "--kubelet-certificate-authority={}",
                    self.file("ca.crt")
                ))
                .arg(format!(
                    "--kubelet-client-certificate={}",
                    self.file("kubelet-client.crt")
                ))
                .arg(format!(
                    "--kubelet-client-key={}",
                    self.file("kubelet-client.key")
                ));
        } else {
            // It would refuse to give a loopback address to others.
            command.arg("--endpoint-reconciler-type=none");
        }
        command
    }

    pub(super) fn controllers(&self) -> Command {
        let mut command = Command::new(&self.paths.controllers);
        command
            .arg(format!("--kubeconfig={}", self.file("kubeconfig")))
            // No port: nobody asks it.
            .arg("--secure-port=0")
            .arg(format!("--cert-dir={}", self.file("certificates")))
            .arg("--leader-elect=false")
            .arg(format!(
                "--service-account-private-key-file={}",
                self.file("accounts.key")
            ))
            .arg(format!("--root-ca-file={}", self.file("ca.crt")))
            .args(["--kube-api-qps=200", "--kube-api-burst=400"]);
        command
    }

    fn file(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    fn socket(&self) -> String {
        format!("unix://{}", self.file("etcd.sock"))
    }
}
