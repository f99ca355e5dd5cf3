//! One identity, its pool and its scripted server.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::{RootCertStore, ServerConfig};
use tokio::time::Instant;
use zohorelay_config::Document;
use zohorelay_smtp::reply::Reply;
use zohorelay_upstream::{
    Class, Failure, Login, LoginGate, Pool, Progress, Stage, Submission, Target,
};

use crate::authority::{HOST, Presented, TRUSTED, server};
use crate::script::{Act, Seen, Server};

pub(crate) const PASSWORD: &str = "correct horse battery staple";
pub(crate) const MAIL: &str = "Subject: hello\r\n\r\nbody\r\n";
pub(crate) const DEADLINE: Duration = Duration::from_secs(300);
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A gate that tells what it was told.
#[derive(Default)]
pub(crate) struct Gate {
    pub(crate) is_shut: AtomicBool,
    pub(crate) holds_mails: AtomicBool,
    pub(crate) shuts_on_refusal: AtomicBool,
    pub(crate) logins: Mutex<Vec<Login>>,
}

impl LoginGate for Gate {
    fn admit_mail(&self) -> Result<(), String> {
        if self.holds_mails.load(Ordering::Relaxed) {
            Err("the gate holds mails".to_owned())
        } else {
            Ok(())
        }
    }

    fn admit_login(&self) -> Result<(), String> {
        if self.is_shut.load(Ordering::Relaxed) {
            Err("the gate is shut".to_owned())
        } else {
            Ok(())
        }
    }

    fn logged_in(&self, result: Login) {
        self.logins.lock().unwrap().push(result);
        if matches!(result, Login::Refused(_)) && self.shuts_on_refusal.load(Ordering::Relaxed) {
            self.is_shut.store(true, Ordering::Relaxed);
        }
    }
}

pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) gate: Arc<Gate>,
    pub(crate) pool: Pool,
    pub(crate) progress: Progress,
}

impl World {
    /// Port 465, one script a connection.
    pub(crate) fn new(scripts: Vec<Vec<Act>>) -> Self {
        Self::with("ImplicitTls", server(Presented::Good), scripts)
    }

    /// Port 587.
    pub(crate) fn starttls(scripts: Vec<Vec<Act>>) -> Self {
        Self::with("StartTls", server(Presented::Good), scripts)
    }

    pub(crate) fn with(security: &str, tls: Arc<ServerConfig>, scripts: Vec<Vec<Act>>) -> Self {
        let server = Server::new(tls, scripts);
        let gate = Arc::new(Gate::default());
        let target = target(security, &server);
        Self {
            pool: Pool::new(target, 2, Arc::clone(&gate) as Arc<dyn LoginGate>),
            server,
            gate,
            progress: Progress::new(),
        }
    }

    pub(crate) async fn deliver(&self) -> Result<Reply, Failure> {
        self.deliver_to(&["a@example.org"], MAIL.as_bytes()).await
    }

    pub(crate) async fn deliver_to(
        &self,
        recipients: &[&str],
        content: &[u8],
    ) -> Result<Reply, Failure> {
        let recipients: Vec<String> = recipients.iter().map(|to| (*to).to_owned()).collect();
        let mut reader = content;
        let mail = Submission {
            reverse_path: "billing@example.com",
            recipients: &recipients,
            size_bytes: content.len() as u64,
            content: &mut reader,
            deadline: Instant::now() + DEADLINE,
            final_reply_timeout: PATIENCE,
        };
        let result = self.pool.deliver(mail, &self.progress).await;
        if let Err(failure) = &result {
            assert_keeps_secrets(failure);
        }
        result
    }

    /// Delivers a mail that must fail like that, without its server having told anyone success.
    pub(crate) async fn fails(&self, name: &str, class: Class, stage: Stage) -> Failure {
        let failure = self.deliver().await.expect_err(name);
        assert_eq!(
            (failure.class, failure.stage),
            (class, stage),
            "{name}: {failure}"
        );
        assert_eq!(failure.host, HOST);
        assert_no_login_in_clear(&self.seen());
        failure
    }

    pub(crate) fn seen(&self) -> Seen {
        self.server.seen()
    }

    pub(crate) fn logins(&self) -> Vec<Login> {
        self.gate.logins.lock().unwrap().clone()
    }

    /// Lets the server's tasks see what we did last.
    pub(crate) async fn settle(&self) {
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    }
}

/// The target that all tests share, but for security.
pub(crate) fn target(security: &str, server: &Server) -> Target {
    let document = document(security, PASSWORD);
    let roots = Arc::new(RootCertStore::empty());
    Target::with_dialer(&document, "relay.example", Arc::new(server.clone()), &roots).unwrap()
}

pub(crate) fn document(security: &str, password: &str) -> Document {
    let port = if security == "StartTls" { 587 } else { 465 };
    let anchors = TRUSTED.pem().replace('\r', "").replace('\n', "\\n");
    let json = format!(
        r#"{{"version": 1, "name": "billing",
            "addresses": {{"primary": "billing@example.com"}},
            "upstream": {{"host": "{HOST}", "port": {port}, "security": "{security}",
                "trustAnchors": "{anchors}"}},
            "login": {{"username": "billing@example.com", "password": "{password}"}}}}"#
    );
    Document::load(json.as_bytes()).unwrap().document
}

/// The login as AUTH PLAIN sends it: no authorisation identity.
pub(crate) fn auth_plain() -> String {
    format!(
        "AUTH PLAIN {}",
        STANDARD.encode(format!("\0billing@example.com\0{PASSWORD}"))
    )
}

fn assert_no_login_in_clear(seen: &Seen) {
    let clear = String::from_utf8_lossy(&seen.clear).to_ascii_uppercase();
    assert!(!clear.contains("AUTH"), "{clear}");
    assert!(!clear.contains("MAIL"), "{clear}");
}

/// No failure shows the password, plain or as it went over the wire, nor any address.
fn assert_keeps_secrets(failure: &Failure) {
    let shown = format!("{failure} {failure:?}");
    let wire = auth_plain().replace("AUTH PLAIN ", "");
    for secret in [PASSWORD, wire.as_str(), &STANDARD.encode(PASSWORD)] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(!failure.detail.contains('@'), "{failure}");
}
