//! Which core runs what: the operator has core 0, as if the control plane were on another machine.

use std::fs;
use std::io;
use std::process::{Command, Stdio};

use rustix::process::Pid;
use rustix::thread::{CpuSet, gettid, sched_getaffinity, sched_setaffinity};

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

/// Binds all threads of a process, and those that they start, to the operator's core; for root also
/// before whatever else the machine does there.
pub fn bind(process: u32) -> io::Result<()> {
    for task in fs::read_dir(format!("/proc/{process}/task"))? {
        let name = task?.file_name();
        if let Some(thread) = name.to_str().and_then(|name| name.parse().ok()) {
            bind_thread(Pid::from_raw(thread), "1")?;
        }
    }
    Ok(())
}

/// The same for this thread, and before the operator: what it waits for must not make it late.
pub fn join_operator() -> io::Result<()> {
    bind_thread(Some(gettid()), "2")
}

fn bind_thread(thread: Option<Pid>, priority: &str) -> io::Result<()> {
    let mut core = CpuSet::new();
    core.set(OPERATOR);
    sched_setaffinity(thread, &core)?;
    // A niceness would hold within one session only. Without the right to it, others on the core
    // show in how late calls begin.
    let thread = thread.map_or(0, Pid::as_raw_pid).to_string();
    let _ = Command::new("chrt")
        .args(["--rr", "--pid", priority, &thread])
        .stderr(Stdio::null())
        .status();
    Ok(())
}
