//! Bodies while they are in the sidecar: the first 256 KiB in memory, the rest in a file that has
//! no name, so that nothing is left behind whatever happens to the process.
//!
//! Every body has its first 16 KiB of memory for sure; what it needs beyond comes out of one budget
//! of 16 MiB for all of them. The header must be in memory to be judged, so where the budget is
//! used up a body cannot go to the file early: it is refused, as it is when the file has no room.
//! It does not wait for room either, since those that hold the room may wait for the same.

use std::io::{self, SeekFrom};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use thiserror::Error;
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncSeekExt, AsyncWriteExt, ReadBuf};
use tokio::time::{Sleep, sleep, timeout};

use room::{Room, Share};

mod room;

/// Content up to here stays in memory; a header block is always within it.
pub const MEMORY_BYTES: usize = 256 * 1024;

/// What all bodies together may have in memory beyond their [`OWN_BYTES`].
pub const BUDGET_BYTES: u64 = 16 << 20;

/// What every body may have in memory, whatever the others have: most mails are no longer.
pub const OWN_BYTES: usize = 16 * 1024;

/// The budget is taken in steps of this.
const STEP_BYTES: usize = 48 * 1024;

/// One operation on the file must end within this.
const DISK_TIMEOUT: Duration = Duration::from_secs(30);

/// One read or write of the file.
const FILE_BUFFER_BYTES: usize = 64 * 1024;

/// Room for bodies, shared by all sessions.
#[derive(Debug)]
pub struct Spool {
    folder: PathBuf,
    disk: Arc<Room>,
    memory: Arc<Room>,
}

/// Why a body could not be kept.
#[derive(Debug, Error)]
pub enum SpoolError {
    /// All room is taken by other mails.
    #[error("the spool is full ({limit_bytes} bytes are in use by mails under way)")]
    Full {
        /// The limit in bytes, as given by `--spool-bytes`.
        limit_bytes: u64,
    },
    /// All memory for long mails is taken by other mails.
    #[error("the memory for mails under way is full ({limit_bytes} bytes are in use)")]
    Memory {
        /// [`BUDGET_BYTES`].
        limit_bytes: u64,
    },
    /// The disk does not answer.
    #[error("the spool {} did not answer within 30 s", folder.display())]
    Slow {
        /// The folder of `--spool`.
        folder: PathBuf,
    },
    /// The folder cannot be written.
    #[error("writing to the spool {}", folder.display())]
    Io {
        /// The folder of `--spool`.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Spool {
    /// Room in `folder` for `limit_bytes`; tries once whether it can be written.
    pub fn open(folder: PathBuf, limit_bytes: u64) -> Result<Arc<Self>, SpoolError> {
        match tempfile::tempfile_in(&folder)
            .and_then(|mut file| io::Write::write_all(&mut file, b"0"))
        {
            Ok(()) => Ok(Arc::new(Self {
                folder,
                disk: Room::new(limit_bytes),
                memory: Room::new(BUDGET_BYTES),
            })),
            Err(source) => Err(SpoolError::Io { folder, source }),
        }
    }

    /// Waits for the disk, but not for ever.
    async fn timely<T>(&self, work: impl Future<Output = io::Result<T>>) -> Result<T, SpoolError> {
        match timeout(DISK_TIMEOUT, work).await {
            Ok(done) => done.map_err(|error| self.broken(error)),
            Err(_) => Err(SpoolError::Slow {
                folder: self.folder.clone(),
            }),
        }
    }

    /// A disk that hangs must not stop the other sessions, so this has a thread too.
    async fn open_file(&self) -> Result<File, SpoolError> {
        let folder = self.folder.clone();
        let opened = tokio::task::spawn_blocking(move || tempfile::tempfile_in(folder));
        let opened = async { opened.await.map_err(io::Error::other)? };
        let mut file = File::from_std(self.timely(opened).await?);
        file.set_max_buf_size(FILE_BUFFER_BYTES);
        Ok(file)
    }

    fn broken(&self, source: io::Error) -> SpoolError {
        SpoolError::Io {
            folder: self.folder.clone(),
            source,
        }
    }
}

/// The content of one mail.
#[derive(Debug)]
pub struct Body {
    spool: Arc<Spool>,
    prefix: Vec<u8>,
    /// The part of the prefix's capacity that is beyond [`OWN_BYTES`].
    memory: Share,
    overflow: Option<File>,
    disk: Share,
}

impl Body {
    /// An empty body.
    pub fn new(spool: Arc<Spool>) -> Self {
        Self {
            prefix: Vec::new(),
            memory: Share::of(&spool.memory),
            overflow: None,
            disk: Share::of(&spool.disk),
            spool,
        }
    }

    /// Takes what stands in `chunk` and leaves it empty.
    pub async fn append(&mut self, chunk: &mut Vec<u8>) -> Result<(), SpoolError> {
        if self.prefix.is_empty() && chunk.capacity() <= OWN_BYTES {
            std::mem::swap(&mut self.prefix, chunk);
            return Ok(());
        }
        let room = MEMORY_BYTES
            .saturating_sub(self.prefix.len())
            .min(chunk.len());
        let (first, rest) = chunk.split_at(room);
        self.grow(self.prefix.len() + first.len())?;
        self.prefix.extend_from_slice(first);
        if !rest.is_empty() {
            self.spill(rest).await?;
        }
        chunk.clear();
        Ok(())
    }

    /// Makes room for a prefix of this length, all of it accounted for.
    fn grow(&mut self, length: usize) -> Result<(), SpoolError> {
        if length <= self.prefix.capacity() {
            return Ok(());
        }
        let beyond = length.saturating_sub(OWN_BYTES).div_ceil(STEP_BYTES) * STEP_BYTES;
        let missing = (beyond as u64).saturating_sub(self.memory.bytes());
        if !self.memory.grow(missing) {
            return Err(SpoolError::Memory {
                limit_bytes: BUDGET_BYTES,
            });
        }
        self.prefix
            .reserve_exact(OWN_BYTES + beyond - self.prefix.len());
        Ok(())
    }

    async fn spill(&mut self, rest: &[u8]) -> Result<(), SpoolError> {
        if !self.disk.grow(rest.len() as u64) {
            let limit_bytes = self.spool.disk.limit_bytes();
            return Err(SpoolError::Full { limit_bytes });
        }
        let file = match &mut self.overflow {
            Some(file) => file,
            none => none.insert(self.spool.open_file().await?),
        };
        self.spool.timely(file.write_all(rest)).await
    }

    /// Gives up on the whole: only the first [`OWN_BYTES`] stay, to see whose mail it was.
    pub fn shed(&mut self) {
        self.overflow = None;
        self.disk.give_back();
        self.prefix.truncate(OWN_BYTES);
        self.prefix.shrink_to(OWN_BYTES);
        self.memory.give_back();
    }

    /// Ends the writing; after it the body can be read.
    pub async fn seal(&mut self) -> Result<(), SpoolError> {
        if let Some(file) = &mut self.overflow {
            self.spool.timely(file.flush()).await?;
            self.spool.timely(file.seek(SeekFrom::Start(0))).await?;
        }
        Ok(())
    }

    /// The part in memory: at least the first [`MEMORY_BYTES`], or all of it.
    pub fn prefix(&self) -> &[u8] {
        &self.prefix
    }

    /// Whether the prefix is all there is.
    pub fn is_in_memory(&self) -> bool {
        self.disk.bytes() == 0
    }

    /// Length in bytes.
    pub fn len(&self) -> u64 {
        self.prefix.len() as u64 + self.disk.bytes()
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What goes upstream: `head`, this body from byte `from` (within the prefix), `tail`.
    pub fn between<'a>(&'a mut self, head: &'a [u8], from: usize, tail: &'a [u8]) -> Assembled<'a> {
        Assembled {
            memory: [head, self.prefix.get(from..).unwrap_or_default()],
            overflow: self.overflow.as_mut(),
            patience: None,
            tail,
        }
    }
}

/// A mail as it goes upstream, read once from front to end.
#[derive(Debug)]
pub struct Assembled<'a> {
    memory: [&'a [u8]; 2],
    overflow: Option<&'a mut File>,
    /// Runs while the disk is waited for.
    patience: Option<Pin<Box<Sleep>>>,
    tail: &'a [u8],
}

impl Assembled<'_> {
    /// Reads from the file, which has an end too where the disk hangs.
    fn poll_overflow(
        &mut self,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(file) = &mut self.overflow else {
            return Poll::Ready(Ok(()));
        };
        let read = Pin::new(file).poll_read(context, out);
        if read.is_ready() {
            self.patience = None;
            return read;
        }
        let patience = self
            .patience
            .get_or_insert_with(|| Box::pin(sleep(DISK_TIMEOUT)));
        std::task::ready!(patience.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Assembled<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = out.filled().len();
        for part in &mut self.memory {
            copy(part, out);
        }
        if out.remaining() == 0 || out.filled().len() > before {
            return Poll::Ready(Ok(()));
        }
        if self.overflow.is_some() {
            std::task::ready!(self.poll_overflow(context, out))?;
            if out.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
            self.overflow = None;
        }
        copy(&mut self.tail, out);
        Poll::Ready(Ok(()))
    }
}

fn copy(from: &mut &[u8], out: &mut ReadBuf<'_>) {
    let count = from.len().min(out.remaining());
    let (now, later) = from.split_at(count);
    out.put_slice(now);
    *from = later;
}

#[cfg(test)]
mod tests;
