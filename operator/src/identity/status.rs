//! Conditions from facts: the one table of what is said when.

mod condition;
mod delivering;
mod table;
#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use zohorelay_config::HoldReason;
use zohorelay_crds::MailIdentityStatus;
use zohorelay_crds::v1alpha1::{ConditionType, CredentialStatus, HoldStatus, PodCounts, Reason};

use crate::pods::PodTally;

/// How an identity stands, once what was decided is done.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// The server, as host:port.
    pub server: Option<String>,
    /// The address of the mailbox.
    pub address: String,
    /// Whether the spec asks for silence, and nothing stands in its way.
    pub suspended: bool,
    /// What pods are served.
    pub serving: Option<Serving>,
    /// What is known of the login of this spec and this Secret.
    pub login: Login,
    /// What stands in the way, but for the login.
    pub obstacle: Option<Obstacle>,
    /// For the status.
    pub credential: CredentialStatus,
    /// The request for one more try that was acted on just now.
    pub handled_release: Option<String>,
    /// What keeps every pod from sending.
    pub hold: Option<Held>,
    /// Whether what is published could be read; else `serving` is what an earlier look found.
    pub is_readable: bool,
}

/// A hold that is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// When it ends.
    pub until: Timestamp,
    /// What made it necessary.
    pub reason: HoldReason,
    /// The command that ends it.
    pub release: String,
}

/// A published document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Serving {
    /// Its revision.
    pub revision: u64,
    /// Whether it is that of this spec and this Secret.
    pub is_current: bool,
    /// Whether its login was tried and taken.
    pub is_verified: bool,
    /// Whether pods are told to be silent.
    pub is_suspended: bool,
}

/// What is known of a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    /// It was taken.
    Accepted,
    /// It was refused.
    Refused {
        /// `LoginRefused` or `AccountBlocked`.
        reason: Reason,
        /// What the server said.
        fact: String,
        /// What to do.
        remedy: String,
        /// Whether it is tried once more all the same, since a person asked for it.
        is_tried_again: bool,
    },
    /// There is no verdict yet.
    Pending {
        /// `Verifying` or `UpstreamUnreachable`.
        reason: Reason,
        /// What is waited for, and what may be wrong.
        message: String,
    },
    /// None is tried.
    NotTried {
        /// Why.
        reason: Reason,
        /// The same in words.
        message: String,
    },
}

/// A problem, and whether it waits for a person by now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// The reason of the conditions.
    pub reason: Reason,
    /// What is wrong and what to do.
    pub message: String,
    /// Whether nothing changes until a person changes something.
    pub is_stalled: bool,
}

/// The status of an identity. Nothing in it changes where nothing changed.
pub fn status(
    previous: Option<&MailIdentityStatus>,
    generation: i64,
    standing: &Standing,
    pods: &PodTally,
    now: Timestamp,
) -> MailIdentityStatus {
    let earlier: &[Condition] = previous.map_or(&[], |status| &status.conditions);
    let mails = delivering::assess(previous, generation, pods, standing.hold.as_ref(), now);
    let conditions = ConditionType::ALL.into_iter().filter_map(|kind| {
        let said = table::say(kind, standing, pods, &mails.said)?;
        Some(condition::condition(kind, &said, generation, earlier, now))
    });
    let counted = previous.and_then(|status| status.pods);
    let revision = standing.serving.map(|serving| serving.revision);
    let revision = revision.and_then(|revision| i64::try_from(revision).ok());
    MailIdentityStatus {
        observed_generation: Some(generation),
        server: standing.server.clone(),
        // Kept where the rendered Secret is lost: the next revision must be above it.
        revision: revision.or(previous.and_then(|status| status.revision)),
        credential: Some(standing.credential.clone())
            .filter(|credential| *credential != CredentialStatus::default()),
        pods: if pods.listed {
            Some(counts(pods))
        } else {
            counted
        },
        hold: hold(previous.and_then(|status| status.hold.as_ref()), standing),
        delivery: mails.delivery,
        ended_through: mails.ended_through.map(time),
        conditions: conditions.collect(),
    }
}

/// When to look at an identity of this status again for the sake of its mails, even if nothing is told
/// of them.
pub fn look_again(after: &MailIdentityStatus, now: Timestamp) -> Option<Duration> {
    delivering::look_again(after, now)
}

fn hold(previous: Option<&HoldStatus>, standing: &Standing) -> Option<HoldStatus> {
    if !standing.is_readable {
        return previous.cloned();
    }
    let handled = standing.handled_release.as_ref();
    let held = standing.hold.as_ref();
    let status = HoldStatus {
        until: held.map(|held| time(held.until)),
        reason: held.map(|held| held.reason.as_str().to_owned()),
        last_handled_release: (handled
            .or(previous.and_then(|it| it.last_handled_release.as_ref())))
        .cloned(),
    };
    Some(status).filter(|status| *status != HoldStatus::default())
}

fn counts(pods: &PodTally) -> PodCounts {
    let number = |count: u32| i32::try_from(count).unwrap_or(i32::MAX);
    PodCounts {
        attached: number(pods.attached),
        missing: number(pods.missing),
        outdated: number(pods.outdated),
        current: number(pods.current),
    }
}

/// A point in time as the API writes it: whole seconds.
fn time(at: Timestamp) -> Time {
    Time(Timestamp::from_second(at.as_second()).unwrap_or(at))
}
