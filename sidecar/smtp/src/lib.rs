//! The receiving side of SMTP (RFC 5321), without I/O.
//!
//! Bytes go in, events and bytes come out; sockets, clocks and files belong to the caller. Every
//! decision about framing stands here, so that no caller ever looks for a line end itself.

pub mod address;
pub mod data;
pub mod reply;
pub mod session;

mod auth;
mod base64;
mod command;
mod line;
mod scan;
mod wiped;
