//! A Zoho that behaves as Zoho does, with faults on demand, for tests and CI.
//!
//! [`Simulator::start`] listens on an implicit-TLS port and a STARTTLS port, speaks Zoho's
//! dialogue (`docs/zoho.md session`), judges mails as Zoho does, and keeps all that it saw:
//! mails with their bytes as they came on the wire, logins, and a transcript of each connection.
//! A [`Fault`] makes it misbehave at one stage. It shares no code with the programs it judges.
//!
//! Nothing depends on the wall clock: time is what [`Running::advance`] says plus tokio's own.

mod account;
mod accounts;
mod action;
mod api;
mod clock;
mod command;
mod content;
mod delivery;
mod dialogue;
mod fault;
mod from_check;
mod hosts;
mod login;
mod options;
mod perform;
mod policy;
mod running;
mod session;
mod store;
mod texts;
mod tls;
mod wire;
mod world;

pub use account::{Account, AccountUpdate, Block, BlockChange, LoginCounts, Plan, Refusal};
pub use action::{Action, EndlessReply, Raw, Then};
pub use fault::{ArmedFault, Fault, FaultError, Stage};
pub use hosts::{DataCentre, PUBLISHED_HOSTS};
pub use options::{Options, Wording};
pub use policy::MessagePolicy;
pub use running::{Running, Simulator, StartError};
pub use store::{ConnectionRecord, ContentDefects, Mail, Port};
pub use tls::{Certificate, CertificateError};
