//! What the watch, the reader and the controller share, and how they wake one another.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

use super::PodTally;
use super::index::{Change, Index, NamespacedName, Range, Ticket};
use super::schedule::Schedule;
use super::summary::Report;

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
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) index: Index,
    pub(super) schedule: Schedule,
    changed: Queue<NamespacedName>,
    missing: VecDeque<Ticket>,
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
                early: HashSet::new(),
            }),
            askable: Notify::new(),
            changed: Notify::new(),
            missing: Notify::new(),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets every pod, as somebody who did not watch for a while must. Whoever was counted by now
    /// was counted too early.
    pub(super) fn clear(&self) {
        let mut state = self.lock();
        let State { index, early, .. } = &mut *state;
        early.extend(index.clear());
        state.schedule = Schedule::default();
        state.missing.clear();
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
        let State { index, early, .. } = &mut *state;
        let told = early.extract_if(|identity| index.is_listed(&identity.namespace));
        let told: Vec<NamespacedName> = told.collect();
        self.tell(&mut state, told);
    }

    /// Takes what a pod answered, or that it did not.
    pub(super) fn hear(&self, ticket: Ticket, answer: Option<Box<[Report]>>, now: Instant) {
        let mut state = self.lock();
        if let Some((finding, identities)) = state.index.hear(ticket, answer) {
            state.schedule.done(ticket, finding, now);
            self.tell(&mut state, identities);
        }
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
        let tally = state.index.tally(&identity, uid, revision);
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
