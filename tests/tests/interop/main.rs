//! Mail through clients and servers, and the page in a browser, that nobody here wrote.
//!
//! - [`clients`]: seven clients send every form of mail through the sidecar to the simulator
//! - [`upstreams`]: Postfix and aiosmtpd take mail from the sidecar, and refuse it
//! - [`smuggling`]: what would be a second mail behind a lax server, in front of a real Postfix
//! - [`hold`]: fifty sidecars whose account is refused, with a clock that is played forward
//! - [`page`], [`operator_page`]: the pages of sidecar and operator in Chromium
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
mod browser;
mod certificate;
mod clients;
mod form;
mod hold;
mod operator_page;
mod page;
mod patience;
mod postfix;
mod smuggling;
mod upstreams;
