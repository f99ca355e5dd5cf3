//! Version `v1alpha1`.

pub mod choice;
pub mod condition;
pub mod duration;
pub mod mail_identity;
mod rule;
pub mod size;
pub mod status;

pub use choice::{
    AccountType, DataCenter, ForeignFrom, LineEndings, Security, Service, UnknownOutcome,
    Verification,
};
pub use condition::{ConditionType, Reason};
pub use duration::{DurationError, Seconds};
pub use mail_identity::{
    Credentials, Delivery, Limits, MailIdentity, MailIdentitySpec, SecretKeyRef, SenderPolicy,
    Server, Zoho,
};
pub use size::{Size, SizeError};
pub use status::{
    CredentialStatus, DeliveryStatus, FailedMail, HoldStatus, MailIdentityStatus, PodCounts,
    RefusedCredential,
};
