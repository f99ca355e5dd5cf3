//! Types and reasons of conditions, as closed sets.

use std::fmt;

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

/// Type of a condition of a `MailIdentity`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ConditionType {
    /// Pods that are attached can send, or would if they were not suspended.
    Ready,
    /// Zoho took the login.
    CredentialsVerified,
    /// The document of this spec and this Secret is published.
    Published,
    /// Every attached pod reports the published revision.
    RolledOut,
    /// Mails are taken. Ready does not rest on it.
    Delivering,
    /// Abnormal-true (kstatus): the operator goes on by itself.
    Reconciling,
    /// Abnormal-true (kstatus): nothing changes until a person changes something.
    Stalled,
}

impl ConditionType {
    /// Every type, in the order in which they are written.
    pub const ALL: [Self; 7] = [
        Self::Ready,
        Self::CredentialsVerified,
        Self::Published,
        Self::RolledOut,
        Self::Delivering,
        Self::Reconciling,
        Self::Stalled,
    ];

    /// The name in the object.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::CredentialsVerified => "CredentialsVerified",
            Self::Published => "Published",
            Self::RolledOut => "RolledOut",
            Self::Delivering => "Delivering",
            Self::Reconciling => "Reconciling",
            Self::Stalled => "Stalled",
        }
    }
}

impl fmt::Display for ConditionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Reason of a condition, of an event and of the log line beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// Nothing was looked at yet.
    Pending,
    /// The document of this spec and this Secret is published.
    Published,
    /// Published, but no login told yet whether the credential is right.
    PublishedUnverified,
    /// `spec.suspend` is set.
    Suspended,
    /// Zoho took the login.
    LoginAccepted,
    /// A login waits for its turn or is under way.
    Verifying,
    /// Zoho cannot be reached, or gave no verdict.
    UpstreamUnreachable,
    /// Zoho refused the login.
    LoginRefused,
    /// Zoho blocked the account.
    AccountBlocked,
    /// The Secret of `passwordSecretRef` is not there.
    SecretNotFound,
    /// The Secret has no such key.
    SecretKeyNotFound,
    /// The password is empty, not UTF-8, too long, or has a control character.
    SecretInvalid,
    /// The spec cannot be used, for a reason that only the operator can see.
    InvalidSpec,
    /// `server.host` is not Zoho's and not allowed.
    HostNotAllowed,
    /// A Secret of the rendered name belongs to somebody else.
    NameTaken,
    /// The operator may not do what it must in this namespace.
    Forbidden,
    /// The API server refused a write or cannot be reached.
    ApiError,
    /// Every attached pod has the published revision.
    AllPodsCurrent,
    /// No pod is attached.
    NoPods,
    /// Some pods have an older revision.
    PodsOutdated,
    /// Some pods do not answer.
    PodsUnreachable,
    /// Pods asked for the sidecar and did not get it.
    SidecarMissing,
    /// Mails are taken.
    Delivering,
    /// No mail was taken yet, and none failed in a way that needs somebody.
    NoMail,
    /// Some pods do not answer, so that nobody knows.
    SidecarsUnreachable,
    /// A sidecar's login was refused.
    AuthFailed,
    /// Zoho says: too many mails in too short a time.
    RateLimited,
    /// Mails are held back without a try.
    Held,
    /// Pods try again after a hold.
    HoldEnded,
    /// No trustworthy TLS to the server.
    Tls,
    /// Zoho does not let the mailbox send as that address.
    RelayDenied,
    /// An application sends as an address that is not the identity's.
    SenderRefused,
    /// No connection to the server.
    Connect,
    /// The server does not answer in time.
    Timeout,
    /// A sidecar has no document of the identity.
    NotConfigured,
    /// What answers is no mail server.
    Protocol,
    /// Refused for a reason that no table knows.
    Unclassified,
    /// The server's last replies are lost.
    UnknownOutcome,
    /// The server asks to try again later.
    Transient,
    /// No free connection, or no room for long mails.
    Busy,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 40] = [
        Self::Pending,
        Self::Published,
        Self::PublishedUnverified,
        Self::Suspended,
        Self::LoginAccepted,
        Self::Verifying,
        Self::UpstreamUnreachable,
        Self::LoginRefused,
        Self::AccountBlocked,
        Self::SecretNotFound,
        Self::SecretKeyNotFound,
        Self::SecretInvalid,
        Self::InvalidSpec,
        Self::HostNotAllowed,
        Self::NameTaken,
        Self::Forbidden,
        Self::ApiError,
        Self::AllPodsCurrent,
        Self::NoPods,
        Self::PodsOutdated,
        Self::PodsUnreachable,
        Self::SidecarMissing,
        Self::Delivering,
        Self::NoMail,
        Self::SidecarsUnreachable,
        Self::AuthFailed,
        Self::RateLimited,
        Self::Held,
        Self::HoldEnded,
        Self::Tls,
        Self::RelayDenied,
        Self::SenderRefused,
        Self::Connect,
        Self::Timeout,
        Self::NotConfigured,
        Self::Protocol,
        Self::Unclassified,
        Self::UnknownOutcome,
        Self::Transient,
        Self::Busy,
    ];

    /// The name in the object: CamelCase, as Kubernetes asks for.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Published => "Published",
            Self::PublishedUnverified => "PublishedUnverified",
            Self::Suspended => "Suspended",
            Self::LoginAccepted => "LoginAccepted",
            Self::Verifying => "Verifying",
            Self::UpstreamUnreachable => "UpstreamUnreachable",
            Self::LoginRefused => "LoginRefused",
            Self::AccountBlocked => "AccountBlocked",
            Self::SecretNotFound => "SecretNotFound",
            Self::SecretKeyNotFound => "SecretKeyNotFound",
            Self::SecretInvalid => "SecretInvalid",
            Self::InvalidSpec => "InvalidSpec",
            Self::HostNotAllowed => "HostNotAllowed",
            Self::NameTaken => "NameTaken",
            Self::Forbidden => "Forbidden",
            Self::ApiError => "ApiError",
            Self::AllPodsCurrent => "AllPodsCurrent",
            Self::NoPods => "NoPods",
            Self::PodsOutdated => "PodsOutdated",
            Self::PodsUnreachable => "PodsUnreachable",
            Self::SidecarMissing => "SidecarMissing",
            Self::Delivering => "Delivering",
            Self::NoMail => "NoMail",
            Self::SidecarsUnreachable => "SidecarsUnreachable",
            Self::AuthFailed => "AuthFailed",
            Self::RateLimited => "RateLimited",
            Self::Held => "Held",
            Self::HoldEnded => "HoldEnded",
            Self::Tls => "Tls",
            Self::RelayDenied => "RelayDenied",
            Self::SenderRefused => "SenderRefused",
            Self::Connect => "Connect",
            Self::Timeout => "Timeout",
            Self::NotConfigured => "NotConfigured",
            Self::Protocol => "Protocol",
            Self::Unclassified => "Unclassified",
            Self::UnknownOutcome => "UnknownOutcome",
            Self::Transient => "Transient",
            Self::Busy => "Busy",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The conditions of an object that nobody looked at yet, so that nobody takes it for done.
pub(super) fn pending() -> Value {
    json!([{
        "type": ConditionType::Ready.as_str(),
        "status": "Unknown",
        "reason": Reason::Pending.as_str(),
        "message": "waiting for the operator",
        "lastTransitionTime": "1970-01-01T00:00:00Z"
    }])
}

/// The list of conditions, with the bounds of Kubernetes' own `metav1.Condition`.
pub(super) fn list(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 16,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "default": pending(),
        "items": {
            "type": "object",
            "description": "One aspect of the identity's state.",
            "required": ["type", "status", "reason", "message", "lastTransitionTime"],
            "properties": {
                "type": {
                    "type": "string",
                    "description": "The aspect, for example Ready.",
                    "minLength": 1,
                    "maxLength": 316
                },
                "status": {
                    "type": "string",
                    "description": "True, False or Unknown.",
                    "enum": ["True", "False", "Unknown"]
                },
                "reason": {
                    "type": "string",
                    "description": "Why, in one word for programs.",
                    "minLength": 1,
                    "maxLength": 1024,
                    "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"
                },
                "message": {
                    "type": "string",
                    "description": "Why, and what to do, in words for people.",
                    "maxLength": 32768
                },
                "lastTransitionTime": {
                    "type": "string",
                    "format": "date-time",
                    "description": "When status last changed."
                },
                "observedGeneration": {
                    "type": "integer",
                    "format": "int64",
                    "minimum": 0,
                    "description": "The generation of the spec that the condition is about."
                }
            }
        }
    })
}
