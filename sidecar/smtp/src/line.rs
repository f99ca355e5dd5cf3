//! Command lines out of a stream of bytes (RFC 5321 section 2.3.8: CRLF ends a line, nothing else).

use crate::wiped::{Wiped, wipe};

/// The longest command line in bytes, its CRLF included. RFC 5321 section 4.5.3.1.4 asks for 512.
pub(crate) const COMMAND_LIMIT_BYTES: usize = 4_096;
/// The longest line of an authentication in bytes, its CRLF included (RFC 4954 section 4).
pub(crate) const AUTH_LIMIT_BYTES: usize = 12_288;

/// Received bytes, and how far they were looked at.
#[derive(Default)]
pub(crate) struct LineBuffer {
    bytes: Vec<u8>,
    /// Where the bytes that were not consumed begin.
    start: usize,
    /// How many bytes from `start` on are known to have no LF.
    scanned: usize,
    /// Whether the beginning of the current line was thrown away, as too long.
    is_discarding: bool,
    /// Whether the last byte that was thrown away is a CR.
    is_after_cr: bool,
    /// Bytes looked at or moved, to show that the work is linear.
    #[cfg(test)]
    work: usize,
}

/// The next line of a [`LineBuffer`].
pub(crate) enum Line {
    /// It has not ended yet.
    Partial,
    /// It ended; here without its CRLF. It may have NULs and bare CRs.
    Whole(Wiped),
    /// It ended and was too long.
    TooLong,
    /// It has an LF without CR.
    BareLf,
}

impl LineBuffer {
    /// Adds bytes at the end.
    pub(crate) fn receive(&mut self, bytes: &[u8]) {
        // Moving what is left is paid for by what was consumed: the work stays linear.
        if self.start >= self.bytes.len() - self.start {
            #[cfg(test)]
            {
                self.work += self.bytes.len() - self.start;
            }
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The bytes that were not consumed.
    pub(crate) fn pending(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// Takes bytes off the front, and overwrites them.
    pub(crate) fn consume(&mut self, length: usize) {
        let end = self.bytes.len().min(self.start + length);
        wipe(&mut self.bytes[self.start..end]);
        self.start = end;
        self.scanned = 0;
    }

    /// Takes bytes off the front that are no secret.
    pub(crate) fn skip(&mut self, length: usize) {
        self.start = self.bytes.len().min(self.start + length);
        self.scanned = 0;
    }

    /// Whether no received byte is left in memory.
    #[cfg(test)]
    pub(crate) fn is_wiped(&self) -> bool {
        self.bytes.iter().all(|&byte| byte == 0)
    }

    /// Takes everything off.
    pub(crate) fn clear(&mut self) {
        self.consume(self.bytes.len());
    }

    /// Takes the next line off the front. In an authentication, or where the line begins with
    /// `AUTH`, it may have [`AUTH_LIMIT_BYTES`], else [`COMMAND_LIMIT_BYTES`].
    pub(crate) fn next_line(&mut self, in_authentication: bool) -> Line {
        let pending = &self.bytes[self.start..];
        let is_auth = in_authentication
            || pending
                .get(..5)
                .is_some_and(|verb| verb.eq_ignore_ascii_case(b"AUTH "));
        let limit = if is_auth {
            AUTH_LIMIT_BYTES
        } else {
            COMMAND_LIMIT_BYTES
        };
        let found = pending[self.scanned..]
            .iter()
            .position(|&byte| byte == b'\n');
        let looked_at = found.map_or(pending.len(), |found| self.scanned + found + 1);
        #[cfg(test)]
        {
            self.work += looked_at - self.scanned;
        }
        self.scanned = looked_at;
        if found.is_none() {
            self.discard_if_longer_than(limit);
            return Line::Partial;
        }
        let before_lf = &pending[..looked_at - 1];
        let has_cr = before_lf
            .last()
            .map_or(self.is_after_cr, |&byte| byte == b'\r');
        let line = match before_lf.split_last() {
            _ if !has_cr => Line::BareLf,
            _ if self.is_discarding || looked_at > limit => Line::TooLong,
            Some((_, text)) => Line::Whole(Wiped::new(text.to_vec())),
            None => Line::TooLong,
        };
        self.consume(looked_at);
        self.is_discarding = false;
        self.is_after_cr = false;
        line
    }

    /// Throws the beginning of a line away that has not ended within the limit.
    fn discard_if_longer_than(&mut self, limit: usize) {
        let pending = self.pending();
        if pending.len() < limit {
            return;
        }
        self.is_after_cr = pending
            .last()
            .map_or(self.is_after_cr, |&byte| byte == b'\r');
        self.is_discarding = true;
        self.consume(self.pending().len());
    }
}

#[cfg(test)]
mod tests;
