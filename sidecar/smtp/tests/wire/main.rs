//! Whole sessions against the rows of docs/proof.md.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod authentication;
mod commands;
mod driver;
mod framing;
mod model;
