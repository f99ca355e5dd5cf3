//! A `zohorelay-sidecar` process with its folders, documents and metrics.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use anyhow::{Context, Result};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::metrics::Metrics;
pub use crate::program::get;
use crate::program::{self, Program};

/// How to start one.
#[derive(Clone, Debug)]
pub struct Options {
    /// Names of the identities; the first is the default.
    pub identities: Vec<String>,
    /// Documents that are there from the start.
    pub documents: Vec<Value>,
    /// More flags.
    pub flags: Vec<String>,
}

impl Options {
    /// One identity a document, in their order.
    pub fn with(documents: Vec<Value>) -> Self {
        let name = |document: &Value| document["name"].as_str().expect("a name").to_owned();
        Self {
            identities: documents.iter().map(name).collect(),
            documents,
            flags: Vec::new(),
        }
    }

    /// Adds flags.
    #[must_use]
    pub fn flags(mut self, flags: &[&str]) -> Self {
        self.flags.extend(flags.iter().map(|&flag| flag.to_owned()));
        self
    }
}

/// A running sidecar; killed when dropped.
#[derive(Debug)]
pub struct Sidecar {
    program: Program,
    folder: TempDir,
    /// SMTP on 127.0.0.1.
    pub smtp: SocketAddr,
    /// `/metrics` and the like.
    pub admin: SocketAddr,
    /// `/status`.
    pub page: SocketAddr,
}

/// The program under test: the one that cargo built beside this test, or `ZOHORELAY_SIDECAR`.
pub fn program() -> PathBuf {
    program::built("zohorelay-sidecar", "ZOHORELAY_SIDECAR")
}

impl Sidecar {
    /// Starts one and waits until it listens.
    pub async fn start(options: Options) -> Result<Self> {
        Self::start_in(options, &[]).await
    }

    /// The same with more variables in its environment.
    pub async fn start_in(options: Options, variables: &[(&str, &OsStr)]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        for sub in ["identities", "spool"] {
            std::fs::create_dir(folder.path().join(sub))?;
        }
        std::fs::write(folder.path().join("termination-log"), "")?;
        for document in &options.documents {
            write_document(folder.path(), document)?;
        }
        let mut command = Command::new(program());
        command
            .arg("run")
            .arg("--identities")
            .arg(folder.path().join("identities"))
            .arg("--spool")
            .arg(folder.path().join("spool"))
            .arg("--termination-log")
            .arg(folder.path().join("termination-log"))
            .args([
                "--smtp-port",
                "0",
                "--admin",
                "127.0.0.1:0",
                "--page",
                "127.0.0.1:0",
            ])
            .args(
                options
                    .identities
                    .iter()
                    .flat_map(|name| ["--identity", name]),
            )
            .args(&options.flags)
            .envs(variables.iter().copied());
        let mut program = Program::start("the sidecar", command)?;
        let line = program.listening().await?;
        Ok(Self {
            program,
            folder,
            smtp: program::address(&line, "smtp")?,
            admin: program::address(&line, "admin")?,
            page: program::address(&line, "page")?,
        })
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.program.pid()
    }

    /// Its folder, with `identities`, `spool` and `termination-log`.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a document as one file swap.
    pub fn write(&self, document: &Value) -> Result<()> {
        write_document(self.folder.path(), document)
    }

    /// Takes an identity's document away.
    pub fn remove(&self, name: &str) -> Result<()> {
        Ok(std::fs::remove_file(document_path(
            self.folder.path(),
            name,
        ))?)
    }

    /// Everything it logged so far.
    pub fn log(&self) -> Vec<String> {
        self.program.log()
    }

    /// Waits for a log line (also among those that came already).
    pub async fn logged(&mut self, fits: impl Fn(&Value) -> bool) -> Result<Value> {
        self.program.logged(fits).await
    }

    /// The metrics now.
    pub async fn metrics(&self) -> Result<Metrics> {
        program::metrics(self.admin).await
    }

    /// Waits until the metrics fit.
    pub async fn metrics_when(&self, fits: impl Fn(&Metrics) -> bool) -> Result<Metrics> {
        self.program.metrics_when(self.admin, fits).await
    }

    /// `/status`, as JSON.
    pub async fn status(&self) -> Result<Value> {
        Ok(serde_json::from_str(&get(self.page, "/status").await?.1)?)
    }

    /// Sends a signal, by its name as `kill` knows it.
    pub fn signal(&self, name: &str) -> Result<()> {
        self.program.signal(name)
    }

    /// SIGKILL, at once; [`Sidecar::ended`] waits for its end.
    pub fn kill(&mut self) -> Result<()> {
        self.program.kill()
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> Result<ExitStatus> {
        self.program.ended().await
    }
}

fn document_path(folder: &Path, name: &str) -> PathBuf {
    folder.join("identities").join(name).join("identity.json")
}

fn write_document(folder: &Path, document: &Value) -> Result<()> {
    let name = document["name"].as_str().context("a document has a name")?;
    let path = document_path(folder, name);
    std::fs::create_dir_all(path.parent().context("a folder")?)?;
    let new = path.with_extension("new");
    std::fs::write(&new, serde_json::to_vec_pretty(document)?)?;
    Ok(std::fs::rename(new, path)?)
}
