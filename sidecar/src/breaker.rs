//! The breaker of one account in one process: after a refusal that is about the account, nothing
//! is sent until the cause may be gone. More attempts prolong a block (docs/zoho.md, fact 8).
//!
//! A refusal opens it. When its time is over one mail is let through as a trial; a trial that is
//! refused opens it for twice as long as the refusal before, of whatever kind that was, until a
//! mail is accepted or the account changes.
//!
//! A login whose verdict nobody heard may have been refused. It holds further logins, for a minute
//! and then ever longer, until one goes well; mails over connections that are logged in already go
//! on. Without that the retries of an app that hangs up early would be as many logins.
//!
//! Time is a parameter, so that tests can play it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use zohorelay_upstream::failure::Class;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// Why the breaker is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The mailbox is blocked.
    AccountBlocked,
    /// The login was refused.
    AuthFailed,
    /// Too many messages.
    RateLimited,
}

impl Reason {
    /// Every reason, as a label value.
    pub const ALL: [Self; 3] = [Self::AccountBlocked, Self::AuthFailed, Self::RateLimited];

    /// The label value: the class that opened the breaker.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccountBlocked => "account_blocked",
            Self::AuthFailed => "auth_failed",
            Self::RateLimited => "rate_limited",
        }
    }

    /// The reason that a class gives, if it is about the account.
    pub const fn of(class: Class) -> Option<Self> {
        match class {
            Class::AccountBlocked => Some(Self::AccountBlocked),
            Class::AuthFailed => Some(Self::AuthFailed),
            Class::RateLimited => Some(Self::RateLimited),
            _ => None,
        }
    }

    /// How long the first refusal and the longest row of refusals keep it open.
    const fn span(self) -> (Duration, Duration) {
        match self {
            Self::AuthFailed => (HOUR, HOUR.saturating_mul(12)),
            Self::AccountBlocked => (MINUTE.saturating_mul(15), HOUR.saturating_mul(6)),
            Self::RateLimited => (MINUTE.saturating_mul(10), HOUR.saturating_mul(2)),
        }
    }
}

/// What the first login without a verdict and the longest row of them hold.
const UNHEARD: (Duration, Duration) = (MINUTE, HOUR);

/// What those hear who come while a trial is under way.
const TRIAL: Duration = MINUTE;

/// An open breaker, or a hold of logins, for a person to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open {
    /// What opened it.
    pub reason: Reason,
    /// When a trial is let through, or a login.
    pub until: Instant,
    /// How many refusals in a row opened it, or logins without a verdict.
    pub refusals: u32,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Breaker {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    open: Option<Open>,
    on_trial: bool,
    /// Refusals since a mail was accepted, whatever their reasons.
    refusals: u32,
    /// How often it was opened or closed from outside: news of older mails closes nothing newer.
    generation: u64,
    /// The hold of logins.
    unheard: Option<Open>,
}

/// A mail that may go. It must be told how it went; dropped untold, a trial is free again.
#[derive(Debug)]
pub struct Pass<'a> {
    breaker: &'a Breaker,
    trial: bool,
    generation: u64,
}

impl Breaker {
    /// Lets a mail through, or says what holds it.
    pub fn admit(&self, now: Instant) -> Result<Pass<'_>, Open> {
        let mut state = self.lock();
        let trial = match state.open {
            None => false,
            Some(open) if open.until <= now && !state.on_trial => true,
            Some(open) => return Err(open.or_in_a_minute(now)),
        };
        state.on_trial |= trial;
        Ok(Pass {
            breaker: self,
            trial,
            generation: state.generation,
        })
    }

    /// Whether it is open or holds logins, and why.
    pub fn open(&self) -> Option<Open> {
        let state = self.lock();
        let unheard = || state.unheard.filter(|hold| hold.until > Instant::now());
        state.open.or_else(unheard)
    }

    /// Opens it for a refused mail, for twice as long as the last time.
    ///
    /// Mails that were under way when it opened change nothing, unless their news holds longer.
    pub fn trip(&self, reason: Reason, now: Instant) {
        let mut state = self.lock();
        let is_old_news = |open: Open| open.until > now && open.reason == reason;
        if !state.open.is_some_and(is_old_news) {
            state.trip(reason, reason.span(), now);
        }
    }

    /// Opens it for a refused login. Whatever the server said, a login is not tried again sooner
    /// than after a wrong password.
    pub fn trip_login(&self, reason: Reason, now: Instant) {
        let (first, longest) = reason.span();
        let (first_of_login, longest_of_login) = Reason::AuthFailed.span();
        let span = (first.max(first_of_login), longest.max(longest_of_login));
        self.lock().trip(reason, span, now);
    }

    /// Holds logins: one was begun and its verdict was not heard.
    pub fn login_unheard(&self, now: Instant) {
        let mut state = self.lock();
        let logins = match state.unheard {
            Some(hold) if hold.until > now => return,
            Some(hold) => hold.refusals.saturating_add(1),
            None => 1,
        };
        state.unheard = Some(Open {
            reason: Reason::AuthFailed,
            until: now + doubled(UNHEARD, logins),
            refusals: logins,
        });
    }

    /// Why a mail may not go now that was admitted before. A trial may, as long as nothing opened
    /// the breaker anew.
    pub fn holds_mails(&self, now: Instant) -> Option<Open> {
        let state = self.lock();
        state
            .open
            .filter(|open| !state.on_trial || open.until > now)
            .map(|open| open.or_in_a_minute(now))
    }

    /// The hold of logins, of which [`Breaker::holds_mails`] knows nothing.
    pub fn holds_logins(&self, now: Instant) -> Option<Open> {
        self.lock().unheard.filter(|hold| hold.until > now)
    }

    /// Closes it and forgets all: a person says that the account works, or its login changed.
    pub fn close(&self) {
        let mut state = self.lock();
        *state = State {
            generation: state.generation + 1,
            ..State::default()
        };
    }

    /// A login went well: ends the hold of logins, and what a refused login had opened.
    pub fn logged_in(&self) {
        let mut state = self.lock();
        state.unheard = None;
        if state
            .open
            .is_some_and(|open| open.reason == Reason::AuthFailed)
        {
            state.open = None;
            state.on_trial = false;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// With the trial's outcome still open, nobody knows when to come back.
    fn or_in_a_minute(self, now: Instant) -> Self {
        let is_due = self.until <= now;
        let until = if is_due { now + TRIAL } else { self.until };
        Self { until, ..self }
    }
}

impl State {
    fn trip(&mut self, reason: Reason, span: (Duration, Duration), now: Instant) {
        let refusals = match self.open {
            // News of a mail that was under way when it opened.
            Some(open) if open.until > now => open.refusals,
            _ => self.refusals.saturating_add(1),
        };
        let until = now + doubled(span, refusals);
        if self.open.is_some_and(|open| open.until > until) {
            return;
        }
        self.open = Some(Open {
            reason,
            until,
            refusals,
        });
        self.on_trial = false;
        self.refusals = refusals;
        self.generation += 1;
    }
}

impl Pass<'_> {
    /// The server took the mail.
    pub fn accepted(self) {
        let mut state = self.breaker.lock();
        if state.generation == self.generation {
            state.open = None;
            state.on_trial = false;
            state.refusals = 0;
        }
    }

    /// The mail failed with this class.
    pub fn failed(self, class: Class, now: Instant) {
        if let Some(reason) = Reason::of(class) {
            self.breaker.trip(reason, now);
        }
    }

    /// Whether this mail is the trial of an open breaker.
    pub fn is_trial(&self) -> bool {
        self.trial
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        let mut state = self.breaker.lock();
        if self.trial && state.generation == self.generation {
            state.on_trial = false;
        }
    }
}

/// The first span, doubled for each refusal after the first, up to the longest; jittered.
fn doubled((first, longest): (Duration, Duration), refusals: u32) -> Duration {
    let doublings = refusals.saturating_sub(1).min(16);
    jittered(first.saturating_mul(1 << doublings).min(longest))
}

/// ±20 %, so that many pods do not come back at the same moment.
fn jittered(span: Duration) -> Duration {
    span.mul_f64(0.8 + 0.4 * fastrand::f64())
}

#[cfg(test)]
mod tests;
