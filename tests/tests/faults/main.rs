//! Every fault of the upstream at every stage, end to end: real processes, real TLS, one ledger.
//!
//! - `table` and `fresh`: on a fresh connection, stage by stage (`docs/proof.md` U1 to U17)
//! - `legal`: what looks odd and is no fault
//! - `warm`: on a connection that has carried a mail (`docs/proof.md` U14 to U16)
//! - `unknown`: the reply to our dot is lost, late or broken, for both settings of `unknownOutcome`
//! - `recipients`: some of several recipients are refused
//! - `app_gone`: the app leaves before and after our dot
//! - `shutdown`: SIGTERM with a mail at each stage
//! - `kill`: SIGKILL at any moment under load
//!
//! A fault is a row of a table and no code of its own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::float_cmp,
    reason = "a test"
)]

mod app_gone;
mod fresh;
mod kill;
mod legal;
mod recipients;
mod row;
mod shutdown;
mod table;
mod unknown;
mod warm;
mod world;
