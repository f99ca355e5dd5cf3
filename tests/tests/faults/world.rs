//! A simulator, a sidecar before it, and the ledger of what was sent through them.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use zoho_simulator::{
    Account, Action, ConnectionRecord, ContentDefects, Fault, Options, Port, Running, Simulator,
    Stage, Then,
};
use zohorelay_tests::app::{App, Reply};
use zohorelay_tests::document::{document, starttls};
use zohorelay_tests::ledger::{Ledger, Told};
use zohorelay_tests::metrics::Metrics;
use zohorelay_tests::sidecar::{self, Sidecar};

pub(crate) const ADDRESS: &str = "billing@example.com";
const PASSWORD: &str = "app-password";
pub(crate) const TO: &[&str] = &["ann@example.org"];

/// More than both socket buffers of a connection hold, so that the upload is under way when a
/// fault strikes within it.
pub(crate) const LARGE_BYTES: usize = 20 << 20;

/// Patience with a fact; only ever waited out by a test that fails. Shorter than the minute after
/// which an idle connection ends anyway.
const PATIENCE: Duration = Duration::from_secs(30);

/// Worlds at a time.
const AT_ONCE: usize = 12;

pub(crate) struct World {
    pub(crate) zoho: Running,
    pub(crate) sidecar: Sidecar,
    pub(crate) ledger: Ledger,
    /// Of the row, for messages of asserts.
    pub(crate) name: String,
    document: Value,
    submissions: usize,
}

/// What the counters say of one mail, as in the text of `/metrics`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) failures: String,
    pub(crate) replies: String,
    pub(crate) mails: String,
}

impl Counted {
    /// One failure that the upstream or the network decided: `fault` is class, stage and code.
    pub(crate) fn upstream(outcome: &str, fault: &str) -> Self {
        let mut words = fault.split_whitespace();
        let mut word = || words.next().expect("class, stage and code");
        let (class, stage, code) = (word(), word(), word());
        Self {
            replies: format!(
                "zohorelay_sidecar_failure_replies_total{{class=\"{class}\",code=\"{code}\",identity=\"billing\",stage=\"{stage}\"}} +1"
            ),
            ..Self::by(outcome, class, "upstream")
        }
    }

    /// One failure that the sidecar decided.
    pub(crate) fn local(outcome: &str, class: &str) -> Self {
        Self::by(outcome, class, "local")
    }

    fn by(outcome: &str, class: &str, origin: &str) -> Self {
        Self {
            failures: format!(
                "zohorelay_sidecar_failures_total{{class=\"{class}\",identity=\"billing\",origin=\"{origin}\"}} +1"
            ),
            ..Self::no_failure(outcome)
        }
    }

    /// One mail without a failure.
    pub(crate) fn no_failure(outcome: &str) -> Self {
        Self {
            failures: String::new(),
            replies: String::new(),
            mails: format!(
                "zohorelay_sidecar_mails_total{{identity=\"billing\",outcome=\"{outcome}\"}} +1"
            ),
        }
    }

    pub(crate) fn between(before: &Metrics, after: &Metrics) -> Self {
        Self {
            failures: after.risen(before, "sidecar_failures_total").to_string(),
            replies: after
                .risen(before, "sidecar_failure_replies_total")
                .to_string(),
            mails: after.risen(before, "sidecar_mails_total").to_string(),
        }
    }
}

impl World {
    /// With these fields of `delivery` in the document.
    pub(crate) async fn start(name: impl Into<String>, port: Port, delivery: Value) -> Self {
        let account = Account::new(ADDRESS, PASSWORD);
        let zoho = Simulator::start(Options::with_account(account))
            .await
            .unwrap();
        let mut document = match port {
            Port::ImplicitTls => document("billing", ADDRESS, PASSWORD, &zoho),
            Port::Starttls => starttls("billing", ADDRESS, PASSWORD, &zoho),
        };
        document["delivery"] = delivery;
        Self::with(name, zoho, document).await
    }

    pub(crate) async fn with(name: impl Into<String>, zoho: Running, document: Value) -> Self {
        let options = sidecar::Options::with(vec![document.clone()]);
        Self {
            document,
            sidecar: Sidecar::start(options).await.unwrap(),
            zoho,
            ledger: Ledger::default(),
            name: name.into(),
            submissions: 0,
        }
    }

    /// Arms a fault that strikes once.
    pub(crate) fn arm(&self, at: Stage, action: Action) {
        self.zoho.fault(Fault::new(at, action).times(1)).unwrap();
    }

    pub(crate) async fn metrics(&self) -> Metrics {
        self.sidecar.metrics().await.unwrap()
    }

    /// One mail on a connection of its own; the ledger keeps what the app was told.
    pub(crate) async fn send(&mut self) -> Reply {
        self.send_to(TO, 0).await
    }

    /// A mail that is too large for the buffers between the sidecar and the simulator.
    pub(crate) async fn send_large(&mut self) -> Reply {
        self.send_to(TO, LARGE_BYTES).await
    }

    pub(crate) async fn send_to(&mut self, to: &[&str], body_bytes: usize) -> Reply {
        let (id, mut app) = self.submit(to, body_bytes).await;
        let reply = app.reply().await.unwrap();
        self.ledger.note(&id, Told::Code(reply.code));
        reply
    }

    /// Says a mail up to its dot: its Message-ID, and the app that waits for the reply.
    pub(crate) async fn submit(&mut self, to: &[&str], body_bytes: usize) -> (String, App) {
        let id = self.new_id();
        let mut app = App::connect(self.sidecar.smtp).await.unwrap();
        app.begin(ADDRESS, to).await.unwrap();
        app.write(content(&id, body_bytes).as_bytes())
            .await
            .unwrap();
        app.write(b".\r\n").await.unwrap();
        (id, app)
    }

    /// A Message-ID that no other mail has.
    pub(crate) fn new_id(&mut self) -> String {
        self.submissions += 1;
        format!("<{}@example.com>", self.submissions)
    }

    /// The next mail is held without a connection, since the last login may have been refused.
    pub(crate) async fn is_login_held(&mut self) {
        let name = self.name.clone();
        let (connections, logins) = (self.connections().len(), self.logins());
        let before = self.metrics().await;
        let reply = self.send().await;
        assert_told(&name, &reply, "451 4.7.1");
        assert!(reply.text.contains("got no verdict"), "{name}: {reply:?}");
        let after = self.metrics().await;
        let counted = Counted::between(&before, &after);
        assert_eq!(counted, Counted::local("deferred", "held"), "{name}");
        let open = [("reason", "auth_failed")];
        let open = after.value("zohorelay_sidecar_breaker_open", &open);
        assert_eq!(open, 1.0, "{name}");
        assert_eq!(self.connections().len(), connections, "{name}");
        assert_eq!(self.logins(), logins, "{name}");
    }

    /// Raises `retry` in the document, which ends every hold.
    pub(crate) async fn raise_retry(&mut self) {
        let retry = self.document["retry"].as_u64().unwrap_or(0);
        self.document["retry"] = (retry + 1).into();
        let reloads = "zohorelay_sidecar_config_reloads_total";
        let applied = [("result", "applied")];
        let due = self.metrics().await.value(reloads, &applied) + 1.0;
        self.sidecar.write(&self.document).unwrap();
        let taken = self
            .sidecar
            .metrics_when(|metrics| metrics.value(reloads, &applied) == due);
        taken.await.unwrap();
    }

    pub(crate) fn connections(&self) -> Vec<ConnectionRecord> {
        self.zoho.connections()
    }

    /// AUTH commands with a verdict or a fault in its place.
    pub(crate) fn logins(&self) -> u64 {
        self.zoho.logins(ADDRESS).total
    }

    /// Waits until the simulator has seen this.
    pub(crate) async fn seen(&self, what: &str, holds: impl FnMut(&Running) -> bool) {
        let wait = tokio::time::timeout(PATIENCE, self.zoho.wait_until(holds));
        let is_seen = wait.await.is_ok();
        assert!(
            is_seen,
            "{}: {what}: {:?}",
            self.name,
            self.zoho.connections()
        );
    }

    /// Waits until the first connection has come to a point: `open`, `secured`, or a line of its
    /// transcript that begins so. A fault of the stage that follows is then in force.
    pub(crate) async fn reached(&self, point: &str) {
        self.seen(point, |zoho| {
            let connections = zoho.connections();
            connections.first().is_some_and(|record| match point {
                "open" => true,
                "secured" => record.tls,
                start => record.transcript.iter().any(|line| line.starts_with(start)),
            })
        })
        .await;
    }

    /// Waits until the first so many connections have ended.
    pub(crate) async fn ended(&self, count: usize) {
        self.seen("an end", |zoho| {
            let connections = zoho.connections();
            let first = connections.iter().take(count);
            connections.len() >= count && first.clone().all(|record| record.ended.is_some())
        })
        .await;
    }

    /// What must hold after every row, whatever it did: no AUTH in the clear, one command at a
    /// time, no login uncounted (one that was begun and not sent counts too), and a sound ledger
    /// with at most `unknown` outcomes that differ.
    pub(crate) async fn assert_sound(&self, unknown: usize) {
        let name = &self.name;
        for record in self.connections() {
            assert!(!record.auth_in_clear, "{name}: {record:?}");
            assert!(!record.pipelined, "{name}: {record:?}");
            assert!(!record.malformed_command, "{name}: {record:?}");
            assert_eq!(
                record.defects,
                ContentDefects::default(),
                "{name}: {record:?}"
            );
        }
        let counted = self
            .metrics()
            .await
            .value("zohorelay_sidecar_logins_total", &[]);
        let seen = f64::from(u32::try_from(self.logins()).unwrap());
        assert!(counted >= seen, "{name}: {counted} logins of {seen}");
        self.ledger.judge(&self.zoho.mails()).assert_sound(unknown);
    }
}

/// A mail of the identity, without its dot.
pub(crate) fn content(id: &str, body_bytes: usize) -> String {
    const LINE: &str = "0123456789012345678901234567890123456789012345678901234567890123456789\r\n";
    let body = LINE.repeat(body_bytes / LINE.len() + 1);
    format!("From: {ADDRESS}\r\nMessage-ID: {id}\r\nSubject: a fault\r\n\r\n{body}")
}

/// The reply has that code and that enhanced code: `"451 4.4.2"`.
pub(crate) fn assert_told(name: &str, reply: &Reply, told: &str) {
    let said = format!("{} {}", reply.code, reply.text);
    assert!(
        said.starts_with(&format!("{told} ")),
        "{name}: {told} was due, the app was told {said}"
    );
}

/// Whether the upstream keeps silent, so that only a limit of ours ends the wait.
pub(crate) fn is_silent(action: &Action) -> bool {
    let stalls = |then: &Then| *then == Then::Stall;
    match action {
        Action::Stall | Action::StopReading => true,
        Action::HalfReply { then, .. } | Action::AcceptThen(then) => stalls(then),
        _ => false,
    }
}

/// Short limits where the upstream keeps silent, else the usual ones: a busy machine must not make
/// a timeout of another fault.
pub(crate) fn limits_for(action: &Action) -> Value {
    if is_silent(action) {
        json!({"deadlineSeconds": 2, "finalReplyTimeoutSeconds": 2})
    } else {
        json!({})
    }
}

/// Judges all rows, some at a time, and names those that failed.
pub(crate) async fn each<R, F>(rows: Vec<R>, name: impl Fn(&R) -> String, judge: impl Fn(R) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let (mut running, mut failed) = (JoinSet::new(), Vec::new());
    let mut names = std::collections::HashMap::new();
    let mut rows = rows.into_iter();
    loop {
        while running.len() < AT_ONCE
            && let Some(row) = rows.next()
        {
            let name = name(&row);
            names.insert(running.spawn(judge(row)).id(), name);
        }
        let Some(ended) = running.join_next_with_id().await else {
            break;
        };
        if let Err(error) = ended {
            failed.push(names[&error.id()].clone());
        }
    }
    assert!(
        failed.is_empty(),
        "{} of {} rows failed:\n{}",
        failed.len(),
        names.len(),
        failed.join("\n")
    );
}
