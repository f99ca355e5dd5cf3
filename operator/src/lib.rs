//! The operator, as a library for its program and its tests.
//!
//! - [`args`] and [`run`](mod@run): the command line, and what starts and ends with the process
//! - [`identity`]: the controller of `MailIdentity`
//! - [`host`]: which servers are Zoho's, and which others are allowed
//! - [`page`]: all identities for the eyes of whoever looks after them
//! - [`pods`]: which pods ask for which identity, and what they report
//! - [`inject`]: pod admission, review in, review out; [`webhook`] serves it
//! - [`render`]: the documents without a cluster
//! - [`doctor`]: what is wrong, in plain words, from a person's machine
//! - [`leadership`], [`scope`], [`metrics`]: what these share

pub mod args;
pub mod backoff;
pub mod doctor;
pub mod host;
pub mod identity;
pub mod inject;
pub mod leadership;
pub mod lease;
pub mod metrics;
pub mod page;
pub mod pods;
pub mod render;
pub mod run;
pub mod scope;
pub mod webhook;
