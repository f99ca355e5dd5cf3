//! A simulator, a folder of documents, a name server, and the real program that looks at them.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;
use zoho_simulator::{Account, Options, Running, Simulator};
use zohorelay_tests::document::document;
use zohorelay_tests::sidecar::program;

use crate::names::NameServer;

pub(crate) const ADDRESS: &str = "billing@example.com";
pub(crate) const PASSWORD: &str = "canary-Pass/word+4711~one";

/// What the program said and how it ended.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Verdict {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {self:#?}"))
    }

    /// The lines of a check as people see them, each with what is indented below it.
    pub(crate) fn lines(&self, check: &str) -> String {
        let mut kept = String::new();
        let mut is_wanted = false;
        for line in self.stdout.lines() {
            if !line.starts_with(' ') {
                is_wanted = line.split_whitespace().nth(1) == Some(check);
            }
            if is_wanted {
                kept.push_str(line.trim());
                kept.push('\n');
            }
        }
        kept
    }

    pub(crate) fn assert_ends(&self, code: i32, last_line: &str) {
        assert_eq!(self.code, code, "{self:#?}");
        let last = self.stdout.lines().last().unwrap_or_default();
        assert!(
            last.contains(last_line),
            "{last_line:?} is not in {last:?}: {self:#?}"
        );
    }

    #[track_caller]
    pub(crate) fn assert_says(&self, check: &str, parts: &[&str]) {
        let lines = self.lines(check);
        for part in parts {
            assert!(
                lines.contains(part),
                "{part:?} is not in {lines:?}: {self:#?}"
            );
        }
    }
}

pub(crate) struct World {
    pub(crate) zoho: Running,
    pub(crate) names: NameServer,
    folder: TempDir,
}

impl World {
    /// One mailbox, and no document yet.
    pub(crate) async fn new() -> Self {
        Self::with(Options::default()).await
    }

    pub(crate) async fn with(options: Options) -> Self {
        let options = Options {
            accounts: vec![Account::new(ADDRESS, PASSWORD)],
            ..options
        };
        Self {
            zoho: Simulator::start(options).await.unwrap(),
            names: NameServer::start().await,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// One mailbox with its document.
    pub(crate) async fn documented() -> Self {
        let world = Self::new().await;
        world.write(&world.billing());
        world
    }

    pub(crate) fn billing(&self) -> Value {
        document("billing", ADDRESS, PASSWORD, &self.zoho)
    }

    /// A document that differs in one place.
    pub(crate) fn changed(&self, pointer: &str, value: &Value) -> Value {
        let mut document = self.billing();
        let (parent, field) = pointer.rsplit_once('/').unwrap();
        document.pointer_mut(parent).unwrap()[field] = value.clone();
        document
    }

    pub(crate) fn write(&self, document: &Value) {
        let folder = self.identities().join(document["name"].as_str().unwrap());
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("identity.json"), document.to_string()).unwrap();
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    fn identities(&self) -> PathBuf {
        let folder = self.folder.path().join("identities");
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    /// Looks at the documents.
    pub(crate) async fn doctor(&self, flags: &[&str]) -> Verdict {
        let identities = self.identities();
        let mut all = vec!["--identities", identities.to_str().unwrap()];
        all.extend(flags);
        self.run(&all).await
    }

    /// Looks with these flags alone. Nothing runs where it would look for a sidecar.
    pub(crate) async fn run(&self, flags: &[&str]) -> Verdict {
        let port = |address: Option<std::net::SocketAddr>| address.unwrap().port().to_string();
        let (implicit, starttls) = (port(self.zoho.implicit_tls()), port(self.zoho.starttls()));
        let server = self.names.address.to_string();
        let mut command = Command::new(program());
        command.args(["doctor", "--name-server", &server]);
        for (flag, value) in [
            ("--implicit-tls-port", implicit.as_str()),
            ("--starttls-port", &starttls),
            ("--admin", "127.0.0.1:1"),
            ("--page", "127.0.0.1:1"),
        ] {
            if !flags.contains(&flag) {
                command.args([flag, value]);
            }
        }
        let output = command
            .args(flags)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .unwrap();
        Verdict {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    pub(crate) fn logins(&self) -> u64 {
        self.zoho.logins(ADDRESS).total
    }
}

/// A port on loopback where nobody listens.
pub(crate) async fn closed_port() -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().port()
}
