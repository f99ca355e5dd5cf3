//! Documents from disk. The kubelet swaps a link (`..data`) to change all files of a volume at
//! once; each second we look at the file behind the links. No inotify: one uid on a node shares
//! 128 instances.

use std::fs::Metadata;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;
use zohorelay_config::{Document, ReadError};
use zohorelay_process::chain;

use crate::identity::{Identity, Network, State};
use crate::metrics::Reload;
use crate::sidecar::Sidecar;

/// How often we look.
const INTERVAL: Duration = Duration::from_secs(1);

/// A file that is absent for less is a swap in progress; for more, it was taken away on purpose.
const ABSENCE: Duration = Duration::from_secs(10);

/// The file name below the identity's folder; it never changes.
pub const FILE_NAME: &str = "identity.json";

/// One identity's file and what we know of it.
#[derive(Debug)]
pub struct Watch {
    identity: Arc<Identity>,
    path: PathBuf,
    seen: Option<Seen>,
    absent_since: Option<Instant>,
    problem: Arc<Mutex<Option<String>>>,
}

/// Enough to tell one version of a file from the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    device: u64,
    inode: u64,
    length: u64,
    modified: Option<SystemTime>,
    changed: (i64, i64),
}

/// What is wrong with a document on disk, shared with `/status`.
#[derive(Clone, Debug, Default)]
pub struct Problem(Arc<Mutex<Option<String>>>);

impl Problem {
    /// The error, in a sentence.
    pub fn text(&self) -> Option<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Watch {
    /// Watches `folder/NAME/identity.json`.
    pub fn new(folder: &Path, identity: Arc<Identity>) -> Self {
        let path = folder.join(identity.name()).join(FILE_NAME);
        Self {
            identity,
            path,
            seen: None,
            absent_since: None,
            problem: Arc::default(),
        }
    }

    /// Where `/status` finds what is wrong.
    pub fn problem(&self) -> Problem {
        Problem(self.problem.clone())
    }

    /// One look.
    pub fn look(&mut self, network: &Network) {
        let metadata = match std::fs::metadata(&self.path) {
            Ok(metadata) => metadata,
            Err(error) if is_absence(&error) => return self.absent(),
            Err(error) => return self.unreadable(&ReadError::Unreadable(error)),
        };
        self.absent_since = None;
        let seen = Seen::of(&metadata);
        if self.seen == Some(seen) {
            return;
        }
        let loaded = match Document::load_file(&self.path) {
            Ok(loaded) => loaded,
            // It vanished between two system calls: the next look decides.
            Err(ReadError::Missing) => return,
            Err(error @ ReadError::Unreadable(_)) => return self.unreadable(&error),
            Err(ReadError::Invalid(error)) => {
                self.seen = Some(seen);
                return self.reject(chain(&error));
            }
        };
        self.seen = Some(seen);
        match self.identity.apply(loaded.document, network) {
            Ok(result) => self.settle(result, &loaded.unknown_fields),
            Err(error) => self.reject(chain(&error)),
        }
    }

    fn settle(&self, result: Reload, unknown_fields: &[String]) {
        self.identity.metrics.reload(result);
        self.clear_problem();
        let identity = self.identity.name();
        match result {
            Reload::Applied => tracing::info!(identity, "document applied"),
            Reload::Stale => {
                return tracing::warn!(
                    identity,
                    "an older revision is on disk; the newer one stays"
                );
            }
            Reload::Unchanged | Reload::Rejected => {}
        }
        let count = i64::try_from(unknown_fields.len()).unwrap_or(i64::MAX);
        self.identity.metrics.config_unknown_fields.set(count);
        if !unknown_fields.is_empty() {
            tracing::warn!(
                identity,
                fields = unknown_fields.join(", "),
                "the document has fields that this version does not know; they are ignored"
            );
        }
    }

    /// It may be readable the next time: it is tried at each look, and said once.
    fn unreadable(&mut self, error: &ReadError) {
        self.absent_since = None;
        self.seen = None;
        let problem = chain(error);
        if *self.lock_problem() != Some(problem.clone()) {
            self.reject(problem);
        }
    }

    fn reject(&self, problem: String) {
        let identity = self.identity.name();
        self.identity.metrics.reload(Reload::Rejected);
        self.identity.metrics.config_stale.set(1);
        let kept = self.identity.active().is_some();
        tracing::error!(
            identity,
            problem,
            kept,
            "the document on disk cannot be used"
        );
        *self.lock_problem() = Some(problem);
    }

    fn absent(&mut self) {
        self.seen = None;
        let since = *self.absent_since.get_or_insert_with(Instant::now);
        if since.elapsed() < ABSENCE {
            return;
        }
        self.clear_problem();
        if matches!(self.identity.state(), State::Active(_)) {
            tracing::warn!(
                identity = self.identity.name(),
                "identity removed: its document is gone"
            );
            self.identity.remove();
        }
    }

    fn clear_problem(&self) {
        self.identity.metrics.config_stale.set(0);
        *self.lock_problem() = None;
    }

    fn lock_problem(&self) -> MutexGuard<'_, Option<String>> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            modified: metadata.modified().ok(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// Anything else, such as too many open files, says nothing about the file.
fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// Looks each second, until the shutdown.
pub async fn watch(mut watches: Vec<Watch>, sidecar: Arc<Sidecar>) {
    let mut tick = tokio::time::interval(INTERVAL);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while sidecar
        .shutdown
        .token()
        .run_until_cancelled(tick.tick())
        .await
        .is_some()
    {
        for watch in &mut watches {
            watch.look(&sidecar.network);
        }
        for identity in &sidecar.roster {
            identity.sweep().await;
        }
    }
}

#[cfg(test)]
mod tests;
