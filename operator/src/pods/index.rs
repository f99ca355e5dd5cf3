//! What is known of every pod that asked for the sidecar, found by pod and by identity. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;

use jiff::Timestamp;

use super::PodTally;
use super::account::Failure;
use super::pod::Sighting;
use super::record::Record;
use super::refusal::Refusal;
use super::summary::Report;

/// Namespace and name of an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NamespacedName {
    /// The namespace.
    pub namespace: Box<str>,
    /// The name.
    pub name: Box<str>,
}

impl NamespacedName {
    /// From both.
    pub fn new(namespace: &str, name: &str) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

/// Stands for one life of a pod: another uid has another ticket, and none is used twice, so that an
/// answer that comes late is never put to a pod's successor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub(super) u64);

/// The namespace that a watch is about; `None`: all.
pub type Range = Option<Box<str>>;

/// What came of an event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The identities whose tally is another one now.
    pub identities: BTreeSet<NamespacedName>,
    /// Pods that can be asked from now on.
    pub askable: Vec<Ticket>,
    /// Pods that cannot be asked any more.
    pub unaskable: Vec<Ticket>,
    /// Pods that appeared without the sidecar that they asked for.
    pub missing: Vec<Ticket>,
}

impl Change {
    fn absorb(&mut self, other: Self) {
        self.identities.extend(other.identities);
        self.askable.extend(other.askable);
        self.unaskable.extend(other.unaskable);
        self.missing.extend(other.missing);
    }
}

/// What an attempt to read a sidecar's summary found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It answered, and no mail failed since the last answer.
    Calm,
    /// It answered, and mails failed since the last answer.
    Failing,
    /// It did not answer, after it did or for the first time.
    Missed,
    /// It did not answer again.
    Silent,
}

/// Whom to ask, and of what the answer may speak.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Respondent {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its namespace.
    pub namespace: Box<str>,
    /// The identities that it carries.
    pub identities: Arc<[Box<str>]>,
}

/// The first failure of its kind in a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstFailure {
    /// The pod.
    pub pod: NamespacedName,
    /// Its uid.
    pub uid: Box<str>,
    /// The identity whose mail it was.
    pub identity: Box<str>,
    /// What happened.
    pub failure: Failure,
}

/// See the module.
#[derive(Debug)]
pub struct Index {
    version: Box<str>,
    last_ticket: u64,
    listings: BTreeMap<Range, Listing>,
    pods: HashMap<Ticket, Record>,
    by_name: HashMap<Arc<NamespacedName>, Ticket>,
    by_identity: HashMap<NamespacedName, BTreeSet<Ticket>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Listing {
    number: u64,
    is_complete: bool,
}

impl Index {
    /// Empty. A sidecar that another version than `version` injected is outdated.
    pub fn new(version: &str) -> Self {
        Self {
            version: version.into(),
            last_ticket: 0,
            listings: BTreeMap::new(),
            pods: HashMap::new(),
            by_name: HashMap::new(),
            by_identity: HashMap::new(),
        }
    }

    /// Forgets every pod, and gives the identities that had some. Tickets go on, so that none of
    /// before is one of after.
    pub fn clear(&mut self) -> impl Iterator<Item = NamespacedName> + use<> {
        self.listings.clear();
        self.pods.clear();
        self.by_name.clear();
        std::mem::take(&mut self.by_identity).into_keys()
    }

    /// Whether all pods of a namespace are known.
    pub fn is_listed(&self, namespace: &str) -> bool {
        let complete = |range: &Range| self.listings.get(range).is_some_and(|it| it.is_complete);
        complete(&None) || complete(&Some(namespace.into()))
    }

    /// A list of `range` begins. What is known stays until it is complete.
    pub fn begin_list(&mut self, range: &Range) {
        self.listings.entry(range.clone()).or_default().number += 1;
    }

    /// The list of `range` is complete: what it did not show is gone.
    pub fn end_list(&mut self, range: &Range) -> Change {
        let listing = self.listings.entry(range.clone()).or_default();
        let was_complete = std::mem::replace(&mut listing.is_complete, true);
        let number = listing.number;
        let gone: Vec<Arc<NamespacedName>> = (self.pods.values())
            .filter(|pod| covers(range, &pod.key.namespace) && pod.listing != number)
            .map(|pod| pod.key.clone())
            .collect();
        let mut change = Change::default();
        for key in gone {
            change.absorb(self.remove(&key));
        }
        if !was_complete {
            let known = self.by_identity.keys();
            let now_listed = known.filter(|identity| covers(range, &identity.namespace));
            change.identities.extend(now_listed.cloned());
        }
        change
    }

    /// A pod that `range` covers was seen; without a sighting it ended, or goes.
    pub fn see(&mut self, range: &Range, key: NamespacedName, seen: Option<Sighting>) -> Change {
        let Some(seen) = seen else {
            return self.remove(&key);
        };
        let listing = self.listing(range);
        let known = (self.by_name.get(&key)).and_then(|ticket| self.pods.get(ticket));
        let mut change = match known {
            Some(pod) if pod.uid == seen.uid => return self.update(pod.ticket, listing, seen),
            Some(_) => self.remove(&key),
            None => Change::default(),
        };
        change.absorb(self.add(key, listing, seen));
        change
    }

    /// A pod was deleted.
    pub fn remove(&mut self, key: &NamespacedName) -> Change {
        let removed = (self.by_name.remove(key)).and_then(|ticket| self.pods.remove(&ticket));
        let Some(pod) = removed else {
            return Change::default();
        };
        self.unlink(&pod);
        Change {
            identities: self.affected(&pod),
            unaskable: pod.admin().map(|_| pod.ticket).into_iter().collect(),
            ..Change::default()
        }
    }

    fn add(&mut self, key: NamespacedName, listing: u64, seen: Sighting) -> Change {
        self.last_ticket += 1;
        let key = Arc::new(key);
        let ticket = Ticket(self.last_ticket);
        let pod = Record::new(ticket, key.clone(), listing, seen);
        let change = Change {
            identities: self.affected(&pod),
            askable: pod.admin().map(|_| ticket).into_iter().collect(),
            unaskable: Vec::new(),
            missing: pod
                .sidecar
                .is_none()
                .then_some(ticket)
                .into_iter()
                .collect(),
        };
        self.by_name.insert(key, ticket);
        self.link(&pod);
        self.pods.insert(ticket, pod);
        change
    }

    fn update(&mut self, ticket: Ticket, listing: u64, seen: Sighting) -> Change {
        let Some(mut pod) = self.pods.remove(&ticket) else {
            return Change::default();
        };
        let was_askable = pod.admin().is_some();
        let mut change = Change::default();
        if pod.counts_otherwise(&seen) {
            self.unlink(&pod);
            change.identities = self.affected(&pod);
            pod.see(listing, seen);
            change.identities.extend(self.affected(&pod));
            self.link(&pod);
        } else {
            pod.see(listing, seen);
        }
        match (was_askable, pod.admin().is_some()) {
            (false, true) => change.askable.push(ticket),
            (true, false) => change.unaskable.push(ticket),
            _ => {}
        }
        self.pods.insert(ticket, pod);
        change
    }

    fn link(&mut self, pod: &Record) {
        for identity in pod.identities() {
            self.by_identity
                .entry(identity)
                .or_default()
                .insert(pod.ticket);
        }
    }

    fn unlink(&mut self, pod: &Record) {
        for identity in pod.identities() {
            if let Some(pods) = self.by_identity.get_mut(&identity) {
                pods.remove(&pod.ticket);
                if pods.is_empty() {
                    self.by_identity.remove(&identity);
                }
            }
        }
    }

    /// Before the list is complete nobody is told: half a count is none.
    fn affected(&self, pod: &Record) -> BTreeSet<NamespacedName> {
        if self.is_listed(&pod.key.namespace) {
            pod.identities().collect()
        } else {
            BTreeSet::new()
        }
    }

    /// The pod, if it is still there and can be asked.
    pub fn respondent(&self, ticket: Ticket) -> Option<Respondent> {
        let pod = self.pods.get(&ticket)?;
        Some(Respondent {
            address: pod.admin()?,
            namespace: pod.key.namespace.clone(),
            identities: pod.identities.clone(),
        })
    }

    /// Takes what a pod answered, or that it did not. `None`: the pod is gone.
    pub fn hear(
        &mut self,
        ticket: Ticket,
        answer: Option<Box<[Report]>>,
    ) -> Option<(Finding, BTreeSet<NamespacedName>)> {
        let pod = self.pods.get_mut(&ticket)?;
        let (finding, is_news) = pod.hear(answer);
        let affected = match self.pods.get(&ticket) {
            Some(pod) if is_news => self.affected(pod),
            _ => BTreeSet::new(),
        };
        Some((finding, affected))
    }

    /// Failures that the pod just reported and of whose kind nobody was told.
    pub fn first_failures(
        &mut self,
        ticket: Ticket,
        now: Timestamp,
    ) -> impl Iterator<Item = FirstFailure> + use<> {
        let pod = self.pods.get_mut(&ticket);
        let first = pod.map(|pod| {
            let (key, uid) = (pod.key.clone(), pod.uid.clone());
            let failures = pod.first_failures(now).into_iter();
            failures.map(move |(identity, failure)| FirstFailure {
                pod: (*key).clone(),
                uid: uid.clone(),
                identity,
                failure,
            })
        });
        first.into_iter().flatten()
    }

    /// The number of the list of `range` that is under way or was last complete.
    pub fn listing(&self, range: &Range) -> u64 {
        self.listings.get(range).map_or(0, |it| it.number)
    }

    /// Forgets every answer, as somebody who was not asking for a while must.
    pub fn forget_answers(&mut self) {
        self.pods.values_mut().for_each(Record::forget_answer);
    }

    /// Name and uid of a pod that has no sidecar; `None`: it is gone.
    pub fn missing(&self, ticket: Ticket) -> Option<(&NamespacedName, &str)> {
        let pod = self.pods.get(&ticket).filter(|pod| pod.sidecar.is_none())?;
        Some((&pod.key, &pod.uid))
    }

    /// The refusals that pods of an identity report; its object has `uid`.
    pub fn refusals(&self, identity: &NamespacedName, uid: &str) -> Vec<Refusal> {
        let is_listed = self.is_listed(&identity.namespace);
        let tickets = self.by_identity.get(identity).filter(|_| is_listed);
        (tickets.into_iter().flatten())
            .filter_map(|ticket| self.pods.get(ticket))
            .filter_map(|pod| pod.refusal(&identity.name, uid))
            .collect()
    }

    /// Counts the pods of an identity; its object has `uid`, and `revision` is published.
    pub fn tally(&self, identity: &NamespacedName, uid: &str, revision: Option<u64>) -> PodTally {
        let mut tally = PodTally {
            listed: self.is_listed(&identity.namespace),
            ..PodTally::default()
        };
        let pods = (self.by_identity.get(identity).into_iter().flatten())
            .filter_map(|ticket| self.pods.get(ticket));
        for pod in pods {
            pod.count(&mut tally, &self.version, &identity.name, uid, revision);
        }
        tally
    }
}

/// Whether a watch of that range tells of a namespace.
pub(super) fn covers(range: &Range, namespace: &str) -> bool {
    range.as_deref().is_none_or(|only| only == namespace)
}

#[cfg(test)]
mod tests;
