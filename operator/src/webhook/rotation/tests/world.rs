//! A small world: the Secret and the configuration as they are stored, an API server and two
//! replicas that learn of them late, and a leader who remembers nothing.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;

use super::super::{Kept, Lifetimes, Rotation, Step, plan, take};
use crate::webhook::certificate::{Names, is_trusted};
use crate::webhook::store;

pub(super) const LIFETIMES: Lifetimes = Lifetimes {
    validity: Duration::from_secs(90 * 86_400),
    settle: Duration::from_secs(300),
};

pub(super) fn names() -> Names {
    Names::new("webhook", "mail", &[]).unwrap()
}

/// Somebody who has seen a text, and when.
struct Seen {
    text: String,
    at: Timestamp,
}

pub(super) struct World {
    now: Timestamp,
    /// The leader's clock is ahead by this.
    ahead: SignedDuration,
    secret: Option<Secret>,
    configuration: String,
    api_server: Seen,
    replicas: [Seen; 2],
    pub(super) replaced: usize,
    pub(super) renewed: usize,
}

impl World {
    pub(super) fn new(now: Timestamp) -> Self {
        let nothing = || Seen {
            text: String::new(),
            at: now,
        };
        Self {
            now,
            ahead: SignedDuration::ZERO,
            secret: None,
            configuration: String::new(),
            api_server: nothing(),
            replicas: [nothing(), nothing()],
            replaced: 0,
            renewed: 0,
        }
    }

    pub(super) fn kept(&self) -> Kept {
        store::read(self.secret.as_ref().unwrap()).unwrap()
    }

    /// A new leader writes what is due, so many times at most.
    pub(super) fn lead(&mut self, writes: usize) {
        for _ in 0..writes {
            if !self.write() {
                return;
            }
        }
    }

    /// The same, and each write is seen by all before the next.
    pub(super) fn lead_seen(&mut self, writes: usize) {
        for _ in 0..writes {
            let wrote = self.write();
            self.see_all();
            assert!(self.is_trusted());
            if !wrote {
                return;
            }
        }
        panic!("the leader writes without end");
    }

    fn write(&mut self) -> bool {
        let kept = self.secret.as_ref().and_then(store::read);
        let now = self.now + self.ahead;
        let step = plan(kept.as_ref(), &self.configuration, &names(), LIFETIMES, now);
        match step {
            Step::Replace => self.replaced += 1,
            Step::Promote => self.renewed += 1,
            _ => {}
        }
        if let Some(next) = take(step, kept.clone(), &names(), LIFETIMES, now).unwrap() {
            self.secret = Some(store::write(&next, self.secret.as_ref(), None));
            return true;
        }
        let bundle = kept.unwrap().bundle();
        std::mem::replace(&mut self.configuration, bundle.clone()) != bundle
    }

    /// Time passes; who has not looked for the settling time looks before it does.
    pub(super) fn pass(&mut self, duration: Duration) {
        let then = self.now + duration;
        let overdue = |seen: &Seen| then.duration_since(seen.at) >= SignedDuration::from_secs(300);
        if overdue(&self.api_server) {
            self.api_server_sees();
        }
        for replica in 0..self.replicas.len() {
            if overdue(&self.replicas[replica]) {
                self.replica_sees(replica);
            }
        }
        self.now = then;
    }

    /// The leader's clock jumps.
    pub(super) fn jump(&mut self, seconds: i64) {
        self.ahead = SignedDuration::from_secs(seconds);
    }

    pub(super) fn api_server_sees(&mut self) {
        self.api_server = Seen {
            text: self.configuration.clone(),
            at: self.now,
        };
    }

    pub(super) fn replica_sees(&mut self, replica: usize) {
        let chain = self.secret.as_ref().and_then(store::serving);
        let chain = chain.map_or(Vec::new(), |(chain, _)| chain.to_vec());
        self.replicas[replica] = Seen {
            text: String::from_utf8(chain).unwrap(),
            at: self.now,
        };
    }

    pub(super) fn see_all(&mut self) {
        self.api_server_sees();
        self.replica_sees(0);
        self.replica_sees(1);
    }

    /// Whether the API server, by its own clock, can call each replica.
    pub(super) fn is_trusted(&self) -> bool {
        let bundle = &self.api_server.text;
        let trusts = |seen: &Seen| is_trusted(&seen.text, bundle, names().service(), self.now);
        self.replicas.iter().all(trusts)
    }

    /// Lets a renewal that is under way come to its end.
    pub(super) fn settle(&mut self) {
        for _ in 0..4 {
            self.lead(10);
            self.see_all();
            if self.kept().rotation == Rotation::Idle {
                return;
            }
            self.pass(LIFETIMES.settle);
        }
        self.lead(10);
        self.see_all();
    }
}
