//! How an identity stands once a decision is done: the facts that its status is made of.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use zohorelay_config::Document;
use zohorelay_crds::MailIdentityStatus;
use zohorelay_crds::v1alpha1::{ConditionType, CredentialStatus, Reason};

use super::login::{Verdict, left};
use super::{FORBIDDEN_RETRY, Publication, Rendered, Situation, remedy};
use crate::identity::attempt::Attempt;
use crate::identity::status::{Held, Login, Obstacle, Serving, Standing};
use crate::identity::validate::{Draft, Kind, Problem};

/// How long a missing Secret may be on its way before a person is asked for it.
const WAITING: Duration = Duration::from_secs(300);

impl Situation<'_> {
    pub(super) fn standing(
        &self,
        draft: &Draft,
        verdict: &Verdict,
        publish: Option<&Publication>,
    ) -> Standing {
        let serving = self.serving(publish).map(|(document, is_verified)| {
            let mut wanted = draft.document.clone();
            (wanted.hold, wanted.retry) = (document.hold, document.retry);
            wanted.revision = document.revision;
            serving(document, is_verified, wanted == *document)
        });
        let is_current = serving.is_some_and(|serving| serving.is_current);
        let is_verified = serving.is_some_and(|serving| serving.is_verified);
        Standing {
            server: Some(server(&draft.document)),
            address: self.identity.spec.address.clone(),
            suspended: draft.document.suspend,
            serving,
            login: self.login(draft, verdict, serving),
            obstacle: None,
            credential: self.credential_status(draft, verdict, is_current, is_verified),
            handled_release: self.handled_release(verdict),
            hold: self.held(publish),
            is_readable: true,
        }
    }

    pub(super) fn standing_without_draft(
        &self,
        problem: &Problem,
        obstacle: Obstacle,
        publish: Option<&Publication>,
    ) -> Standing {
        let serving = self.serving(publish);
        let is_readable = !matches!(self.rendered, Rendered::Forbidden { .. });
        let told = self.identity.status.as_ref().filter(|_| !is_readable);
        Standing {
            server: serving
                .map(|(document, _)| server(document))
                .or_else(|| told?.server.clone()),
            address: self.identity.spec.address.clone(),
            suspended: false,
            login: Login::NotTried {
                reason: problem.reason,
                message: "no login is tried before what Ready says is put right".to_owned(),
            },
            serving: serving
                .map(|(document, verified)| self::serving(document, verified, false))
                .or_else(|| told_serving(told?)),
            obstacle: Some(obstacle),
            credential: self.credential().cloned().unwrap_or_default(),
            handled_release: None,
            hold: self.held(publish),
            is_readable,
        }
    }

    /// How it stands where the publication could not be written: what was published before serves on.
    pub(super) fn standing_unwritten(&self, standing: Standing, problem: &Problem) -> Standing {
        let serving = self.serving(None);
        let before = self.credential().cloned().unwrap_or_default();
        Standing {
            serving: serving.map(|(document, verified)| self::serving(document, verified, false)),
            obstacle: Some(self.obstacle(problem)),
            handled_release: None,
            hold: self.held(None),
            credential: CredentialStatus {
                secret_resource_version: before.secret_resource_version,
                ..standing.credential
            },
            ..standing
        }
    }

    /// What pods are told to wait for.
    fn held(&self, publish: Option<&Publication>) -> Option<Held> {
        let (document, _) = self.serving(publish)?;
        let hold = document.hold.filter(|hold| hold.until > self.now)?;
        Some(Held {
            until: hold.until,
            reason: hold.reason,
            release: remedy::release(self.identity),
        })
    }

    /// What pods will read, and whether its login was taken.
    pub(super) fn serving<'a>(
        &'a self,
        publish: Option<&'a Publication>,
    ) -> Option<(&'a Document, bool)> {
        let written = publish.map(|publish| (&publish.document, publish.verified));
        let published = self.rendered.published();
        written.or(published.map(|published| (&published.document, published.verified)))
    }

    fn login(&self, draft: &Draft, verdict: &Verdict, serving: Option<Serving>) -> Login {
        match verdict {
            Verdict::Accepted { .. } => Login::Accepted,
            Verdict::Refused(refusal) => Login::Refused {
                reason: refusal.reason,
                fact: refusal
                    .fact
                    .clone()
                    .unwrap_or_else(|| remedy::refused(draft, refusal)),
                remedy: remedy::after_refusal(self.identity, draft, refusal.reason),
                is_tried_again: self.is_released() && !draft.document.suspend,
            },
            Verdict::None if draft.document.suspend => Login::NotTried {
                reason: Reason::Suspended,
                message: "no login is tried while spec.suspend is set".to_owned(),
            },
            Verdict::None => match &self.known.attempt {
                Attempt::Unheard {
                    class, stage, text, ..
                } => Login::Pending {
                    reason: Reason::UpstreamUnreachable,
                    message: remedy::unheard(draft, *class, *stage, text.as_deref())
                        + &self.patience(serving),
                },
                _ => Login::Pending {
                    reason: Reason::Verifying,
                    message: format!(
                        "a login at {} waits for its turn or is under way",
                        server(&draft.document)
                    ),
                },
            },
        }
    }

    /// What comes of a login without a verdict.
    fn patience(&self, serving: Option<Serving>) -> String {
        let serves = match serving {
            Some(serving) if serving.is_current => return String::new(),
            Some(_) => ", the last good document serves meanwhile",
            None => "",
        };
        if self.must_be_tried() {
            format!("; with verification Required nothing is published before{serves}")
        } else {
            format!("; with verification BestEffort it is published untried after a while{serves}")
        }
    }

    pub(super) fn obstacle(&self, problem: &Problem) -> Obstacle {
        Obstacle {
            reason: problem.reason,
            message: problem.message.clone(),
            is_stalled: match problem.kind {
                Kind::UserError => true,
                Kind::Retry => false,
                Kind::Waiting => self.waiting_left(problem).is_zero(),
            },
        }
    }

    pub(super) fn until_obstacle_changes(
        &self,
        problem: &Problem,
        obstacle: &Obstacle,
    ) -> Option<Duration> {
        let waits = problem.kind == Kind::Waiting && !obstacle.is_stalled;
        let patience = waits.then(|| self.waiting_left(problem));
        let retry = (problem.reason == Reason::Forbidden).then_some(FORBIDDEN_RETRY);
        patience.into_iter().chain(retry).min()
    }

    /// How long the problem may go away by itself, counted from when the status first told of it.
    fn waiting_left(&self, problem: &Problem) -> Duration {
        if self.told(ConditionType::Stalled, problem).is_some() {
            return Duration::ZERO;
        }
        self.told(ConditionType::Reconciling, problem)
            .map_or(WAITING, |told| {
                left(WAITING, told.last_transition_time.0, self.now)
            })
    }

    /// The condition, if it tells of this problem of this spec.
    fn told(&self, kind: ConditionType, problem: &Problem) -> Option<&Condition> {
        self.condition(kind).filter(|condition| {
            condition.status == "True"
                && condition.reason == problem.reason.as_str()
                && condition.observed_generation == Some(self.generation())
        })
    }

    pub(super) fn condition(&self, kind: ConditionType) -> Option<&Condition> {
        let status = self.identity.status.as_ref()?;
        status
            .conditions
            .iter()
            .find(|condition| condition.type_ == kind.as_str())
    }
}

fn serving(document: &Document, is_verified: bool, is_current: bool) -> Serving {
    Serving {
        revision: document.revision.unwrap_or_default(),
        is_current,
        is_verified,
        is_suspended: document.suspend,
    }
}

/// What an earlier look found published.
fn told_serving(told: &MailIdentityStatus) -> Option<Serving> {
    Some(Serving {
        revision: u64::try_from(told.revision?).ok()?,
        is_current: false,
        is_verified: false,
        is_suspended: false,
    })
}

fn server(document: &Document) -> String {
    format!("{}:{}", document.upstream.host, document.upstream.port)
}
