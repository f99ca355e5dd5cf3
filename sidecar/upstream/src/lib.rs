//! A greeted, secured, authenticated connection to Zoho, and what its replies mean.
//!
//! - [`target`]: one identity's server and login; [`verify`](mod@verify) tries them once
//! - [`examine`](mod@examine): a look at a server without a login, for `doctor`
//! - [`pool`]: delivers mails over the connections of one target
//! - [`submission`]: one mail, and how far it got
//! - [`failure`]: what went wrong, where; [`classify`](mod@classify) reads refusals
//! - [`resolve`] and [`dial`]: names to addresses to streams
//! - [`deadline`]: how long each step may take; [`nearness`]: when not to fall asleep over it
//!
//! A mail is told delivered by exactly one thing, the server's 2yz to our dot, and every step on the
//! way there expects a server that lies, stalls or hangs up.

mod auth;
mod capabilities;
pub mod classify;
mod connection;
pub mod deadline;
pub mod dial;
pub mod examine;
pub mod failure;
mod fault;
mod login;
pub mod nearness;
mod open;
pub mod pool;
pub mod resolve;
mod slots;
mod starttls;
pub mod submission;
mod tap;
pub mod target;
mod tls;
mod transport;
mod upload;
pub mod verify;

pub use failure::{Class, Failure, Stage};
pub use pool::{Login, LoginGate, Pool};
pub use resolve::Resolver;
pub use submission::{Progress, Submission};
pub use target::{Target, TargetError, system_roots};
pub use tls::TrustError;
pub use verify::verify;
