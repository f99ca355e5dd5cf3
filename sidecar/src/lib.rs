//! The sidecar: a local SMTP port that forwards to Zoho and says why a mail failed.
//!
//! The way of a mail: [`listen`] accepts the app, [`session`] speaks SMTP with it, [`relay`] takes
//! the mail from the app's dot through [`header`] and [`policy`], [`breaker`] and [`pace`] to the
//! upstream, [`answer`] turns the [`outcome`] into the app's reply. [`identity`] holds what belongs
//! to one `MailIdentity`, [`reload`] brings new documents, [`status`] and [`metrics`] show it all.
//!
//! [`doctor`] is a command of its own: it finds out why mail does not go.
//!
//! Promise: the app hears 2yz to its dot only after the upstream said so to ours.

pub mod answer;
pub mod args;
pub mod breaker;
pub mod calendar;
pub mod doctor;
pub mod egress;
#[cfg(test)]
mod fixtures;
pub mod hang_up;
pub mod header;
pub mod hold;
pub mod identity;
pub mod last_words;
pub mod listen;
pub mod metrics;
pub mod outcome;
pub mod pace;
pub mod policy;
pub mod receipt;
pub mod recent;
pub mod relay;
pub mod reload;
pub mod roster;
pub mod run;
pub mod session;
pub mod shutdown;
pub mod sidecar;
pub mod spool;
pub mod status;
pub mod tally;
pub mod wait;
