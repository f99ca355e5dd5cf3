//! Which core runs what.

use std::io;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The core of the sidecar.
pub const SIDECAR: usize = 0;
/// The core of load and sink.
pub const BENCH: usize = 1;

/// Binds this thread, and every process it starts from now on, to one core.
pub fn pin(core: usize) -> io::Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core);
    Ok(sched_setaffinity(None, &cores)?)
}

/// Whether this thread may run on `core`.
pub fn has(core: usize) -> io::Result<bool> {
    Ok(sched_getaffinity(None)?.is_set(core))
}
