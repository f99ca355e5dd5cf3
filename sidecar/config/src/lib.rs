//! The document between operator and sidecar: one JSON object an identity, which holds its
//! configuration and its credential.
//!
//! - [`document`]: the types, with their defaults
//! - [`bounds`]: what values a field may take, as constants
//! - [`error`]: what is wrong with a document, by JSON path, never quoting a value of it
//! - [`file`](mod@file): reading a document from disk into a buffer that is wiped
//! - [`password`]: a secret that is wiped and never printed
//!
//! [`Document::load`] reads and checks, [`Document::to_json`] checks and renders; every field is
//! described in `docs/reference/document.md`.

pub mod bounds;
mod check;
mod convert;
pub mod document;
pub mod error;
pub mod file;
mod load;
mod parse;
pub mod password;
mod wire;

pub use check::is_dns_label;
pub use document::{
    Addresses, Delivery, Document, ForeignFrom, Hold, HoldReason, Limits, LineEndings, Loaded,
    Login, Security, SenderPolicy, Service, UnknownOutcome, Upstream,
};
pub use error::DocumentError;
pub use file::ReadError;
pub use password::Password;
