//! The simulator over real loopback sockets, seen by a client that knows nothing but bytes.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "the whole crate is a test, helpers too"
)]

mod api;
mod certificates;
mod client;
mod faults;
mod faults_before_tls;
mod mails;
mod session;
