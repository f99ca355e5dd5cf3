//! The breaker of one account in one process: after a refusal that is about the account, nothing
//! is sent until the cause may be gone. More attempts prolong a block (docs/zoho.md, fact 8).
//!
//! A refusal opens it. When its time is over one mail is let through as a trial; a trial that is
//! refused opens it for twice as long. Time is a parameter, so that tests can play it.

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

/// An open breaker, for a person to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open {
    /// What opened it.
    pub reason: Reason,
    /// When a trial is let through.
    pub until: Instant,
    /// How many refusals in a row opened it.
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
}

/// A mail that may go. It must be told how it went; dropped untold, a trial is free again.
#[derive(Debug)]
pub struct Pass<'a> {
    breaker: &'a Breaker,
    trial: bool,
}

impl Breaker {
    /// Lets a mail through, or says what holds it.
    pub fn admit(&self, now: Instant) -> Result<Pass<'_>, Open> {
        let mut state = self.lock();
        let trial = match state.open {
            None => false,
            Some(open) if open.until <= now && !state.on_trial => true,
            Some(open) => return Err(open),
        };
        state.on_trial |= trial;
        Ok(Pass {
            breaker: self,
            trial,
        })
    }

    /// Whether it is open, and why.
    pub fn open(&self) -> Option<Open> {
        self.lock().open
    }

    /// Opens it, for twice as long as the last time if that refusal was of the same kind.
    ///
    /// Mails that were under way when it opened change nothing, unless their news holds longer.
    pub fn trip(&self, reason: Reason, now: Instant) {
        let mut state = self.lock();
        let refusals = match state.open {
            Some(open) if open.until > now && open.reason == reason => return,
            Some(open) if open.reason == reason => open.refusals.saturating_add(1),
            _ => 1,
        };
        let (first, longest) = reason.span();
        let span = first
            .saturating_mul(1 << (refusals - 1).min(16))
            .min(longest);
        let until = now + jittered(span);
        if state.open.is_some_and(|open| open.until > until) {
            return;
        }
        state.open = Some(Open {
            reason,
            until,
            refusals,
        });
        state.on_trial = false;
    }

    /// Why no login may be tried now. A trial is under way with the breaker still open: it may.
    pub fn holds_logins(&self, now: Instant) -> Option<Open> {
        let state = self.lock();
        state
            .open
            .filter(|open| !state.on_trial || open.until > now)
    }

    /// Closes it: the account works, or its login changed.
    pub fn close(&self) {
        *self.lock() = State::default();
    }

    /// Closes it if a refused login had opened it: a login went well.
    pub fn logged_in(&self) {
        let mut state = self.lock();
        if state
            .open
            .is_some_and(|open| open.reason == Reason::AuthFailed)
        {
            *state = State::default();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pass<'_> {
    /// The server took the mail.
    pub fn accepted(self) {
        if self.trial {
            self.breaker.close();
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
        if self.trial {
            self.breaker.lock().on_trial = false;
        }
    }
}

/// ±20 %, so that many pods do not come back at the same moment.
fn jittered(span: Duration) -> Duration {
    span.mul_f64(0.8 + 0.4 * fastrand::f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refuse(breaker: &Breaker, class: Class, now: Instant) {
        breaker.admit(now).unwrap().failed(class, now);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_login_holds_every_mail_for_about_an_hour() {
        let breaker = Breaker::default();
        let start = Instant::now();
        refuse(&breaker, Class::AuthFailed, start);
        assert!(breaker.admit(start + MINUTE * 47).is_err());
        assert!(breaker.admit(start + MINUTE * 73).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn only_one_mail_is_the_trial() {
        let breaker = Breaker::default();
        let start = Instant::now();
        refuse(&breaker, Class::AuthFailed, start);
        let later = start + HOUR * 2;
        let trial = breaker.admit(later).unwrap();
        assert!(breaker.admit(later).is_err());
        trial.accepted();
        assert!(breaker.admit(later).is_ok());
        assert_eq!(breaker.open(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_trial_doubles_the_time_up_to_twelve_hours() {
        let breaker = Breaker::default();
        let mut now = Instant::now();
        for hours in [1_u32, 2, 4, 8, 12, 12] {
            refuse(&breaker, Class::AuthFailed, now);
            let span = breaker.open().unwrap().until - now;
            assert!(span >= HOUR.mul_f64(0.79) * hours && span <= HOUR.mul_f64(1.21) * hours);
            now = breaker.open().unwrap().until;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn mails_that_were_under_way_do_not_prolong_it() {
        let breaker = Breaker::default();
        let now = Instant::now();
        let under_way: Vec<_> = (0..5).map(|_| breaker.admit(now).unwrap()).collect();
        for pass in under_way {
            pass.failed(Class::AccountBlocked, now);
        }
        assert_eq!(breaker.open().unwrap().refusals, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_mail_that_was_under_way_may_lengthen_it_and_never_shortens_it() {
        let now = Instant::now();
        for (first, second) in [
            (Class::AuthFailed, Class::RateLimited),
            (Class::RateLimited, Class::AuthFailed),
        ] {
            let breaker = Breaker::default();
            let passes = [first, second].map(|class| (breaker.admit(now).unwrap(), class));
            for (pass, class) in passes {
                pass.failed(class, now);
            }
            assert_eq!(breaker.open().unwrap().reason, Reason::AuthFailed);
            assert!(breaker.admit(now + MINUTE * 47).is_err());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_trial_that_fails_for_another_cause_is_free_again_and_the_breaker_stays_open() {
        let breaker = Breaker::default();
        let start = Instant::now();
        refuse(&breaker, Class::AccountBlocked, start);
        let later = start + HOUR;
        assert!(breaker.admit(later).unwrap().is_trial());
        breaker.admit(later).unwrap().failed(Class::Connect, later);
        assert_eq!(breaker.open().unwrap().refusals, 1);
        let trial = breaker.admit(later).unwrap();
        assert!(trial.is_trial());
        assert!(breaker.admit(later).is_err(), "one trial at a time");
    }

    #[tokio::test(start_paused = true)]
    async fn only_the_trial_may_log_in_while_it_is_open() {
        let breaker = Breaker::default();
        let start = Instant::now();
        assert_eq!(breaker.holds_logins(start), None);
        refuse(&breaker, Class::AuthFailed, start);
        let later = start + HOUR * 2;
        assert!(breaker.holds_logins(later).is_some(), "no trial under way");
        let trial = breaker.admit(later).unwrap();
        assert_eq!(breaker.holds_logins(later), None);
        trial.failed(Class::AuthFailed, later);
        assert!(breaker.holds_logins(later).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_trial_whose_app_left_is_free_again() {
        let breaker = Breaker::default();
        let start = Instant::now();
        refuse(&breaker, Class::RateLimited, start);
        drop(breaker.admit(start + HOUR).unwrap());
        assert!(breaker.admit(start + HOUR).unwrap().is_trial());
    }

    #[tokio::test(start_paused = true)]
    async fn a_good_login_closes_it_only_for_a_refused_login() {
        let breaker = Breaker::default();
        let now = Instant::now();
        refuse(&breaker, Class::AccountBlocked, now);
        breaker.logged_in();
        assert!(breaker.open().is_some());
        breaker.close();
        refuse(&breaker, Class::AuthFailed, now);
        breaker.logged_in();
        assert_eq!(breaker.open(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_about_the_mail_leaves_it_closed() {
        let breaker = Breaker::default();
        for class in [Class::RelayDenied, Class::Connect, Class::RecipientRefused] {
            refuse(&breaker, class, Instant::now());
        }
        assert_eq!(breaker.open(), None);
    }
}
