//! When the webhook's certificate is renewed, and in which steps. Pure but for the randomness of keys.
//!
//! A renewal never leaves a replica serving what the API server does not trust: the new CA is
//! published beside the old one, later the new leaf is served, later the old CA goes. All that a
//! step needs stands in the Secret, so any leader goes on from where another stopped.

use std::time::Duration;

use jiff::Timestamp;

use super::certificate::{CertificateError, Issue, Names, Validity, is_trusted};

/// How long certificates and the steps of a renewal last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// Validity of a new certificate; it is renewed when a third of that is left.
    pub validity: Duration,
    /// What every API server and every replica is given to see what was published.
    pub settle: Duration,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self {
            validity: Duration::from_secs(90 * 24 * 60 * 60),
            settle: Duration::from_secs(5 * 60),
        }
    }
}

/// What the Secret keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// What every replica serves.
    pub current: Issue,
    /// How far a renewal has come.
    pub rotation: Rotation,
}

/// How far a renewal has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// None is under way.
    Idle,
    /// The CA of the next leaf is published beside that of the current one.
    Announced {
        /// What will be served.
        next: Issue,
        /// When the API server was first seen to trust it.
        since: Option<Timestamp>,
    },
    /// The new leaf is served; the CA before it is still published.
    Promoted {
        /// That CA, as PEM.
        previous: String,
        /// When the new leaf was published.
        since: Option<Timestamp>,
    },
}

impl Kept {
    /// The CAs that the API server is to trust, as PEM: the caBundle.
    pub fn bundle(&self) -> String {
        let other = match &self.rotation {
            Rotation::Idle => "",
            Rotation::Announced { next, .. } => &next.authority,
            Rotation::Promoted { previous, .. } => previous,
        };
        format!("{}{other}", self.current.authority)
    }
}

/// What the leader does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing before this time, or before the API server trusts what is published.
    Wait(Option<Timestamp>),
    /// New CA and leaf at once, since nothing usable is served.
    Replace,
    /// Publishes the CA of the next leaf.
    Announce,
    /// Notes when the API server began to trust what was published.
    Stamp,
    /// Serves the next leaf.
    Promote,
    /// Withdraws the CA of the leaf before.
    Retire,
}

/// What to do now: `kept` is what the Secret holds, `trusted` the caBundle that the API server has.
pub fn plan(
    kept: Option<&Kept>,
    trusted: &str,
    names: &Names,
    lifetimes: Lifetimes,
    now: Timestamp,
) -> Step {
    let Some(kept) = kept.filter(|kept| kept.current.is_usable(names, now)) else {
        return Step::Replace;
    };
    match &kept.rotation {
        Rotation::Announced { next, since } if next.is_usable(names, now) => {
            let is_trusted = is_trusted(&next.certificate, trusted, names.service(), now);
            match (is_trusted, settled(*since, lifetimes)) {
                (false, _) => Step::Wait(None),
                (true, None) => Step::Stamp,
                (true, Some(time)) if now < time => Step::Wait(Some(time)),
                (true, Some(_)) => Step::Promote,
            }
        }
        Rotation::Promoted { since, .. } => match settled(*since, lifetimes) {
            None => Step::Stamp,
            Some(time) if now < time => Step::Wait(Some(time)),
            Some(_) => Step::Retire,
        },
        Rotation::Announced { .. } | Rotation::Idle => match renewal(&kept.current, lifetimes) {
            Some(time) if now < time => Step::Wait(Some(time)),
            _ => Step::Announce,
        },
    }
}

fn settled(since: Option<Timestamp>, lifetimes: Lifetimes) -> Option<Timestamp> {
    since?.checked_add(lifetimes.settle).ok()
}

fn renewal(issue: &Issue, lifetimes: Lifetimes) -> Option<Timestamp> {
    let validity = Validity::of(issue.certificate.as_bytes()).ok()?;
    validity.not_after.checked_sub(lifetimes.validity / 3).ok()
}

/// What the Secret holds after a step; None where the step changes nothing.
pub fn take(
    step: Step,
    kept: Option<Kept>,
    names: &Names,
    lifetimes: Lifetimes,
    now: Timestamp,
) -> Result<Option<Kept>, CertificateError> {
    let issue = || Issue::new(names, now, lifetimes.validity);
    let since = Some(now);
    let Some(Kept { current, rotation }) = kept else {
        return Ok(match step {
            Step::Replace => Some(Kept {
                current: issue()?,
                rotation: Rotation::Idle,
            }),
            _ => None,
        });
    };
    let (current, rotation) = match (step, rotation) {
        (Step::Replace, _) => (issue()?, promoted(current, since)),
        (Step::Announce, _) => {
            let next = issue()?;
            (current, Rotation::Announced { next, since: None })
        }
        (Step::Stamp, Rotation::Announced { next, .. }) => {
            (current, Rotation::Announced { next, since })
        }
        (Step::Stamp, Rotation::Promoted { previous, .. }) => {
            (current, Rotation::Promoted { previous, since })
        }
        (Step::Promote, Rotation::Announced { next, .. }) => (next, promoted(current, since)),
        (Step::Retire, _) => (current, Rotation::Idle),
        (Step::Wait(_) | Step::Stamp | Step::Promote, _) => return Ok(None),
    };
    Ok(Some(Kept { current, rotation }))
}

/// Replicas may serve the issue before for a moment more: its CA stays, unless it is of no use.
fn promoted(before: Issue, since: Option<Timestamp>) -> Rotation {
    let is_valid = |now| {
        Validity::of(before.authority.as_bytes()).is_ok_and(|validity| validity.contains(now))
    };
    if since.is_some_and(is_valid) {
        Rotation::Promoted {
            previous: before.authority,
            since,
        }
    } else {
        Rotation::Idle
    }
}

#[cfg(test)]
mod tests;
