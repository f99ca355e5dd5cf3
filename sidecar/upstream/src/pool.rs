//! The connections of one identity: opened when needed, at most so many, kept for the next mail.
//!
//! A connection comes back only after a 2yz to our dot with nothing left to read. A refusal, an
//! error or a dropped delivery closes it (`docs/proof.md` U14).

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use zohorelay_smtp::reply::Reply;

use crate::connection::{Connection, Refusal};
use crate::failure::{Class, Failure, Stage};
use crate::login::{LoginTurn, Report};
use crate::open::greet;
use crate::slots::Slots;
use crate::submission::{Progress, Submission};
use crate::target::Target;

pub use crate::login::{Login, LoginGate};

/// How long a connection waits for the next mail. Gateways forget silent connections after a few
/// minutes, and a mail on a forgotten one waits for its whole limit.
pub const IDLE_LIMIT: Duration = Duration::from_secs(60);
/// How old a connection may get, so that DNS and certificates are looked at again.
pub const AGE_LIMIT: Duration = Duration::from_secs(30 * 60);
/// How many mails go over one connection. Each login costs Zoho and us far more than a mail.
pub const MAILS_LIMIT: u32 = 1000;

/// The connections of one identity.
pub struct Pool {
    target: Target,
    gate: Arc<dyn LoginGate>,
    turn: LoginTurn,
    slots: Slots,
    idle: Mutex<Vec<Idle>>,
    closing: Mutex<Vec<Connection>>,
    busy: AtomicUsize,
    is_retired: AtomicBool,
}

struct Idle {
    connection: Connection,
    since: Instant,
}

impl Pool {
    /// A pool without connections, which opens at most `connections`.
    pub fn new(target: Target, connections: usize, gate: Arc<dyn LoginGate>) -> Self {
        Self {
            target,
            gate,
            turn: LoginTurn::default(),
            slots: Slots::new(connections),
            idle: Mutex::default(),
            closing: Mutex::default(),
            busy: AtomicUsize::new(0),
            is_retired: AtomicBool::new(false),
        }
    }

    /// Where the connections lead.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Changes how many connections there may be. Mails under way are not disturbed.
    pub fn set_connections(&self, connections: usize) {
        self.slots.resize(connections);
        let mut idle = self.lock_idle();
        let surplus = idle.len().saturating_sub(connections);
        let closed = idle.drain(..surplus).map(|idle| idle.connection);
        self.lock_closing().extend(closed);
    }

    /// Takes all idle connections out. The next [`Pool::sweep`] says QUIT on them.
    pub fn close_idle(&self) {
        let closed = std::mem::take(&mut *self.lock_idle());
        self.lock_closing()
            .extend(closed.into_iter().map(|idle| idle.connection));
    }

    /// As [`Pool::close_idle`], and the busy ones will not come back.
    pub fn retire(&self) {
        self.is_retired.store(true, Ordering::Release);
        self.close_idle();
    }

    /// Connections that wait for a mail.
    pub fn idle(&self) -> usize {
        self.lock_idle().len()
    }

    /// Mails under way.
    pub fn busy(&self) -> usize {
        self.busy.load(Ordering::Relaxed)
    }

    /// Closes the connections that waited too long, got too old or broke, with QUIT where they
    /// live. Takes at most [`QUIT`](crate::deadline::QUIT). To be called each second or so.
    pub async fn sweep(&self) {
        let mut quitting = JoinSet::new();
        let expired: Vec<_> = {
            let mut idle = self.lock_idle();
            idle.extract_if(.., |idle| {
                idle.is_expired() || !idle.connection.handle.seems_quiet()
            })
            .collect()
        };
        for idle in expired {
            quitting.spawn(idle.connection.quit());
        }
        let closing = std::mem::take(&mut *self.lock_closing());
        for connection in closing {
            quitting.spawn(connection.quit());
        }
        while quitting.join_next().await.is_some() {}
    }

    /// Delivers one mail. `Ok` is the server's 2yz to our dot, and nothing else is.
    ///
    /// Dropping the future closes the connection. A caller must not drop it once
    /// [`Progress::our_dot_sent`] is true, or the outcome is lost.
    pub async fn deliver(
        &self,
        mail: Submission<'_>,
        progress: &Progress,
    ) -> Result<Reply, Failure> {
        let host = &self.target.host;
        let slot = timeout_at(mail.deadline, self.slots.take());
        let Ok(_slot) = slot.await else {
            let detail = "waiting for a free connection: the deadline of the mail passed";
            return Err(Failure::new(Class::Busy, Stage::Connect, host, detail));
        };
        let _busy = Busy::count(&self.busy);
        // The mail before may have been refused while this one waited.
        self.hold(Stage::Connect, self.gate.admit_mail())?;
        let mut connection = self.begin(&mail, progress).await?;
        let reply = connection.finish(mail, host, progress).await?;
        self.put_back(connection).await;
        Ok(reply)
    }

    /// A connection on which the server said 354 to this mail.
    async fn begin(
        &self,
        mail: &Submission<'_>,
        progress: &Progress,
    ) -> Result<Connection, Failure> {
        let host = &self.target.host;
        if let Some(mut connection) = self.take_idle().await {
            if let Some(limit) = connection.size_exceeded(mail.size_bytes) {
                self.put_back(connection).await;
                return Err(too_large(host, limit));
            }
            match connection.begin(mail, host, progress).await {
                Ok(()) => return Ok(connection),
                // It died while it was idle; that is not this mail's fault. Once, and silently.
                Err(Refusal {
                    is_connection_dead: true,
                    ..
                }) => {}
                Err(refusal) => return Err(refusal.failure),
            }
        }
        let mut connection = self.open(mail.deadline, progress).await?;
        if let Some(limit) = connection.size_exceeded(mail.size_bytes) {
            self.put_back(connection).await;
            return Err(too_large(host, limit));
        }
        match connection.begin(mail, host, progress).await {
            Ok(()) => Ok(connection),
            Err(refusal) => Err(refusal.failure),
        }
    }

    async fn open(&self, deadline: Instant, progress: &Progress) -> Result<Connection, Failure> {
        let host = &self.target.host;
        self.hold(Stage::Connect, self.gate.admit_login())?;
        let greeted = greet(&self.target, deadline, progress).await?;
        progress.enter(Stage::Auth);
        let Ok(_turn) = timeout_at(deadline, self.turn.take()).await else {
            let detail = "waiting for another login to end: the deadline of the mail passed";
            return Err(Failure::new(Class::Busy, Stage::Auth, host, detail));
        };
        // The login before may have been refused while this one waited.
        self.hold(Stage::Auth, self.gate.admit_login())?;
        greeted.check_silence(&self.target).await?;
        let report = Report::open(&*self.gate);
        let logged_in = greeted.log_in(&self.target, deadline, progress).await;
        report.close(&logged_in);
        logged_in
    }

    fn hold(&self, stage: Stage, verdict: Result<(), String>) -> Result<(), Failure> {
        verdict.map_err(|why| Failure::new(Class::Held, stage, &self.target.host, why))
    }

    /// The connection that was used last, if it is alive and nothing was said on it since.
    async fn take_idle(&self) -> Option<Connection> {
        loop {
            let idle = self.lock_idle().pop()?;
            if !idle.is_expired() && idle.connection.handle.is_quiet().await {
                return Some(idle.connection);
            }
        }
    }

    async fn put_back(&self, connection: Connection) {
        if !connection.handle.is_quiet().await {
            return;
        }
        // Looked at under the lock, so that nothing comes back after `retire` emptied the list.
        let mut idle = self.lock_idle();
        let is_spent = connection.mails() >= MAILS_LIMIT;
        // Those that wait and those at work, with this one, which still counts as busy.
        let is_surplus = idle.len() + self.busy() > self.slots.places();
        if is_spent || is_surplus || self.is_retired.load(Ordering::Acquire) {
            self.lock_closing().push(connection);
        } else {
            let since = Instant::now();
            idle.push(Idle { connection, since });
        }
    }

    fn lock_idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_closing(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.closing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Idle {
    fn is_expired(&self) -> bool {
        self.since.elapsed() >= IDLE_LIMIT || self.connection.opened().elapsed() >= AGE_LIMIT
    }
}

/// One mail under way, counted while it lives.
struct Busy<'a>(&'a AtomicUsize);

impl<'a> Busy<'a> {
    fn count(busy: &'a AtomicUsize) -> Self {
        busy.fetch_add(1, Ordering::Relaxed);
        Self(busy)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// RFC 1870 section 6.1: a mail over the server's limit need not be offered.
fn too_large(host: &str, limit: u64) -> Failure {
    let detail = format!("the server takes mails up to {limit} bytes");
    Failure::new(Class::MessageRefused, Stage::Mail, host, detail)
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("target", &self.target)
            .field("idle", &self.idle())
            .field("busy", &self.busy())
            .finish_non_exhaustive()
    }
}
