//! What the operator says of a `MailIdentity`.
#![expect(
    unreachable_pub,
    reason = "KubeSchema copies each struct with its public fields into a function"
)]
#![expect(
    clippy::doc_markdown,
    reason = "kubectl explain prints these comments as plain text"
)]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::condition;

/// What the operator saw and did. Never holds a secret, nor a hash of one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("default" = {"conditions": condition::pending()}))]
pub struct MailIdentityStatus {
    /// The generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,
    /// The server that takes the mails, as host:port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 260))]
    pub server: Option<String>,
    /// The published revision; it rises with every published change, that of the password included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub revision: Option<i64>,
    /// What is known of the credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<CredentialStatus>,
    /// The pods that ask for this identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pods: Option<PodCounts>,
    /// Why no pod sends for now, and the last request to go on all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<HoldStatus>,
    /// What became of the mails, as of a few minutes ago at most where nothing but numbers changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<DeliveryStatus>,
    /// When the newest ended container that was counted had ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_through: Option<Time>,
    /// Ready, CredentialsVerified, Published, RolledOut and Delivering; Reconciling and Stalled only while they
    /// are true. The message says what to do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "condition::list")]
    pub conditions: Vec<Condition>,
}

/// What is known of a credential.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CredentialStatus {
    /// When Zoho took the login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_at: Option<Time>,
    /// The resourceVersion of the Secret that is published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub secret_resource_version: Option<String>,
    /// The last refused login; it is not tried again until the credential or the server changes, or
    /// the annotation zohorelay.dev/release-hold asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<RefusedCredential>,
}

/// A login that Zoho refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefusedCredential {
    /// The resourceVersion of the Secret it came from.
    #[schemars(length(max = 64))]
    pub secret_resource_version: String,
    /// The generation of the spec it came from.
    #[schemars(range(min = 0))]
    pub generation: i64,
    /// When it was refused.
    pub at: Time,
    /// The reply code, for example 535.
    #[schemars(range(min = 0, max = 999))]
    pub code: i32,
}

/// Pods that ask for an identity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodCounts {
    /// Pods that have the sidecar.
    #[schemars(range(min = 0))]
    pub attached: i32,
    /// Pods that asked for the sidecar and do not have it.
    #[schemars(range(min = 0))]
    pub missing: i32,
    /// Pods whose sidecar is of another version than the operator.
    #[schemars(range(min = 0))]
    pub outdated: i32,
    /// Attached pods that report the published revision.
    #[schemars(range(min = 0))]
    pub current: i32,
}

/// A hold on all pods of an identity, and what was asked against one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct HoldStatus {
    /// When the hold ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
    /// The class of the failure that made it necessary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub reason: Option<String>,
    /// The last value of the annotation zohorelay.dev/release-hold that was acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub last_handled_release: Option<String>,
}

/// What became of the mails of an identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryStatus {
    /// When this was read. It is read anew when what fails changes, and else every few minutes.
    pub as_of: Time,
    /// Mails that the server took from pods that run, since each started.
    #[schemars(range(min = 0))]
    pub accepted: i64,
    /// Mails that failed in pods that run, since each started.
    #[schemars(range(min = 0))]
    pub failed: i64,
    /// When the server last took a mail, of pods that ended too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_success: Option<Time>,
    /// The newest failure of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<FailedMail>,
    /// The failures that need somebody now, the newest of each class, the gravest class first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub failing: Vec<FailedMail>,
}

/// A mail that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailedMail {
    /// The class of the failure, as in metrics.
    #[schemars(length(max = 64))]
    pub class: String,
    /// The step at the server at which it failed, if it got that far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub stage: Option<String>,
    /// The server's reply code, if there was a reply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 999))]
    pub code: Option<i32>,
    /// When.
    pub at: Time,
    /// The pod.
    #[schemars(length(max = 253))]
    pub pod: String,
}
