//! One login at a time, each asked for and reported.
//!
//! A refused login is a listed cause of blocked mailboxes, so nothing here ever tries one twice.

use tokio::sync::{Mutex, MutexGuard};
use zohorelay_smtp::reply::Reply;

use crate::connection::Connection;
use crate::failure::{Class, Failure};

/// What a login came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Login {
    /// The server said 235.
    Ok,
    /// The server said 5yz, which means this.
    Refused(Class),
    /// Anything else: 4yz, no answer, or the delivery was dropped meanwhile.
    Error,
}

/// Decides whether to log in, and is told what came of it.
pub trait LoginGate: Send + Sync {
    /// Asked before a connection is made, and again right before AUTH, when no other login of the
    /// pool is under way. `Err` says why not, in words for logs.
    fn admit(&self) -> Result<(), String>;

    /// Told once for each AUTH that was begun, before the next may begin.
    fn logged_in(&self, result: Login);
}

/// The right to log in, which one connection of a pool has at a time.
#[derive(Debug, Default)]
pub(crate) struct LoginTurn(Mutex<()>);

impl LoginTurn {
    pub(crate) async fn take(&self) -> MutexGuard<'_, ()> {
        self.0.lock().await
    }
}

/// Reports one login, also when it is dropped in the middle.
pub(crate) struct Report<'a> {
    gate: &'a dyn LoginGate,
    result: Login,
}

impl<'a> Report<'a> {
    pub(crate) fn open(gate: &'a dyn LoginGate) -> Self {
        Self {
            gate,
            result: Login::Error,
        }
    }

    pub(crate) fn close(mut self, logged_in: &Result<Connection, Failure>) {
        self.result = match logged_in {
            Ok(_) => Login::Ok,
            Err(failure) if is_refusal(failure) => Login::Refused(failure.class),
            Err(_) => Login::Error,
        };
    }
}

impl Drop for Report<'_> {
    fn drop(&mut self) {
        self.gate.logged_in(self.result);
    }
}

fn is_refusal(failure: &Failure) -> bool {
    failure.reply.as_ref().is_some_and(Reply::is_permanent)
}
