//! What a sidecar tells of the mails of one identity, in `/summary` and in its last words
//! (`docs/reference/status.md`). A stranger's word: only what is listed here is taken. Pure.

use std::collections::BTreeMap;
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use zohorelay_upstream::failure::{Class, Stage};

use super::kind::{BREAKERS, Weight, weight};

/// From the first failure of a passing kind to one after which it counts, if no mail got through
/// between them.
pub const PASSING: SignedDuration = SignedDuration::from_mins(5);
/// No more of one count than that is believed.
const COUNT_MAX: u64 = 1_000_000_000;

/// The mails of one identity in one sidecar since its start, or in several that ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Mails that the server took.
    pub accepted: u64,
    /// Mails that failed, by kind; kinds without one are left out.
    pub failed: Box<[(Class, u64)]>,
    /// When the server last took one.
    pub last_accepted: Option<Timestamp>,
    /// The newest failure of each kind that has one; of an older sidecar, the newest of all. What was
    /// held back stands under the kind that made it so.
    pub failures: Box<[Failure]>,
    /// When mails began to fail in a passing way, if none got through since.
    pub since: Option<Timestamp>,
}

/// One mail that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The kind.
    pub class: Class,
    /// The step at the server, if it got that far.
    pub stage: Option<Stage>,
    /// The server's reply code, if there was a reply.
    pub code: Option<u16>,
    /// When.
    pub at: Timestamp,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.class.fmt(f)?;
        if let Some(stage) = self.stage {
            write!(f, " at {stage}")?;
        }
        if let Some(code) = self.code {
            write!(f, ", the server said {code}")?;
        }
        Ok(())
    }
}

/// As a sidecar writes it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Told {
    #[serde(alias = "sent")]
    accepted: u64,
    failed: BTreeMap<String, u64>,
    last_accepted: Option<Timestamp>,
    last_failure: Option<Named>,
    last_failures: BTreeMap<String, Circumstances>,
}

#[derive(Debug, Deserialize)]
struct Named {
    class: String,
    #[serde(flatten)]
    circumstances: Circumstances,
}

#[derive(Debug, Deserialize)]
struct Circumstances {
    stage: Option<String>,
    code: Option<u16>,
    at: Timestamp,
}

impl Told {
    /// What counts of it. Nothing in it happened after `until`, whatever it says. `breaker` is why the
    /// sidecar sends nothing, where it says so.
    pub(super) fn account(self, breaker: Option<Class>, until: Timestamp) -> Account {
        let mut failures = self.failures(until);
        let failed: Box<[(Class, u64)]> = (Class::ALL.into_iter())
            .filter_map(|class| Some((class, *self.failed.get(class.as_str())?)))
            .filter(|(_, count)| *count > 0)
            .map(|(class, count)| (class, count.min(COUNT_MAX)))
            .collect();
        let has = |class: &Class| failed.iter().any(|(of, _)| of == class);
        if let Some(cause) = breaker.or_else(|| BREAKERS.into_iter().find(has)) {
            blame(&mut failures, cause);
        }
        let accepted = self.accepted.min(COUNT_MAX);
        let last_accepted = self.last_accepted.map(|at| at.min(until));
        let mut account = Account {
            accepted,
            // An older sidecar's last words do not tell when.
            last_accepted: last_accepted
                .or_else(|| (accepted > 0 && failures.is_empty()).then_some(until)),
            failed,
            failures: failures.into(),
            since: None,
        };
        account.go_on_from(None);
        account
    }

    /// When a mail last failed for that reason, by itself and not since it was held back.
    pub(super) fn last_failure_of(&self, class: Class) -> Option<Timestamp> {
        let known = self.last_failures.get(class.as_str()).map(|it| it.at);
        let newest = self.last_failure.as_ref();
        let newest = newest.filter(|it| it.class == class.as_str());
        known.or(newest.map(|it| it.circumstances.at))
    }

    fn failures(&self, until: Timestamp) -> Vec<Failure> {
        let mut failures: Vec<Failure> = (Class::ALL.into_iter())
            .filter_map(|class| {
                let circumstances = self.last_failures.get(class.as_str())?;
                Some(circumstances.failure(class, until))
            })
            .collect();
        if let Some(last) = &self.last_failure
            && let Some(class) = Class::parse(&last.class)
            && failures.iter().all(|known| known.class != class)
        {
            failures.push(last.circumstances.failure(class, until));
        }
        failures
    }
}

impl Circumstances {
    fn failure(&self, class: Class, until: Timestamp) -> Failure {
        let stage = self.stage.as_deref();
        Failure {
            class,
            stage: Stage::ALL
                .into_iter()
                .find(|known| Some(known.as_str()) == stage),
            code: self.code.filter(|code| (100..1000).contains(code)),
            at: self.at.min(until),
        }
    }
}

/// Mails that were held back failed for what made the sidecar hold them.
fn blame(failures: &mut Vec<Failure>, cause: Class) {
    let Some(held) = failures.iter().position(|it| it.class == Class::Held) else {
        return;
    };
    let held = failures.remove(held);
    match failures.iter_mut().find(|it| it.class == cause) {
        Some(known) => known.at = known.at.max(held.at),
        None => failures.push(Failure {
            class: cause,
            ..held
        }),
    }
}

impl Account {
    /// Mails that failed.
    pub fn failed(&self) -> u64 {
        (self.failed.iter()).fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    /// The newest failure of all.
    pub fn newest_failure(&self) -> Option<&Failure> {
        self.failures.iter().max_by_key(|failure| failure.at)
    }

    /// Failures that weigh, and that no mail of this account undid.
    pub fn open(&self) -> impl Iterator<Item = &Failure> {
        self.failures
            .iter()
            .filter(|failure| match weight(failure.class) {
                Weight::Mailbox => self.is_last_word(failure),
                Weight::Sender => true,
                Weight::Passing => self.is_last_word(failure) && self.goes_on(failure),
                Weight::Mail => false,
            })
    }

    fn is_last_word(&self, failure: &Failure) -> bool {
        self.last_accepted
            .is_none_or(|accepted| accepted <= failure.at)
    }

    fn goes_on(&self, failure: &Failure) -> bool {
        self.since
            .is_some_and(|since| failure.at.duration_since(since) >= PASSING)
    }

    /// Remembers when passing failures began, as an earlier look at the same mails found.
    pub fn go_on_from(&mut self, earlier: impl IntoIterator<Item = Timestamp>) {
        let passing = self.failures.iter().filter(|failure| {
            weight(failure.class) == Weight::Passing && self.is_last_word(failure)
        });
        let first = passing.map(|failure| failure.at).min();
        let holds = |since: &Timestamp| self.last_accepted.is_none_or(|at| at < *since);
        let earlier = earlier.into_iter().filter(holds).min();
        self.since = first.map(|first| earlier.map_or(first, |earlier| earlier.min(first)));
    }

    /// Adds what another sidecar left behind, as if both were one; but for the counts.
    pub fn absorb(&mut self, other: &Self) {
        self.last_accepted = self.last_accepted.max(other.last_accepted);
        let mut failures = std::mem::take(&mut self.failures).into_vec();
        for failure in &other.failures {
            match failures.iter_mut().find(|it| it.class == failure.class) {
                Some(known) if known.at >= failure.at => {}
                Some(known) => *known = failure.clone(),
                None => failures.push(failure.clone()),
            }
        }
        self.failures = failures.into();
        self.go_on_from([self.since, other.since].into_iter().flatten());
    }
}

#[cfg(test)]
mod tests;
