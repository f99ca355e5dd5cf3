//! What is kept of one pod, and how it counts. Pure.

use std::net::SocketAddr;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use zohorelay_upstream::failure::Class;

use super::PodTally;
use super::account::Failure;
use super::index::{Finding, NamespacedName, Ticket};
use super::kind::{Weight, weight};
use super::pod::{Sidecar, Sighting};
use super::refusal::Refusal;
use super::summary::Report;

/// Names in a message, each kind.
const EXAMPLES_MAX: usize = 3;
/// So many questions in a row without an answer make a pod silent: one may be lost.
const MISSES_OF_A_SILENT_POD: u8 = 2;
/// An older failure is no news: an earlier leader told of it.
pub(super) const NEWS: SignedDuration = SignedDuration::from_mins(10);

/// What is kept of one pod.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) ticket: Ticket,
    pub(super) key: Arc<NamespacedName>,
    pub(super) uid: Box<str>,
    pub(super) identities: Arc<[Box<str>]>,
    pub(super) sidecar: Option<Sidecar>,
    /// The last list that showed it.
    pub(super) listing: u64,
    misses: u8,
    answer: Option<Box<[Report]>>,
    /// Kinds of failures of which people were told.
    told: Vec<(Box<str>, Class)>,
}

impl Record {
    pub(super) fn new(
        ticket: Ticket,
        key: Arc<NamespacedName>,
        listing: u64,
        seen: Sighting,
    ) -> Self {
        Self {
            ticket,
            key,
            uid: seen.uid,
            identities: seen.identities.into(),
            sidecar: seen.sidecar,
            listing,
            misses: 0,
            answer: None,
            told: Vec::new(),
        }
    }

    pub(super) fn admin(&self) -> Option<SocketAddr> {
        self.sidecar.as_ref()?.admin
    }

    pub(super) fn identities(&self) -> impl Iterator<Item = NamespacedName> + use<'_> {
        let namespace = &self.key.namespace;
        (self.identities.iter()).map(|name| NamespacedName::new(namespace, name))
    }

    /// Whether a tally would be another one; where it listens is in none.
    pub(super) fn counts_otherwise(&self, seen: &Sighting) -> bool {
        let injected_by = |sidecar: &Sidecar| sidecar.injected_by.clone();
        self.identities[..] != seen.identities[..]
            || self.sidecar.as_ref().map(injected_by) != seen.sidecar.as_ref().map(injected_by)
    }

    pub(super) fn see(&mut self, listing: u64, seen: Sighting) {
        self.listing = listing;
        if self.identities[..] != seen.identities[..] {
            self.identities = seen.identities.into();
        }
        self.sidecar = seen.sidecar;
    }

    /// Takes an answer, or that there was none; also tells whether it makes another tally.
    pub(super) fn hear(&mut self, answer: Option<Box<[Report]>>) -> (Finding, bool) {
        let was_silent = self.is_silent();
        let Some(mut answer) = answer else {
            self.misses = self.misses.saturating_add(1);
            let finding = if self.is_silent() {
                Finding::Silent
            } else {
                Finding::Missed
            };
            return (finding, self.is_silent() != was_silent);
        };
        self.misses = 0;
        for report in &mut answer {
            let last = of(self.answer.as_deref().unwrap_or_default(), &report.identity);
            let since = last.and_then(|last| last.account.since);
            report.account.go_on_from(since);
            let earlier = last.and_then(|last| last.refused);
            report.refused = report.refused.map(|it| it.or_earlier(earlier));
        }
        let before = self.answer.replace(answer);
        let now = self.answer.as_deref().unwrap_or_default();
        let Some(before) = before else {
            return (Finding::Calm, true);
        };
        let finding = if has_new_failures(&before, now) {
            Finding::Failing
        } else {
            Finding::Calm
        };
        let is_news = revisions(&before).ne(revisions(now))
            || fares_otherwise(&before, now)
            || is_refused_anew(&before, now);
        (finding, was_silent || is_news)
    }

    /// Failures of the last answer of whose kind nobody was told yet, with their identity; each kind
    /// once.
    pub(super) fn first_failures(&mut self, now: Timestamp) -> Vec<(Box<str>, Failure)> {
        let mut first = Vec::new();
        for report in self.answer.as_deref().unwrap_or_default() {
            for failure in &report.account.failures {
                let key = (report.identity.clone(), failure.class);
                let is_news = now.duration_since(failure.at) <= NEWS;
                if weight(failure.class) != Weight::Mail && is_news && !self.told.contains(&key) {
                    first.push((report.identity.clone(), failure.clone()));
                    self.told.push(key);
                }
            }
        }
        first
    }

    /// The refusal that stopped the sidecar's mails of an identity.
    pub(super) fn refusal(&self, identity: &str, uid: &str) -> Option<Refusal> {
        let report = of(self.answer.as_deref()?, identity)?;
        let refused = report
            .refused
            .filter(|_| report.uid.as_deref() == Some(uid))?;
        Some(Refusal {
            class: refused.class,
            at: refused.at,
            revision: report.revision?,
            pod: self.key.name.clone(),
        })
    }

    pub(super) fn forget_answer(&mut self) {
        self.misses = 0;
        self.answer = None;
    }

    fn is_silent(&self) -> bool {
        self.misses >= MISSES_OF_A_SILENT_POD
    }

    pub(super) fn count(
        &self,
        tally: &mut PodTally,
        version: &str,
        identity: &str,
        uid: &str,
        revision: Option<u64>,
    ) {
        let Some(sidecar) = &self.sidecar else {
            tally.missing += 1;
            return add_example(&mut tally.examples.missing, &self.key.name);
        };
        if let Some(report) = of(self.answer.as_deref().unwrap_or_default(), identity) {
            tally.delivery.add(&self.key.name, &report.account);
        }
        tally.attached += 1;
        tally.outdated += u32::from(sidecar.injected_by.as_deref() != Some(version));
        if self.is_silent() {
            tally.silent += 1;
            return add_example(&mut tally.examples.silent, &self.key.name);
        }
        let (Some(answer), Some(published)) = (&self.answer, revision) else {
            tally.unread += u32::from(self.answer.is_none());
            return;
        };
        let is_current = answer.iter().any(|report| {
            *report.identity == *identity
                && report.uid.as_deref() == Some(uid)
                && report.revision == Some(published)
        });
        if is_current {
            tally.current += 1;
        } else {
            tally.behind += 1;
            add_example(&mut tally.examples.behind, &self.key.name);
        }
    }
}

fn of<'a>(answer: &'a [Report], identity: &str) -> Option<&'a Report> {
    answer.iter().find(|report| *report.identity == *identity)
}

/// Whether mails fail for another reason, or the first one went out. Mere counts are no news.
fn fares_otherwise(before: &[Report], now: &[Report]) -> bool {
    now.iter().any(|report| {
        let last = of(before, &report.identity).map(|last| &last.account);
        let open = |account: &super::account::Account| -> Vec<Class> {
            account.open().map(|failure| failure.class).collect()
        };
        let sent = report.account.last_accepted.is_some();
        last.is_none_or(|last| {
            last.last_accepted.is_some() != sent || open(last) != open(&report.account)
        })
    })
}

/// Whether the account was refused once more, maybe for the reason that is known already.
fn is_refused_anew(before: &[Report], now: &[Report]) -> bool {
    now.iter().any(|report| {
        let last = of(before, &report.identity).and_then(|last| last.refused);
        report.refused.is_some() && report.refused != last
    })
}

/// What of an answer is in a tally.
fn revisions(answer: &[Report]) -> impl Iterator<Item = (&str, Option<&str>, Option<u64>)> {
    (answer.iter()).map(|report| (&*report.identity, report.uid.as_deref(), report.revision))
}

/// A count that fell tells that the sidecar started anew: then all that it has is new.
fn has_new_failures(before: &[Report], now: &[Report]) -> bool {
    now.iter().any(|report| {
        let failures = report.account.failed();
        let last = of(before, &report.identity).map(|last| last.account.failed());
        failures > 0 && last != Some(failures)
    })
}

/// The names that come first, so that the same pods make the same message.
fn add_example(names: &mut Vec<String>, name: &str) {
    let at = names.partition_point(|known| &**known < name);
    if at < EXAMPLES_MAX {
        names.insert(at, name.to_owned());
        names.truncate(EXAMPLES_MAX);
    }
}
