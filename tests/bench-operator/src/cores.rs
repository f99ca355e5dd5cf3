//! Which core runs what: the operator has core 0, as if the control plane were on another machine.

use std::fs;
use std::io;

use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The core of the operator and of whoever calls its webhook.
pub const OPERATOR: usize = 0;

/// Keeps this thread, and all threads and processes that it starts, off the operator's core. An error
/// where there is no other.
pub fn leave_to_operator() -> io::Result<()> {
    let mut cores = sched_getaffinity(None)?;
    if !cores.is_set(OPERATOR) || cores.count() < 2 {
        let needed = "two cores are needed, core 0 being one of them";
        return Err(io::Error::other(needed));
    }
    cores.unset(OPERATOR);
    Ok(sched_setaffinity(None, &cores)?)
}

/// Binds all threads of a process, and those that they start, to the operator's core.
pub fn bind(process: u32) -> io::Result<()> {
    let mut core = CpuSet::new();
    core.set(OPERATOR);
    for task in fs::read_dir(format!("/proc/{process}/task"))? {
        let name = task?.file_name();
        let thread = name.to_str().and_then(|name| name.parse().ok());
        sched_setaffinity(thread.and_then(Pid::from_raw), &core)?;
    }
    Ok(())
}
