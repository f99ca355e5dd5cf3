//! What each right is for, and how one sees that it is missing.

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, PostParams};
use serde_json::{Value, json};
use zohorelay_tests::objects::api;
use zohorelay_tests::operator::Operator;

use super::stage::{PASSWORD, Stage, condition, until};

/// What the operator cannot do without a right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Purpose {
    KnowsIdentities,
    HearsOfIdentities,
    WritesStatus,
    ReadsPasswords,
    KnowsSecrets,
    HearsOfSecrets,
    Publishes,
    PublishesAgain,
    KnowsPods,
    HearsOfPods,
    WritesEvents,
    CountsEvents,
    KnowsConfiguration,
    HearsOfConfiguration,
    WritesBundle,
    Leads,
    LooksAtLease,
    TakesLeaseOver,
    IsOwner,
    MakesCertificate,
    KnowsCertificate,
    HearsOfCertificate,
    ReplacesCertificate,
}

use Purpose::*;

impl Purpose {
    /// What a right is for; `own`: only in the release's namespace.
    pub(super) fn of(own: bool, resource: &str, verb: &str) -> Option<Self> {
        Some(match (own, resource, verb) {
            (false, "mailidentities", "list") => KnowsIdentities,
            (false, "mailidentities", "watch") => HearsOfIdentities,
            (false, "mailidentities/status", "patch") => WritesStatus,
            (false, "secrets", "get") => ReadsPasswords,
            (false, "secrets", "list") => KnowsSecrets,
            (false, "secrets", "watch") => HearsOfSecrets,
            (false, "secrets", "create") => Publishes,
            (false, "secrets", "patch") => PublishesAgain,
            (false, "pods", "list") => KnowsPods,
            (false, "pods", "watch") => HearsOfPods,
            (false, "events", "create") => WritesEvents,
            (false, "events", "patch") => CountsEvents,
            (false, "mutatingwebhookconfigurations", "list") => KnowsConfiguration,
            (false, "mutatingwebhookconfigurations", "watch") => HearsOfConfiguration,
            (false, "mutatingwebhookconfigurations", "patch") => WritesBundle,
            (true, "leases", "create") => Leads,
            (true, "leases", "get") => LooksAtLease,
            (true, "leases", "update") => TakesLeaseOver,
            (true, "deployments", "get") => IsOwner,
            (true, "secrets", "create") => MakesCertificate,
            (true, "secrets", "list") => KnowsCertificate,
            (true, "secrets", "watch") => HearsOfCertificate,
            (true, "secrets", "update") => ReplacesCertificate,
            _ => return None,
        })
    }

    /// Whether it is seen where an earlier operator left something only.
    pub(super) fn takes_over(self) -> bool {
        matches!(self, TakesLeaseOver | ReplacesCertificate)
    }

    /// Whether the refusal stands in the identity's conditions for people to read.
    pub(super) fn is_told_to_people(self) -> bool {
        matches!(self, ReadsPasswords | Publishes | PublishesAgain)
    }

    /// Whether the operator is refused from its start on, so that only a refusal after the change
    /// shows that the change was missed. (Of pods it asks again after a minute only.)
    pub(super) fn is_refused_again(self) -> bool {
        matches!(
            self,
            HearsOfIdentities
                | KnowsSecrets
                | HearsOfSecrets
                | HearsOfConfiguration
                | HearsOfCertificate
        )
    }

    /// What must be there before the release is installed.
    pub(super) async fn prepare(self, stage: &Stage<'_>) {
        let own = &stage.release.namespace;
        let params = PostParams::default();
        match self {
            HearsOfIdentities | HearsOfConfiguration | HearsOfCertificate => {}
            TakesLeaseOver => {
                let lease = json!({"metadata": {"name": stage.release.deployment()}});
                let lease = serde_json::from_value(lease).unwrap();
                let leases = api::<Lease>(&stage.client, own);
                leases.create(&params, &lease).await.unwrap();
            }
            ReplacesCertificate => {
                let secret = json!({"metadata": {"name": stage.release.webhook()}});
                let secret = serde_json::from_value(secret).unwrap();
                let secrets = api::<Secret>(&stage.client, own);
                secrets.create(&params, &secret).await.unwrap();
            }
            KnowsPods => {
                stage.declare("billing").await;
                // The policy of an earlier release may hold a moment longer.
                until("a pod is made", async || {
                    stage.make_pod("early").await.is_ok()
                })
                .await;
            }
            _ => stage.declare("billing").await,
        }
    }

    /// What changes while the operator runs.
    pub(super) async fn act(self, stage: &Stage<'_>, operator: &Operator) {
        match self {
            HearsOfIdentities => {
                is_ready(operator).await;
                stage.declare("late").await;
            }
            KnowsSecrets | HearsOfSecrets => {
                stage.until_ready("billing", PUBLISHED).await;
                is_quiet(operator).await;
                stage.put_password(&format!("{self:?}"), PASSWORD).await;
            }
            PublishesAgain => {
                stage.until_ready("billing", PUBLISHED).await;
                stage.put_identity("billing", "Other", false).await;
            }
            KnowsPods => {
                stage.until_ready("billing", PUBLISHED).await;
                look_again(stage).await;
            }
            HearsOfPods => {
                is_ready(operator).await;
                until("pods are known", async || {
                    !stage.identity("billing").await["status"]["pods"].is_null()
                })
                .await;
                until("a pod is made", async || {
                    stage.make_pod("late").await.is_ok()
                })
                .await;
                look_again(stage).await;
            }
            CountsEvents => {
                stage.until_ready("billing", PUBLISHED).await;
                for suspended in [true, false, true, false] {
                    stage.put_identity("billing", "Billing", suspended).await;
                    let ready = if suspended {
                        "True/Suspended"
                    } else {
                        PUBLISHED
                    };
                    stage.until_ready("billing", ready).await;
                }
            }
            HearsOfConfiguration => {
                is_ready(operator).await;
                stage.wipe_bundle().await;
            }
            HearsOfCertificate => {
                is_ready(operator).await;
                let secrets = api::<Secret>(&stage.client, &stage.release.namespace);
                let params = DeleteParams::default();
                let deleted = secrets.delete(&stage.release.webhook(), &params).await;
                deleted.unwrap();
            }
            IsOwner => is_ready(operator).await,
            _ => {}
        }
    }

    /// Whether the operator did what the right is for.
    pub(super) async fn is_served(self, stage: &Stage<'_>, operator: &Operator) -> bool {
        match self {
            KnowsIdentities | WritesStatus | ReadsPasswords => {
                condition(&stage.identity("billing").await, "Ready") == PUBLISHED
            }
            HearsOfIdentities => condition(&stage.identity("late").await, "Ready") == PUBLISHED,
            KnowsSecrets | HearsOfSecrets => {
                let secret = stage.secrets().get("zoho").await.unwrap();
                let status = &stage.identity("billing").await["status"];
                let seen = status["credential"]["secretResourceVersion"].as_str();
                seen == secret.metadata.resource_version.as_deref()
            }
            Publishes => stage.document().await["name"] == "billing",
            PublishesAgain => stage.document().await["addresses"]["displayName"] == "Other",
            KnowsPods => stage.identity("billing").await["status"]["pods"]["missing"] == 1,
            HearsOfPods => stage.identity("billing").await["status"]["pods"]["attached"] == 1,
            WritesEvents => !stage.events().await.is_empty(),
            CountsEvents => stage
                .events()
                .await
                .iter()
                .any(|event| event.series.is_some()),
            KnowsConfiguration | HearsOfConfiguration | WritesBundle => {
                !stage.bundle().await.is_empty()
            }
            Leads | LooksAtLease | TakesLeaseOver => {
                let metrics = operator.metrics().await.unwrap();
                metrics.value("zohorelay_operator_leader", &[]) > 0.0
            }
            IsOwner => {
                let deployment = stage.release.deployment();
                let certificate = stage.certificate().await.map(|it| it.metadata);
                let lease = stage.lease().await.map(|it| it.metadata);
                [certificate, lease].into_iter().all(|metadata| {
                    let owners = metadata.and_then(|it| it.owner_references);
                    let mut owners = owners.into_iter().flatten();
                    owners.any(|owner| owner.name == deployment)
                })
            }
            MakesCertificate | HearsOfCertificate | ReplacesCertificate => {
                let data = stage.certificate().await.and_then(|secret| secret.data);
                data.is_some_and(|data| data.contains_key("tls.crt"))
            }
            KnowsCertificate => operator.get("/ready").await.unwrap().0 == 200,
        }
    }
}

const PUBLISHED: &str = "True/Published";

async fn is_ready(operator: &Operator) {
    until("the operator is ready", async || {
        operator.get("/ready").await.unwrap().0 == 200
    })
    .await;
}

/// What was written of an identity comes back as a change of it: waits until that is over.
async fn is_quiet(operator: &Operator) {
    let (mut last, mut same) = (Value::Null, 0);
    until("the operator is quiet", async || {
        let metrics = operator.metrics().await.unwrap();
        let now = json!(metrics.value("zohorelay_operator_reconciles_total", &[]));
        same = if now == last { same + 1 } else { 0 };
        last = now;
        same > 5
    })
    .await;
}

/// Has the operator write the status once more.
async fn look_again(stage: &Stage<'_>) {
    let other = format!("Billing {}", fastrand::u32(..));
    stage.put_identity("billing", &other, false).await;
    stage.until_ready("billing", PUBLISHED).await;
}
