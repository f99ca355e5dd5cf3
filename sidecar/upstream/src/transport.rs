//! A clonable handle on one TLS stream.
//!
//! One clone is lettre's, which writes commands and reads replies; one is ours, which knows what
//! was really said. lettre is given each reply in a plain form, one a command, and only after it was
//! validated. What a step came to is read from here, not from lettre's error.
//!
//! A handle exists only over TLS, so that nothing lettre does (AUTH) can happen in the clear.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::client::TlsStream;
use zeroize::Zeroize;
use zohorelay_smtp::reply::Reply;

use crate::capabilities::Capabilities;
use crate::dial::Link;
use crate::failure::Stage;
use crate::tap::{Tap, Violation, is_one_command};
use crate::tls::rustls_error;

/// Bytes asked of the stream at once; a reply is rarely longer.
const READ_BYTES: usize = 2048;
/// Room for a command; one that does not fit grows it.
const COMMAND_BYTES: usize = 1024;

/// Why a connection is of no use any more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Broken {
    #[error("the server closed the connection")]
    Closed,
    #[error("the connection failed ({0})")]
    Io(io::ErrorKind),
    #[error("the connection is not trustworthy any more: {0}")]
    Tls(String),
    #[error(transparent)]
    Protocol(#[from] Violation),
    #[error("the dialog ended with a refusal")]
    Refused,
    #[error("the reply is not one that this step has")]
    Unexpected,
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        match (rustls_error(&error), error.kind()) {
            (Some(error), _) => Self::Tls(error.to_string()),
            (None, io::ErrorKind::UnexpectedEof) => Self::Closed,
            (None, kind) => Self::Io(kind),
        }
    }
}

impl From<Broken> for io::Error {
    fn from(broken: Broken) -> Self {
        Self::other(broken.to_string())
    }
}

/// One of the two handles on a stream.
#[derive(Clone)]
pub(crate) struct Handle(Arc<Mutex<Inner>>);

/// The stream and what the dialog on it has come to.
pub(crate) struct Inner {
    stream: TlsStream<Box<dyn Link>>,
    tap: Tap,
    chunk: Box<[u8; READ_BYTES]>,
    stage: Stage,
    /// A command that lettre wrote and the stream has not taken yet. It may hold a password.
    command: Vec<u8>,
    command_sent: usize,
    /// A command was sent and its reply was not read.
    is_reply_due: bool,
    /// The last reply.
    reply: Option<Reply>,
    /// That reply in the plain form, and how much of it lettre has read.
    rendered: Vec<u8>,
    rendered_read: usize,
    broken: Option<Broken>,
}

impl Handle {
    pub(crate) fn new(stream: TlsStream<Box<dyn Link>>) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            stream,
            tap: Tap::default(),
            chunk: Box::new([0; READ_BYTES]),
            stage: Stage::Greeting,
            command: Vec::with_capacity(COMMAND_BYTES),
            command_sent: 0,
            is_reply_due: false,
            reply: None,
            rendered: Vec::new(),
            rendered_read: 0,
            broken: None,
        })))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a step: what comes now is about that stage.
    pub(crate) fn begin(&self, stage: Stage) {
        let mut inner = self.lock();
        inner.stage = stage;
        inner.reply = None;
    }

    /// What the step came to.
    pub(crate) fn outcome(&self) -> Result<Reply, Broken> {
        let mut inner = self.lock();
        match (inner.reply.take(), &inner.broken) {
            (Some(reply), _) => Ok(reply),
            (None, Some(broken)) => Err(broken.clone()),
            (None, None) => Err(Broken::Unexpected),
        }
    }

    /// Gives lettre a reply that was read before it came.
    pub(crate) fn hand_over(&self, reply: &Reply) {
        self.lock().render(reply);
    }

    /// The next reply, without lettre.
    pub(crate) async fn reply(&self) -> Result<Reply, Broken> {
        std::future::poll_fn(|cx| self.lock().poll_reply(cx)).await
    }

    /// Whether the connection is alive and the server has said nothing that it was not asked for.
    pub(crate) async fn is_quiet(&self) -> bool {
        // Unconstrained: an exhausted budget must not be taken for silence.
        let silence = std::future::poll_fn(|cx| Poll::Ready(self.lock().check_silence(cx).is_ok()));
        tokio::task::unconstrained(silence).await
    }

    /// The same at a glance: what just arrived may be missed.
    pub(crate) fn seems_quiet(&self) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        self.lock().check_silence(&mut context).is_ok()
    }
}

impl Inner {
    /// The next reply. No reply is due twice, and one that is not due is still a reply: the caller
    /// judges.
    pub(crate) fn poll_reply(&mut self, cx: &mut Context<'_>) -> Poll<Result<Reply, Broken>> {
        if let Some(broken) = &self.broken {
            return Poll::Ready(Err(broken.clone()));
        }
        let read = ready!(self.poll_next_reply(cx));
        if let Err(broken) = &read {
            self.broken = Some(broken.clone());
        }
        Poll::Ready(read)
    }

    fn poll_next_reply(&mut self, cx: &mut Context<'_>) -> Poll<Result<Reply, Broken>> {
        loop {
            let taken = match self.stage {
                Stage::Ehlo => self.tap.take_capabilities()?,
                _ => self.tap.take()?,
            };
            if let Some(reply) = taken {
                return Poll::Ready(Ok(reply));
            }
            ready!(self.poll_fill(cx))?;
        }
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        let mut buffer = ReadBuf::new(&mut self.chunk[..]);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
        if buffer.filled().is_empty() {
            return Poll::Ready(Err(Broken::Closed));
        }
        self.tap.push(buffer.filled());
        Poll::Ready(Ok(()))
    }

    /// Makes sure that the server has not spoken out of turn. Does not wait.
    pub(crate) fn check_silence(&mut self, cx: &mut Context<'_>) -> Result<(), Broken> {
        if let Some(broken) = &self.broken {
            return Err(broken.clone());
        }
        let silence = if self.tap.is_empty() {
            match self.poll_fill(cx) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Ok(())) => Violation::Early.into(),
                Poll::Ready(Err(broken)) => broken,
            }
        } else {
            Violation::Early.into()
        };
        self.broken = Some(silence.clone());
        Err(silence)
    }

    /// Waits for the server to say anything at all.
    pub(crate) fn poll_listen(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        if let Some(broken) = &self.broken {
            return Poll::Ready(Err(broken.clone()));
        }
        self.poll_fill(cx)
    }

    /// Whether part of a reply, or one nobody asked for, has arrived.
    pub(crate) fn has_received(&self) -> bool {
        !self.tap.is_empty()
    }

    /// Writes content.
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize, Broken>> {
        match ready!(Pin::new(&mut self.stream).poll_write(cx, bytes)) {
            Ok(0) => Poll::Ready(Err(Broken::Closed)),
            Ok(written) => Poll::Ready(Ok(written)),
            Err(error) => Poll::Ready(Err(error.into())),
        }
    }

    /// Flushes content.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        Pin::new(&mut self.stream)
            .poll_flush(cx)
            .map_err(Broken::from)
    }

    fn poll_send_command(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        if self.command_sent == 0 {
            self.check_silence(cx)?;
            self.reply = None;
        }
        while self.command_sent < self.command.len() {
            let rest = &self.command[self.command_sent..];
            match ready!(Pin::new(&mut self.stream).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(Broken::Closed)),
                written => self.command_sent += written,
            }
        }
        ready!(self.poll_flush(cx))?;
        self.command.zeroize();
        self.command_sent = 0;
        self.is_reply_due = true;
        Poll::Ready(Ok(()))
    }

    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        if !self.is_reply_due {
            return Poll::Ready(Err(Broken::Unexpected));
        }
        let reply = ready!(self.poll_reply(cx))?;
        self.is_reply_due = false;
        self.render(&reply);
        if !self.goes_on_after(reply.code()) {
            self.broken = Some(Broken::Refused);
        }
        self.reply = Some(reply);
        Poll::Ready(Ok(()))
    }

    /// Whether another command may follow. lettre says QUIT after an EHLO or AUTH that went wrong,
    /// and would wait for the answer.
    fn goes_on_after(&self, code: u16) -> bool {
        match self.stage {
            Stage::Ehlo => code == 250,
            Stage::Auth => matches!(code, 235 | 334),
            Stage::Rcpt => code != 421,
            _ => code < 400,
        }
    }

    /// The reply as lettre needs it: of EHLO the capabilities, of a challenge the text, else the
    /// code. lettre knows no second digit above 5.
    fn render(&mut self, reply: &Reply) {
        let code = match reply.code() {
            code if code / 10 % 10 > 5 => code / 100 * 100 + 50,
            code => code,
        };
        let text = match (self.stage, code) {
            (Stage::Ehlo, 250) => Capabilities::parse(reply).render(code),
            (_, 334) => {
                let challenge = reply.lines().first().map_or("", String::as_str);
                format!("{code} {challenge}\r\n")
            }
            _ => format!("{code} \r\n"),
        };
        self.rendered.clear();
        self.rendered.extend_from_slice(text.as_bytes());
        self.rendered_read = 0;
    }
}

impl AsyncTokioStream for Handle {
    /// Asked for by nobody on the way that we take through lettre.
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok((Ipv4Addr::UNSPECIFIED, 0).into())
    }
}

impl AsyncRead for Handle {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut inner = self.lock();
        if inner.rendered_read == inner.rendered.len() {
            ready!(inner.poll_answer(cx))?;
        }
        let rest = &inner.rendered[inner.rendered_read..];
        let length = rest.len().min(buf.remaining());
        buf.put_slice(&rest[..length]);
        inner.rendered_read += length;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Handle {
    fn poll_write(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut inner = self.lock();
        if let Some(broken) = &inner.broken {
            return Poll::Ready(Err(broken.clone().into()));
        }
        if !is_one_command(bytes) {
            let broken = Broken::from(Violation::UnsafeCommand);
            inner.broken = Some(broken.clone());
            return Poll::Ready(Err(broken.into()));
        }
        inner.command.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.lock();
        if inner.command.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let sent = ready!(inner.poll_send_command(cx));
        if let Err(broken) = &sent {
            inner.broken = Some(broken.clone());
        }
        Poll::Ready(sent.map_err(io::Error::from))
    }

    /// Closing is dropping: a farewell could hang.
    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handle")
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.command.zeroize();
    }
}
