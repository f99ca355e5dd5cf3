//! Which requests a fault meets, and what came so far.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::PATIENCE;
use super::fault::Fault;
use super::request::Request;

type Fits = dyn Fn(&Request) -> bool + Send + Sync;

/// A fault and the requests that it meets.
pub struct Rule {
    fault: Fault,
    fits: Box<Fits>,
    skip: usize,
    times: usize,
}

impl Rule {
    pub(super) fn new(
        fault: Fault,
        fits: impl Fn(&Request) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self {
            fault,
            fits: Box::new(fits),
            skip: 0,
            times: usize::MAX,
        }
    }

    /// Lets so many pass first.
    #[must_use]
    pub fn skip(mut self, count: usize) -> Self {
        self.skip = count;
        self
    }

    /// Meets only so many, then passes all.
    #[must_use]
    pub fn times(mut self, count: usize) -> Self {
        self.times = count;
        self
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Rule({:?})", self.fault)
    }
}

/// A rule that was added. It stays when this is dropped.
#[derive(Clone, Debug)]
pub struct RuleHandle {
    added: Arc<Added>,
}

impl RuleHandle {
    /// How many requests it met.
    pub fn hits(&self) -> usize {
        *self.added.hits.borrow()
    }

    /// Waits until it met so many.
    pub async fn met(&self, count: usize) {
        let mut hits = self.added.hits.subscribe();
        tokio::time::timeout(PATIENCE, hits.wait_for(|hits| *hits >= count))
            .await
            .expect("so many requests within a minute")
            .expect("the sender is here");
    }

    /// Waits until it holds, or held, so many requests or answers.
    pub async fn held(&self, count: usize) {
        let mut held = self.added.held.subscribe();
        tokio::time::timeout(PATIENCE, held.wait_for(|held| *held >= count))
            .await
            .expect("so many are held within a minute")
            .expect("the sender is here");
    }

    /// Lets go what it holds, now and later.
    pub fn release(&self) {
        self.added.released.send_replace(true);
    }

    /// Takes it away; a request that it holds or delays or a watch that it changes goes on with it.
    pub fn remove(&self) {
        self.added
            .turns
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .times = 0;
    }
}

/// A rule with what became of it.
#[derive(Debug)]
pub(super) struct Added {
    rule: Rule,
    turns: Mutex<Turns>,
    hits: watch::Sender<usize>,
    held: watch::Sender<usize>,
    released: watch::Sender<bool>,
}

#[derive(Debug)]
struct Turns {
    skip: usize,
    times: usize,
}

impl Added {
    /// Whether it is this request's turn.
    fn takes(&self, request: &Request) -> bool {
        if !(self.rule.fits)(request) {
            return false;
        }
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if turns.skip > 0 {
            turns.skip -= 1;
            return false;
        }
        if turns.times == 0 {
            return false;
        }
        turns.times = turns.times.saturating_sub(1);
        self.hits.send_modify(|hits| *hits += 1);
        true
    }

    /// What it does to the requests that it meets.
    pub(super) fn fault(&self) -> &Fault {
        &self.rule.fault
    }

    /// Waits for the release.
    pub(super) async fn hold(&self) {
        self.held.send_modify(|held| *held += 1);
        let mut released = self.released.subscribe();
        let _ = released.wait_for(|released| *released).await;
    }
}

/// The rules of a proxy, and what its connections must know.
#[derive(Debug, Default)]
pub(super) struct Rules {
    added: Mutex<Vec<Arc<Added>>>,
    /// Requests so far.
    pub(super) seen: watch::Sender<Vec<Request>>,
    /// Whether everything is held.
    pub(super) frozen: watch::Sender<bool>,
    /// Whether new connections get no TLS.
    pub(super) tls_broken: watch::Sender<bool>,
    /// How often all connections were cut.
    pub(super) cut: watch::Sender<usize>,
}

impl Rules {
    pub(super) fn add(&self, rule: Rule) -> RuleHandle {
        let added = Arc::new(Added {
            turns: Mutex::new(Turns {
                skip: rule.skip,
                times: rule.times,
            }),
            hits: watch::Sender::new(0),
            held: watch::Sender::new(0),
            released: watch::Sender::new(false),
            rule,
        });
        self.added
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(added.clone());
        RuleHandle { added }
    }

    /// Counts a request and finds the rule that it meets.
    pub(super) fn meet(&self, request: &Request) -> Option<Arc<Added>> {
        self.seen.send_modify(|seen| seen.push(request.clone()));
        let rules = self.added.lock().unwrap_or_else(PoisonError::into_inner);
        rules
            .iter()
            .rev()
            .find(|added| added.takes(request))
            .cloned()
    }

    /// Waits while everything is held.
    pub(super) async fn thawed(&self) {
        let _ = self.frozen.subscribe().wait_for(|frozen| !frozen).await;
    }

    /// Waits until all connections are cut.
    pub(super) async fn cut(&self) {
        let mut cut = self.cut.subscribe();
        if cut.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(verb: &str) -> Request {
        Request {
            verb: verb.to_owned(),
            resource: "secrets".to_owned(),
            ..Request::default()
        }
    }

    #[test]
    fn a_rule_skips_then_meets_then_passes() {
        let rules = Rules::default();
        let rule = Fault::conflict().when(|it| it.is("patch", "secrets"));
        let handle = rules.add(rule.skip(1).times(2));
        let met: Vec<bool> = ["patch", "list", "patch", "patch", "patch"]
            .map(|verb| rules.meet(&request(verb)).is_some())
            .into();
        assert_eq!(met, [false, false, true, true, false]);
        assert_eq!(handle.hits(), 2);
        assert_eq!(rules.seen.borrow().len(), 5);
    }

    #[test]
    fn the_rule_that_was_added_last_goes_first_and_leaves_when_removed() {
        let rules = Rules::default();
        rules.add(Fault::CutBefore.when(|_| true));
        let last = rules.add(Fault::CutAfter.when(|_| true));
        let met = || rules.meet(&request("get")).unwrap().fault().clone();
        assert!(matches!(met(), Fault::CutAfter));
        last.remove();
        assert!(matches!(met(), Fault::CutBefore));
    }
}
