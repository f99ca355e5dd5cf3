//! A clock that is played forward, for many processes at once.
//!
//! libfaketime answers the processes' calls for the time, and looks into a file a process at each: what
//! stands there is added to the time since the process started, which runs [`RATE`] times as fast, so
//! that a process that waits for a second of its own looks up soon.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;

/// Seconds of a process in one of ours.
const RATE: u32 = 5;

/// See the module.
pub(crate) struct Clock {
    library: PathBuf,
    folder: TempDir,
    began: Instant,
    began_at: Timestamp,
    /// How far it was set forward.
    forward: Duration,
    /// By process: how long after the clock it was started.
    started: Vec<Duration>,
}

impl Clock {
    pub(crate) fn start(library: &Path) -> Self {
        Self {
            library: library.to_owned(),
            folder: tempfile::tempdir().unwrap(),
            began: Instant::now(),
            began_at: Timestamp::try_from(SystemTime::now()).unwrap(),
            forward: Duration::ZERO,
            started: Vec::new(),
        }
    }

    /// How much time was played.
    pub(crate) fn played(&self) -> Duration {
        self.began.elapsed() * RATE + self.forward
    }

    /// What the processes take for now.
    pub(crate) fn now(&self) -> Timestamp {
        self.began_at + SignedDuration::try_from(self.played()).unwrap()
    }

    /// Sets the clock forward, if it is not that far by itself.
    pub(crate) fn forward_to(&mut self, played: Duration) {
        self.forward += played.saturating_sub(self.played());
        for process in 0..self.started.len() {
            self.write(process);
        }
    }

    /// The environment of a process that is started now.
    pub(crate) fn environment(&mut self) -> [(&'static str, Box<OsStr>); 3] {
        let process = self.started.len();
        self.started.push(self.began.elapsed());
        self.write(process);
        let owned = |path: &Path| path.as_os_str().into();
        [
            ("LD_PRELOAD", owned(&self.library)),
            ("FAKETIME_TIMESTAMP_FILE", owned(&self.file(process))),
            ("FAKETIME_NO_CACHE", OsStr::new("1").into()),
        ]
    }

    fn file(&self, process: usize) -> PathBuf {
        self.folder.path().join(process.to_string())
    }

    /// The library counts from the start of the process: what ran faster before is added.
    fn write(&self, process: usize) {
        let ahead = self.forward + self.started[process] * (RATE - 1);
        let text = format!("+{:.3} x{RATE}\n", ahead.as_secs_f64());
        let new = self.folder.path().join("new");
        fs::write(&new, text).unwrap();
        fs::rename(new, self.file(process)).unwrap();
    }
}
