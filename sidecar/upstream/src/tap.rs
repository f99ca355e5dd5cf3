//! One validated reply at a time, out of the bytes that the server sends.
//!
//! What follows a reply stays here, so that "nothing buffered" can be asserted: a reply that comes
//! before its command is never taken for that command's (`docs/proof.md` U13, U14).

use zohorelay_smtp::reply::{Reply, ReplyDecoder, ReplyError};

/// How the server broke the protocol, or we nearly did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Violation {
    #[error(transparent)]
    Reply(#[from] ReplyError),
    #[error("a reply came before its command")]
    Early,
    #[error("a line of the EHLO reply is blank")]
    BlankCapability,
    #[error("bytes came in the clear after the reply to STARTTLS")]
    Injected,
    #[error("a command of ours is not one line of printable ASCII")]
    UnsafeCommand,
}

/// Bytes received and not yet taken as a reply.
#[derive(Debug, Default)]
pub(crate) struct Tap {
    received: Vec<u8>,
    decoder: ReplyDecoder,
}

impl Tap {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.received.extend_from_slice(bytes);
    }

    /// Whether nothing was received beyond the replies that were taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.received.is_empty()
    }

    /// The next reply, once it is whole.
    pub(crate) fn take(&mut self) -> Result<Option<Reply>, Violation> {
        self.take_if(|_| Ok(()))
    }

    /// The same for the reply to EHLO, of which a blank line makes some parsers panic
    /// (RUSTSEC-2026-0562, `docs/proof.md` U8). An empty one is legal.
    pub(crate) fn take_capabilities(&mut self) -> Result<Option<Reply>, Violation> {
        self.take_if(|bytes| {
            let is_blank = |line: &str| {
                let text = line.get(4..).unwrap_or_default();
                !text.is_empty() && text.trim().is_empty()
            };
            if String::from_utf8_lossy(bytes).lines().any(is_blank) {
                Err(Violation::BlankCapability)
            } else {
                Ok(())
            }
        })
    }

    fn take_if(
        &mut self,
        check: impl FnOnce(&[u8]) -> Result<(), Violation>,
    ) -> Result<Option<Reply>, Violation> {
        if self.received.is_empty() {
            return Ok(None);
        }
        let Some((reply, length)) = self.decoder.decode(&self.received)? else {
            return Ok(None);
        };
        check(&self.received[..length])?;
        self.received.drain(..length);
        Ok(Some(reply))
    }
}

/// Whether those bytes are one command: printable ASCII and CRLF once, at the end. Nothing that an
/// application or a document says can become a second command (`docs/proof.md` U19).
pub(crate) fn is_one_command(bytes: &[u8]) -> bool {
    bytes
        .strip_suffix(b"\r\n")
        .is_some_and(|line| line.iter().all(|byte| (b' '..=b'~').contains(byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_reply_a_step_and_the_rest_is_kept() {
        let mut tap = Tap::default();
        tap.push(b"250 one\r\n250 two\r\n25");
        assert_eq!(tap.take().unwrap().unwrap().text(), "one");
        assert!(!tap.is_empty());
        assert_eq!(tap.take().unwrap().unwrap().text(), "two");
        assert_eq!(tap.take().unwrap(), None);
        assert!(!tap.is_empty());
        tap.push(b"0 three\r\n");
        assert_eq!(tap.take().unwrap().unwrap().text(), "three");
        assert!(tap.is_empty());
    }

    #[test]
    fn a_blank_capability_is_refused_and_an_empty_one_is_not() {
        for (bytes, expected) in [
            (&b"250-   \r\n250 AUTH PLAIN\r\n"[..], false),
            (b"250-x\r\n250 \t\r\n", false),
            (b"250-\xc2\xa0\r\n250 x\r\n", false),
            (b"250-\r\n250 AUTH PLAIN\r\n", true),
            (b"250\r\n", true),
        ] {
            let mut tap = Tap::default();
            tap.push(bytes);
            assert_eq!(tap.take_capabilities().is_ok(), expected, "{bytes:?}");
        }
    }

    #[test]
    fn a_command_is_one_line() {
        assert!(is_one_command(b"MAIL FROM:<a@b>\r\n"));
        for bytes in [
            &b"MAIL FROM:<a@b>"[..],
            b"MAIL FROM:<a@b>\n",
            b"MAIL\r\nRCPT\r\n",
            b"MAIL\rRCPT\r\n",
            b"MAIL\nRCPT\r\n",
            b"MAIL\0\r\n",
            b"EHLO \x7f\r\n",
            b"MAIL FROM:<\xc3\xa9@b>\r\n",
        ] {
            assert!(!is_one_command(bytes), "{bytes:?}");
        }
    }
}
