//! One login at a time, each asked for and reported.
//!
//! A refused login is a listed cause of blocked mailboxes, so nothing here ever tries one twice. A
//! login whose verdict nobody heard may have been a refused one: the application left, the deadline
//! or the limit of AUTH passed, the connection broke, or the server asked to come back later. It is
//! reported as [`Login::Unheard`], so that the gate can space such logins out, however often the
//! application tries again.
//!
//! A login begins when the line of AUTH is about to be written. What fails before is none, and is
//! not reported.

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
    /// AUTH was begun, and no verdict came: 4yz, a 5yz that asks for patience, a reply out of step,
    /// no answer, or the delivery was dropped meanwhile.
    Unheard,
}

/// Decides whether a mail may go and whether to log in, and is told what came of each login.
pub trait LoginGate: Send + Sync {
    /// Asked when a mail has its place, before it takes a connection that is logged in already.
    /// `Err` says why not, in words for logs and for the application.
    fn admit_mail(&self) -> Result<(), String>;

    /// Asked before a connection is made, and again right before AUTH, when no other login of the
    /// pool is under way. `Err` as of [`LoginGate::admit_mail`].
    fn admit_login(&self) -> Result<(), String>;

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
            result: Login::Unheard,
        }
    }

    pub(crate) fn close(mut self, logged_in: &Result<Connection, Failure>) {
        self.result = match logged_in {
            Ok(_) => Login::Ok,
            Err(failure) if is_refusal(failure) => Login::Refused(failure.class),
            Err(_) => Login::Unheard,
        };
    }
}

impl Drop for Report<'_> {
    fn drop(&mut self) {
        self.gate.logged_in(self.result);
    }
}

/// A verdict about the login. A 5yz that only asks to come back later is none.
fn is_refusal(failure: &Failure) -> bool {
    let is_permanent = failure.reply.as_ref().is_some_and(Reply::is_permanent);
    is_permanent && failure.class != Class::Transient
}
