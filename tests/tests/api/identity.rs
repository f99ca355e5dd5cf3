//! The life of a `MailIdentity` at a real API server, with a real operator and a simulated Zoho.
//!
//! - [`world`]: what each test has: a namespace, an operator that looks after it, a Zoho
//! - [`life`]: from creation to deletion, and what a sidecar makes of the document
//! - [`secret`]: what may be wrong with the Secret, and what is said then
//! - [`rotation`]: a changed password, right or wrong, and restarts in between
//! - [`upstream`]: servers that are not allowed, or not there
//! - [`names`]: Secrets of others under the name that the operator writes to
//! - [`admission`]: what the API server refuses by itself, and what it fills in
//! - [`malformed`]: what got past it
//! - [`events`]: what is told, and that no secret is
//! - [`kubectl`], [`health`]: how people, Flux and Argo CD see it

mod admission;
mod events;
mod health;
pub(crate) mod kubectl;
mod life;
mod malformed;
mod names;
mod rotation;
mod secret;
mod upstream;
pub(crate) mod world;
