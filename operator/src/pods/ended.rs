//! What pods that ended left behind: the last words of their sidecars. Pure: time comes in.
//!
//! The kubelet copies the words into the status of the container (`docs/reference/status.md`). Each end
//! of a container is taken once, for the metrics of the leader and for the conditions of identities.

use std::collections::{BTreeSet, HashMap, VecDeque};

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use zohorelay_upstream::failure::Class;

use super::account::{Account, Told};
use super::delivery::Delivery;
use super::index::{FirstFailure, NamespacedName, Range, covers};
use super::kind::{Weight, weight};
use super::pod::End;

/// A container that ended longer ago, before this leader, is counted no more. Failures that lie longer
/// before the end of their container are not counted either: they were scraped while it ran.
pub const RECENT: SignedDuration = SignedDuration::from_mins(10);
/// How long counting waits for somebody to read the zeros first: without them the first failure would
/// be no increase.
const PATIENCE: SignedDuration = SignedDuration::from_mins(2);
/// The kubelet keeps 4,096 bytes.
const MESSAGE_BYTES_MAX: usize = 4096;
/// Ends of one identity that wait to be counted. They wait for moments, unless there is no such identity.
const WAITING_MAX: usize = 1000;
/// Names of identities that pods may have named; most of them are real ones.
const IDENTITIES_MAX: usize = 20_000;

/// Last words, as the sidecar writes them.
#[derive(Deserialize)]
struct Words {
    identities: HashMap<String, Told>,
}

/// See the module.
#[derive(Debug)]
pub struct Book {
    /// When this leader began to watch.
    since: Timestamp,
    pods: HashMap<NamespacedName, Seen>,
    identities: HashMap<NamespacedName, Page>,
}

/// What is remembered of a pod for as long as it is there, so that no end of it is taken twice.
#[derive(Debug)]
struct Seen {
    uid: Box<str>,
    /// The last list that showed it.
    listing: u64,
    /// The newest life whose end was taken.
    life: i64,
}

/// What is known of one identity.
#[derive(Debug, Default)]
struct Page {
    /// All that ended, as if it were one sidecar.
    past: Account,
    /// The pod in which each kind of failure was seen last.
    pods: Vec<(Class, Box<str>)>,
    waiting: VecDeque<Waiting>,
    ended_through: Option<Timestamp>,
    failed_through: Option<Timestamp>,
}

#[derive(Debug)]
struct Waiting {
    ended: Ended,
    since: Timestamp,
}

/// What one container that ended said of one identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// When it ended.
    pub at: Timestamp,
    /// What it said.
    pub account: Account,
}

/// What came of a pod that was seen.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Noted {
    /// Identities that fare otherwise now.
    pub identities: BTreeSet<NamespacedName>,
    /// Failures that people are told of.
    pub first: Vec<FirstFailure>,
    /// Last words that could not be read.
    pub malformed: u64,
}

/// The pod whose containers ended.
#[derive(Clone, Copy, Debug)]
pub struct Pod<'a> {
    /// Namespace and name.
    pub key: &'a NamespacedName,
    /// Its uid.
    pub uid: &'a str,
    /// The identities that it names: it cannot speak for others.
    pub identities: &'a [Box<str>],
}

impl Ended {
    /// What counts of it, by kind. Of a kind whose newest failure is not known, that of any kind
    /// decides.
    pub fn failures(&self) -> impl Iterator<Item = (Class, u64)> {
        let newest = self.account.newest_failure().map(|failure| failure.at);
        let at = move |class: Class| {
            let own = self.account.failures.iter().find(|it| it.class == class);
            own.map(|failure| failure.at).or(newest)
        };
        let is_recent =
            move |class: Class| at(class).is_none_or(|at| self.at.duration_since(at) <= RECENT);
        let failed = self.account.failed.iter().copied();
        failed.filter(move |(class, _)| is_recent(*class))
    }
}

impl Book {
    /// Empty, of a leader that begins at `since`.
    pub fn new(since: Timestamp) -> Self {
        Self {
            // Ends are told in whole seconds, too.
            since: Timestamp::from_second(since.as_second()).unwrap_or(since),
            pods: HashMap::new(),
            identities: HashMap::new(),
        }
    }

    /// Takes the ends of a pod's sidecar that were not taken yet.
    pub fn note(&mut self, pod: Pod<'_>, listing: u64, ends: &[End], now: Timestamp) -> Noted {
        let known = self.pods.get(pod.key).filter(|seen| *seen.uid == *pod.uid);
        let taken = known.map(|seen| seen.life);
        if taken.is_none() && ends.is_empty() {
            self.pods.remove(pod.key);
            return Noted::default();
        }
        let is_new = |end: &&End| taken.is_none_or(|taken| end.life > taken);
        let mut noted = Noted::default();
        for end in ends.iter().filter(is_new) {
            self.take(pod, end, now, &mut noted);
        }
        let life = ends.iter().map(|end| end.life).chain(taken).max();
        let seen = Seen {
            uid: pod.uid.into(),
            listing,
            life: life.unwrap_or_default(),
        };
        self.pods.insert(pod.key.clone(), seen);
        noted
    }

    /// A pod was deleted.
    pub fn remove(&mut self, pod: &NamespacedName) {
        self.pods.remove(pod);
    }

    /// A list of `range` is complete: pods that it did not show are gone.
    pub fn end_list(&mut self, range: &Range, listing: u64) {
        (self.pods).retain(|key, seen| !covers(range, &key.namespace) || seen.listing == listing);
    }

    /// An identity was deleted.
    pub fn forget(&mut self, identity: &NamespacedName) {
        self.identities.remove(identity);
    }

    /// Adds what is known of an identity.
    pub fn add_to(&self, identity: &NamespacedName, delivery: &mut Delivery) {
        let Some(page) = self.identities.get(identity) else {
            return;
        };
        let pod = |class| {
            let known = page.pods.iter().find(|(of, _)| *of == class);
            known.map_or("", |(_, pod)| pod)
        };
        delivery.add_ended(&page.past, pod);
        delivery.ended_through = page.ended_through;
        delivery.failed_through = page.failed_through;
    }

    /// What is to be counted of an identity now, each once. `through` is the end of the newest container
    /// that an earlier leader counted; `is_read` tells whether somebody read the metrics before. Also
    /// tells whether something waits for that.
    pub fn count(
        &mut self,
        identity: &NamespacedName,
        through: Option<Timestamp>,
        is_read: bool,
        now: Timestamp,
    ) -> (Vec<Ended>, bool) {
        let Some(page) = self.identities.get_mut(identity) else {
            return (Vec::new(), false);
        };
        let first = page.waiting.front().map(|waiting| waiting.since);
        if first.is_some_and(|first| !is_read && now.duration_since(first) < PATIENCE) {
            return (Vec::new(), true);
        }
        let since = self.since;
        let counts = |ended: &Ended| {
            ended.at >= since
                || (now.duration_since(ended.at) < RECENT
                    && through.is_none_or(|through| ended.at > through))
        };
        let waiting = page.waiting.drain(..).map(|waiting| waiting.ended);
        let ended: Vec<Ended> = waiting.filter(counts).collect();
        for ended in &ended {
            page.ended_through = page.ended_through.max(Some(ended.at));
            if ended.account.failed() > 0 {
                page.failed_through = page.failed_through.max(Some(ended.at));
            }
        }
        (ended, false)
    }

    fn take(&mut self, pod: Pod<'_>, end: &End, now: Timestamp, noted: &mut Noted) {
        let Some(words) = parse(&end.message) else {
            noted.malformed += u64::from(!end.message.is_empty());
            return;
        };
        let at = end.finished_at.min(now);
        for (name, told) in words.identities {
            if !pod.identities.iter().any(|own| **own == *name) {
                continue;
            }
            let identity = NamespacedName::new(&pod.key.namespace, &name);
            let account = told.account(None, at);
            noted
                .first
                .extend(first_failures(pod, &name, &account, now));
            self.put(&identity, &pod.key.name, Ended { at, account }, now);
            noted.identities.insert(identity);
        }
    }

    fn put(&mut self, identity: &NamespacedName, pod: &str, ended: Ended, now: Timestamp) {
        if self.identities.len() >= IDENTITIES_MAX && !self.identities.contains_key(identity) {
            return;
        }
        let page = self.identities.entry(identity.clone()).or_default();
        page.past.absorb(&ended.account);
        let newest = ended.account.failures.iter();
        for failure in newest.filter(|it| page.past.failures.contains(it)) {
            page.pods.retain(|(class, _)| *class != failure.class);
            page.pods.push((failure.class, pod.into()));
        }
        if page.waiting.len() >= WAITING_MAX {
            page.waiting.pop_front();
        }
        let since = now;
        page.waiting.push_back(Waiting { ended, since });
    }
}

/// Nothing of words that are empty or cannot be read.
fn parse(message: &str) -> Option<Words> {
    if message.len() > MESSAGE_BYTES_MAX {
        return None;
    }
    serde_json::from_str(message).ok()
}

fn first_failures(
    pod: Pod<'_>,
    identity: &str,
    account: &Account,
    now: Timestamp,
) -> Vec<FirstFailure> {
    let worth = account.failures.iter().filter(|failure| {
        weight(failure.class) != Weight::Mail && now.duration_since(failure.at) <= RECENT
    });
    let first = worth.map(|failure| FirstFailure {
        pod: pod.key.clone(),
        uid: pod.uid.into(),
        identity: identity.into(),
        failure: failure.clone(),
    });
    first.collect()
}

#[cfg(test)]
mod tests;
