//! What the watch, the reader and the controller share, and how they wake one another.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use jiff::Timestamp;
use tokio::sync::Notify;

use super::PodTally;
use super::ended::{self, Book, Ended, Noted};
use super::index::{Change, FirstFailure, Index, NamespacedName, Range, Ticket};
use super::pod::SlimPod;
use super::schedule::Schedule;
use super::summary::Report;

/// First failures that wait to be told of: more than that are a trouble that is known by then.
const FIRST_MAX: usize = 2000;

/// See the module. The lock is never held over an await.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    /// A pod can be asked.
    pub(super) askable: Notify,
    /// An identity changed.
    pub(super) changed: Notify,
    /// A pod misses its sidecar.
    pub(super) missing: Notify,
    /// A mail failed in a pod for a reason that is new there.
    pub(super) failed: Notify,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) index: Index,
    pub(super) schedule: Schedule,
    changed: Queue<NamespacedName>,
    missing: VecDeque<Ticket>,
    book: Book,
    first: VecDeque<FirstFailure>,
    malformed: u64,
    /// Identities that were counted before their namespace was listed.
    early: HashSet<NamespacedName>,
}

impl State {
    /// Forgets what was heard and asks everybody anew.
    pub(super) fn restart(&mut self, now: Instant) {
        self.index.forget_answers();
        self.schedule.restart(now);
    }
}

impl Shared {
    pub(super) fn new(version: &str) -> Self {
        Self {
            state: Mutex::new(State {
                index: Index::new(version),
                schedule: Schedule::default(),
                changed: Queue::default(),
                missing: VecDeque::new(),
                book: Book::new(Timestamp::MAX),
                first: VecDeque::new(),
                malformed: 0,
                early: HashSet::new(),
            }),
            askable: Notify::new(),
            changed: Notify::new(),
            missing: Notify::new(),
            failed: Notify::new(),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets every pod, as somebody who did not watch for a while must. Whoever was counted by now
    /// was counted too early.
    pub(super) fn clear(&self, now: Timestamp) {
        let mut state = self.lock();
        let State { index, early, .. } = &mut *state;
        early.extend(index.clear());
        state.schedule = Schedule::default();
        state.missing.clear();
        state.first.clear();
        state.book = Book::new(now);
    }

    /// Takes what a pod that was seen left behind.
    pub(super) fn note_ends(&self, range: &Range, pod: &SlimPod, now: Timestamp) {
        let (namespace, name) = pod.key();
        let identities = pod.identities();
        let mut state = self.lock();
        let listing = state.index.listing(range);
        let pod_of = ended::Pod {
            key: &NamespacedName::new(namespace, name),
            uid: pod.uid(),
            identities: &identities,
        };
        let noted = state.book.note(pod_of, listing, &pod.ends(), now);
        let Noted {
            identities: mut concerned,
            first,
            malformed,
        } = noted;
        if malformed > 0 {
            state.malformed = state.malformed.saturating_add(malformed);
            // Whoever looks at one of them counts it.
            let named = identities.iter();
            concerned.extend(named.map(|identity| NamespacedName::new(namespace, identity)));
        }
        self.tell_first(&mut state, first);
        self.tell(&mut state, concerned);
    }

    /// A pod was deleted.
    pub(super) fn remove(&self, now: Instant, pod: &NamespacedName) {
        self.change(now, |index| index.remove(pod));
        self.lock().book.remove(pod);
    }

    /// See [`Book::count`].
    pub(super) fn count_ended(
        &self,
        identity: &NamespacedName,
        through: Option<Timestamp>,
        is_read: bool,
        now: Timestamp,
    ) -> (Vec<Ended>, bool) {
        self.lock().book.count(identity, through, is_read, now)
    }

    /// An identity was deleted.
    pub(super) fn forget(&self, identity: &NamespacedName) {
        self.lock().book.forget(identity);
    }

    /// How many last words could not be read since this was asked.
    pub(super) fn take_malformed(&self) -> u64 {
        std::mem::take(&mut self.lock().malformed)
    }

    /// Applies an event and wakes whom it concerns.
    pub(super) fn change(&self, now: Instant, event: impl FnOnce(&mut Index) -> Change) {
        let mut state = self.lock();
        let change = event(&mut state.index);
        for ticket in change.unaskable {
            state.schedule.remove(ticket);
        }
        if !change.askable.is_empty() {
            self.askable.notify_one();
        }
        for ticket in change.askable {
            state.schedule.add(ticket, now);
        }
        if !change.missing.is_empty() {
            state.missing.extend(change.missing);
            self.missing.notify_one();
        }
        self.tell(&mut state, change.identities);
    }

    /// Completes a list. Whoever was counted too early is told, even if no pod was found.
    pub(super) fn end_list(&self, now: Instant, range: &Range) {
        self.change(now, |index| index.end_list(range));
        let mut state = self.lock();
        let listing = state.index.listing(range);
        state.book.end_list(range, listing);
        let State { index, early, .. } = &mut *state;
        let told = early.extract_if(|identity| index.is_listed(&identity.namespace));
        let told: Vec<NamespacedName> = told.collect();
        self.tell(&mut state, told);
    }

    /// Takes what a pod answered, or that it did not.
    pub(super) fn hear(
        &self,
        ticket: Ticket,
        answer: Option<Box<[Report]>>,
        now: Instant,
        time: Timestamp,
    ) {
        let mut state = self.lock();
        if let Some((finding, identities)) = state.index.hear(ticket, answer) {
            state.schedule.done(ticket, finding, now);
            self.tell(&mut state, identities);
            let first = state.index.first_failures(ticket, time);
            self.tell_first(&mut state, first);
        }
    }

    fn tell_first(&self, state: &mut State, first: impl IntoIterator<Item = FirstFailure>) {
        for failure in first {
            if state.first.len() < FIRST_MAX {
                state.first.push_back(failure);
                self.failed.notify_one();
            }
        }
    }

    /// The next failure that people are told of.
    pub(super) fn next_first_failure(&self) -> Option<FirstFailure> {
        self.lock().first.pop_front()
    }

    fn tell(&self, state: &mut State, identities: impl IntoIterator<Item = NamespacedName>) {
        for identity in identities {
            state.changed.push(identity);
            self.changed.notify_one();
        }
    }

    /// The identity that waits longest to be looked at.
    pub(super) fn next_changed(&self) -> Option<NamespacedName> {
        self.lock().changed.pop()
    }

    /// Name and uid of the next pod that misses its sidecar.
    pub(super) fn next_missing(&self) -> Option<(NamespacedName, String)> {
        let mut state = self.lock();
        while let Some(ticket) = state.missing.pop_front() {
            if let Some((key, uid)) = state.index.missing(ticket) {
                return Some((key.clone(), uid.to_owned()));
            }
        }
        None
    }

    pub(super) fn tally(
        &self,
        identity: NamespacedName,
        uid: &str,
        revision: Option<u64>,
    ) -> PodTally {
        let mut state = self.lock();
        let mut tally = state.index.tally(&identity, uid, revision);
        state.book.add_to(&identity, &mut tally.delivery);
        if !tally.listed {
            state.early.insert(identity);
        }
        tally
    }
}

/// First in, first out, each once.
#[derive(Debug)]
struct Queue<T> {
    order: VecDeque<T>,
    members: HashSet<T>,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self {
            order: VecDeque::new(),
            members: HashSet::new(),
        }
    }
}

impl<T: Clone + Eq + std::hash::Hash> Queue<T> {
    fn push(&mut self, item: T) {
        if self.members.insert(item.clone()) {
            self.order.push_back(item);
        }
    }

    fn pop(&mut self) -> Option<T> {
        let item = self.order.pop_front()?;
        self.members.remove(&item);
        Some(item)
    }
}
