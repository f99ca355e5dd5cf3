//! How much memory a process has.

/// Resident memory in bytes, from `/proc/PID/statm`.
pub fn resident_bytes(pid: u32) -> u64 {
    const PAGE_BYTES: u64 = 4096;
    let path = format!("/proc/{pid}/statm");
    let statm = std::fs::read_to_string(path).expect("the process runs");
    let pages = statm.split(' ').nth(1).expect("a second field");
    pages.parse::<u64>().expect("a number") * PAGE_BYTES
}

/// The most memory that was ever resident, in bytes, from `/proc/PID/status`.
pub fn peak_bytes(pid: u32) -> u64 {
    let path = format!("/proc/{pid}/status");
    let status = std::fs::read_to_string(path).expect("the process runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.expect("VmHWM").trim().trim_end_matches(" kB");
    kibibytes.parse::<u64>().expect("a number") * 1024
}
