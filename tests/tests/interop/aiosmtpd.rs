//! A mail server made of aiosmtpd, in a process of its own.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::available::script;
use crate::certificate::Certificate;
use crate::patience;

/// A running server; it ends when dropped.
pub(crate) struct Aiosmtpd {
    folder: TempDir,
    child: Child,
    /// Implicit TLS, STARTTLS.
    pub(crate) ports: [u16; 2],
}

impl Aiosmtpd {
    pub(crate) fn start(python: &Path, certificate: &Certificate) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let chain = folder.path().join("chain.pem");
        fs::write(&chain, &certificate.chain).unwrap();
        let mut child = Command::new(python)
            .arg(script("servers/aiosmtpd_server.py"))
            .args([&chain, folder.path()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(folder.path().join("stderr")).unwrap())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        let ports = serde_json::from_str(&line).unwrap_or_else(|_| {
            let stderr = fs::read_to_string(folder.path().join("stderr")).unwrap();
            panic!("aiosmtpd ended: {stderr}")
        });
        Self {
            folder,
            child,
            ports,
        }
    }

    /// The mails of a recipient, the oldest first.
    pub(crate) fn mailbox(&self, recipient: &str) -> Vec<Vec<u8>> {
        let mut mails = Vec::new();
        for number in 1.. {
            let path = |kind: &str| self.folder.path().join(format!("{number}.{kind}"));
            let Ok(described) = fs::read(path("json")) else {
                break;
            };
            // It may be half written; then it is looked at again.
            let described: Value = serde_json::from_slice(&described).unwrap_or_default();
            let to = described["to"].as_array();
            if to.is_some_and(|to| to.iter().any(|other| other == recipient)) {
                mails.push(fs::read(path("eml")).unwrap());
            }
        }
        mails
    }

    /// How many logins it refused.
    pub(crate) fn refused_logins(&self) -> usize {
        patience::lines_with(&self.folder.path().join("logins"), "refused").len()
    }

    /// Ends it; afterwards nothing listens.
    pub(crate) fn stop(&mut self) {
        drop(self.child.stdin.take());
        if !patience::wait_for_end(&mut self.child) {
            let _ = self.child.kill();
        }
    }
}

impl Drop for Aiosmtpd {
    fn drop(&mut self) {
        self.stop();
    }
}
