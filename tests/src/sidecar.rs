//! A `zohorelay-sidecar` process with its folders, documents and metrics.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::sync::watch;

use crate::metrics::Metrics;

/// Patience with a process; only ever waited out by a test that fails.
const PATIENCE: Duration = Duration::from_secs(60);

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
    child: Child,
    folder: TempDir,
    /// SMTP on 127.0.0.1.
    pub smtp: SocketAddr,
    /// `/metrics` and the like.
    pub admin: SocketAddr,
    /// `/status`.
    pub page: SocketAddr,
    log: Arc<Mutex<Vec<String>>>,
    lines: watch::Receiver<usize>,
}

/// The program under test: the one that cargo built beside this test, or `ZOHORELAY_SIDECAR`.
pub fn program() -> PathBuf {
    if let Some(path) = std::env::var_os("ZOHORELAY_SIDECAR") {
        return path.into();
    }
    let me = std::env::current_exe().expect("a path of this program");
    let folders = me.ancestors().skip(1);
    let found = folders
        .map(|folder| folder.join("zohorelay-sidecar"))
        .find(|path| path.is_file());
    found.expect("zohorelay-sidecar is not built: run `cargo build --workspace` first")
}

impl Sidecar {
    /// Starts one and waits until it listens.
    pub async fn start(options: Options) -> Result<Self> {
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
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().context("starting the sidecar")?;
        let stderr = child.stderr.take().context("its log")?;
        let log = Arc::new(Mutex::new(Vec::new()));
        let (sender, lines) = watch::channel(0);
        tokio::spawn(collect(BufReader::new(stderr), log.clone(), sender));
        let unknown = SocketAddr::from(([127, 0, 0, 1], 0));
        let (smtp, admin, page) = (unknown, unknown, unknown);
        let mut sidecar = Self {
            child,
            folder,
            smtp,
            admin,
            page,
            log,
            lines,
        };
        let line = sidecar
            .logged(|line| line["message"] == "listening")
            .await?;
        let address = |field: &str| -> Result<SocketAddr> {
            let text = line[field].as_str().and_then(|text| text.split(' ').next());
            Ok(text.context("an address in the log line")?.parse()?)
        };
        (sidecar.smtp, sidecar.admin, sidecar.page) =
            (address("smtp")?, address("admin")?, address("page")?);
        Ok(sidecar)
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
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
        self.log.lock().expect("no panic").clone()
    }

    /// Waits for a log line (also among those that came already).
    pub async fn logged(&mut self, fits: impl Fn(&Value) -> bool) -> Result<Value> {
        let mut seen = 0;
        let wait = async {
            loop {
                let log = self.log();
                for line in &log[seen..] {
                    if let Ok(line) = serde_json::from_str::<Value>(line)
                        && fits(&line)
                    {
                        return Ok(line);
                    }
                }
                seen = log.len();
                if self.lines.wait_for(|count| *count > seen).await.is_err() {
                    bail!("the sidecar ended; its log:\n{}", log.join("\n"));
                }
            }
        };
        match tokio::time::timeout(PATIENCE, wait).await {
            Ok(line) => line,
            Err(_) => bail!("no such log line; the log:\n{}", self.log().join("\n")),
        }
    }

    /// The metrics now.
    pub async fn metrics(&self) -> Result<Metrics> {
        Ok(Metrics::parse(&get(self.admin, "/metrics").await?.1))
    }

    /// Waits until the metrics fit. They are read again each time that the sidecar logs, and at
    /// short intervals, since not each change is logged.
    pub async fn metrics_when(&self, fits: impl Fn(&Metrics) -> bool) -> Result<Metrics> {
        let mut lines = self.lines.clone();
        let wait = async {
            loop {
                let metrics = self.metrics().await?;
                if fits(&metrics) {
                    return Ok(metrics);
                }
                let _ = tokio::time::timeout(Duration::from_millis(50), lines.changed()).await;
            }
        };
        match tokio::time::timeout(PATIENCE, wait).await {
            Ok(metrics) => metrics,
            Err(_) => bail!(
                "the metrics never fitted; the log:\n{}",
                self.log().join("\n")
            ),
        }
    }

    /// `/status`, as JSON.
    pub async fn status(&self) -> Result<Value> {
        Ok(serde_json::from_str(&get(self.page, "/status").await?.1)?)
    }

    /// Sends a signal, by its name as `kill` knows it.
    pub fn signal(&self, name: &str) -> Result<()> {
        let pid = self.pid().to_string();
        // The shell's own: a minimal Debian has no program of that name.
        let status = std::process::Command::new("sh")
            .args(["-c", "kill -s \"$1\" \"$2\"", "sh", name, &pid])
            .status()?;
        if !status.success() {
            bail!("kill -s {name} {pid}: {status}");
        }
        Ok(())
    }

    /// SIGKILL, at once; [`Sidecar::ended`] waits for its end.
    pub fn kill(&mut self) -> Result<()> {
        Ok(self.child.start_kill()?)
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> Result<ExitStatus> {
        Ok(tokio::time::timeout(PATIENCE, self.child.wait()).await??)
    }
}

/// `GET path`: status code and body.
pub async fn get(address: SocketAddr, path: &str) -> Result<(u16, String)> {
    let mut socket = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").context("an HTTP answer")?;
    let code = head.split(' ').nth(1).context("a status code")?.parse()?;
    Ok((code, body.to_owned()))
}

async fn collect(
    mut stderr: BufReader<impl tokio::io::AsyncRead + Unpin>,
    log: Arc<Mutex<Vec<String>>>,
    lines: watch::Sender<usize>,
) {
    let mut line = String::new();
    while matches!(stderr.read_line(&mut line).await, Ok(1..)) {
        let mut log = log.lock().expect("no panic");
        log.push(line.trim_end().to_owned());
        line.clear();
        lines.send_replace(log.len());
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
