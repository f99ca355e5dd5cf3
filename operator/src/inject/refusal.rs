//! Why a pod that asks for the sidecar cannot have it: the text that its owner reads.

use thiserror::Error;
use zohorelay_crds::keys;
use zohorelay_process::telemetry::TelemetryError;

use super::decide::{ANNOTATIONS, MAX_IDENTITIES, MAX_LOG_BYTES};
use super::pod::ShapeError;
use super::quantity::{Quantity, QuantityError};

/// Why a pod that asks for the sidecar cannot have it, with the remedy.
#[derive(Debug, Error)]
pub enum Refusal {
    /// A part of the pod is not what Kubernetes says it is.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// The label has a value that selects nothing.
    #[error(
        "label {label} is {0}: write \"true\" with the quotes, or take the label away",
        label = keys::INJECT
    )]
    Label(String),
    /// The label without the annotation.
    #[error(
        "label {label} asks for the sidecar, but no identity is named: add the annotation \
         {annotation} with the names of MailIdentity objects of this namespace, as in \
         {annotation}: billing",
        label = keys::INJECT,
        annotation = keys::IDENTITIES
    )]
    NoIdentities,
    /// A name that no `MailIdentity` can have.
    #[error(
        "annotation {annotation}: {0:?} is no name of an identity; write names of a-z, 0-9 and \
         inner hyphens, at most 63 characters, with commas between them",
        annotation = keys::IDENTITIES
    )]
    IdentityName(String),
    /// A name that stands there twice.
    #[error("annotation {annotation}: {0} stands there twice; name it once", annotation = keys::IDENTITIES)]
    IdentityTwice(String),
    /// More identities than a pod may have.
    #[error(
        "annotation {annotation}: {0} identities are more than a pod may have ({MAX_IDENTITIES}); \
         divide the work among pods",
        annotation = keys::IDENTITIES
    )]
    TooManyIdentities(usize),
    /// An annotation of ours that is none.
    #[error("annotation {0} is not known; known are {known}", known = ANNOTATIONS.join(", "))]
    UnknownAnnotation(String),
    /// The port is no port.
    #[error(
        "annotation {annotation}: {0:?} is no port; write a number from 1 to 65535",
        annotation = keys::PORT
    )]
    Port(String),
    /// The port is one that the sidecar has for something else.
    #[error(
        "annotation {annotation}: {0} is a port that the sidecar has for its metrics and status; \
         choose another",
        annotation = keys::PORT
    )]
    PortOfOurs(u16),
    /// A container of the pod has the port for mail.
    #[error(
        "port {port} is taken by container {container:?}: move the sidecar's with the annotation \
         {annotation}",
        annotation = keys::PORT
    )]
    PortTaken {
        /// The port.
        port: u16,
        /// Who has it.
        container: String,
    },
    /// A container of the pod has a port that the sidecar cannot leave.
    #[error(
        "port {port} is taken by container {container:?}, and the sidecar has its metrics and \
         status there: move the container's"
    )]
    FixedPortTaken {
        /// The port.
        port: u16,
        /// Who has it.
        container: String,
    },
    /// Neither true nor false.
    #[error(
        "annotation {annotation}: {value:?} is neither \"true\" nor \"false\"; write one of them"
    )]
    Flag {
        /// Which.
        annotation: &'static str,
        /// What it says.
        value: String,
    },
    /// The log filter is too long.
    #[error(
        "annotation {annotation}: {0} bytes are too long for a log filter; write at most \
         {MAX_LOG_BYTES}",
        annotation = keys::LOG
    )]
    LogTooLong(usize),
    /// The log filter cannot be read.
    #[error("annotation {annotation}: {0}", annotation = keys::LOG)]
    Log(TelemetryError),
    /// An amount cannot be read.
    #[error("annotation {annotation}: {problem}")]
    Quantity {
        /// Which.
        annotation: &'static str,
        /// Why not.
        problem: QuantityError,
    },
    /// The sidecar would not start with so little.
    #[error("annotation {annotation}: {value} is too little; write at least {least}")]
    TooLittle {
        /// Which.
        annotation: &'static str,
        /// What it says.
        value: Quantity,
        /// What it must be at least.
        least: &'static str,
    },
    /// A request above its limit.
    #[error(
        "annotation {annotation}: {request} is more than the limit of {limit}; lower it or raise \
         the limit"
    )]
    AboveLimit {
        /// Which has the request.
        annotation: &'static str,
        /// The request.
        request: Quantity,
        /// The limit.
        limit: Quantity,
    },
    /// Loopback is the node's.
    #[error(
        "hostNetwork is true, so 127.0.0.1 is the node's and whoever is on the node could send \
         mail: take hostNetwork away, or send from a pod without it"
    )]
    HostNetwork,
    /// The image is for Linux.
    #[error("the pod is for Windows and the sidecar runs on Linux: send from a Linux pod")]
    Windows,
    /// Somebody else's container has our name.
    #[error(
        "spec.{0} has a container named {name} that was not injected: rename it, or take the label \
         {label} away",
        name = keys::CONTAINER,
        label = keys::INJECT
    )]
    ContainerTaken(&'static str),
    /// Somebody else's volume has our name.
    #[error("spec.volumes has {0}, a name that the sidecar's volume needs: rename it")]
    VolumeTaken(String),
}
