//! What the operator says of a `MailIdentity`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// What the operator saw and did. Never holds a secret, nor a hash of one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct MailIdentityStatus {
    /// The generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The server that takes the mails, as host:port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 260))]
    pub server: Option<String>,
    /// The published revision; it rises with every published change, that of the password included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
    /// What is known of the credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<CredentialStatus>,
    /// The pods that ask for this identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pods: Option<PodCounts>,
    /// Why no pod sends for now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<HoldStatus>,
    /// When the newest ended container was counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_through: Option<Time>,
    /// Ready, CredentialsVerified, Published and RolledOut; Reconciling and Stalled only while they
    /// are true. The message says what to do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        extend(
            "x-kubernetes-list-type" = "map",
            "x-kubernetes-list-map-keys" = ["type"],
            "default" = [{
                "type": "Ready", "status": "Unknown", "reason": "Pending",
                "message": "waiting for the operator", "lastTransitionTime": "1970-01-01T00:00:00Z"
            }]
        )
    )]
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
    /// The last refused login; it is not tried again until the credential or the server changes.
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
    pub generation: i64,
    /// When it was refused.
    pub at: Time,
    /// The reply code, for example 535.
    pub code: i32,
}

/// Pods that ask for an identity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodCounts {
    /// Pods that have the sidecar.
    pub attached: i32,
    /// Pods that asked for the sidecar and do not have it.
    pub missing: i32,
    /// Pods whose sidecar is of another version than the operator.
    pub outdated: i32,
    /// Attached pods that report the published revision.
    pub current: i32,
}

/// A hold on all pods of an identity.
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
    /// The last value of the release annotation that was acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub last_handled_release: Option<String>,
}
