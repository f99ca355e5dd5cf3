//! What all pods of an identity say of its mails. Pure.

use jiff::Timestamp;
use zohorelay_upstream::failure::Class;

use super::account::{Account, Failure};

/// The mails of one identity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// Mails that the server took from pods that run, each since the start of its sidecar.
    pub accepted: u64,
    /// Mails that failed in pods that run, likewise.
    pub failed: u64,
    /// When the server last took one, of pods that ended too.
    pub last_accepted: Option<Timestamp>,
    /// What fails or failed, one entry a kind.
    pub kinds: Vec<Kind>,
    /// The end of the newest container whose last words were counted in metrics.
    pub ended_through: Option<Timestamp>,
    /// The same of those with failures.
    pub failed_through: Option<Timestamp>,
}

/// Failures of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    /// The newest.
    pub newest: Failed,
    /// The newest that weighs and that its own pod did not undo by a mail that went out.
    pub open: Option<Failed>,
    /// Pods with such a failure.
    pub pods: u32,
}

/// A failure, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// What happened.
    pub failure: Failure,
    /// The name of a pod.
    pub pod: Box<str>,
}

impl Delivery {
    /// Adds what a pod that runs reports.
    pub fn add(&mut self, pod: &str, account: &Account) {
        self.accepted = self.accepted.saturating_add(account.accepted);
        self.failed = self.failed.saturating_add(account.failed());
        self.add_ended(account, |_| pod);
    }

    /// Adds what pods left behind; `pod` names the one that a kind was last seen in.
    pub fn add_ended<'a>(&mut self, account: &Account, pod: impl Fn(Class) -> &'a str) {
        self.last_accepted = self.last_accepted.max(account.last_accepted);
        for failure in &account.failures {
            let failed = || Failed {
                failure: failure.clone(),
                pod: pod(failure.class).into(),
            };
            let is_open = account.open().any(|open| open == failure);
            let known = self
                .kinds
                .iter_mut()
                .find(|kind| kind.newest.failure.class == failure.class);
            match known {
                Some(kind) => kind.add(failed(), is_open),
                None => self.kinds.push(Kind {
                    newest: failed(),
                    open: is_open.then(failed),
                    pods: u32::from(is_open),
                }),
            }
        }
    }

    /// The newest failure of all.
    pub fn newest(&self) -> Option<&Failed> {
        let all = self.kinds.iter().map(|kind| &kind.newest);
        all.max_by_key(|failed| failed.failure.at)
    }
}

impl Kind {
    fn add(&mut self, failed: Failed, is_open: bool) {
        if is_open {
            self.pods += 1;
            let newest = self.open.as_ref().map(|open| open.failure.at);
            if newest.is_none_or(|newest| newest < failed.failure.at) {
                self.open = Some(failed.clone());
            }
        }
        if self.newest.failure.at < failed.failure.at {
            self.newest = failed;
        }
    }
}
