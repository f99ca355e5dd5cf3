//! The operator under faults: rows O of docs/proof.md. Each test asks for the same three things: what
//! was declared is reached, no login is made twice, no published document is lost. That no password is
//! logged is asked for by each world when it goes.
//!
//! - [`scene`]: an operator behind a proxy that misbehaves
//! - [`kill`]: killed before and after each of its writes
//! - [`api_server`]: the API server, or the definition, is away for a while
//! - [`rights`]: a right is missing in one namespace
//! - [`missed`]: events that never come, and lists that are old
//! - [`leaders`]: a leader that loses its lease at a bad time
//! - [`many`]: a start with many identities
//! - [`watches`]: watches that end badly
//! - [`refused`]: requests that are refused, broken or slow
//! - [`gone`]: what is deleted while it is worked on

mod api_server;
mod gone;
mod kill;
mod leaders;
mod many;
mod missed;
mod refused;
mod rights;
mod scene;
mod watches;
