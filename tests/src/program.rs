//! A process of ours with its log.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::sync::watch;

use crate::metrics::Metrics;

/// Patience with a process; only ever waited out by a test that fails.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A process that logs a JSON object a line to stderr; killed when dropped.
#[derive(Debug)]
pub struct Program {
    what: &'static str,
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    lines: watch::Receiver<usize>,
}

/// A program under test: the one that cargo built beside this test, or the one that a variable names.
pub fn built(name: &str, variable: &str) -> PathBuf {
    if let Some(path) = std::env::var_os(variable) {
        return path.into();
    }
    let me = std::env::current_exe().expect("a path of this program");
    let folders = me.ancestors().skip(1);
    let found = folders
        .map(|folder| folder.join(name))
        .find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("{name} is not built: run `cargo build --workspace` first"))
}

impl Program {
    /// Starts one; `what` it is stands in errors.
    pub fn start(what: &'static str, mut command: Command) -> Result<Self> {
        command
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command
            .spawn()
            .with_context(|| format!("starting {what}"))?;
        let stderr = child.stderr.take().context("its log")?;
        let log = Arc::new(Mutex::new(Vec::new()));
        let (sender, lines) = watch::channel(0);
        tokio::spawn(collect(BufReader::new(stderr), log.clone(), sender));
        Ok(Self {
            what,
            child,
            log,
            lines,
        })
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
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
                    bail!("{} ended; its log:\n{}", self.what, log.join("\n"));
                }
            }
        };
        match tokio::time::timeout(PATIENCE, wait).await {
            Ok(line) => line,
            Err(_) => bail!("no such log line; the log:\n{}", self.log().join("\n")),
        }
    }

    /// Waits for the line that names its addresses.
    pub async fn listening(&mut self) -> Result<Value> {
        self.logged(|line| line["message"] == "listening").await
    }

    /// Waits until the metrics at an address fit. They are read again each time that it logs, and at
    /// short intervals, since not each change is logged.
    pub async fn metrics_when(
        &self,
        admin: SocketAddr,
        fits: impl Fn(&Metrics) -> bool,
    ) -> Result<Metrics> {
        let mut lines = self.lines.clone();
        let wait = async {
            loop {
                let metrics = metrics(admin).await?;
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

    /// SIGKILL, at once; [`Program::ended`] waits for its end.
    pub fn kill(&mut self) -> Result<()> {
        Ok(self.child.start_kill()?)
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> Result<ExitStatus> {
        match tokio::time::timeout(PATIENCE, self.child.wait()).await {
            Ok(status) => Ok(status?),
            Err(_) => bail!("{} goes on; its log:\n{}", self.what, self.log().join("\n")),
        }
    }
}

/// An address that the line with the addresses names.
pub fn address(line: &Value, field: &str) -> Result<SocketAddr> {
    let text = line[field].as_str().and_then(|text| text.split(' ').next());
    let text = text.with_context(|| format!("no {field} in the log line {line}"))?;
    Ok(text.parse()?)
}

/// The metrics at an address.
pub async fn metrics(admin: SocketAddr) -> Result<Metrics> {
    Ok(Metrics::parse(&get(admin, "/metrics").await?.1))
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
