//! One identity, once.

use std::time::Duration;

use jiff::Timestamp;
use kube::Resource;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use zohorelay_crds::v1alpha1::ConditionType;
use zohorelay_crds::{MailIdentity, MailIdentityStatus};

use super::apply::{Written, apply, write_status};
use super::build::{BuildError, rendered_secret};
use super::decide::{Decision, Situation, decide};
use super::status::{self, Login, Standing, status};
use super::validate::{Problem, validate};
use super::{Controller, dereference, event, release, verify};

/// An identity is looked at again after that time at the latest, for the sake of a change that no
/// watch told of.
const LOOK_AGAIN: Duration = Duration::from_secs(10 * 60);
/// When the status could not be written since a newer object is on its way.
const SOON: Duration = Duration::from_millis(500);
/// While what is to be counted waits until somebody has read the metrics.
const UNTIL_READ: Duration = Duration::from_secs(5);
/// Tries to write a Secret that changes at the same time.
const TRIES: u32 = 3;

/// Why an identity has to be tried again.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReconcileError {
    #[error("reading the Secrets of the identity")]
    Read(#[source] kube::Error),
    #[error("writing the Secret with the document")]
    Apply(#[source] kube::Error),
    #[error("writing the status")]
    Status(#[source] kube::Error),
    #[error("writing the Secret with the document: it changes all the time")]
    Contended,
    #[error("writing the Secret with the document: {0}")]
    Refused(String),
    #[error("waiting for the API server: no answer in time")]
    NoAnswer,
    #[error(transparent)]
    Build(#[from] BuildError),
}

/// Brings one identity forward as far as it gets.
pub(super) async fn reconcile(
    controller: &Controller,
    identity: &MailIdentity,
    object: &ObjectRef<MailIdentity>,
) -> Result<Action, ReconcileError> {
    // Being deleted: the garbage collector takes what it owns.
    if identity.metadata.deletion_timestamp.is_some() {
        controller.verifier.forget(object);
        return Ok(Action::await_change());
    }
    let reconciliation = Reconciliation {
        controller,
        identity,
        object,
        namespace: identity.metadata.namespace.as_deref().unwrap_or_default(),
    };
    reconciliation.run().await
}

struct Reconciliation<'a> {
    controller: &'a Controller,
    identity: &'a MailIdentity,
    object: &'a ObjectRef<MailIdentity>,
    namespace: &'a str,
}

impl Reconciliation<'_> {
    async fn run(&self) -> Result<Action, ReconcileError> {
        for _ in 0..TRIES {
            let (situation, decision) = self.look().await?;
            match &situation.draft {
                Ok(draft) if decision.verify => {
                    self.controller.verifier.ask(self.object, &draft.document);
                }
                _ => self.controller.verifier.withdraw(self.object),
            }
            match self.publish(&situation, &decision).await? {
                Written::Done => return self.conclude(&decision).await,
                Written::Leaving => return Ok(Action::await_change()),
                Written::Behind => {}
                Written::Refused(problem) => {
                    let decision = situation.unwritten(decision, &problem);
                    return self.give_up(&decision, problem).await;
                }
            }
        }
        Err(ReconcileError::Contended)
    }

    fn uid(&self) -> &str {
        self.identity.metadata.uid.as_deref().unwrap_or_default()
    }

    /// Reads everything, and decides.
    async fn look(&self) -> Result<(Situation<'_>, Decision), ReconcileError> {
        let facts = dereference::read(&self.controller.client, self.namespace, self.identity)
            .await
            .map_err(ReconcileError::Read)?;
        let draft = validate(self.identity, &facts.secret, &self.controller.allowed);
        let verifier = &self.controller.verifier;
        let known = draft.as_ref().ok().map(|draft| {
            let release = release::pending(self.identity);
            verifier.look(self.object, draft.attempt_key(), release)
        });
        if known.is_none() {
            verifier.forget(self.object);
        }
        let situation = Situation {
            identity: self.identity,
            draft,
            rendered: facts.rendered,
            known: known.unwrap_or_default(),
            refusals: self
                .controller
                .pods
                .refusals(self.namespace, &self.object.name, self.uid()),
            now: Timestamp::now(),
        };
        let decision = decide(&situation);
        Ok((situation, decision))
    }

    async fn publish(
        &self,
        situation: &Situation<'_>,
        decision: &Decision,
    ) -> Result<Written, ReconcileError> {
        let Some(publication) = &decision.publish else {
            return Ok(Written::Done);
        };
        let observed = &situation.rendered;
        let secret = rendered_secret(self.identity, publication, observed.resource_version())?;
        let client = &self.controller.client;
        let written = apply(client, self.namespace, &secret, observed)
            .await
            .map_err(ReconcileError::Apply)?;
        if written == Written::Done {
            tracing::info!(
                identity = verify::name(self.object),
                revision = publication.document.revision,
                verified = publication.verified,
                "published"
            );
        }
        Ok(written)
    }

    /// Says why nothing can be written, and tries again later.
    async fn give_up(
        &self,
        decision: &Decision,
        problem: Problem,
    ) -> Result<Action, ReconcileError> {
        self.conclude(decision).await?;
        Err(ReconcileError::Refused(problem.message))
    }

    async fn conclude(&self, decision: &Decision) -> Result<Action, ReconcileError> {
        let mut requeue = decision
            .requeue
            .map_or_else(look_again, |wanted| wanted.min(look_again()));
        if let Some(standing) = &decision.standing {
            let waits = self.count_ended();
            let (written, look_again) = self.say(standing).await?;
            let wanted = look_again.into_iter().chain(waits.then_some(UNTIL_READ));
            requeue = wanted.fold(requeue, Duration::min);
            if written == Written::Behind {
                requeue = SOON;
            }
        }
        Ok(Action::requeue(requeue))
    }

    /// Counts the last words of containers that ended; true if some wait until the metrics were read.
    fn count_ended(&self) -> bool {
        let (metrics, pods) = (&self.controller.metrics, &self.controller.pods);
        let name = self.object.name.as_str();
        metrics.begin_ended(self.namespace, name);
        let through = self.identity.status.as_ref();
        let (ended, waits) = pods.count_ended(
            self.namespace,
            name,
            through.and_then(|status| Some(status.ended_through.as_ref()?.0)),
            metrics.is_read(self.namespace, name),
            Timestamp::now(),
        );
        for ended in ended {
            metrics.ended(self.namespace, name, &ended);
        }
        metrics.malformed_last_words.inc_by(pods.take_malformed());
        waits
    }

    /// Writes the status if it differs, and tells of what changed in it, and when to look again.
    async fn say(
        &self,
        standing: &Standing,
    ) -> Result<(Written, Option<Duration>), ReconcileError> {
        let meta = &self.identity.metadata;
        let tally = self.controller.pods.tally(
            self.namespace,
            &self.object.name,
            self.uid(),
            standing.serving.map(|serving| serving.revision),
        );
        let before = self.identity.status.as_ref();
        let generation = meta.generation.unwrap_or_default();
        let now = Timestamp::now();
        let after = status(before, generation, standing, &tally, now);
        let look_again = status::look_again(&after, now);
        self.count(standing, &after);
        if before == Some(&after) {
            return Ok((Written::Done, look_again));
        }
        let written = write_status(
            &self.controller.client,
            self.namespace,
            self.identity,
            &after,
        )
        .await
        .map_err(ReconcileError::Status)?;
        if written == Written::Done {
            self.tell(before, &after).await;
        }
        Ok((written, look_again))
    }

    /// In the log, and by events; those are a courtesy: nothing depends on them.
    async fn tell(&self, before: Option<&MailIdentityStatus>, after: &MailIdentityStatus) {
        if let Some((ready, reason)) = event::turn(before, after) {
            let identity = verify::name(self.object);
            tracing::info!(identity, ready, reason, "ready changed");
        }
        let regarding = self.identity.object_ref(&());
        for event in event::events(before, after) {
            if let Err(error) = self.controller.recorder.publish(&event, &regarding).await {
                tracing::warn!(identity = verify::name(self.object), %error, "writing an event");
            }
        }
    }

    fn count(&self, standing: &Standing, after: &MailIdentityStatus) {
        let metrics = &self.controller.metrics;
        let is_user_error = matches!(standing.login, Login::Refused { .. })
            || standing
                .obstacle
                .as_ref()
                .is_some_and(|obstacle| obstacle.is_stalled);
        let result = if is_user_error { "user_error" } else { "done" };
        metrics.reconciles.with_label_values(&[result]).inc();
        let ready = after.conditions.iter().any(|condition| {
            condition.type_ == ConditionType::Ready.as_str() && condition.status == "True"
        });
        let pods = after.pods.unwrap_or_default();
        metrics.identity(self.namespace, &self.object.name, ready, pods);
    }
}

/// Up to a fifth earlier, so that not all come at once.
fn look_again() -> Duration {
    LOOK_AGAIN.mul_f64(1.0 - 0.2 * fastrand::f64())
}
