//! What is known of the draft's login, from memory, from the rendered Secret and from the status.

use std::time::Duration;

use jiff::Timestamp;
use zohorelay_crds::v1alpha1::{
    ConditionType, CredentialStatus, Reason, RefusedCredential, Verification,
};
use zohorelay_upstream::Class;

use super::{BLOCKED_RETRY, PATIENCE_WITH_DOCUMENT, PATIENCE_WITHOUT_DOCUMENT, Situation};
use crate::identity::attempt::{Attempt, AttemptKey};
use crate::identity::release;
use crate::identity::validate::Draft;

/// What the server says of the draft's login.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Verdict {
    /// It was taken: by this process, if the time is known, else by an earlier one.
    Accepted { at: Option<Timestamp> },
    /// It was refused.
    Refused(Refusal),
    /// Nothing yet.
    None,
}

/// A refused login.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Refusal {
    pub(super) at: Timestamp,
    pub(super) code: u16,
    pub(super) reason: Reason,
    /// What the server said.
    pub(super) text: Option<String>,
    /// What an earlier process said of it.
    pub(super) fact: Option<String>,
}

impl Situation<'_> {
    pub(super) fn verdict(&self, draft: &Draft) -> Verdict {
        match &self.known.attempt {
            Attempt::Accepted { at } => Verdict::Accepted { at: Some(*at) },
            Attempt::Refused {
                at,
                code,
                class,
                text,
            } => Verdict::Refused(Refusal {
                at: *at,
                code: *code,
                reason: reason_of(*class),
                text: text.clone(),
                fact: None,
            }),
            _ if self.is_verified(draft) => Verdict::Accepted { at: None },
            _ => self
                .remembered(draft)
                .map_or(Verdict::None, Verdict::Refused),
        }
    }

    /// Whether the draft logs in as the published document does.
    pub(super) fn has_published_login(&self, draft: &Draft) -> bool {
        let published = self.rendered.published();
        published.is_some_and(|it| AttemptKey::of(&it.document) == draft.attempt_key())
    }

    fn is_verified(&self, draft: &Draft) -> bool {
        self.has_published_login(draft) && self.rendered.published().is_some_and(|it| it.verified)
    }

    /// A refusal that the status tells of: of this spec and this Secret.
    fn remembered(&self, draft: &Draft) -> Option<Refusal> {
        let refused = self.credential()?.refused.as_ref()?;
        if refused.secret_resource_version != draft.secret_resource_version
            || refused.generation != self.generation()
        {
            return None;
        }
        let condition = self.condition(ConditionType::CredentialsVerified);
        let condition = condition.filter(|condition| condition.status == "False");
        let is_blocked = condition.is_some_and(|it| it.reason == Reason::AccountBlocked.as_str());
        Some(Refusal {
            at: refused.at.0,
            code: u16::try_from(refused.code).unwrap_or_default(),
            reason: if is_blocked {
                Reason::AccountBlocked
            } else {
                Reason::LoginRefused
            },
            text: None,
            fact: condition.map(|condition| condition.message.clone()),
        })
    }

    /// What the last status says of the credential.
    pub(super) fn credential(&self) -> Option<&CredentialStatus> {
        self.identity.status.as_ref()?.credential.as_ref()
    }

    /// Whether to ask for a login.
    pub(super) fn wants_login(&self, verdict: &Verdict) -> bool {
        match verdict {
            Verdict::Accepted { .. } => false,
            Verdict::Refused(_) => {
                let blocked = self.until_blocked_retry(verdict);
                self.is_released() || blocked.is_some_and(|left| left.is_zero())
            }
            Verdict::None => true,
        }
    }

    /// Whether a person asks for one more try, and none had a verdict since.
    pub(super) fn is_released(&self) -> bool {
        release::pending(self.identity).is_some() && !self.known.is_release_tried
    }

    /// The request that nothing is left to do for.
    pub(super) fn handled_release(&self, verdict: &Verdict) -> Option<String> {
        let is_handled = match verdict {
            Verdict::Accepted { .. } => true,
            Verdict::Refused(_) => self.known.is_release_tried,
            Verdict::None => false,
        };
        release::pending(self.identity).filter(|_| is_handled)
    }

    /// A blocked account is tried again after a while; a refused login is not.
    pub(super) fn until_blocked_retry(&self, verdict: &Verdict) -> Option<Duration> {
        match verdict {
            Verdict::Refused(refusal) if refusal.reason == Reason::AccountBlocked => {
                Some(left(BLOCKED_RETRY, refusal.at, self.now))
            }
            _ => None,
        }
    }

    pub(super) fn must_be_tried(&self) -> bool {
        self.identity.spec.credentials.verification == Verification::Required
    }

    /// How long to wait for a verdict before `BestEffort` publishes without one. None: as long as the
    /// next try takes, since a login that only waits for its turn tells nothing of the server.
    pub(super) fn patience_left(&self) -> Option<Duration> {
        let Attempt::Unheard { since, .. } = &self.known.attempt else {
            return None;
        };
        let patience = match self.rendered.published() {
            Some(_) => PATIENCE_WITH_DOCUMENT,
            None => PATIENCE_WITHOUT_DOCUMENT,
        };
        let left = left(patience, *since, self.now);
        (!left.is_zero() || !self.known.is_due).then_some(left)
    }

    /// What the status will say of the credential.
    pub(super) fn credential_status(
        &self,
        draft: &Draft,
        verdict: &Verdict,
        is_current: bool,
        is_verified: bool,
    ) -> CredentialStatus {
        let before = self.credential().cloned().unwrap_or_default();
        let verified_at = match verdict {
            Verdict::Accepted { at: Some(at) } if !self.is_verified(draft) => Some(time(*at)),
            Verdict::Accepted { at } => before.verified_at.or(at.map(time)),
            _ => before.verified_at.filter(|_| is_verified),
        };
        let refused = match verdict {
            Verdict::Refused(refusal) => Some(RefusedCredential {
                secret_resource_version: draft.secret_resource_version.clone(),
                generation: self.generation(),
                at: time(refusal.at),
                code: i32::from(refusal.code),
            }),
            _ => None,
        };
        CredentialStatus {
            verified_at,
            secret_resource_version: if is_current {
                Some(draft.secret_resource_version.clone())
            } else {
                before.secret_resource_version
            },
            refused,
        }
    }
}

/// What is left of a span of time.
pub(super) fn left(span: Duration, since: Timestamp, now: Timestamp) -> Duration {
    let gone = now.duration_since(since).max(jiff::SignedDuration::ZERO);
    span.saturating_sub(gone.unsigned_abs())
}

fn reason_of(class: Class) -> Reason {
    match class {
        Class::AccountBlocked => Reason::AccountBlocked,
        _ => Reason::LoginRefused,
    }
}

fn time(at: Timestamp) -> k8s_openapi::apimachinery::pkg::apis::meta::v1::Time {
    k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(at)
}
