//! STARTTLS (RFC 3207) on the raw stream, before lettre sees it.
//!
//! Nothing that was said in the clear is believed later: capabilities are asked for again inside
//! TLS, and a byte that follows the server's 220 is an attack (`docs/proof.md` U1 to U5).

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::time::{Instant, timeout_at};
use zohorelay_smtp::reply::Reply;

use crate::capabilities::Capabilities;
use crate::deadline::{self, step_end};
use crate::dial::Link;
use crate::failure::{Class, Failure, Stage};
use crate::fault::{Fault, Lateness};
use crate::submission::Progress;
use crate::tap::{Tap, Violation};
use crate::target::Target;
use crate::transport::Broken;

/// Asks for TLS. Gives the greeting and the stream, on which the handshake is next.
pub(crate) async fn negotiate(
    target: &Target,
    link: Box<dyn Link>,
    deadline: Instant,
    progress: &Progress,
) -> Result<(Reply, Box<dyn Link>), Failure> {
    let mut dialog = ClearDialog {
        link,
        tap: Tap::default(),
        deadline,
        progress,
    };
    let failed = |stage| move |fault: Fault| fault.into_failure(stage, &target.host);
    let greeting = dialog
        .step(Stage::Greeting, "", 220)
        .await
        .map_err(failed(Stage::Greeting))?;
    let offered = dialog
        .step(Stage::Ehlo, &format!("EHLO {}\r\n", target.ehlo_name), 250)
        .await
        .map_err(failed(Stage::Ehlo))?;
    if !Capabilities::parse(&offered).starttls {
        let detail = "securing the connection: the server does not offer STARTTLS";
        return Err(Failure::new(Class::Tls, Stage::Tls, &target.host, detail));
    }
    dialog
        .step(Stage::Tls, "STARTTLS\r\n", 220)
        .await
        .map_err(failed(Stage::Tls))?;
    dialog
        .assert_silence()
        .await
        .map_err(|broken| failed(Stage::Tls)(broken.into()))?;
    Ok((greeting, dialog.link))
}

/// What may be said without TLS. There is no way to say more.
struct ClearDialog<'a> {
    link: Box<dyn Link>,
    tap: Tap,
    deadline: Instant,
    progress: &'a Progress,
}

impl ClearDialog<'_> {
    /// Sends a command, which may be none, and takes the one reply that leads on.
    async fn step(&mut self, stage: Stage, command: &str, code: u16) -> Result<Reply, Fault> {
        self.progress.enter(stage);
        let limit = deadline::HANDSHAKE;
        let end = step_end(limit, self.deadline);
        let reply = timeout_at(end, self.exchange(stage, command))
            .await
            .map_err(|_| Fault::Late(Lateness::of(limit, self.deadline)))??;
        if reply.code() == code {
            Ok(reply)
        } else {
            Err(Fault::Reply(reply))
        }
    }

    async fn exchange(&mut self, stage: Stage, command: &str) -> Result<Reply, Broken> {
        if !command.is_empty() {
            if !self.tap.is_empty() {
                return Err(Violation::Early.into());
            }
            self.link.write_all(command.as_bytes()).await?;
            self.link.flush().await?;
        }
        poll_fn(|cx| self.poll_reply(cx, stage)).await
    }

    fn poll_reply(&mut self, cx: &mut Context<'_>, stage: Stage) -> Poll<Result<Reply, Broken>> {
        loop {
            let taken = match stage {
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
        let mut chunk = [0; 512];
        let mut buffer = ReadBuf::new(&mut chunk);
        ready!(Pin::new(&mut self.link).poll_read(cx, &mut buffer))?;
        if buffer.filled().is_empty() {
            return Poll::Ready(Err(Broken::Closed));
        }
        self.tap.push(buffer.filled());
        Poll::Ready(Ok(()))
    }

    /// Nothing may be left to read: by length, not by line.
    async fn assert_silence(&mut self) -> Result<(), Broken> {
        if !self.tap.is_empty() {
            return Err(Violation::Injected.into());
        }
        let look = poll_fn(|cx| {
            Poll::Ready(match self.poll_fill(cx) {
                Poll::Pending => Ok(()),
                Poll::Ready(Ok(())) => Err(Violation::Injected.into()),
                Poll::Ready(Err(broken)) => Err(broken),
            })
        });
        // Unconstrained: an exhausted budget must not be taken for silence.
        tokio::task::unconstrained(look).await
    }
}
