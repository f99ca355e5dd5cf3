//! A Postfix of our own: its configuration, queue and log in a folder that goes with it.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::arrived::RECEIVED;
use crate::available::{program, script};
use crate::certificate::Certificate;
use crate::form::{FROM, Form, with_crlf};
use crate::patience;

/// Starts that may fail because somebody else took a port first.
const STARTS: usize = 5;

/// The user `nobody`, who owns the mailboxes.
const NOBODY: u32 = 65534;

/// A running instance; it ends when dropped.
pub(crate) struct Postfix {
    folder: TempDir,
    child: Child,
    /// Of a server: implicit TLS, STARTTLS.
    pub(crate) ports: [u16; 2],
}

/// What an instance is for.
enum Role<'a> {
    App { relay: SocketAddr },
    Server(&'a Certificate),
}

impl Postfix {
    /// One that gives all its mail to `relay`; it listens nowhere.
    pub(crate) async fn app(relay: SocketAddr) -> Self {
        Self::start(&Role::App { relay }).await
    }

    /// One that takes mail as a provider does: login over TLS, and senders that belong to logins.
    pub(crate) async fn server(certificate: &Certificate) -> Self {
        Self::start(&Role::Server(certificate)).await
    }

    async fn start(role: &Role<'_>) -> Self {
        for _ in 0..STARTS {
            let mut postfix = Self::spawn(role);
            if postfix.is_up().await {
                return postfix;
            }
            let log = fs::read_to_string(postfix.log()).unwrap_or_default();
            assert!(
                log.contains("Address already in use"),
                "Postfix ended: {log}"
            );
        }
        panic!("no port stayed free for Postfix");
    }

    fn spawn(role: &Role<'_>) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("interop-postfix-")
            .permissions(fs::Permissions::from_mode(0o755))
            .tempdir()
            .unwrap();
        let ports = patience::free_ports();
        configure(folder.path(), role, ports);
        let postfix = program("postfix", "Postfix").expect("whoever starts it asked before");
        let output = fs::File::create(folder.path().join("output")).unwrap();
        let child = Command::new(postfix)
            .arg("-c")
            .arg(folder.path().join("config"))
            .arg("start-fg")
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        Self {
            folder,
            child,
            ports,
        }
    }

    /// Waits until it is started; false if it ended instead.
    async fn is_up(&mut self) -> bool {
        let log = self.log();
        let child = &mut self.child;
        let up = patience::until(|| {
            if !patience::lines_with(&log, "daemon started").is_empty() {
                return Some(true);
            }
            child.try_wait().unwrap().is_some().then_some(false)
        });
        up.await.expect("Postfix neither starts nor ends")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// Puts a mail into the queue, as an app on the same machine does.
    pub(crate) fn sendmail(&self, recipients: &[&str]) -> Command {
        let mut command = Command::new("/usr/sbin/sendmail");
        command.arg("-C").arg(self.folder.path().join("config"));
        command.args(["-i", "-f", FROM, "-F", "", "--"]);
        command.args(recipients);
        command
    }

    /// The mails of a recipient, the oldest first, from the sidecar's `Received` on and with CRLF.
    pub(crate) fn mailbox(&self, recipient: &str) -> Vec<Vec<u8>> {
        let name = recipient.split('@').next().unwrap();
        let new = self.folder.path().join("mailboxes").join(name).join("new");
        let Ok(entries) = fs::read_dir(new) else {
            return Vec::new();
        };
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort_by_key(|path| fs::metadata(path).unwrap().modified().unwrap());
        let mails = paths.iter().map(|path| fs::read(path).unwrap());
        mails.map(|mail| from_our_header(&mail)).collect()
    }

    /// How many mails it ever took a sender for.
    pub(crate) fn transactions(&self) -> usize {
        patience::lines_with(&self.log(), ": client=").len()
    }

    /// How many logins it refused.
    pub(crate) fn refused_logins(&self) -> usize {
        patience::lines_with(&self.log(), "authentication failed").len()
    }

    /// Ends it; afterwards nothing listens.
    pub(crate) fn stop(&mut self) {
        for signal in ["TERM", "KILL"] {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            self.signal(signal);
            patience::wait_for_end(&mut self.child);
        }
    }

    /// Signals the master, whose end is the end of all its processes and of `postfix start-fg`.
    fn signal(&self, name: &str) {
        let pid = fs::read_to_string(self.folder.path().join("queue/pid/master.pid"));
        let pid: Option<u32> = pid.ok().and_then(|pid| pid.trim().parse().ok());
        if let Some(pid) = pid {
            // The shell's own kill: a small Debian has no program of that name.
            let kill = format!("kill -s {name} {pid}");
            let _ = Command::new("sh").args(["-c", &kill]).status();
        }
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A mail without our header, which no sidecar sent, is left whole.
fn from_our_header(mail: &[u8]) -> Vec<u8> {
    let mut parts = mail.windows(RECEIVED.len());
    let ours = parts.position(|part| part == RECEIVED);
    with_crlf(&mail[ours.unwrap_or(0)..])
}

fn configure(folder: &Path, role: &Role<'_>, [implicit_tls, starttls]: [u16; 2]) {
    for sub in ["config/sasl", "queue", "mailboxes"] {
        fs::create_dir_all(folder.join(sub)).unwrap();
    }
    let template = |name: &str| {
        let text = fs::read_to_string(script("postfix").join(name)).unwrap();
        text.replace("@FOLDER@", folder.to_str().unwrap())
    };
    let (role_cf, listeners) = match role {
        Role::App { relay } => {
            let port = relay.port().to_string();
            (
                template("client.cf").replace("@RELAY_PORT@", &port),
                String::new(),
            )
        }
        Role::Server(certificate) => {
            configure_server(folder, certificate, &template("smtpd.conf"));
            let listeners = format!(
                "127.0.0.1:{implicit_tls} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes\n\
                 127.0.0.1:{starttls} inet n - n - - smtpd -o smtpd_discard_ehlo_keywords=size"
            );
            (template("server.cf"), listeners)
        }
    };
    let write =
        |name: &str, text: String| fs::write(folder.join("config").join(name), text).unwrap();
    write("main.cf", template("common.cf") + &role_cf);
    write(
        "master.cf",
        template("master.cf").replace("@LISTENERS@", &listeners),
    );
}

fn configure_server(folder: &Path, certificate: &Certificate, sasl: &str) {
    let write = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
    write("chain.pem", &certificate.chain);
    write("config/sasl/smtpd.conf", sasl);
    write(
        "senders",
        &format!("{FROM} {FROM}\nboss@example.com boss@example.com\n"),
    );
    write("recipients", "later@example.org 450 4.2.0 try later\n");
    let people = Form::Several.recipients().iter();
    let mailboxes = people.map(|to| format!("{to} {}/\n", to.split('@').next().unwrap()));
    write("mailbox-map", &mailboxes.collect::<String>());
    chown(folder.join("mailboxes"), Some(NOBODY), Some(NOBODY)).unwrap();
    create_login(&folder.join("sasldb2"));
}

/// A database of passwords with one, which anybody may read: it is good nowhere else.
fn create_login(path: &Path) {
    let mut child = Command::new("/usr/sbin/saslpasswd2")
        .args(["-p", "-c", "-u", "example.com", "-f"])
        .arg(path)
        .arg("billing")
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut stdin, b"app-password").unwrap();
    drop(stdin);
    assert!(child.wait().unwrap().success());
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
}
