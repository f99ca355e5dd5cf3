//! What is known of logins, which are asked for, and which may begin. Time and chance are
//! parameters; nothing here touches the network.
//!
//! Two identities with the same login share one entry, and so one try. A refused login is never
//! offered again. One that nobody heard the verdict of may have been a refused one: its tries are
//! spaced out however often it is asked for.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::runtime::reflector::ObjectRef;
use tokio::time::Instant;
use zohorelay_config::Document;
use zohorelay_crds::MailIdentity;
use zohorelay_upstream::{Class, Failure};

use super::attempt::{Attempt, AttemptKey};
use super::spacing::Spacing;
use crate::backoff::Backoff;

/// Between two tries of a login without a verdict.
const UNHEARD: Backoff = Backoff {
    first: Duration::from_secs(30),
    last: Duration::from_secs(15 * 60),
};

/// Refused logins that no identity uses any more and that are remembered all the same.
const REFUSED: usize = 1024;

/// See the module.
#[derive(Debug)]
pub struct Logins {
    entries: HashMap<Arc<AttemptKey>, Entry>,
    users: HashMap<ObjectRef<MailIdentity>, Arc<AttemptKey>>,
    spacing: Spacing,
    asked: u64,
}

#[derive(Debug)]
struct Entry {
    attempt: Attempt,
    first_seen: Timestamp,
    users: HashSet<ObjectRef<MailIdentity>>,
    wanted: Option<Wanted>,
    under_way: bool,
    failures: u32,
    not_before: Option<Instant>,
}

#[derive(Debug)]
struct Wanted {
    document: Box<Document>,
    turn: u64,
}

/// What is known of a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// What came of it.
    pub attempt: Attempt,
    /// When an identity first had it.
    pub first_seen: Timestamp,
}

/// What to do next.
#[derive(Debug)]
pub enum Next {
    /// Try this login now.
    Begin {
        /// To report it with.
        key: Arc<AttemptKey>,
        /// To log in with.
        document: Box<Document>,
    },
    /// Nothing before then.
    At(Instant),
    /// Nothing is asked for.
    Idle,
}

impl Logins {
    /// Nothing is known yet.
    pub fn new(spacing: Spacing) -> Self {
        Self {
            entries: HashMap::new(),
            users: HashMap::new(),
            spacing,
            asked: 0,
        }
    }

    /// What is known of the login that `identity` has now.
    pub fn look(
        &mut self,
        identity: &ObjectRef<MailIdentity>,
        key: AttemptKey,
        now: Timestamp,
    ) -> Known {
        if self.users.get(identity).is_some_and(|old| **old != key) {
            self.forget(identity);
        }
        let key = match self.entries.get_key_value(&key) {
            Some((key, _)) => key.clone(),
            None => Arc::new(key),
        };
        self.users.insert(identity.clone(), key.clone());
        let entry = self.entries.entry(key).or_insert_with(|| Entry::new(now));
        entry.users.insert(identity.clone());
        Known {
            attempt: entry.attempt.clone(),
            first_seen: entry.first_seen,
        }
    }

    /// Asks for a try of the login that `identity` has. No effect where it was taken or refused, or
    /// where a try is asked for or under way; a blocked account may be asked for again.
    pub fn ask(&mut self, identity: &ObjectRef<MailIdentity>, document: &Document) {
        let entry = self
            .users
            .get(identity)
            .and_then(|k| self.entries.get_mut(k));
        let Some(entry) = entry.filter(|entry| entry.may_be_tried()) else {
            return;
        };
        if entry.attempt == Attempt::Untried {
            entry.attempt = Attempt::Waiting;
        }
        self.asked += 1;
        entry.wanted = Some(Wanted {
            document: Box::new(document.clone()),
            turn: self.asked,
        });
    }

    /// `identity` is gone, or has no login for now.
    pub fn forget(&mut self, identity: &ObjectRef<MailIdentity>) {
        let Some(key) = self.users.remove(identity) else {
            return;
        };
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.users.remove(identity);
        }
        self.drop_unused(&key);
    }

    /// Whose logins are remembered.
    pub fn identities(&self) -> impl Iterator<Item = &ObjectRef<MailIdentity>> {
        self.users.keys()
    }

    /// What to do at `now`. A login that is begun must be reported by [`Logins::ended`] or
    /// [`Logins::cut_short`].
    pub fn next(&mut self, now: Instant) -> Next {
        let spacing = &self.spacing;
        let soonest = self
            .entries
            .iter()
            .filter_map(|(key, entry)| {
                let turn = entry.wanted.as_ref()?.turn;
                let spaced = spacing.earliest(&key.mail_domain(), now);
                let at = entry.not_before.map_or(spaced, |at| at.max(spaced));
                Some((at.max(now), turn, key))
            })
            .min_by_key(|(at, turn, _)| (*at, *turn));
        let Some((at, _, key)) = soonest else {
            return Next::Idle;
        };
        if at > now {
            return Next::At(at);
        }
        let key = key.clone();
        let wanted = self.entries.get_mut(&key).and_then(|entry| {
            entry.under_way = true;
            entry.wanted.take()
        });
        let Some(Wanted { document, .. }) = wanted else {
            return Next::Idle;
        };
        self.spacing.begin(&key.mail_domain(), now);
        Next::Begin { key, document }
    }

    /// A login came to its end. Returns what it tells, and whom it is news for. `chance` is from 0
    /// to 1.
    pub fn ended(
        &mut self,
        key: &Arc<AttemptKey>,
        result: Result<(), &Failure>,
        now: (Timestamp, Instant),
        chance: f64,
    ) -> (Attempt, Vec<ObjectRef<MailIdentity>>) {
        let earlier = self.entries.get(key).map(|entry| entry.attempt.clone());
        let attempt = Attempt::judge(result, key, &earlier.unwrap_or_default(), now.0);
        let Some(entry) = self.entries.get_mut(key) else {
            return (attempt, Vec::new());
        };
        entry.attempt = attempt.clone();
        match attempt {
            Attempt::Unheard { .. } => entry.put_off(now.1, chance),
            _ => entry.under_way = false,
        }
        let users = entry.users.iter().cloned().collect();
        self.drop_unused(key);
        (attempt, users)
    }

    /// A login was given up in the middle: nobody will hear its verdict.
    pub fn cut_short(&mut self, key: &Arc<AttemptKey>, now: Instant, chance: f64) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.put_off(now, chance);
            if entry.attempt == Attempt::Waiting {
                entry.attempt = Attempt::Untried;
            }
        }
        self.drop_unused(key);
    }

    fn drop_unused(&mut self, key: &Arc<AttemptKey>) {
        let is_refused = |entry: &Entry| matches!(entry.attempt, Attempt::Refused { .. });
        match self.entries.get_mut(key) {
            Some(entry) if !entry.users.is_empty() || entry.under_way => return,
            Some(entry) if is_refused(entry) => entry.wanted = None,
            _ => {
                self.entries.remove(key);
                return;
            }
        }
        let unused = |entry: &Entry| is_refused(entry) && entry.users.is_empty();
        if self.entries.values().filter(|e| unused(e)).count() > REFUSED {
            let unused = self.entries.iter().filter(|(_, entry)| unused(entry));
            let oldest = unused.min_by_key(|(_, entry)| entry.first_seen);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                self.entries.remove(&oldest);
            }
        }
    }
}

impl Entry {
    fn new(first_seen: Timestamp) -> Self {
        Self {
            attempt: Attempt::Untried,
            first_seen,
            users: HashSet::new(),
            wanted: None,
            under_way: false,
            failures: 0,
            not_before: None,
        }
    }

    fn may_be_tried(&self) -> bool {
        let has_verdict = match self.attempt {
            Attempt::Refused { class, .. } => class != Class::AccountBlocked,
            Attempt::Accepted { .. } => true,
            Attempt::Untried | Attempt::Waiting | Attempt::Unheard { .. } => false,
        };
        !has_verdict && !self.under_way && self.wanted.is_none()
    }

    fn put_off(&mut self, now: Instant, chance: f64) {
        self.under_way = false;
        self.failures = self.failures.saturating_add(1);
        self.not_before = Some(now + UNHEARD.delay(self.failures, chance));
    }
}

#[cfg(test)]
mod tests;
