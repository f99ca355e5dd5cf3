//! What `make bench-operator` measures the operator with, at a real control plane.
//!
//! - [`scale`]: how much there is
//! - [`world`]: control plane, simulated Zoho, and how the operator is started
//! - [`identities`], [`pods`], [`sidecars`]: what there is
//! - [`audit`]: what the operator asks of the API server
//! - [`cores`]: which core runs what
//! - [`admission`]: calls of the webhook
//! - [`stretch`]: what a part of the work takes
//! - [`story`]: all of it, in order
//!
//! `docs/bench.md` says what is measured and how.

pub mod admission;
pub mod audit;
pub mod cores;
pub mod identities;
pub mod pods;
pub mod scale;
pub mod sidecars;
pub mod story;
pub mod stretch;
pub mod world;
