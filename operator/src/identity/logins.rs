//! What is known of logins, which are asked for, and which may begin. Time and chance are
//! parameters; nothing here touches the network.
//!
//! Two identities with the same login share one entry, and so one try. A refused login is not offered
//! again, but once for each request of a person ([`super::release`]). One that nobody heard the verdict
//! of may have been a refused one: its tries are spaced out however often it is asked for.

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
    users: HashMap<ObjectRef<MailIdentity>, User>,
    spacing: Spacing,
    /// Rises with each login that is asked for or begun: what came first has the smaller turn.
    turn: u64,
}

#[derive(Debug)]
struct User {
    key: Arc<AttemptKey>,
    release: Option<Release>,
}

/// A request to try a refused login once more.
#[derive(Debug)]
struct Release {
    value: String,
    /// A login that began after this turn answers it.
    seen: u64,
}

#[derive(Debug)]
struct Entry {
    attempt: Attempt,
    first_seen: Timestamp,
    users: HashSet<ObjectRef<MailIdentity>>,
    wanted: Option<Wanted>,
    /// The turn of the login that is under way.
    under_way: Option<u64>,
    /// The turn of the login that had the last verdict.
    heard: u64,
    failures: u32,
    not_before: Option<Instant>,
}

#[derive(Debug)]
struct Wanted {
    document: Box<Document>,
    by: HashSet<ObjectRef<MailIdentity>>,
    turn: u64,
}

/// What is known of the login of an identity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// What came of it.
    pub attempt: Attempt,
    /// Whether a try is under way, or would be but for the distance that logins keep.
    pub is_due: bool,
    /// Whether there was a verdict since the identity asked for one more try.
    pub is_release_tried: bool,
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
            turn: 0,
        }
    }

    /// What is known of the login that `identity` has now. `release` is its request for one more try
    /// that was not acted on yet.
    pub fn look(
        &mut self,
        identity: &ObjectRef<MailIdentity>,
        key: AttemptKey,
        release: Option<String>,
        now: (Timestamp, Instant),
    ) -> Known {
        if self.users.get(identity).is_some_and(|old| *old.key != key) {
            self.forget(identity);
        }
        let key = match self.entries.get_key_value(&key) {
            Some((key, _)) => key.clone(),
            None => Arc::new(key),
        };
        let entry = self
            .entries
            .entry(key.clone())
            .or_insert_with(|| Entry::new(now.0));
        entry.users.insert(identity.clone());
        let user = self
            .users
            .entry(identity.clone())
            .or_insert(User { key, release: None });
        user.ask_release(release, self.turn);
        Known {
            attempt: entry.attempt.clone(),
            is_due: entry.is_due(now.1),
            is_release_tried: user.release.as_ref().is_some_and(|it| entry.answers(it)),
        }
    }

    /// Asks for a try of the login that `identity` has. No effect where a try is under way, or where
    /// the login was taken or refused; a blocked account may be asked for again, and a refused login
    /// once for each release.
    pub fn ask(&mut self, identity: &ObjectRef<MailIdentity>, document: &Document) {
        let Some(user) = self.users.get(identity) else {
            return;
        };
        let Some(entry) = self.entries.get_mut(&user.key) else {
            return;
        };
        let is_released = user.release.as_ref().is_some_and(|it| !entry.answers(it));
        if entry.under_way.is_some() || (entry.is_settled() && !is_released) {
            return;
        }
        if entry.attempt == Attempt::Untried {
            entry.attempt = Attempt::Waiting;
        }
        let wanted = entry.wanted.get_or_insert_with(|| {
            self.turn += 1;
            Wanted {
                document: Box::new(document.clone()),
                by: HashSet::new(),
                turn: self.turn,
            }
        });
        wanted.by.insert(identity.clone());
    }

    /// `identity` does not ask for a try any more. Nothing that is under way is given up.
    pub fn withdraw(&mut self, identity: &ObjectRef<MailIdentity>) {
        let user = self.users.get(identity);
        if let Some(entry) = user.and_then(|user| self.entries.get_mut(&user.key)) {
            entry.withdraw(identity);
        }
    }

    /// Nobody asks for a try any more.
    pub fn withdraw_all(&mut self) {
        for entry in self.entries.values_mut() {
            entry.drop_wanted();
        }
    }

    /// `identity` is gone, or has no login for now.
    pub fn forget(&mut self, identity: &ObjectRef<MailIdentity>) {
        let Some(User { key, .. }) = self.users.remove(identity) else {
            return;
        };
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.users.remove(identity);
            entry.withdraw(identity);
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
        self.turn += 1;
        let wanted = self.entries.get_mut(&key).and_then(|entry| {
            entry.under_way = Some(self.turn);
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
        if Attempt::is_verdict(result, key) {
            entry.settle();
        } else {
            entry.put_off(now.1, chance);
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
            Some(entry) if !entry.users.is_empty() || entry.under_way.is_some() => return,
            Some(entry) if is_refused(entry) => {}
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
            under_way: None,
            heard: 0,
            failures: 0,
            not_before: None,
        }
    }

    /// Whether nobody but a person can have it tried again.
    fn is_settled(&self) -> bool {
        match self.attempt {
            Attempt::Refused { class, .. } => class != Class::AccountBlocked,
            Attempt::Accepted { .. } => true,
            Attempt::Untried | Attempt::Waiting | Attempt::Unheard { .. } => false,
        }
    }

    fn is_due(&self, now: Instant) -> bool {
        let is_put_off = self.not_before.is_some_and(|at| at > now);
        self.under_way.is_some() || (self.wanted.is_some() && !is_put_off)
    }

    fn answers(&self, release: &Release) -> bool {
        self.heard > release.seen
    }

    fn withdraw(&mut self, identity: &ObjectRef<MailIdentity>) {
        if let Some(wanted) = &mut self.wanted {
            wanted.by.remove(identity);
            if wanted.by.is_empty() {
                self.drop_wanted();
            }
        }
    }

    fn drop_wanted(&mut self) {
        if self.wanted.take().is_some() && self.attempt == Attempt::Waiting {
            self.attempt = Attempt::Untried;
        }
    }

    /// There is a verdict.
    fn settle(&mut self) {
        self.heard = self.under_way.take().unwrap_or(self.heard);
        self.failures = 0;
        self.not_before = None;
    }

    fn put_off(&mut self, now: Instant, chance: f64) {
        self.under_way = None;
        self.failures = self.failures.saturating_add(1);
        self.not_before = Some(now + UNHEARD.delay(self.failures, chance));
    }
}

impl User {
    /// A request that was acted on is remembered all the same: an older state of the object, in which
    /// it was not, may be seen once more.
    fn ask_release(&mut self, release: Option<String>, turn: u64) {
        let known = self.release.as_ref().map(|release| &release.value);
        if let Some(value) = release.filter(|value| Some(value) != known) {
            self.release = Some(Release { value, seen: turn });
        }
    }
}

#[cfg(test)]
mod tests;
