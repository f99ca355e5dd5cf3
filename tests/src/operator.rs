//! A `zohorelay-operator run` process at a control plane.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::Result;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;
use zohorelay_cluster::control_plane::Guard;
use zohorelay_cluster::{Access, Running};

use crate::metrics::Metrics;
use crate::program::{self, Program};

/// How to start one.
#[derive(Clone, Debug)]
pub struct Options {
    /// Its own namespace.
    pub namespace: String,
    /// Who it is, and by which way: the administrator, a service account, a way through a proxy.
    pub access: Access,
    /// More flags.
    pub flags: Vec<String>,
}

impl Options {
    /// The administrator, in this namespace and looking after this namespace only, since others of the
    /// same control plane belong to other tests.
    pub fn in_namespace(cluster: &Running, namespace: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            access: cluster.admin().clone(),
            flags: vec!["--watch-namespace".to_owned(), namespace.to_owned()],
        }
    }

    /// Another person or another way.
    #[must_use]
    pub fn access(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    /// Adds flags.
    #[must_use]
    pub fn flags(mut self, flags: &[&str]) -> Self {
        self.flags.extend(flags.iter().map(|&flag| flag.to_owned()));
        self
    }
}

/// A running operator; killed when dropped.
#[derive(Debug)]
pub struct Operator {
    program: Program,
    _guard: Guard,
    _folder: TempDir,
    /// `/metrics` and the like.
    pub admin: SocketAddr,
    /// The page with all identities.
    pub page: SocketAddr,
    /// The webhook, whose certificate holds for 127.0.0.1.
    pub webhook: SocketAddr,
}

/// The program under test: the one that cargo built beside this test, or `ZOHORELAY_OPERATOR`.
pub fn executable() -> PathBuf {
    program::built("zohorelay-operator", "ZOHORELAY_OPERATOR")
}

impl Operator {
    /// Starts one and waits until it listens.
    pub async fn start(cluster: &Running, options: Options) -> Result<Self> {
        let own = [
            &format!("--operator-namespace={}", options.namespace),
            "--admin=127.0.0.1:0",
            "--page=127.0.0.1:0",
            "--webhook=127.0.0.1:0",
            "--webhook-extra-san=127.0.0.1",
            "--sidecar-image=localhost/zohorelay-sidecar:test",
        ];
        let mut arguments: Vec<String> = vec!["run".to_owned()];
        arguments.extend(own.map(str::to_owned));
        arguments.extend(options.flags);
        Self::start_with(cluster, &options.access, &arguments).await
    }

    /// Starts one with exactly these arguments, and waits until it listens.
    pub async fn start_with(
        cluster: &Running,
        access: &Access,
        arguments: &[String],
    ) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let kubeconfig = folder.path().join("kubeconfig");
        access.write(&kubeconfig)?;
        let mut command = Command::new(executable());
        command
            .env("KUBECONFIG", &kubeconfig)
            .env_remove("KUBERNETES_SERVICE_HOST")
            .args(arguments);
        let mut program = Program::start("the operator", command)?;
        let guard = cluster.guard(program.pid());
        let line = program.listening().await?;
        Ok(Self {
            program,
            _guard: guard,
            _folder: folder,
            admin: program::address(&line, "admin")?,
            page: program::address(&line, "page")?,
            webhook: program::address(&line, "webhook")?,
        })
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.program.pid()
    }

    /// Everything it logged so far.
    pub fn log(&self) -> Vec<String> {
        self.program.log()
    }

    /// Waits for a log line (also among those that came already).
    pub async fn logged(&mut self, fits: impl Fn(&Value) -> bool) -> Result<Value> {
        self.program.logged(fits).await
    }

    /// `GET` at its admin address: status code and body.
    pub async fn get(&self, path: &str) -> Result<(u16, String)> {
        program::get(self.admin, path).await
    }

    /// Waits until its page has these words.
    pub async fn page_says(&self, words: &str) -> Result<String> {
        loop {
            let (_, page) = program::get(self.page, "/").await?;
            if page.contains(words) {
                return Ok(page);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The metrics now.
    pub async fn metrics(&self) -> Result<Metrics> {
        program::metrics(self.admin).await
    }

    /// Waits until the metrics fit.
    pub async fn metrics_when(&self, fits: impl Fn(&Metrics) -> bool) -> Result<Metrics> {
        self.program.metrics_when(self.admin, fits).await
    }

    /// Sends a signal, by its name as `kill` knows it.
    pub fn signal(&self, name: &str) -> Result<()> {
        self.program.signal(name)
    }

    /// SIGKILL, at once; [`Operator::ended`] waits for its end.
    pub fn kill(&mut self) -> Result<()> {
        self.program.kill()
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> Result<ExitStatus> {
        self.program.ended().await
    }

    /// SIGTERM, and its end in order.
    pub async fn stop(mut self) -> Result<ExitStatus> {
        self.signal("TERM")?;
        self.ended().await
    }
}
