//! The Kubernetes API of zohorelay.
//!
//! - [`v1alpha1`]: `MailIdentity`, its status and its conditions
//! - [`keys`]: every name that the parts share: labels, annotations, container, volumes, ports
//! - [`manifest`]: the `CustomResourceDefinition` as YAML, as it stands in `crds/manifests/`

pub mod keys;
pub mod manifest;
pub mod v1alpha1;

pub use v1alpha1::{MailIdentity, MailIdentitySpec, MailIdentityStatus};
