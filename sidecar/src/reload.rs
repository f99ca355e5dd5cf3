//! Documents from disk. The kubelet swaps a link (`..data`) to change all files of a volume at
//! once; each second we look at the file behind the links. No inotify: one uid on a node shares
//! 128 instances.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;
use zohorelay_config::{Document, ReadError};

use crate::identity::{Identity, Network, State};
use crate::log;
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
        let Ok(metadata) = std::fs::metadata(&self.path) else {
            return self.absent();
        };
        self.absent_since = None;
        let seen = Seen {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            modified: metadata.modified().ok(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        };
        if self.seen == Some(seen) {
            return;
        }
        match self.load(network) {
            Ok(Some(result)) => {
                self.seen = Some(seen);
                self.settle(result);
            }
            Ok(None) => {}
            Err(problem) => {
                self.seen = Some(seen);
                self.reject(problem);
            }
        }
    }

    /// Reads and applies; `None` if the file vanished between two system calls.
    fn load(&self, network: &Network) -> Result<Option<Reload>, String> {
        let loaded = match Document::load_file(&self.path) {
            Ok(loaded) => loaded,
            Err(ReadError::Missing) => return Ok(None),
            Err(error) => return Err(log::chain(&error)),
        };
        let unknown = loaded.unknown_fields;
        let result = self
            .identity
            .apply(loaded.document, network)
            .map_err(|error| log::chain(&error))?;
        if result == Reload::Applied {
            let count = i64::try_from(unknown.len()).unwrap_or(i64::MAX);
            self.identity.metrics.config_unknown_fields.set(count);
            if !unknown.is_empty() {
                tracing::warn!(
                    identity = self.identity.name(),
                    fields = unknown.join(", "),
                    "the document has fields that this version does not know; they are ignored"
                );
            }
        }
        Ok(Some(result))
    }

    fn settle(&self, result: Reload) {
        self.identity.metrics.reload(result);
        self.identity.metrics.config_stale.set(0);
        *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let identity = self.identity.name();
        match result {
            Reload::Applied => tracing::info!(identity, "document applied"),
            Reload::Stale => {
                tracing::warn!(
                    identity,
                    "an older revision is on disk; the newer one stays"
                );
            }
            Reload::Unchanged | Reload::Rejected => {}
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
        *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = Some(problem);
    }

    fn absent(&mut self) {
        self.seen = None;
        let since = *self.absent_since.get_or_insert_with(Instant::now);
        if since.elapsed() >= ABSENCE && matches!(self.identity.state(), State::Active(_)) {
            tracing::warn!(
                identity = self.identity.name(),
                "identity removed: its document is gone"
            );
            self.identity.remove();
        }
    }
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
        for identity in sidecar.roster.iter() {
            identity.sweep().await;
        }
    }
}
