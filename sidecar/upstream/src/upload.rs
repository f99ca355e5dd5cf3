//! The content, our dot, and the reply to it.
//!
//! The dot is sent only after the whole content was read at its true length, was found to be clean,
//! and the server was found to be silent. From then on there are three answers: the server's, and
//! "unknown".

use std::future::poll_fn;
use std::io;
use std::task::Poll;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout, timeout_at};
use zohorelay_smtp::data::{ContentError, DataEncoder};
use zohorelay_smtp::reply::Reply;

use crate::classify::classify;
use crate::connection::{Connection, is_done};
use crate::deadline;
use crate::failure::{Class, Failure, Stage};
use crate::fault::{Fault, Lateness};
use crate::submission::{Progress, Submission};
use crate::transport::{Broken, Handle};

/// Content read at once. A mail that fits goes out whole, its dot with it, in one write.
pub(crate) const CHUNK_BYTES: usize = 32 * 1024;

/// Room that an idle connection keeps for its next mail.
const KEPT_BYTES: usize = 8 * 1024;

/// Room for a chunk before and after stuffing, kept with the connection while it is small.
#[derive(Default)]
pub(crate) struct Buffers {
    content: Vec<u8>,
    encoded: Vec<u8>,
}

impl Buffers {
    fn give_up_large(&mut self) {
        for buffer in [&mut self.content, &mut self.encoded] {
            if buffer.capacity() > KEPT_BYTES {
                *buffer = Vec::new();
            }
        }
    }
}

/// Why the dot was not sent.
#[derive(Debug)]
enum Halt {
    /// The server spoke during the upload.
    Reply(Reply),
    Broken(Broken),
    Late,
    /// The content could not be read, or was not as long as said.
    Content(String),
    /// The content has a line end or a NUL that may not reach the wire.
    Framing(ContentError),
}

impl From<Broken> for Halt {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

impl Connection {
    /// Sends the content and the dot after a 354, and waits for the reply. Only a 2yz is `Ok`.
    pub(crate) async fn finish(
        &mut self,
        mail: Submission<'_>,
        host: &str,
        progress: &Progress,
    ) -> Result<Reply, Failure> {
        progress.enter(Stage::EndOfData);
        self.handle.begin(Stage::EndOfData);
        let patience = mail.final_reply_timeout;
        let mut upload = Upload {
            handle: &self.handle,
            buffers: &mut self.buffers,
            encoder: Some(DataEncoder::new()),
            read_bytes: 0,
            pace: Pace::start(),
        };
        let sent = upload.send(mail, progress).await;
        self.buffers.give_up_large();
        match sent {
            Ok(()) => {
                let reply = self.near.wait(self.handle.reply());
                final_reply(timeout(patience, reply).await, patience, host)
            }
            Err(halt) if progress.our_dot_sent() => Err(after_our_dot(&halt, host)),
            Err(halt) => Err(before_our_dot(halt, host)),
        }
    }
}

struct Upload<'a> {
    handle: &'a Handle,
    buffers: &'a mut Buffers,
    encoder: Option<DataEncoder>,
    read_bytes: u64,
    pace: Pace,
}

impl Upload<'_> {
    async fn send(&mut self, mail: Submission<'_>, progress: &Progress) -> Result<(), Halt> {
        let Submission {
            content,
            size_bytes,
            ..
        } = mail;
        // One byte more than there should be, so that the end is seen without another round.
        let whole = usize::try_from(size_bytes)
            .unwrap_or(usize::MAX)
            .saturating_add(1);
        self.buffers.content.resize(whole.min(CHUNK_BYTES), 0);
        let mut is_first = true;
        loop {
            let (length, is_end) = self.fill(content).await?;
            self.read_bytes += length as u64;
            if self.read_bytes > size_bytes || (is_end && self.read_bytes < size_bytes) {
                return Err(Halt::Content(format!(
                    "the content is not {size_bytes} bytes long"
                )));
            }
            self.buffers.encoded.clear();
            self.encode(length)?;
            if is_end && is_first {
                break;
            }
            self.write_chunk().await?;
            if is_end {
                self.buffers.encoded.clear();
                break;
            }
            is_first = false;
        }
        self.append_dot()?;
        self.write_dot(progress).await
    }

    /// Fills the chunk, unless the content ends before.
    async fn fill(
        &mut self,
        content: &mut (dyn tokio::io::AsyncRead + Send + Unpin),
    ) -> Result<(usize, bool), Halt> {
        let mut length = 0;
        while length < self.buffers.content.len() {
            let read = content.read(&mut self.buffers.content[length..]).await;
            match read.map_err(|error| unreadable(&error))? {
                0 => return Ok((length, true)),
                read => length += read,
            }
        }
        Ok((length, false))
    }

    fn encode(&mut self, length: usize) -> Result<(), Halt> {
        let Buffers { content, encoded } = &mut *self.buffers;
        match &mut self.encoder {
            Some(encoder) => encoder
                .encode(&content[..length], encoded)
                .map_err(Halt::Framing),
            None => Ok(()),
        }
    }

    fn append_dot(&mut self) -> Result<(), Halt> {
        match self.encoder.take() {
            Some(encoder) => encoder
                .finish(&mut self.buffers.encoded)
                .map_err(Halt::Framing),
            None => Ok(()),
        }
    }

    /// Writes content, an ear open for the server.
    async fn write_chunk(&mut self) -> Result<(), Halt> {
        let mut written = 0;
        while written < self.buffers.encoded.len() {
            let handle = self.handle;
            let rest = &self.buffers.encoded[written..];
            let step = poll_fn(|cx| {
                let mut inner = handle.lock();
                match inner.poll_reply(cx) {
                    Poll::Ready(Ok(reply)) => return Poll::Ready(Err(Halt::Reply(reply))),
                    Poll::Ready(Err(broken)) => return Poll::Ready(Err(broken.into())),
                    Poll::Pending => {}
                }
                inner.poll_write(cx, rest).map_err(Halt::from)
            });
            let sent = timeout_at(self.pace.end, step)
                .await
                .map_err(|_| Halt::Late)?;
            match sent {
                Ok(count) => {
                    written += count;
                    self.pace.advance(count);
                }
                Err(Halt::Broken(broken)) => return Err(self.last_word(broken).await),
                Err(halt) => return Err(halt),
            }
        }
        Ok(())
    }

    /// Writes the rest with the dot. The server must have been silent until now.
    async fn write_dot(&mut self, progress: &Progress) -> Result<(), Halt> {
        if self.has_spoken().await? {
            let reply = timeout(deadline::COMMAND, self.handle.reply()).await;
            let reply = reply.map_err(|_| Halt::Late)?;
            return Err(reply.map_or_else(Halt::Broken, Halt::Reply));
        }
        progress.send_our_dot();
        let mut written = 0;
        let write = poll_fn(|cx| {
            let mut inner = self.handle.lock();
            while written < self.buffers.encoded.len() {
                match inner.poll_write(cx, &self.buffers.encoded[written..]) {
                    Poll::Ready(Ok(count)) => written += count,
                    Poll::Ready(Err(broken)) => return Poll::Ready(Err(broken)),
                    Poll::Pending => return Poll::Pending,
                }
            }
            inner.poll_flush(cx)
        });
        match timeout(deadline::UPLOAD_STEP, write).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(broken)) => Err(self.last_word(broken).await),
            Err(_) => Err(Halt::Late),
        }
    }

    /// Whether a reply, or a part of one, has come before our dot.
    async fn has_spoken(&self) -> Result<bool, Broken> {
        let look = poll_fn(|cx| {
            let mut inner = self.handle.lock();
            Poll::Ready(match inner.poll_listen(cx) {
                Poll::Ready(Err(broken)) => Err(broken),
                Poll::Ready(Ok(())) => Ok(true),
                Poll::Pending => Ok(inner.has_received()),
            })
        });
        // Unconstrained: an exhausted budget must not be taken for silence.
        tokio::task::unconstrained(look).await
    }

    /// A server that refuses and hangs up breaks our write before we read why.
    async fn last_word(&self, broken: Broken) -> Halt {
        match timeout(deadline::LAST_WORD, self.handle.reply()).await {
            Ok(Ok(reply)) => Halt::Reply(reply),
            _ => Halt::Broken(broken),
        }
    }
}

fn unreadable(error: &io::Error) -> Halt {
    Halt::Content(format!("reading the content ({})", error.kind()))
}

/// The content must go out at [`deadline::UPLOAD_STEP_BYTES`] each [`deadline::UPLOAD_STEP`].
struct Pace {
    end: Instant,
    step_bytes: usize,
}

impl Pace {
    fn start() -> Self {
        Self {
            end: Instant::now() + deadline::UPLOAD_STEP,
            step_bytes: 0,
        }
    }

    fn advance(&mut self, bytes: usize) {
        self.step_bytes += bytes;
        if self.step_bytes >= deadline::UPLOAD_STEP_BYTES {
            *self = Self::start();
        }
    }
}

/// The server has all of the mail. What is not a clear answer is unknown (RFC 1047).
fn final_reply(
    heard: Result<Result<Reply, Broken>, Elapsed>,
    patience: Duration,
    host: &str,
) -> Result<Reply, Failure> {
    match heard {
        Ok(Ok(reply)) if is_done(&reply) => Ok(reply),
        Ok(Ok(reply)) => Err(Fault::Reply(reply).into_failure(Stage::EndOfData, host)),
        Ok(Err(broken)) => Err(unknown(host, &broken.to_string())),
        Err(_) => {
            let detail = format!("no reply to our dot for {}s", patience.as_secs());
            Err(unknown(host, &detail))
        }
    }
}

fn unknown(host: &str, detail: &str) -> Failure {
    let detail = format!("waiting for the reply to our dot: {detail}");
    Failure::new(Class::UnknownOutcome, Stage::EndOfData, host, detail)
}

/// Our dot may be at the server. Only a refusal is sure news.
fn after_our_dot(halt: &Halt, host: &str) -> Failure {
    match halt {
        Halt::Reply(reply) if reply.code() >= 400 => {
            Fault::Reply(reply.clone()).into_failure(Stage::EndOfData, host)
        }
        Halt::Reply(_) => unknown(host, "the connection failed before the dot was through"),
        Halt::Broken(broken) => unknown(host, &broken.to_string()),
        Halt::Late => unknown(host, "the connection is stuck"),
        Halt::Content(detail) => unknown(host, detail),
        Halt::Framing(error) => unknown(host, &error.to_string()),
    }
}

/// Our dot was not sent: nobody has the mail.
fn before_our_dot(halt: Halt, host: &str) -> Failure {
    let stage = Stage::EndOfData;
    match halt {
        Halt::Reply(reply) => {
            let class = match reply.code() {
                400.. => classify(stage, &reply),
                // A success that came before the mail is none.
                _ => Class::Protocol,
            };
            let detail = format!(
                "sending the content: the server said {} early",
                reply.code()
            );
            Failure::new(class, stage, host, detail).with_reply(reply)
        }
        Halt::Broken(broken) => Fault::Broken(broken).into_failure(stage, host),
        Halt::Late => Fault::Late(Lateness::Step(deadline::UPLOAD_STEP)).into_failure(stage, host),
        Halt::Content(detail) => Failure::new(
            Class::Busy,
            stage,
            host,
            format!("sending the content: {detail}"),
        ),
        Halt::Framing(error) => Failure::new(
            Class::Framing,
            stage,
            host,
            format!("sending the content: {error}"),
        ),
    }
}
