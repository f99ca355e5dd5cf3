//! One node with real pods: containerd, kubelet, kube-proxy and DNS beside the control plane, all of it
//! in namespaces of its own. Needs root.
//!
//! This machine reaches the node by one link, and the node reaches nothing but this machine's end of it:
//! no route leads out, nothing is translated. What runs or is mounted inside ends with the namespaces.

mod cgroups;
mod files;
mod images;
pub(crate) mod namespaces;
mod needs;
mod programs;

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::Node as NodeObject;
use kube::{Api, Client};

use self::files::Files;
pub(crate) use self::namespaces::Namespaces;
use self::programs::{Part, Paths};
use crate::binaries::Binaries;
use crate::control_plane::StartError;
use crate::control_plane::guardian::Guardian;
use crate::control_plane::process::Process;

/// The node's name in the cluster.
pub const NAME: &str = "node-a";

const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(50);

/// How to start one.
#[derive(Clone, Debug)]
pub struct NodeOptions {
    /// How often the kubelet looks at a pod without cause, and so how late a changed Secret reaches a
    /// volume at most. The kubelet's own default is a minute.
    pub sync: Duration,
}

impl Default for NodeOptions {
    /// Ten seconds.
    fn default() -> Self {
        Self {
            sync: Duration::from_secs(10),
        }
    }
}

/// Where it starts.
pub(crate) struct Site<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) namespaces: Arc<Namespaces>,
    pub(crate) guardian: Arc<Guardian>,
    pub(crate) binaries: &'a Binaries,
    pub(crate) client: Client,
}

/// Why there is no node.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// Namespaces and mounts are root's.
    #[error("starting a node with real pods: it must be root; run it with sudo")]
    NotRoot,
    /// Programs are missing.
    #[error(
        "starting a node with real pods: not installed here: {0} (names of Debian's packages); \
         `tests/cluster/install` installs them"
    )]
    Missing(String),
    /// The namespaces cannot be made.
    #[error("making the namespaces of a node: {0}")]
    Namespaces(String),
    /// A command failed.
    #[error("running `{command}`: {said}")]
    Command {
        /// Its line.
        command: String,
        /// What it said.
        said: String,
    },
    /// An image cannot be written.
    #[error("writing the images of a node: {0}")]
    Image(#[source] zohorelay_images::ImageError),
    /// An image is not there.
    #[error("loading the image {}, which `make images` writes", path.display())]
    Archive {
        /// Its archive.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A container does not run.
    #[error("killing the container {container} of the pod {pod}: it does not run")]
    NoContainer {
        /// Its namespace and name.
        pod: String,
        /// The container.
        container: String,
    },
    /// A file cannot be written, or a program not started.
    #[error("starting a node: {0}")]
    File(#[from] io::Error),
    /// The node does not come up.
    #[error("the node is not ready after 60 s; see the logs in {}", .0.display())]
    NotReady(PathBuf),
}

impl NodeError {
    /// Of a command that ended badly.
    fn failed(command: &Command, output: &Output) -> Self {
        Self::Command {
            command: format!("{command:?}").replace('"', ""),
            said: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        }
    }
}

/// A node that runs.
#[derive(Debug)]
pub struct Node {
    namespaces: Arc<Namespaces>,
    guardian: Arc<Guardian>,
    paths: Paths,
    folder: PathBuf,
    running: Mutex<Vec<(Part, Process)>>,
}

/// What a node needs before its control plane starts.
pub(crate) fn prepare(
    folder: &Path,
    guardian: &Arc<Guardian>,
) -> Result<Arc<Namespaces>, NodeError> {
    needs::check()?;
    Ok(Arc::new(Namespaces::new(folder, guardian)?))
}

impl Node {
    /// Starts one beside a control plane, and waits until it is ready: about 5 s.
    pub(crate) async fn start(options: &NodeOptions, site: Site<'_>) -> Result<Self, StartError> {
        let Site {
            folder,
            namespaces,
            guardian,
            ..
        } = site;
        let name = folder.file_name().unwrap_or_default();
        let cgroup = name.to_string_lossy().into_owned();
        guardian.remove_cgroup(&cgroup);
        cgroups::create(&cgroup).map_err(NodeError::File)?;
        let files = Files {
            folder,
            address: namespaces.address(),
            plugins: needs::plugins().unwrap_or_default(),
            cgroup: &cgroup,
            sync: options.sync,
        };
        files.write().map_err(NodeError::File)?;
        let node = Self {
            namespaces,
            guardian,
            paths: paths(site.binaries).await?,
            folder: folder.to_owned(),
            running: Mutex::default(),
        };
        for part in Part::ALL {
            node.start_part(part)?;
            if part == Part::Containerd {
                node.until_containerd().await?;
                for archive in images::write(folder)? {
                    node.load_image(&archive).await?;
                }
            }
        }
        node.until_ready(site.client).await?;
        Ok(node)
    }

    /// Its address, which this machine reaches too.
    pub fn address(&self) -> Ipv4Addr {
        self.namespaces.address()
    }

    /// Makes the images of an archive (OCI or Docker) known to the node.
    pub async fn load_image(&self, archive: &Path) -> Result<(), NodeError> {
        // Inside, paths begin at the root.
        let archive = fs::canonicalize(archive).map_err(|source| NodeError::Archive {
            path: archive.to_owned(),
            source,
        })?;
        let archive = archive.display().to_string();
        self.ctr(&["images", "import", &archive]).await?;
        Ok(())
    }

    /// Ends the kubelet as a crash does; pods go on.
    pub fn stop_kubelet(&self) {
        self.stop_part(Part::Kubelet);
    }

    /// Starts the kubelet again.
    pub fn start_kubelet(&self) -> Result<(), StartError> {
        self.start_part(Part::Kubelet)
    }

    /// Ends containerd as a crash does, and starts it again; containers go on.
    pub async fn restart_containerd(&self) -> Result<(), StartError> {
        self.stop_part(Part::Containerd);
        self.start_part(Part::Containerd)?;
        self.until_containerd().await
    }

    /// As a reboot does to pods: every container is killed while the kubelet is away, which then starts
    /// them anew. Those of the namespace `but` go on, as those of another node would.
    pub async fn reboot(&self, but: &str) -> Result<(), StartError> {
        self.stop_kubelet();
        self.kill(&format!("{}!={but}", label("pod.namespace")))
            .await?;
        self.start_kubelet()
    }

    /// Kills a container of a pod, as a crash does.
    pub async fn kill_container(
        &self,
        namespace: &str,
        pod: &str,
        container: &str,
    ) -> Result<(), NodeError> {
        let fitting = [
            ("pod.namespace", namespace),
            ("pod.name", pod),
            ("container.name", container),
        ];
        let fitting = fitting.map(|(name, value)| format!("{}=={value}", label(name)));
        if self.kill(&fitting.join(",")).await? > 0 {
            return Ok(());
        }
        Err(NodeError::NoContainer {
            pod: format!("{namespace}/{pod}"),
            container: container.to_owned(),
        })
    }

    /// Kills the containers that a filter of containerd's fits; gives how many ran.
    async fn kill(&self, filter: &str) -> Result<usize, NodeError> {
        let listed = self.ctr(&["containers", "ls", "-q", filter]).await?;
        let mut killed = 0;
        for container in String::from_utf8_lossy(&listed.stdout).split_whitespace() {
            // Those that ended are listed, too.
            let kill = self.ctr(&["tasks", "kill", "-s", "9", container]).await;
            killed += usize::from(kill.is_ok());
        }
        Ok(killed)
    }

    /// Changes packet filters by a script of nftables. The chains of `forward` see each packet between
    /// pods. What is left of them goes with the node.
    pub async fn packets(&self, script: &str) -> Result<(), NodeError> {
        let mut command = Command::new("nft");
        command.arg(script);
        output(self.inside(&command)).await?;
        Ok(())
    }

    /// What names outside the cluster resolve to, in half a second; all others do not exist.
    pub fn set_hosts(&self, hosts: &[(&str, IpAddr)]) -> io::Result<()> {
        let lines = hosts
            .iter()
            .map(|(name, address)| format!("{address} {name}\n"));
        fs::write(
            self.folder.join("hosts"),
            lines.collect::<Vec<_>>().concat(),
        )
    }

    /// Ends DNS until it is started again.
    pub fn stop_dns(&self) {
        self.stop_part(Part::Dns);
    }

    /// Starts DNS again.
    pub fn start_dns(&self) -> Result<(), StartError> {
        self.start_part(Part::Dns)
    }

    /// A command line inside the node's namespaces.
    pub fn inside(&self, command: &Command) -> Command {
        self.namespaces.enter(command)
    }

    /// Starts all programs but containerd anew.
    pub(crate) fn restart_clients(&self) -> Result<(), StartError> {
        let clients = Part::ALL
            .into_iter()
            .filter(|&part| part != Part::Containerd);
        for part in clients {
            self.stop_part(part);
            self.start_part(part)?;
        }
        Ok(())
    }

    /// Ids of its programs.
    pub(crate) fn pids(&self) -> Vec<u32> {
        self.running()
            .iter()
            .map(|(_, process)| process.pid())
            .collect()
    }

    fn start_part(&self, part: Part) -> Result<(), StartError> {
        let address = self.address().to_string();
        let command = part.command(&self.paths, &self.folder, &address);
        let process = Process::start_inside(
            part.name(),
            self.namespaces.enter(&command),
            &self.folder,
            &self.guardian,
        )?;
        self.running().push((part, process));
        Ok(())
    }

    fn stop_part(&self, part: Part) {
        self.running().retain(|(running, _)| *running != part);
    }

    fn running(&self) -> std::sync::MutexGuard<'_, Vec<(Part, Process)>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ctr(&self, arguments: &[&str]) -> Result<Output, NodeError> {
        let mut command = Command::new("ctr");
        command
            .arg(format!(
                "--address={}",
                self.folder.join("containerd.sock").display()
            ))
            .arg("--namespace=k8s.io")
            .args(arguments);
        output(self.inside(&command)).await
    }

    async fn until_containerd(&self) -> Result<(), StartError> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            match self.ctr(&["version"]).await {
                Ok(_) => return Ok(()),
                Err(error) if tokio::time::Instant::now() > deadline => return Err(error.into()),
                Err(_) => tokio::time::sleep(LOOK).await,
            }
        }
    }

    async fn until_ready(&self, client: Client) -> Result<(), NodeError> {
        let nodes: Api<NodeObject> = Api::all(client);
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while tokio::time::Instant::now() < deadline {
            if let Ok(Some(node)) = nodes.get_opt(NAME).await
                && is_ready(&node)
            {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
        Err(NodeError::NotReady(self.folder.clone()))
    }
}

/// A label that the kubelet gives to containers, as filters name it.
fn label(name: &str) -> String {
    format!("labels.\"io.kubernetes.{name}\"")
}

async fn paths(binaries: &Binaries) -> Result<Paths, StartError> {
    let binaries = binaries.clone();
    let found = tokio::task::spawn_blocking(move || Paths::find(&binaries)).await;
    Ok(found.map_err(io::Error::other)??)
}

async fn output(command: Command) -> Result<Output, NodeError> {
    let mut command = tokio::process::Command::from(command);
    let output = command
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await?;
    if output.status.success() {
        return Ok(output);
    }
    Err(NodeError::failed(command.as_std(), &output))
}

fn is_ready(node: &NodeObject) -> bool {
    let conditions = node
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_ref());
    conditions.is_some_and(|conditions| {
        conditions
            .iter()
            .any(|condition| condition.type_ == "Ready" && condition.status == "True")
    })
}
