//! Version `v1alpha1`.

pub mod condition;
pub mod duration;
pub mod mail_identity;
pub mod size;
pub mod status;

pub use condition::{ConditionType, Reason};
pub use duration::{DurationError, Seconds};
pub use mail_identity::{
    AccountType, Credentials, DataCenter, Delivery, ForeignFrom, Limits, LineEndings, MailIdentity,
    MailIdentitySpec, SecretKeyRef, Security, SenderPolicy, Server, Service, UnknownOutcome,
    Verification, Zoho,
};
pub use size::{Size, SizeError};
pub use status::{CredentialStatus, HoldStatus, MailIdentityStatus, PodCounts, RefusedCredential};
