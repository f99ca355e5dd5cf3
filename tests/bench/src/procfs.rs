//! What Linux says of cores and processes, under /proc (see `man 5 proc`).

use std::fs;
use std::time::Duration;

use anyhow::Context;

/// Ticks of one core since boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CoreTicks {
    /// All but idle and waiting for a disk; what the hypervisor took (steal) counts as busy.
    pub busy: u64,
    /// All.
    pub total: u64,
}

impl CoreTicks {
    /// The ticks of `core` until now.
    pub fn read(core: usize) -> anyhow::Result<Self> {
        let text = fs::read_to_string("/proc/stat").context("reading /proc/stat")?;
        parse_core(&text, core).with_context(|| format!("no line of core {core} in /proc/stat"))
    }

    /// Share of the time since `earlier` that the core was busy, from 0 to 1.
    #[allow(clippy::cast_precision_loss)]
    pub fn busy_since(self, earlier: Self) -> f64 {
        let total = self.total.saturating_sub(earlier.total).max(1);
        self.busy.saturating_sub(earlier.busy) as f64 / total as f64
    }
}

/// The line of `core` in the text of /proc/stat.
pub fn parse_core(stat: &str, core: usize) -> Option<CoreTicks> {
    let name = format!("cpu{core}");
    let line = stat
        .lines()
        .find(|line| line.split_whitespace().next() == Some(&name))?;
    // user nice system idle iowait irq softirq steal; guest times are within user and nice
    let ticks: Vec<u64> = line
        .split_whitespace()
        .skip(1)
        .take(8)
        .map_while(|field| field.parse().ok())
        .collect();
    let waiting = ticks.get(3)? + ticks.get(4)?;
    let total = ticks.iter().sum();
    Some(CoreTicks {
        busy: total - waiting,
        total,
    })
}

/// CPU time that process `pid` has spent, in user and kernel mode, all threads.
pub fn cpu_time(pid: u32) -> anyhow::Result<Duration> {
    let path = format!("/proc/{pid}/stat");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    let ticks = parse_process_ticks(&text).with_context(|| format!("reading {path}"))?;
    let ticks_per_second = rustix::param::clock_ticks_per_second();
    Ok(Duration::from_millis(ticks * 1000 / ticks_per_second))
}

/// utime + stime in the text of /proc/PID/stat; the command's name may contain blanks and brackets.
pub fn parse_process_ticks(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// How the memory of a process was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryKind {
    /// The proportional set size (`smaps_rollup`).
    Pss,
    /// The resident set size: never less. A process that is not dumpable shows its maps to root only.
    Rss,
}

/// Memory of process `pid` now, in bytes.
pub fn memory_bytes(pid: u32) -> anyhow::Result<(u64, MemoryKind)> {
    if let Ok(text) = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))
        && let Some(bytes) = parse_kib_field(&text, "Pss")
    {
        return Ok((bytes, MemoryKind::Pss));
    }
    status_bytes(pid, "VmRSS").map(|bytes| (bytes, MemoryKind::Rss))
}

/// The peak of the resident set of process `pid` since its start, in bytes.
pub fn peak_rss_bytes(pid: u32) -> anyhow::Result<u64> {
    status_bytes(pid, "VmHWM")
}

fn status_bytes(pid: u32, field: &str) -> anyhow::Result<u64> {
    let path = format!("/proc/{pid}/status");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    parse_kib_field(&text, field).with_context(|| format!("no {field} in {path}"))
}

/// The field `name: N kB` of `smaps_rollup` or status, in bytes.
pub fn parse_kib_field(text: &str, name: &str) -> Option<u64> {
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    let kib: u64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// One line about the machine: the processor, how many cores, the kernel.
pub fn machine() -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or("unknown processor", |(_, model)| model.trim());
    let cores = cpuinfo
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{model}, {cores} cores, Linux {}", kernel.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "cpu  30 0 30 400 20 0 10 10 0 0\n\
        cpu0 10 0 10 200 10 0 5 5 0 0\n\
        cpu1 20 1 20 200 10 3 5 5 7 0\n\
        cpu10 1 1 1 1 1 1 1 1 0 0\nintr 1 2 3\n";

    #[test]
    fn busy_is_all_but_idle_and_iowait_and_guest_is_not_counted_twice() {
        assert_eq!(
            parse_core(STAT, 1),
            Some(CoreTicks {
                busy: 54,
                total: 264
            })
        );
        assert_eq!(parse_core(STAT, 10), Some(CoreTicks { busy: 6, total: 8 }));
        assert_eq!(parse_core(STAT, 2), None);
    }

    #[test]
    fn share_is_of_the_time_between_two_readings() {
        let before = CoreTicks {
            busy: 100,
            total: 1000,
        };
        let after = CoreTicks {
            busy: 145,
            total: 1050,
        };
        assert!((after.busy_since(before) - 0.9).abs() < 1e-9);
        assert!(after.busy_since(after).abs() < 1e-9);
    }

    #[test]
    fn ticks_of_a_process_are_found_behind_a_name_with_brackets() {
        let stat = "42 (a) (b c) S 1 42 42 0 -1 4194304 500 0 0 0 123 45 6 7 20 0 1 0 99 1 2";
        assert_eq!(parse_process_ticks(stat), Some(168));
        assert_eq!(parse_process_ticks("42 (a"), None);
    }

    #[test]
    fn pss_is_not_mistaken_for_its_parts() {
        let rollup = "55f0-7ffe ---p 00000000 00:00 0    [rollup]\n\
            Rss:                5120 kB\nPss_Dirty:          1000 kB\nPss:                3276 kB\n\
            Pss_Anon:           2000 kB\n";
        assert_eq!(parse_kib_field(rollup, "Pss"), Some(3276 * 1024));
        assert_eq!(parse_kib_field(rollup, "Swap"), None);
    }

    #[test]
    fn the_own_process_can_be_read() {
        let pid = std::process::id();
        assert!(memory_bytes(pid).unwrap().0 > 100_000);
        assert!(peak_rss_bytes(pid).unwrap() > 100_000);
        assert!(cpu_time(pid).is_ok());
        assert!(CoreTicks::read(0).unwrap().total > 0);
    }
}
