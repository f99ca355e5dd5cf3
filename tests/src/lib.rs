//! Actors and the judge for suites that run real processes with real TLS.
//!
//! - [`sidecar`]: a `zohorelay-sidecar` process with its folders, documents and metrics
//! - [`document`]: documents as an operator renders them
//! - [`app`]: an SMTP client that says exactly what it is told, for what no library would send
//! - [`metrics`]: the text of `/metrics`, read
//! - [`ledger`]: what apps were told against what the upstream took

#![allow(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

pub mod app;
pub mod document;
pub mod ledger;
pub mod metrics;
pub mod sidecar;
