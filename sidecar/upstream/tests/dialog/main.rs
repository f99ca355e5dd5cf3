//! Deliveries to a server that is a script: in memory, over real TLS, under paused time.

// The tests' own helpers are no test functions to clippy.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod authority;
mod certificates;
mod content;
mod delivery;
mod hostile;
mod hostile_mail;
mod login;
mod pool;
mod script;
mod stalls;
mod world;
