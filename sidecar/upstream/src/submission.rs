//! One mail on its way to the server, and how far it got.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;

use tokio::io::AsyncRead;
use tokio::time::Instant;

use crate::failure::Stage;

/// A mail to deliver.
pub struct Submission<'a> {
    /// The address in MAIL FROM, empty for the null path.
    pub reverse_path: &'a str,
    /// The addresses in RCPT TO.
    pub recipients: &'a [String],
    /// Length of `content` in bytes, before stuffing. Content of another length is never sent to
    /// its end.
    pub size_bytes: u64,
    /// The mail, header and body, its lines ended by CRLF. Read after the server's 354.
    pub content: &'a mut (dyn AsyncRead + Send + Sync + Unpin),
    /// When the server's 354 must have come.
    pub deadline: Instant,
    /// Patience for the reply to our final dot.
    pub final_reply_timeout: Duration,
}

impl fmt::Debug for Submission<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Submission")
            .field("recipients", &self.recipients.len())
            .field("size_bytes", &self.size_bytes)
            .finish_non_exhaustive()
    }
}

/// How far a delivery got, for those who watch it.
#[derive(Debug, Default)]
pub struct Progress {
    stage: AtomicU8,
    our_dot_sent: AtomicBool,
}

impl Progress {
    /// At the start.
    pub fn new() -> Self {
        Self::default()
    }

    /// The step that is under way.
    pub fn stage(&self) -> Stage {
        let index = usize::from(self.stage.load(Ordering::Relaxed));
        Stage::ALL.get(index).copied().unwrap_or(Stage::EndOfData)
    }

    /// Whether the first byte of our final dot may have reached the wire. Before, dropping the
    /// delivery leaves the server without the mail; after, nobody can take it back.
    pub fn our_dot_sent(&self) -> bool {
        self.our_dot_sent.load(Ordering::Acquire)
    }

    pub(crate) fn enter(&self, stage: Stage) {
        self.stage.store(stage as u8, Ordering::Relaxed);
    }

    pub(crate) fn send_our_dot(&self) {
        self.our_dot_sent.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_tells_each_stage() {
        let progress = Progress::new();
        assert_eq!(progress.stage(), Stage::Connect);
        for stage in Stage::ALL {
            progress.enter(stage);
            assert_eq!(progress.stage(), stage);
        }
        assert!(!progress.our_dot_sent());
        progress.send_our_dot();
        assert!(progress.our_dot_sent());
    }
}
