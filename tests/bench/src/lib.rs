//! Load and sink for `make bench`, with TLS and AUTH.
//!
//! The sidecar is measured from outside, side by side with sending straight to the sink. Load and
//! sink share one thread and one epoll instance ([`reactor`]), so that both together leave most of
//! their core idle while the sidecar fills its own: only then is the rate the sidecar's.
//!
//! ```text
//!   core 1: load ──plain TCP──▶ core 0: sidecar ──TLS──▶ core 1: sink
//!   core 1: load ───────────────TLS────────────────────▶ core 1: sink
//! ```
//!
//! `docs/bench.md` says what is measured and how.

pub mod cells;
pub mod certificate;
pub mod cores;
pub mod elf;
pub mod load;
pub mod mail;
pub mod percentile;
pub mod procfs;
pub mod reactor;
pub mod report;
pub mod sidecar;
pub mod sink;
pub mod stream;
