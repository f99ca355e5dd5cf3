//! Actors and the judge for suites that run real processes with real TLS.
//!
//! - [`sidecar`]: a `zohorelay-sidecar` process with its folders, documents and metrics
//! - [`operator`]: a `zohorelay-operator` process at a control plane
//! - [`objects`]: namespaces, YAML applied, and waiting for an object by watching it
//! - [`webhook`]: the webhook of a chart, registered on loopback
//! - [`judge`]: what kstatus and Argo CD make of an object
//! - [`document`]: documents as an operator renders them
//! - [`dashboard`]: the queries of the Grafana dashboard
//! - [`app`]: an SMTP client that says exactly what it is told, for what no library would send
//! - [`ground`]: a cluster with real pods for the end-to-end suite
//! - [`kubelet`]: the volume of an identity as the kubelet writes it
//! - [`memory`]: how much memory a process has
//! - [`program`]: any process with a log
//! - [`metrics`]: the text of `/metrics`, read
//! - [`ledger`]: what apps were told against what the upstream took
//! - [`tap`]: what a client put on the wire, kept

#![allow(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

pub mod app;
pub mod dashboard;
pub mod document;
pub mod ground;
pub mod judge;
pub mod kubelet;
pub mod ledger;
pub mod memory;
pub mod metrics;
pub mod objects;
pub mod operator;
pub mod program;
pub mod release;
pub mod sidecar;
pub mod tap;
pub mod webhook;
