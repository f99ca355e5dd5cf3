//! A real Kubernetes for tests: etcd, API server and controllers as plain processes on loopback, without
//! root, containers or downloads; and with root, a node with real pods.
//!
//! - [`binaries`]: the programs, found or built once from Go modules
//! - [`control_plane`]: starts them and says how to reach them
//! - [`node`]: a node with real pods beside it, in namespaces of its own
//! - [`proxy`]: stands before the API server and makes it misbehave
//!
//! Most tests want [`shared`] and a namespace of their own.

#![allow(clippy::missing_panics_doc, clippy::unwrap_used, clippy::expect_used)]

pub mod binaries;
pub mod control_plane;
pub mod node;
pub mod proxy;

use tokio::sync::OnceCell;

pub use crate::control_plane::{Access, Options, Running, StartError};
pub use crate::node::{Node, NodeOptions};
pub use crate::proxy::{Fault, FaultProxy};

/// The control plane that all tests of one program share: started by the first that asks, ended with
/// the program. A test that stops the API server or changes flags starts its own.
pub async fn shared() -> Result<&'static Running, StartError> {
    static SHARED: OnceCell<Running> = OnceCell::const_new();
    SHARED
        .get_or_try_init(|| Running::start(Options::default()))
        .await
}
