//! Which pods ask for which identity, and what they report.
//!
//! - [`pod`]: what is parsed of a `Pod`
//! - [`index`]: what is known of all of them, with [`PodTally`] as the answer
//! - [`summary`]: what one sidecar says of itself
//! - [`ended`]: what is left of those that are gone
//! - [`account`], [`kind`], [`delivery`]: what became of mails, what it means, and of all pods together
//! - [`refusal`]: what one sidecar learned for all
//! - [`schedule`]: when which sidecar is asked

pub mod account;
pub mod delivery;
pub mod ended;
pub mod index;
pub mod kind;
pub mod pod;
mod reader;
mod record;
pub mod refusal;
pub mod schedule;
mod shared;
pub mod summary;
mod tell;
mod watch;

use std::sync::Arc;

use jiff::Timestamp;
use kube::Client;
use kube::runtime::reflector::ObjectRef;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use zohorelay_crds::v1alpha1::MailIdentity;

use self::delivery::Delivery;
use self::ended::Ended;
use self::index::NamespacedName;
use self::refusal::Refusal;
use self::shared::Shared;
use crate::leadership::Leadership;
use crate::scope::Scope;

/// The pods of one identity, counted. Pods that ended or are being deleted are not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodTally {
    /// Whether all pods of the namespace are known. Until then (a start, a namespace without rights)
    /// the counts say nothing, and the last ones that were written stay true.
    pub listed: bool,
    /// Pods that have the sidecar: `current + behind + silent + unread`, where a revision is
    /// published.
    pub attached: u32,
    /// Pods that asked for the sidecar and do not have it.
    pub missing: u32,
    /// Attached pods whose sidecar another version of the operator injected.
    pub outdated: u32,
    /// Attached pods that report the published revision.
    pub current: u32,
    /// Attached pods that report another revision, or that they have none yet.
    pub behind: u32,
    /// Attached pods that run and do not answer.
    pub silent: u32,
    /// Attached pods of which nothing is known yet: they start, or this leader has not asked them.
    pub unread: u32,
    /// Names for messages.
    pub examples: Examples,
    /// What became of their mails, and of those of pods that ended.
    pub delivery: Delivery,
}

/// Names of pods, at most three each, in alphabetical order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Examples {
    /// Of those that miss the sidecar.
    pub missing: Vec<String>,
    /// Of those that report another revision.
    pub behind: Vec<String>,
    /// Of those that do not answer.
    pub silent: Vec<String>,
}

/// The pods that ask for the sidecar, and what the sidecars report. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Pods(Arc<Shared>);

impl Pods {
    /// No pods yet. A sidecar that was injected by another version than `version` is outdated.
    pub fn new(version: &str) -> Self {
        Self(Arc::new(Shared::new(version)))
    }

    /// The pods of an identity; those are current that report `revision` of the object `uid`. Where
    /// the pods are not listed yet, `changed` of [`Self::watch`] names the identity when they are.
    pub fn tally(
        &self,
        namespace: &str,
        identity: &str,
        uid: &str,
        revision: Option<u64>,
    ) -> PodTally {
        let identity = NamespacedName::new(namespace, identity);
        self.0.tally(identity, uid, revision)
    }

    /// The refusals of the account that stopped sidecars of an identity whose object has `uid`: one a pod
    /// at most. None where the pods are not listed yet.
    pub fn refusals(&self, namespace: &str, identity: &str, uid: &str) -> Vec<Refusal> {
        let identity = NamespacedName::new(namespace, identity);
        self.0.lock().index.refusals(&identity, uid)
    }

    /// What is to be counted now of containers of an identity that ended; each is given once. Also tells
    /// whether something waits until somebody has read the metrics, as `is_read` says. `through` is the
    /// end of the newest one that an earlier leader counted.
    pub fn count_ended(
        &self,
        namespace: &str,
        identity: &str,
        through: Option<Timestamp>,
        is_read: bool,
        now: Timestamp,
    ) -> (Vec<Ended>, bool) {
        let identity = NamespacedName::new(namespace, identity);
        self.0.count_ended(&identity, through, is_read, now)
    }

    /// How many last words could not be read since this was asked last.
    pub fn take_malformed(&self) -> u64 {
        self.0.take_malformed()
    }

    /// An identity was deleted.
    pub fn forget(&self, namespace: &str, identity: &str) {
        self.0.forget(&NamespacedName::new(namespace, identity));
    }

    /// Keeps the pods up to date until `stop`, tells `changed` whose pods changed or reported
    /// something new, and reports pods that asked for the sidecar and did not get it, and the first failures of pods. For the
    /// leader; it begins with no pods, whatever an earlier watch knew.
    pub async fn watch(
        self,
        client: Client,
        scope: Scope,
        changed: mpsc::Sender<ObjectRef<MailIdentity>>,
        stop: CancellationToken,
    ) {
        self.0.clear(Timestamp::now());
        let all = async {
            tokio::join!(
                watch::run(&self.0, &client, &scope),
                tell::forward(&self.0, changed),
                tell::report_missing(&self.0, &client),
                tell::report_failures(&self.0, &client),
            )
        };
        tokio::select! {
            () = stop.cancelled() => {}
            _ = all => {}
        }
    }

    /// Asks the sidecars how they are until `stop`, while this replica leads. What they say reaches
    /// `changed` of [`Self::watch`].
    pub async fn read_summaries(self, leadership: Leadership, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = reader::run(&self.0, leadership) => {}
        }
    }
}

#[cfg(test)]
mod tests;
