//! What the doctor looks at: all that was read, as values. No field holds a Secret's content.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhook;
use k8s_openapi::api::core::v1::{Pod, PodTemplateSpec};
use zohorelay_crds::MailIdentity;

use super::rights::Asked;
use crate::pods::summary::Report;

/// What is asked about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// The namespace of identities and pods.
    pub namespace: String,
    /// One identity; none: all of the namespace.
    pub identity: Option<String>,
    /// One pod; none: all of the namespace.
    pub pod: Option<String>,
}

/// All that was read.
#[derive(Clone, Debug)]
pub struct Scene {
    /// When.
    pub now: Timestamp,
    /// What is asked about.
    pub subject: Subject,
    /// The API server's version.
    pub server: Asked<String>,
    /// The versions of `zohorelay.dev` that are served; empty: there is no definition.
    pub served: Asked<Vec<String>>,
    /// The operator's own namespace.
    pub operator_namespace: String,
    /// Who leads; none: there is no such Lease.
    pub lease: Asked<Option<LeaseSeen>>,
    /// The operator's Deployment; none: there is none of that name.
    pub deployment: Asked<Option<DeploymentSeen>>,
    /// Our webhook in each configuration that has it.
    pub hooks: Asked<Vec<Hook>>,
    /// Ready addresses behind the webhook's Service; none: it has no Service.
    pub endpoints: Option<Asked<usize>>,
    /// What the webhook shows to somebody who trusts its caBundle; none: it was not asked.
    pub handshake: Option<Handshake>,
    /// The labels of the namespace; none: there is no such namespace.
    pub labels: Asked<Option<BTreeMap<String, String>>>,
    /// The identities of the namespace.
    pub identities: Asked<Vec<MailIdentity>>,
    /// What is known of Secrets, by name; none: it is not there.
    pub secrets: BTreeMap<String, Asked<Option<SecretSeen>>>,
    /// The pods of the namespace.
    pub pods: Asked<Vec<Pod>>,
    /// What makes pods, one answer for each kind.
    pub workloads: Vec<Asked<Vec<Workload>>>,
    /// Pods that were refused, as events tell.
    pub refused: Asked<Vec<Refused>>,
    /// What sidecars say of themselves, by pod.
    pub told: BTreeMap<String, Result<Vec<Report>, String>>,
    /// Events on the identity that is asked about.
    pub events: Vec<String>,
}

/// The operator's Lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseSeen {
    /// Its name.
    pub name: String,
    /// Who holds it, if anybody does.
    pub holder: Option<String>,
    /// Whether it was renewed within its duration, or changed while it was looked at.
    pub is_fresh: bool,
    /// When its holder says that it renewed it.
    pub renewed: Option<Timestamp>,
}

/// The operator's Deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeploymentSeen {
    /// Its name.
    pub name: String,
    /// Replicas that are asked for.
    pub wanted: i32,
    /// Replicas that are ready.
    pub ready: i32,
    /// The version that the chart says it is of.
    pub version: Option<String>,
}

/// Our webhook in one `MutatingWebhookConfiguration`.
#[derive(Clone, Debug)]
pub struct Hook {
    /// Name of the configuration.
    pub configuration: String,
    /// When the configuration was made.
    pub created: Option<Timestamp>,
    /// The entry.
    pub webhook: MutatingWebhook,
}

/// What came of calling the webhook as the API server does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Handshake {
    /// Its certificate is of the CA in the caBundle.
    Trusted,
    /// It is not, or the name does not fit, or it ended: in the words of the verifier.
    Refused(String),
    /// Nobody answers.
    Unreachable(String),
}

/// What is known of a Secret without its content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretSeen {
    /// The keys that those who wrote it say they set; empty where they do not tell.
    pub keys: Vec<String>,
}

/// Something that makes pods.
#[derive(Clone, Debug)]
pub struct Workload {
    /// As in `Deployment`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Labels of the object itself.
    pub labels: BTreeMap<String, String>,
    /// Annotations of the object itself.
    pub annotations: BTreeMap<String, String>,
    /// What its pods are made from.
    pub template: PodTemplateSpec,
    /// Where that stands in the object.
    pub path: &'static str,
}

/// A pod that was not made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Kind of who wanted to make it.
    pub kind: String,
    /// Name of who wanted to make it.
    pub name: String,
    /// Uid of who wanted to make it.
    pub uid: String,
    /// What the API server said.
    pub message: String,
}
