//! The chart's rights with the real operator: as its service account, with the Deployment's arguments,
//! under the chart's admission policies.
//!
//! - [`stage`]: a release, an operator of it, and a namespace with an identity and pods
//! - [`life`]: everything works in both scopes, and nothing is ever refused
//! - [`secrets`]: the policy on the operator's Secrets, over the whole life of one
//! - [`purpose`]: what each right is for, and how one sees that it is missing
//! - [`each`]: no right is spare
//! - [`missing`]: a namespace without its role leaves the others alone
//! - [`replica`]: a container that is restarted has its Lease back at once

mod each;
mod life;
mod missing;
mod purpose;
mod replica;
mod secrets;
mod stage;
