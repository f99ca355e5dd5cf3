//! A sidecar as a process of its own, on its own core, with documents that point to the sink.

use std::fs::{self, File};
use std::io::Write as _;
use std::net::SocketAddrV4;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::certificate::HOST;
use crate::cores;
use crate::mail::SENDER;

const START_LIMIT: Duration = Duration::from_secs(10);

/// How to start a sidecar.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The program.
    pub program: PathBuf,
    /// Identities; the first is the default.
    pub identities: &'static [&'static str],
    /// Port of the sink on localhost.
    pub sink_port: u16,
    /// Trust anchor of the sink, PEM.
    pub authority_pem: String,
}

/// A running sidecar; it ends with this value.
pub struct Sidecar {
    child: Child,
    folder: TempDir,
    /// Where apps send their mail.
    pub smtp: SocketAddrV4,
    /// From just before the process was started to its line "listening".
    pub start_time: Duration,
}

impl Sidecar {
    /// Starts a sidecar on the sidecar's core and waits until it listens.
    pub fn start(setup: &Setup) -> anyhow::Result<Self> {
        let folder = TempDir::new().context("making a folder for the sidecar")?;
        let identities = folder.path().join("identities");
        let spool = folder.path().join("spool");
        fs::create_dir_all(&spool).context("making the spool folder")?;
        for name in setup.identities {
            let path = identities.join(name);
            fs::create_dir_all(&path).context("making the folder of an identity")?;
            let text = document(name, setup.sink_port, &setup.authority_pem).to_string();
            fs::write(path.join("identity.json"), text).context("writing a document")?;
        }
        let log_path = folder.path().join("log");
        let log = File::create(&log_path).context("making the log file")?;
        let mut command = Command::new(&setup.program);
        command
            .arg("run")
            .arg("--identities")
            .arg(&identities)
            .arg("--spool")
            .arg(&spool);
        command.args([
            "--smtp-port",
            "0",
            "--admin",
            "127.0.0.1:0",
            "--page",
            "127.0.0.1:0",
        ]);
        for name in setup.identities {
            command.args(["--identity", name]);
        }
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .env_clear();

        cores::pin(cores::SIDECAR).context("binding the sidecar to its core")?;
        let start = Instant::now();
        let child = command.spawn();
        cores::pin(cores::BENCH).context("binding the bench to its core")?;
        let child = child.with_context(|| format!("starting {}", setup.program.display()))?;
        let mut sidecar = Self {
            child,
            folder,
            smtp: SocketAddrV4::new([127, 0, 0, 1].into(), 0),
            start_time: Duration::ZERO,
        };
        sidecar.smtp = sidecar.wait_until_listening(&log_path, start)?;
        sidecar.start_time = start.elapsed();
        Ok(sidecar)
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Lines of its log that are not the report of an accepted mail, the last `count` of them.
    pub fn last_words(&self, count: usize) -> String {
        let text = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let lines: Vec<&str> = text
            .lines()
            .filter(|line| !line.contains("accepted"))
            .collect();
        lines[lines.len().saturating_sub(count)..].join("\n")
    }

    /// Reads the log again and again: this core has nothing else to do, and a pause would be
    /// measured.
    fn wait_until_listening(&mut self, log: &Path, start: Instant) -> anyhow::Result<SocketAddrV4> {
        loop {
            let text = fs::read_to_string(log).context("reading the sidecar's log")?;
            if let Some(address) = text.lines().find_map(smtp_address) {
                return Ok(address);
            }
            let ended = self.child.try_wait().context("looking after the sidecar")?;
            if let Some(status) = ended {
                bail!(
                    "the sidecar ended with {status} before it listened:\n{}",
                    self.last_words(5)
                );
            }
            if start.elapsed() > START_LIMIT {
                bail!(
                    "the sidecar did not listen within {START_LIMIT:?}:\n{}",
                    self.last_words(5)
                );
            }
            std::thread::yield_now();
        }
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        if self.child.kill().and_then(|()| self.child.wait()).is_err() {
            // Nothing is measured any more; the process is named so that it can be ended by hand.
            let _ = writeln!(
                std::io::stderr(),
                "sidecar {} may still run",
                self.child.id()
            );
        }
    }
}

fn document(name: &str, sink_port: u16, authority_pem: &str) -> Value {
    json!({
        "version": 1, "name": name, "revision": 1,
        "addresses": {"primary": format!("{name}@example.com")},
        "upstream": {"service": "Mail", "host": HOST, "port": sink_port, "security": "ImplicitTls",
            "trustAnchors": authority_pem},
        "login": {"username": SENDER, "password": "secret"},
        "limits": {"connections": 20}
    })
}

/// The IPv4 address after `smtp` in a JSON log line whose message is "listening".
fn smtp_address(line: &str) -> Option<SocketAddrV4> {
    let line: Value = serde_json::from_str(line).ok()?;
    let fields = line.get("fields").unwrap_or(&line);
    if fields.get("message")?.as_str()? != "listening" {
        return None;
    }
    let addresses = fields.get("smtp")?.as_str()?;
    addresses
        .split(|c: char| !(c.is_ascii_digit() || c == '.' || c == ':'))
        .find_map(|address| address.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_found_in_the_line_listening_only() {
        let address = Some("127.0.0.1:4025".parse().unwrap());
        let nested = r#"{"level":"INFO","fields":{"message":"listening","smtp":"127.0.0.1:4025","admin":"127.0.0.1:1"}}"#;
        assert_eq!(smtp_address(nested), address);
        let flat = r#"{"message":"listening","smtp":"[127.0.0.1:4025, [::1]:4025]"}"#;
        assert_eq!(smtp_address(flat), address);
        assert_eq!(
            smtp_address(r#"{"message":"stopped","smtp":"127.0.0.1:4025"}"#),
            None
        );
        assert_eq!(smtp_address("listening"), None);
    }

    #[test]
    fn each_identity_has_an_address_of_its_own() {
        let pem = "-----BEGIN CERTIFICATE-----";
        assert_eq!(document("bench", 4650, pem)["addresses"]["primary"], SENDER);
        assert_eq!(
            document("alerts", 4650, pem)["addresses"]["primary"],
            "alerts@example.com"
        );
        assert_eq!(document("bench", 4650, pem)["upstream"]["port"], 4650);
    }
}
