//! etcd, kube-apiserver and kube-controller-manager in a folder of their own, and a node where one is asked for.
//!
//! Only the API server listens on a port, and on loopback (with a node: on the node's address); etcd is reached by a socket in the
//! folder, which nobody else may enter. Certificates, the service-account key and the administrator's
//! token are made at each start.

mod access;
mod credentials;
pub(crate) mod guardian;
pub(crate) mod process;
mod programs;

use std::fs::Permissions;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use kube::{Api, Client};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;

pub use self::access::Access;
pub use self::credentials::Authority;
pub use self::guardian::Guard;
use self::guardian::Guardian;
use self::process::Process;
use self::programs::Programs;
use crate::binaries::{Binaries, BuildError, Program};
use crate::node::{self, Node, NodeError, NodeOptions, Site};

/// Patience with a start; a loaded machine takes a few seconds.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at a server that starts.
const LOOK: Duration = Duration::from_millis(25);
/// A port is picked before it is used, so somebody else may take it meanwhile.
const PORTS_TRIED: usize = 5;

/// How to start one.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the programs come from.
    pub binaries: Binaries,
    /// More flags of the API server.
    pub api_server_flags: Vec<String>,
    /// Whether it has a node with real pods, and which. Needs root.
    pub node: Option<NodeOptions>,
    /// Whether the folder with logs and kubeconfig outlives the run.
    pub keep: bool,
}

impl Default for Options {
    /// Programs and keeping (`ZOHORELAY_KEEP`) as the environment says.
    fn default() -> Self {
        Self {
            binaries: Binaries::from_env(),
            api_server_flags: Vec::new(),
            node: None,
            keep: std::env::var_os("ZOHORELAY_KEEP").is_some(),
        }
    }
}

/// Why there is no control plane.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A program is missing.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The folder or a file in it cannot be written.
    #[error("making the folder of the control plane: {0}")]
    Folder(#[from] io::Error),
    /// Certificates or keys cannot be made.
    #[error("making certificates: {0}")]
    Certificates(#[from] rcgen::Error),
    /// A program ended or does not answer.
    #[error("starting {name}: {what}; its log is {}, which ends:\n{tail}", log.display())]
    Process {
        /// The program.
        name: &'static str,
        /// What it did.
        what: String,
        /// Its whole log.
        log: PathBuf,
        /// The end of its log.
        tail: String,
    },
    /// There is no node.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// A client cannot be made.
    #[error("making a client: {0}")]
    Client(#[from] kube::Error),
}

/// A control plane that runs; ended when dropped, and when this program ends in whatever way.
#[derive(Debug)]
pub struct Running {
    // Ended in this order, then the folder goes.
    node: Option<Node>,
    controllers: Mutex<Option<Process>>,
    api_server: Mutex<Option<Process>>,
    etcd: Process,
    guardian: Arc<Guardian>,
    programs: Programs,
    admin: Access,
    authority: Authority,
    folder: TempDir,
}

impl Running {
    /// Starts one and waits until it is ready: about 4 s, and minutes where programs must be built.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let binaries = options.binaries.clone();
        let paths = tokio::task::spawn_blocking(move || programs::Paths::find(&binaries))
            .await
            .map_err(io::Error::other)??;
        // Unlike a file it makes, a folder has what the umask leaves.
        let mut folder = tempfile::Builder::new()
            .prefix("zohorelay-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir()?;
        folder.disable_cleanup(options.keep);
        let authority = Authority::new()?;
        let token = credentials::token();
        let guardian = Arc::new(Guardian::start(folder.path(), options.keep)?);
        let namespaces = match options.node {
            Some(_) => Some(node::prepare(folder.path(), &guardian)?),
            None => None,
        };
        let flags = options.api_server_flags;
        let mut programs = Programs::new(paths, folder.path(), flags, namespaces);
        credentials::write_all(folder.path(), &authority, &token, programs.address())?;

        let started = async {
            let etcd = programs.start("etcd", programs.etcd(), &guardian)?;
            let (api_server, admin) =
                first_start(&mut programs, &authority, &token, &guardian).await?;
            admin.write(&programs.kubeconfig())?;
            let controllers = start_controllers(&programs, &guardian)?;
            let node = match (&options.node, programs.namespaces()) {
                (Some(options), Some(namespaces)) => {
                    let site = Site {
                        folder: folder.path(),
                        namespaces: namespaces.clone(),
                        guardian: guardian.clone(),
                        binaries: programs.binaries(),
                        client: admin.client()?,
                    };
                    Some(Node::start(options, site).await?)
                }
                _ => None,
            };
            Ok((etcd, api_server, admin, controllers, node))
        };
        match started.await {
            Ok((etcd, api_server, admin, controllers, node)) => Ok(Self {
                node,
                controllers: Mutex::new(Some(controllers)),
                api_server: Mutex::new(Some(api_server)),
                etcd,
                guardian,
                programs,
                admin,
                authority,
                folder,
            }),
            Err(error) => {
                guardian.keep_folder();
                folder.disable_cleanup(true);
                Err(error)
            }
        }
    }

    /// The node with real pods, where the options asked for one.
    pub fn node(&self) -> Option<&Node> {
        self.node.as_ref()
    }

    /// Its folder: `kubeconfig`, logs (`etcd.log`, `kube-apiserver.log`, …), keys.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The administrator's access, of which others are made.
    pub fn admin(&self) -> &Access {
        &self.admin
    }

    /// The administrator's kubeconfig.
    pub fn kubeconfig(&self) -> PathBuf {
        self.programs.kubeconfig()
    }

    /// Where the API server listens.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((self.programs.address(), self.programs.port()))
    }

    /// What signs the certificates of this run.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// A client of the administrator. It belongs to the runtime that makes it: one a test.
    pub fn client(&self) -> Result<Client, kube::Error> {
        self.admin.client()
    }

    /// A client of somebody else, who has only the rights that were given to them.
    pub fn client_as(&self, user: &str, groups: &[&str]) -> Result<Client, kube::Error> {
        self.admin.client_as(user, groups)
    }

    /// A client with a service account's own token.
    pub async fn client_as_service_account(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Client, kube::Error> {
        self.service_account(namespace, name).await?.client()
    }

    /// The access of a service account, by a token of one hour.
    pub async fn service_account(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Access, kube::Error> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client()?, namespace);
        let request = TokenRequest {
            spec: TokenRequestSpec {
                expiration_seconds: Some(3600),
                ..TokenRequestSpec::default()
            },
            ..TokenRequest::default()
        };
        let answer = accounts
            .create_token_request(name, &PostParams::default(), &request)
            .await?;
        let token = answer.status.map(|status| status.token).unwrap_or_default();
        Ok(self.admin.with_token(&token))
    }

    /// `kubectl` as the administrator.
    pub async fn kubectl(&self, arguments: &[&str]) -> io::Result<Output> {
        self.kubectl_with(arguments, "").await
    }

    /// `kubectl` as the administrator, with something on its stdin.
    pub async fn kubectl_with(&self, arguments: &[&str], stdin: &str) -> io::Result<Output> {
        let mut command = self.command(Program::Kubectl).map_err(io::Error::other)?;
        command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = tokio::process::Command::from(command)
            .kill_on_drop(true)
            .spawn()?;
        if let Some(mut pipe) = child.stdin.take() {
            pipe.write_all(stdin.as_bytes()).await?;
        }
        child.wait_with_output().await
    }

    /// A command line (kubectl, helm) as the administrator: it sees this cluster only, and leaves its
    /// caches in the folder. Blocks while a program is built.
    pub fn command(&self, program: Program) -> Result<Command, BuildError> {
        let mut command = Command::new(self.programs.binaries().find(program)?);
        command
            .env("KUBECONFIG", self.kubeconfig())
            .env("HOME", self.folder())
            .env_remove("XDG_CACHE_HOME")
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("XDG_DATA_HOME");
        Ok(command)
    }

    /// Ends a process that a test started, too, when this program ends in whatever way.
    #[must_use]
    pub fn guard(&self, pid: u32) -> Guard {
        Guard::new(&self.guardian, pid)
    }

    /// Ids of the processes.
    pub fn pids(&self) -> Vec<u32> {
        let api_server = self.api_server().as_ref().map(Process::pid);
        let controllers = self.controllers().as_ref().map(Process::pid);
        let node = self.node.as_ref().map(Node::pids).unwrap_or_default();
        let here = [Some(self.etcd.pid()), api_server, controllers];
        here.into_iter().flatten().chain(node).collect()
    }

    /// Ends the API server as a crash does; its database goes on.
    pub fn stop_api_server(&self) {
        self.api_server().take();
    }

    /// Starts the API server again where it was, on what the database holds.
    pub async fn start_api_server(&self) -> Result<(), StartError> {
        let command = self.programs.api_server();
        let mut process = self
            .programs
            .start("kube-apiserver", command, &self.guardian)?;
        until_ready(&mut process, &self.admin).await?;
        *self.api_server() = Some(process);
        Ok(())
    }

    /// Starts all clients of the API server anew: after it was gone they wait up to a minute before they
    /// look again.
    pub fn restart_clients(&self) -> Result<(), StartError> {
        let mut controllers = self.controllers();
        controllers.take();
        *controllers = Some(start_controllers(&self.programs, &self.guardian)?);
        self.node.as_ref().map_or(Ok(()), Node::restart_clients)
    }

    fn controllers(&self) -> MutexGuard<'_, Option<Process>> {
        self.controllers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn api_server(&self) -> MutexGuard<'_, Option<Process>> {
        self.api_server
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn start_controllers(programs: &Programs, guardian: &Arc<Guardian>) -> Result<Process, StartError> {
    let command = programs.controllers();
    programs.start("kube-controller-manager", command, guardian)
}

/// Starts the API server on a free port.
async fn first_start(
    programs: &mut Programs,
    authority: &Authority,
    token: &str,
    guardian: &Arc<Guardian>,
) -> Result<(Process, Access), StartError> {
    let mut tries = 0;
    loop {
        tries += 1;
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        programs.listen_on(port);
        let admin = Access::new(
            &format!("https://{}:{port}", programs.address()),
            &authority.pem(),
            token,
        );
        let command = programs.api_server();
        let mut process = programs.start("kube-apiserver", command, guardian)?;
        match until_ready(&mut process, &admin).await {
            Ok(()) => return Ok((process, admin)),
            Err(StartError::Process { tail, .. })
                if tail.contains("address already in use") && tries < PORTS_TRIED => {}
            Err(error) => return Err(error),
        }
    }
}

async fn until_ready(process: &mut Process, admin: &Access) -> Result<(), StartError> {
    let client = admin.client()?;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(status) = process.ended()? {
            return Err(process.failure(&format!("it ended with {status}")));
        }
        if access::is_ready(&client).await {
            return Ok(());
        }
        if tokio::time::Instant::now() > deadline {
            return Err(process.failure("it is not ready after 60 s"));
        }
        tokio::time::sleep(LOOK).await;
    }
}
