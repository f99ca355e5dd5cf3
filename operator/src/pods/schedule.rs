//! When which pod is asked. Pure: time comes in.
//!
//! Every pod has a turn [`INTERVAL`] after its last one, or [`SOON`] after where mails failed or no
//! answer came. All together take no more than one turn each [`SPACING`]; where that is not enough,
//! those that wait longest go first, and those with new failures get every second turn.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use super::index::{Finding, Ticket};

/// From one turn of a pod to the next.
pub const INTERVAL: Duration = Duration::from_secs(20);
/// The same where something just happened.
pub const SOON: Duration = Duration::from_secs(5);
/// Between two turns of any pods: 50 a second.
pub const SPACING: Duration = Duration::from_millis(20);

/// See the module.
#[derive(Debug, Default)]
pub struct Schedule {
    pods: HashMap<Ticket, Turn>,
    ordinary: BTreeSet<(Instant, Ticket)>,
    urgent: BTreeSet<(Instant, Ticket)>,
    /// Before this nobody is asked.
    free_at: Option<Instant>,
    last_was_urgent: bool,
}

#[derive(Clone, Copy, Debug)]
enum Turn {
    Ordinary(Instant),
    Urgent(Instant),
    /// Being asked.
    Now,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Ask this pod, and say [`Schedule::done`] when that has ended.
    Ask(Ticket),
    /// Nobody before then.
    At(Instant),
    /// Nobody, until a pod comes or a question ends.
    Nobody,
}

impl Schedule {
    /// A pod can be asked; its turn comes at once.
    pub fn add(&mut self, ticket: Ticket, now: Instant) {
        if !self.pods.contains_key(&ticket) {
            self.plan(ticket, Turn::Ordinary(now));
        }
    }

    /// A pod cannot be asked any more.
    pub fn remove(&mut self, ticket: Ticket) {
        match self.pods.remove(&ticket) {
            Some(Turn::Ordinary(due)) => self.ordinary.remove(&(due, ticket)),
            Some(Turn::Urgent(due)) => self.urgent.remove(&(due, ticket)),
            Some(Turn::Now) | None => false,
        };
    }

    /// Whose turn it is.
    pub fn next(&mut self, now: Instant) -> Next {
        let due = |queue: &BTreeSet<(Instant, Ticket)>| queue.first().copied();
        let (ordinary, urgent) = (due(&self.ordinary), due(&self.urgent));
        let Some(first) = ordinary.into_iter().chain(urgent).map(|(at, _)| at).min() else {
            return Next::Nobody;
        };
        let earliest = self.free_at.map_or(first, |free_at| first.max(free_at));
        if now < earliest {
            return Next::At(earliest);
        }
        let waits = |turn: Option<(Instant, Ticket)>| turn.filter(|(due, _)| *due <= now);
        let (chosen, is_urgent) = match (waits(ordinary), waits(urgent)) {
            (Some(ordinary), None) => (ordinary, false),
            (Some(ordinary), Some(_)) if self.last_was_urgent => (ordinary, false),
            (_, Some(urgent)) => (urgent, true),
            (None, None) => return Next::At(earliest),
        };
        let (_, ticket) = chosen;
        self.remove(ticket);
        self.pods.insert(ticket, Turn::Now);
        self.last_was_urgent = is_urgent;
        self.free_at = Some(now + SPACING);
        Next::Ask(ticket)
    }

    /// A pod was asked. One that was removed meanwhile stays away.
    pub fn done(&mut self, ticket: Ticket, finding: Finding, now: Instant) {
        if matches!(self.pods.get(&ticket), Some(Turn::Now)) {
            let turn = match finding {
                Finding::Calm | Finding::Silent => Turn::Ordinary(now + INTERVAL),
                Finding::Missed => Turn::Ordinary(now + SOON),
                Finding::Failing => Turn::Urgent(now + SOON),
            };
            self.plan(ticket, turn);
        }
    }

    /// Asks everybody anew, as after a time in which nobody was.
    pub fn restart(&mut self, now: Instant) {
        let tickets: Vec<Ticket> = self.pods.keys().copied().collect();
        self.pods.clear();
        self.ordinary.clear();
        self.urgent.clear();
        for ticket in tickets {
            self.add(ticket, now);
        }
    }

    fn plan(&mut self, ticket: Ticket, turn: Turn) {
        match turn {
            Turn::Ordinary(due) => self.ordinary.insert((due, ticket)),
            Turn::Urgent(due) => self.urgent.insert((due, ticket)),
            Turn::Now => false,
        };
        self.pods.insert(ticket, turn);
    }
}

#[cfg(test)]
mod tests;
