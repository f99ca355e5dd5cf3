//! Situations, for tests.

use jiff::Timestamp;
use serde_json::{Value, json};
use zohorelay_crds::MailIdentity;
use zohorelay_crds::keys::RELEASE_HOLD;
use zohorelay_upstream::{Class, Stage};

use super::{Publication, Published, Rendered, Situation, Trial};
use crate::identity::attempt::Attempt;
use crate::identity::logins::Known;
use crate::identity::validate::fixtures::{PASSWORD, check, identity, secret, with_keys};
use crate::identity::validate::{Problem, SecretFact};
use crate::pods::refusal::Refusal;

/// 2026-11-23T10:00:00Z.
pub(crate) fn now() -> Timestamp {
    "2026-11-23T10:00:00Z".parse().unwrap()
}

pub(crate) fn seconds_ago(seconds: i64) -> Timestamp {
    now() - jiff::SignedDuration::from_secs(seconds)
}

/// The revision that [`published`] has.
pub(crate) const REVISION: u64 = 1_795_420_000;

/// What is published from an identity and a password.
pub(crate) fn published(patch: &Value, password: &str, verified: bool) -> Rendered {
    let identity = identity(patch);
    let mut document = check(&identity, &secret(password)).unwrap().document;
    document.revision = Some(REVISION);
    Rendered::Ours(Box::new(Published {
        document,
        verified,
        resource_version: "77".to_owned(),
        generation: identity.metadata.generation.unwrap(),
        trial: Trial {
            since: Some(REVISION),
            released: None,
        },
    }))
}

pub(crate) fn refused(class: Class, at: Timestamp) -> Attempt {
    let (code, text) = match class {
        Class::AccountBlocked => (554, "554 5.1.8 Email Outgoing Blocked"),
        _ => (535, "535 Authentication Failed"),
    };
    Attempt::Refused {
        at,
        code,
        class,
        text: Some(text.to_owned()),
    }
}

/// No verdict, for a minute by now.
pub(crate) fn unheard() -> Attempt {
    unheard_for(60)
}

pub(crate) fn unheard_for(seconds: i64) -> Attempt {
    Attempt::Unheard {
        since: seconds_ago(seconds),
        class: Class::Timeout,
        stage: Stage::Connect,
        text: None,
    }
}

/// An identity, its Secret, what is published and what is known of the login.
#[derive(Clone)]
pub(crate) struct Scene {
    pub(crate) identity: MailIdentity,
    pub(crate) secret: SecretFact,
    pub(crate) rendered: Rendered,
    pub(crate) known: Known,
    pub(crate) refusals: Vec<Refusal>,
}

impl Scene {
    /// Nothing published, nothing tried.
    pub(crate) fn new(patch: &Value) -> Self {
        Self {
            identity: identity(patch),
            secret: secret(PASSWORD),
            rendered: Rendered::Absent,
            known: Known::default(),
            refusals: Vec::new(),
        }
    }

    /// Published as it is, the login taken.
    pub(crate) fn published(patch: &Value) -> Self {
        Self {
            rendered: published(patch, PASSWORD, true),
            ..Self::new(patch)
        }
    }

    /// A new password in the Secret.
    pub(crate) fn rotated(self, password: &str) -> Self {
        let secret = with_keys("42", &[("password", password.as_bytes())]);
        Self { secret, ..self }
    }

    /// Another spec; the status stays.
    pub(crate) fn patched(mut self, patch: &Value) -> Self {
        let status = self.identity.status.take();
        self.identity = identity(patch);
        self.identity.status = status;
        self
    }

    pub(crate) fn attempt(mut self, attempt: Attempt) -> Self {
        self.known.attempt = attempt;
        self
    }

    /// The next try is under way, or waits for its turn.
    pub(crate) fn due(mut self) -> Self {
        self.known.is_due = true;
        self
    }

    /// A person asks for one more try.
    pub(crate) fn released(mut self, value: &str) -> Self {
        let annotations = [(RELEASE_HOLD.to_owned(), value.to_owned())];
        self.identity.metadata.annotations = Some(annotations.into());
        self
    }

    /// There was a verdict since.
    pub(crate) fn release_tried(mut self) -> Self {
        self.known.is_release_tried = true;
        self
    }

    /// A pod reports a refusal that it met with the document of this revision.
    pub(crate) fn refused_in(mut self, class: Class, seconds_ago_: i64, revision: u64) -> Self {
        self.refusals.push(Refusal {
            class,
            at: seconds_ago(seconds_ago_),
            revision,
            pod: format!("web-{}", self.refusals.len()).into(),
        });
        self
    }

    /// What was decided is written; the pods have the new document.
    pub(crate) fn publish(mut self, publication: &Publication) -> Self {
        self.rendered = Rendered::Ours(Box::new(Published {
            document: publication.document.clone(),
            verified: publication.verified,
            resource_version: "78".to_owned(),
            generation: self.identity.metadata.generation.unwrap(),
            trial: publication.trial.clone(),
        }));
        self
    }

    /// The status tells of a request that was acted on.
    pub(crate) fn handled(mut self, value: &str) -> Self {
        let status = self.identity.status.get_or_insert_default();
        status.hold.get_or_insert_default().last_handled_release = Some(value.to_owned());
        self
    }

    pub(crate) fn status(mut self, status: Value) -> Self {
        self.identity.status = Some(serde_json::from_value(status).unwrap());
        self
    }

    /// What an earlier process wrote of a refused login.
    pub(crate) fn remembers_refusal(self, reason: &str, seconds_ago_: i64) -> Self {
        let at = seconds_ago(seconds_ago_).to_string();
        self.status(json!({
            "observedGeneration": 3,
            "credential": {"refused": {
                "secretResourceVersion": "42", "generation": 3, "at": at, "code": 535
            }},
            "conditions": [{
                "type": "CredentialsVerified", "status": "False", "reason": reason,
                "message": "as it was said", "lastTransitionTime": at, "observedGeneration": 3
            }]
        }))
    }

    pub(crate) fn without_secret(self) -> Self {
        Self {
            secret: SecretFact::Missing,
            ..self
        }
    }

    pub(crate) fn situation(&self) -> Situation<'_> {
        self.at(now())
    }

    pub(crate) fn at(&self, now: Timestamp) -> Situation<'_> {
        self.with(check(&self.identity, &self.secret), now)
    }

    pub(crate) fn failing(&self, problem: Problem) -> Situation<'_> {
        self.with(Err(problem), now())
    }

    fn with(
        &self,
        draft: Result<crate::identity::validate::Draft, Problem>,
        now: Timestamp,
    ) -> Situation<'_> {
        Situation {
            identity: &self.identity,
            draft,
            rendered: self.rendered.clone(),
            known: self.known.clone(),
            refusals: self.refusals.clone(),
            now,
        }
    }
}
