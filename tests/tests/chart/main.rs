//! The chart: what it renders, what it refuses, and what a real API server says to it.
//!
//! - [`templates`]: facts of what is rendered, variant by variant
//! - [`webhook`]: what the webhook and the policy behind it mean, and who certifies it
//! - [`values`]: wrong values are refused with their path; the reference lists every value
//! - [`rights`]: the operator's rights, and the page that explains each
//! - [`alerts`]: the rules ask for series that there are, and promtool plays them
//! - [`dashboard`]: the same of Grafana's dashboard, and what its queries say of pods that end, restart or are new
//! - [`dry_run`]: the API server takes every object of every variant
//! - [`policies`]: both admission policies, at work
//! - [`lifecycle`]: install, upgrade, uninstall, and what stays
//! - [`leavings`]: what a real operator leaves, and what helm's notes say, typed
//!
//! Needs helm and a control plane, which `make test-api` builds; never a mock of either. And promtool, which it fetches.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

mod alerts;
mod cluster;
mod dashboard;
mod dry_run;
mod helm;
mod leavings;
mod lifecycle;
mod objects;
mod policies;
mod rights;
mod templates;
mod values;
mod variants;
mod webhook;
