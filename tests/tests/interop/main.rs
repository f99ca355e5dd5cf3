//! Mail through clients and servers that nobody here wrote.
//!
//! - [`clients`]: seven clients send every form of mail through the sidecar to the simulator
//! - [`upstreams`]: Postfix and aiosmtpd take mail from the sidecar, and refuse it
//! - [`smuggling`]: what would be a second mail behind a lax server, in front of a real Postfix
//!
//! `tests/interop/install.sh` gets the programs. Where one is missing its tests say "left out", and
//! with `CI=true` they fail.

#![allow(
    clippy::expect_used,
    clippy::float_cmp, // metrics count
    clippy::panic,
    clippy::unwrap_used
)]

mod aiosmtpd;
mod arrived;
mod available;
mod certificate;
mod clients;
mod form;
mod patience;
mod postfix;
mod smuggling;
mod upstreams;
