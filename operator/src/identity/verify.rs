//! Tries logins at the server, each once. NETWORK.
//!
//! What may be tried and when is decided by [`Logins`]; here are the connections.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use kube::runtime::reflector::ObjectRef;
use rustls::RootCertStore;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use zohorelay_config::Document;
use zohorelay_crds::MailIdentity;
use zohorelay_upstream::{Class, Failure, Resolver, Stage, Target};

use super::attempt::{Attempt, AttemptKey};
use super::logins::{Known, Logins, Next};
use super::spacing::Spacing;
use crate::leadership::Leadership;
use crate::metrics::Metrics;
use crate::run::chain;

/// Logins under way at a time.
const CONCURRENT: usize = 16;
/// Patience for one login, from the name of the host to the answer.
const PATIENCE: Duration = Duration::from_secs(45);
/// How the operator calls itself: as the sidecars do.
const EHLO_NAME: &str = "localhost";

/// The memory of logins, and the way to the servers.
pub struct Verifier {
    logins: Mutex<Logins>,
    asked: Notify,
    resolver: Arc<Resolver>,
    roots: Arc<RootCertStore>,
    metrics: Metrics,
}

type Ended = (Arc<AttemptKey>, Result<(), Failure>);

impl Verifier {
    /// With an empty memory. `roots` are trusted beside what an identity itself brings along.
    pub fn new(spacing: Spacing, roots: RootCertStore, metrics: Metrics) -> Self {
        Self {
            logins: Mutex::new(Logins::new(spacing)),
            asked: Notify::new(),
            resolver: Arc::new(Resolver::from_system()),
            roots: Arc::new(roots),
            metrics,
        }
    }

    /// See [`Logins::look`].
    pub fn look(
        &self,
        identity: &ObjectRef<MailIdentity>,
        key: AttemptKey,
        release: Option<String>,
    ) -> Known {
        let now = (Timestamp::now(), Instant::now());
        self.logins().look(identity, key, release, now)
    }

    /// See [`Logins::ask`].
    pub fn ask(&self, identity: &ObjectRef<MailIdentity>, document: &Document) {
        self.logins().ask(identity, document);
        self.asked.notify_one();
    }

    /// See [`Logins::withdraw`].
    pub fn withdraw(&self, identity: &ObjectRef<MailIdentity>) {
        self.logins().withdraw(identity);
    }

    /// See [`Logins::withdraw_all`].
    pub fn withdraw_all(&self) {
        self.logins().withdraw_all();
    }

    /// See [`Logins::forget`].
    pub fn forget(&self, identity: &ObjectRef<MailIdentity>) {
        self.logins().forget(identity);
    }

    /// See [`Logins::identities`].
    pub fn identities(&self) -> Vec<ObjectRef<MailIdentity>> {
        self.logins().identities().cloned().collect()
    }

    /// Tries what is asked for, until `stop`. `changed` is told of each identity that there is news
    /// for. What is under way at the end is cut off: the next leader must not log in beside us.
    pub async fn run(
        &self,
        leadership: &Leadership,
        changed: &mpsc::Sender<ObjectRef<MailIdentity>>,
        stop: &CancellationToken,
    ) {
        let mut under_way = JoinSet::new();
        let mut keys: Vec<Arc<AttemptKey>> = Vec::new();
        loop {
            let mut next = None;
            // The lease is looked at right before each login.
            while under_way.len() < CONCURRENT && leadership.is_leader() && !stop.is_cancelled() {
                match self.logins().next(Instant::now()) {
                    Next::Begin { key, document } => {
                        keys.push(key.clone());
                        under_way.spawn(self.attempt(key, &document));
                    }
                    Next::At(at) => {
                        next = Some(at);
                        break;
                    }
                    Next::Idle => break,
                }
            }
            tokio::select! {
                () = stop.cancelled() => break,
                Some(ended) = under_way.join_next() => match ended {
                    Ok((key, result)) => {
                        keys.retain(|other| *other != key);
                        self.report(&key, result, changed).await;
                    }
                    Err(error) => {
                        tracing::error!(%error, "a login broke");
                        break;
                    }
                },
                () = self.asked.notified() => {}
                () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {}
            }
        }
        under_way.shutdown().await;
        for key in keys {
            self.logins()
                .cut_short(&key, Instant::now(), fastrand::f64());
        }
    }

    fn attempt(
        &self,
        key: Arc<AttemptKey>,
        document: &Document,
    ) -> impl Future<Output = Ended> + Send + use<> {
        let host = document.upstream.host.clone();
        let target = Target::new(document, EHLO_NAME, self.resolver.clone(), &self.roots);
        async move {
            let result = match target {
                Ok(target) => log_in(&target).await,
                Err(error) => Err(Failure::new(Class::Tls, Stage::Tls, &host, chain(&error))),
            };
            (key, result)
        }
    }

    async fn report(
        &self,
        key: &Arc<AttemptKey>,
        result: Result<(), Failure>,
        changed: &mpsc::Sender<ObjectRef<MailIdentity>>,
    ) {
        let now = (Timestamp::now(), Instant::now());
        let (attempt, identities) =
            self.logins()
                .ended(key, result.as_ref().map(|&()| ()), now, fastrand::f64());
        let outcome = match attempt {
            Attempt::Accepted { .. } => "ok",
            Attempt::Refused { .. } => "refused",
            _ => "error",
        };
        self.metrics.logins.with_label_values(&[outcome]).inc();
        let names: Vec<String> = identities.iter().map(name).collect();
        let names = names.join(" ");
        match result {
            Ok(()) => tracing::info!(identities = names, result = outcome, "login"),
            Err(failure) => tracing::warn!(
                identities = names,
                result = outcome,
                class = failure.class.as_str(),
                stage = failure.stage.as_str(),
                code = failure.code_label(),
                detail = failure.detail,
                "login"
            ),
        }
        for identity in identities {
            // Nobody listens any more only when all of it ends.
            let _ = changed.send(identity).await;
        }
    }

    fn logins(&self) -> MutexGuard<'_, Logins> {
        self.logins.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn log_in(target: &Target) -> Result<(), Failure> {
    let late = || {
        Failure::new(
            Class::Timeout,
            Stage::Auth,
            target.host(),
            "the login was given up",
        )
    };
    // QUIT comes after the deadline of the login: it has a moment of its own.
    let login = zohorelay_upstream::verify(target, Instant::now() + PATIENCE);
    timeout(PATIENCE + Duration::from_secs(5), login)
        .await
        .unwrap_or_else(|_| Err(late()))
}

/// namespace/name.
pub fn name(identity: &ObjectRef<MailIdentity>) -> String {
    let namespace = identity.namespace.as_deref().unwrap_or_default();
    format!("{namespace}/{}", identity.name)
}

#[cfg(test)]
mod tests;
