//! What both binaries do alike.
//!
//! - [`telemetry`]: log lines, as JSON or for people
//! - [`signal`]: SIGTERM and SIGINT
//! - [`harden`](mod@harden): no core dumps, no ptrace
//! - [`admin`]: the HTTP listener for metrics and probes; [`client`] asks it
//! - [`listen`]: sockets that say what to do when they cannot be had; [`loopback`] for both families
//! - [`exit`]: exit codes

pub mod admin;
pub mod client;
pub mod exit;
pub mod harden;
pub mod listen;
pub mod loopback;
pub mod signal;
pub mod telemetry;
