//! Bodies while they are in the sidecar: the first 256 KiB in memory, the rest in a file that has
//! no name, so that nothing is left behind whatever happens to the process.

use std::io::{self, SeekFrom};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use thiserror::Error;
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncSeekExt, AsyncWriteExt, ReadBuf};

/// Content up to here stays in memory; a header block is always within it.
pub const MEMORY_BYTES: usize = 256 * 1024;

/// One read or write of the file.
const FILE_BUFFER_BYTES: usize = 64 * 1024;

/// Room for bodies, shared by all sessions.
#[derive(Debug)]
pub struct Spool {
    folder: PathBuf,
    limit_bytes: u64,
    used_bytes: AtomicU64,
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
                limit_bytes,
                used_bytes: AtomicU64::new(0),
            })),
            Err(source) => Err(SpoolError::Io { folder, source }),
        }
    }

    fn reserve(&self, bytes: u64) -> Result<(), SpoolError> {
        let limit_bytes = self.limit_bytes;
        let grown = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= limit_bytes);
        self.used_bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, grown)
            .map(drop)
            .map_err(|_| SpoolError::Full { limit_bytes })
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
    overflow: Option<File>,
    overflow_bytes: u64,
}

impl Body {
    /// An empty body.
    pub fn new(spool: Arc<Spool>) -> Self {
        Self {
            spool,
            prefix: Vec::new(),
            overflow: None,
            overflow_bytes: 0,
        }
    }

    /// Takes what stands in `chunk` and leaves it empty.
    pub async fn append(&mut self, chunk: &mut Vec<u8>) -> Result<(), SpoolError> {
        if self.prefix.is_empty() && chunk.len() <= MEMORY_BYTES {
            std::mem::swap(&mut self.prefix, chunk);
            return Ok(());
        }
        let room = MEMORY_BYTES
            .saturating_sub(self.prefix.len())
            .min(chunk.len());
        self.prefix.extend_from_slice(&chunk[..room]);
        let rest = &chunk[room..];
        if !rest.is_empty() {
            self.spool.reserve(rest.len() as u64)?;
            self.overflow_bytes += rest.len() as u64;
            if self.overflow.is_none() {
                self.overflow = Some(self.open_file()?);
            }
            if let Some(file) = &mut self.overflow {
                file.write_all(rest)
                    .await
                    .map_err(|e| self.spool.broken(e))?;
            }
        }
        chunk.clear();
        Ok(())
    }

    /// Gives up on the whole: the file goes at once, what is in memory stays.
    pub fn shed(&mut self) {
        self.overflow = None;
        let bytes = std::mem::take(&mut self.overflow_bytes);
        self.spool.used_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Ends the writing; after it the body can be read.
    pub async fn seal(&mut self) -> Result<(), SpoolError> {
        if let Some(file) = &mut self.overflow {
            file.flush().await.map_err(|e| self.spool.broken(e))?;
            file.seek(SeekFrom::Start(0))
                .await
                .map_err(|e| self.spool.broken(e))?;
        }
        Ok(())
    }

    /// The part in memory: at least the first [`MEMORY_BYTES`], or all of it.
    pub fn prefix(&self) -> &[u8] {
        &self.prefix
    }

    /// Whether the prefix is all there is.
    pub fn is_in_memory(&self) -> bool {
        self.overflow_bytes == 0
    }

    /// Length in bytes.
    pub fn len(&self) -> u64 {
        self.prefix.len() as u64 + self.overflow_bytes
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
            tail,
        }
    }

    fn open_file(&self) -> Result<File, SpoolError> {
        let file = tempfile::tempfile_in(&self.spool.folder).map_err(|e| self.spool.broken(e))?;
        let mut file = File::from_std(file);
        file.set_max_buf_size(FILE_BUFFER_BYTES);
        Ok(file)
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.shed();
    }
}

/// A mail as it goes upstream, read once from front to end.
#[derive(Debug)]
pub struct Assembled<'a> {
    memory: [&'a [u8]; 2],
    overflow: Option<&'a mut File>,
    tail: &'a [u8],
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
        if let Some(file) = &mut self.overflow {
            std::task::ready!(Pin::new(file).poll_read(context, out))?;
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
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    async fn body_of(spool: &Arc<Spool>, bytes: &[u8]) -> Result<Body, SpoolError> {
        let mut body = Body::new(spool.clone());
        for chunk in bytes.chunks(50_000) {
            body.append(&mut chunk.to_vec()).await?;
        }
        body.seal().await?;
        Ok(body)
    }

    #[tokio::test]
    async fn what_went_in_comes_out_whatever_its_size() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(folder.path().to_owned(), 10 << 20).unwrap();
        for size in [
            0,
            1,
            MEMORY_BYTES - 1,
            MEMORY_BYTES,
            MEMORY_BYTES + 1,
            3 << 20,
        ] {
            let bytes: Vec<u8> = (0..size).map(|i| u8::try_from(i % 251).unwrap()).collect();
            let mut body = body_of(&spool, &bytes).await.unwrap();
            assert_eq!(body.len(), size as u64);
            assert_eq!(body.is_in_memory(), size <= MEMORY_BYTES);
            let mut out = Vec::new();
            body.between(b"<", 0, b">")
                .read_to_end(&mut out)
                .await
                .unwrap();
            assert!(out == [b"<", bytes.as_slice(), b">"].concat(), "{size}");
        }
    }

    #[tokio::test]
    async fn a_full_spool_refuses_and_room_comes_back_when_a_mail_ends() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(folder.path().to_owned(), 1 << 20).unwrap();
        let bytes = vec![b'x'; 1 << 20];
        let first = body_of(&spool, &bytes).await.unwrap();
        assert!(matches!(
            body_of(&spool, &bytes).await,
            Err(SpoolError::Full { .. })
        ));
        drop(first);
        assert!(body_of(&spool, &bytes).await.is_ok());
    }

    #[tokio::test]
    async fn a_body_that_is_given_up_keeps_its_header_and_gives_its_room_back() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(folder.path().to_owned(), 1 << 20).unwrap();
        let bytes = vec![b'x'; 1 << 20];
        let mut first = body_of(&spool, &bytes).await.unwrap();
        first.shed();
        assert_eq!(first.len(), MEMORY_BYTES as u64);
        assert_eq!(first.prefix(), &bytes[..MEMORY_BYTES]);
        assert!(body_of(&spool, &bytes).await.is_ok());
        drop(first);
        assert_eq!(spool.used_bytes.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn the_spool_leaves_no_name_in_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(folder.path().to_owned(), 1 << 20).unwrap();
        let _body = body_of(&spool, &vec![b'x'; MEMORY_BYTES * 2])
            .await
            .unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_named() {
        let error = Spool::open(PathBuf::from("/proc/none"), 1).unwrap_err();
        assert!(error.to_string().contains("/proc/none"), "{error}");
    }
}
