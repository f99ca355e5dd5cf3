//! Mail end to end: real pods on a real node, with the chart installed by helm, and a simulated Zoho behind
//! Zoho's own host names. One judge says of every test that no mail was lost or doubled.
//!
//! - [`alerts`]: faults reach whoever is on call, through a real Prometheus and a real Alertmanager
//! - [`crowd`]: a cold start of the whole node (in `make release-check`)
//! - [`debug`]: what people look with when something is wrong, and that no password is to be seen
//! - [`faults`]: what fails around the sidecar: itself, the node, the operator, the API server
//! - [`ground`]: what the others stand on
//! - [`identities`]: they come, go, move and rest under pods that run
//! - [`network`]: faults of the network between pod and Zoho, with real packets
//! - [`node`]: the node itself is closed to others, and leaves nothing behind
//! - [`policy`]: the chart's network policy, enforced
//! - [`rotation`]: passwords change under load
//! - [`upgrade`]: from the version before, back again, and away (in `make release-check`)
//! - [`webhook`]: pods at the door, while nobody is there and when they are refused
//! - [`workloads`]: what sends mail, from its start to its end
//!
//! All share one cluster; each test has a namespace of its own. `make test-cluster` builds what is needed
//! and runs them; tests/cluster/README.md says what there is to write one with.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod alerts;
mod crowd;
mod debug;
mod docs;
mod faults;
mod ground;
mod identities;
mod network;
mod node;
mod policy;
mod rotation;
mod seen;
mod upgrade;
mod webhook;
mod workloads;
