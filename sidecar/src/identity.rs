//! One identity of the pod: its document, its way to Zoho, its breaker, and what became of its
//! mails. A mail keeps the [`Active`] that it began with to its end, whatever is reloaded meanwhile.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use rustls::RootCertStore;
use thiserror::Error;
use tokio::time::Instant;
use zohorelay_config::{Addresses, Document, Security};
use zohorelay_smtp::address::Address;
use zohorelay_upstream::{Login, LoginGate, Pool, Resolver, Target, TargetError};

use crate::breaker::{Breaker, Open, Reason};
use crate::hold::Kept;
use crate::metrics::{IdentityMetrics, LoginResult, Reload};
use crate::pace::Pacer;
use crate::recent::Recent;
use crate::tally::Tally;

/// What all identities share on their way out.
#[derive(Clone, Debug)]
pub struct Network {
    /// Name resolution.
    pub resolver: Arc<Resolver>,
    /// The system's trust anchors.
    pub roots: Arc<RootCertStore>,
    /// Our name in EHLO.
    pub ehlo_name: String,
}

/// One identity of the pod.
#[derive(Debug)]
pub struct Identity {
    name: String,
    /// Its series.
    pub metrics: Arc<IdentityMetrics>,
    /// What became of its mails.
    pub tally: Tally,
    /// The last of them.
    pub recent: Recent,
    account: Mutex<Account>,
    state: Mutex<State>,
    /// Pools of earlier documents that have connections to close.
    retired: Mutex<Vec<Arc<Pool>>>,
}

/// What is remembered of the account that the last document named, also while there is none.
#[derive(Debug, Default)]
struct Account {
    breaker: Arc<Breaker>,
    /// Tells one server and login from another. The hash has a random key and stays in memory.
    key: Option<u64>,
    hasher: RandomState,
    retry: u64,
    hold: Option<Kept>,
}

/// Why a document cannot be used, though it is a good one.
#[derive(Debug, Error)]
pub enum ApplyError {
    /// It was put into the folder of another identity.
    #[error(
        "the document is for identity {found:?} but lies in the folder of identity {expected:?}; \
         put it where it belongs"
    )]
    WrongName {
        /// The name of the folder.
        expected: String,
        /// The name in the document.
        found: String,
    },
    /// It names no usable server.
    #[error(transparent)]
    Target(#[from] TargetError),
}

/// Where the identity's document is.
#[derive(Clone, Debug)]
pub enum State {
    /// Not there yet.
    Awaited,
    /// In use.
    Active(Arc<Active>),
    /// Taken away. Its addresses stay known, so that no other identity answers for them.
    Removed(Arc<Addresses>),
}

/// A document in use, with what was made from it.
#[derive(Debug)]
pub struct Active {
    /// The document.
    pub document: Document,
    /// Connections to its server.
    pub pool: Arc<Pool>,
    /// Its pace, if it has one.
    pub pacer: Option<Arc<Pacer>>,
    /// What the account's refusals hold back.
    pub breaker: Arc<Breaker>,
    hold: Option<Kept>,
}

impl Active {
    /// The operator's hold, if it is not over for this pod: its reason, and how long it lasts.
    pub fn hold(&self) -> Option<(&'static str, Duration)> {
        self.hold?.left(Timestamp::now())
    }
}

impl Identity {
    /// An identity whose document is awaited.
    pub fn new(name: &str, metrics: IdentityMetrics) -> Self {
        Self {
            name: name.to_owned(),
            metrics: Arc::new(metrics),
            tally: Tally::default(),
            recent: Recent::default(),
            account: Mutex::default(),
            state: Mutex::new(State::Awaited),
            retired: Mutex::default(),
        }
    }

    /// Its name: a DNS label.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The breaker of its account.
    pub fn breaker(&self) -> Arc<Breaker> {
        lock(&self.account).breaker.clone()
    }

    /// A snapshot.
    pub fn state(&self) -> State {
        lock(&self.state).clone()
    }

    /// The document in use, if there is one.
    pub fn active(&self) -> Option<Arc<Active>> {
        match self.state() {
            State::Active(active) => Some(active),
            State::Awaited | State::Removed(_) => None,
        }
    }

    /// Takes a document, unless it is an older one or the same.
    pub fn apply(&self, document: Document, network: &Network) -> Result<Reload, ApplyError> {
        if document.name != self.name {
            return Err(ApplyError::WrongName {
                expected: self.name.clone(),
                found: document.name,
            });
        }
        let old = self.active();
        if let Some(verdict) = old
            .as_ref()
            .and_then(|old| refuse(&old.document, &document))
        {
            return Ok(verdict);
        }
        let target = Target::new(
            &document,
            &network.ehlo_name,
            network.resolver.clone(),
            &network.roots,
        )?;
        let (breaker, hold) = self.account_of(&document);
        let connections = document.limits.connections as usize;
        let kept = old
            .as_ref()
            .filter(|old| old.pool.target().same_server_and_login(&target));
        let pool = if let Some(kept) = kept {
            kept.pool.set_connections(connections);
            kept.pool.clone()
        } else {
            let gate = Gate {
                breaker: breaker.clone(),
                metrics: self.metrics.clone(),
            };
            Arc::new(Pool::new(target, connections, Arc::new(gate)))
        };
        let pacer = pacer_for(&document, old.as_deref());
        self.metrics
            .config_revision
            .set(document.revision.unwrap_or(0).cast_signed());
        self.replace(State::Active(Arc::new(Active {
            document,
            pool,
            pacer,
            breaker,
            hold,
        })));
        Ok(Reload::Applied)
    }

    /// Whether `address` is one of its own, also after its document was taken away.
    pub fn owns(&self, address: &Address) -> bool {
        match self.state() {
            State::Awaited => false,
            State::Active(active) => active.document.addresses.owns(address),
            State::Removed(addresses) => addresses.owns(address),
        }
    }

    /// Its document was taken away: nothing more is sent, and the secret goes with the last mail.
    /// What was held against the account stays, for the case that the same login comes back.
    pub fn remove(&self) {
        self.metrics.config_revision.set(0);
        if let Some(active) = self.active() {
            let addresses = Arc::new(active.document.addresses.clone());
            self.replace(State::Removed(addresses));
        }
    }

    /// Closes connections that are not needed any more. To be called each second or so.
    pub async fn sweep(&self) {
        if let Some(active) = self.active() {
            active.pool.sweep().await;
        }
        let retired = std::mem::take(&mut *lock(&self.retired));
        for pool in &retired {
            pool.sweep().await;
        }
        let waiting = retired.into_iter().filter(|pool| pool.busy() > 0);
        lock(&self.retired).extend(waiting);
    }

    /// Another server or login gets a breaker of its own, so that a refusal of the old one that is
    /// still under way does not hold the new one back. A raised `retry` closes the same. Both end a hold.
    fn account_of(&self, document: &Document) -> (Arc<Breaker>, Option<Kept>) {
        let mut account = lock(&self.account);
        let (upstream, login) = (&document.upstream, &document.login);
        let key = account.hasher.hash_one((
            (&upstream.host, upstream.port, &upstream.trust_anchors),
            upstream.security == Security::ImplicitTls,
            (&login.username, login.password.expose()),
        ));
        if account.key.replace(key) != Some(key) {
            account.breaker = Arc::default();
            account.hold = None;
        } else if account.retry != document.retry {
            account.breaker.close();
            account.hold = None;
        }
        account.retry = document.retry;
        let now = Timestamp::now();
        account.hold = Kept::after(account.hold, document.hold, now, fastrand::f64());
        (account.breaker.clone(), account.hold)
    }

    fn replace(&self, new: State) {
        let old = std::mem::replace(&mut *lock(&self.state), new);
        let State::Active(old) = old else { return };
        if self
            .active()
            .is_none_or(|new| !Arc::ptr_eq(&new.pool, &old.pool))
        {
            old.pool.retire();
            lock(&self.retired).push(old.pool.clone());
        }
    }

    /// Brings the gauges up to date, for a scrape.
    pub fn refresh_gauges(&self) {
        let active = self.active();
        let held = active
            .as_ref()
            .is_some_and(|active| active.hold().is_some());
        self.metrics
            .show_breaker(self.breaker().open().map(|open| open.reason), held);
        let (idle, busy) = active.map_or((0, 0), |active| (active.pool.idle(), active.pool.busy()));
        self.metrics
            .connections_idle
            .set(i64::try_from(idle).unwrap_or(i64::MAX));
        self.metrics
            .connections_busy
            .set(i64::try_from(busy).unwrap_or(i64::MAX));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether `new` is not to be taken in place of `old`.
///
/// Another uid is another object and always taken; a document without revision is a file that a
/// person wrote, and is taken too.
fn refuse(old: &Document, new: &Document) -> Option<Reload> {
    if old == new {
        return Some(Reload::Unchanged);
    }
    let same_object = old.uid == new.uid;
    let newer = match (old.revision, new.revision) {
        (Some(old), Some(new)) => new > old,
        _ => true,
    };
    (same_object && !newer).then_some(Reload::Stale)
}

/// The pace of the new document; the bucket stays as it is where the limits did not change.
fn pacer_for(document: &Document, old: Option<&Active>) -> Option<Arc<Pacer>> {
    let limits = &document.limits;
    let per_hour = limits.messages_per_hour?;
    let same = old.filter(|old| {
        let was = &old.document.limits;
        (was.messages_per_hour, was.burst) == (limits.messages_per_hour, limits.burst)
    });
    same.and_then(|old| old.pacer.clone())
        .or_else(|| Some(Arc::new(Pacer::new(per_hour, limits.burst))))
}

/// Asked before each login, told of each: one refused login is one refused login.
#[derive(Debug)]
struct Gate {
    breaker: Arc<Breaker>,
    metrics: Arc<IdentityMetrics>,
}

impl LoginGate for Gate {
    fn admit_mail(&self) -> Result<(), String> {
        let now = Instant::now();
        match self.breaker.holds_mails(now) {
            None => Ok(()),
            Some(open) => Err(format!("{} for {}", open.reason.as_str(), left(open, now))),
        }
    }

    fn admit_login(&self) -> Result<(), String> {
        self.admit_mail()?;
        let now = Instant::now();
        match self.breaker.holds_logins(now) {
            None => Ok(()),
            Some(open) => Err(format!(
                "the last login got no verdict; none is tried for {}",
                left(open, now)
            )),
        }
    }

    fn logged_in(&self, result: Login) {
        self.metrics.login(match result {
            Login::Ok => {
                self.breaker.logged_in();
                LoginResult::Ok
            }
            Login::Refused(class) => {
                let reason = Reason::of(class).unwrap_or(Reason::AuthFailed);
                self.breaker.trip_login(reason, Instant::now());
                LoginResult::Refused
            }
            Login::Unheard => {
                self.breaker.login_unheard(Instant::now());
                LoginResult::Error
            }
        });
    }
}

fn left(open: Open, now: Instant) -> String {
    match open.until.duration_since(now).as_secs() {
        seconds @ 0..120 => format!("{} more seconds", seconds.max(1)),
        seconds => format!("{} more minutes", seconds / 60),
    }
}

#[cfg(test)]
mod tests;
