//! What both binaries do alike.
//!
//! - [`telemetry`]: log lines, as JSON or for people
//! - [`signal`]: SIGTERM and SIGINT
//! - [`harden`](mod@harden): no core dumps, no ptrace
//! - [`admin`]: the HTTP listener for metrics and probes; [`client`] asks it
//! - [`page`]: what the pages for people share
//! - [`listen`]: sockets that say what to do when they cannot be had; [`loopback`] for both families
//! - [`cli`]: the command line; [`exit`]: exit codes; [`Refusal`]: why a program does not run
//! - [`checkup`]: what a doctor found, for people and for programs
//! - [`chain()`]: an error with its causes, in one line

pub mod admin;
mod chain;
pub mod checkup;
pub mod cli;
pub mod client;
pub mod exit;
pub mod harden;
pub mod listen;
pub mod loopback;
pub mod page;
mod refusal;
pub mod signal;
pub mod telemetry;

pub use chain::chain;
pub use refusal::Refusal;
