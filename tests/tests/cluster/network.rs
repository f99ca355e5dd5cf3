//! Faults of the network between pod and Zoho, with real packets: what the app is told, what log and
//! metrics say, and that mail goes again by itself.
//!
//! Packets are dropped and refused on the node, those of one pod only. The kernels that this was written
//! on have no qdisc that delays (netem); delays are the simulator's.

mod egress;
pub(crate) mod filter;
mod half_open;
mod names;
mod scene;
