//! The one place that polls: other programs tell of what they did by files and logs.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::time::{Duration, Instant};

const INTERVAL: Duration = Duration::from_millis(20);

/// Patience with a program; only ever waited out by a test that fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// Patience with a process that was told to end.
const PATIENCE_WITH_END: Duration = Duration::from_secs(20);

/// Looks at short intervals until there is something.
pub(crate) async fn until<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if began.elapsed() > PATIENCE {
            return None;
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Counts until there are as many; gives what there is when patience ends.
pub(crate) async fn count_of_at_least(wanted: usize, count: impl Fn() -> usize) -> usize {
    let enough = || Some(count()).filter(|&found| found >= wanted);
    until(enough).await.unwrap_or_else(&count)
}

/// Waits for the end of a process without a runtime, as `Drop` must.
pub(crate) fn wait_for_end(child: &mut std::process::Child) -> bool {
    let began = Instant::now();
    while began.elapsed() < PATIENCE_WITH_END {
        if !matches!(child.try_wait(), Ok(None)) {
            return true;
        }
        std::thread::park_timeout(INTERVAL);
    }
    false
}

/// The lines of a file that contain `part`; none while there is no file.
pub(crate) fn lines_with(path: &Path, part: &str) -> Vec<String> {
    let text = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let fit = text.lines().filter(|line| line.contains(part));
    fit.map(str::to_owned).collect()
}

/// A port that was free a moment ago, for programs that cannot be given port 0. The two ports of
/// one call differ.
pub(crate) fn free_ports() -> [u16; 2] {
    let listeners = [(); 2].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}
