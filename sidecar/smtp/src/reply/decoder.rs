//! A strict reader of the replies of a server that is not trusted.

use super::{EnhancedCode, Reply};

/// The longest reply in bytes, all its lines and their CRLF counted.
pub const REPLY_LIMIT_BYTES: usize = 64 * 1024;

/// How a reply broke the protocol. The connection is of no use afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// A line does not begin with three digits and a blank, a hyphen or its end.
    #[error("reading a reply: a line does not begin with a reply code")]
    NoCode,
    /// The lines of one reply have different codes.
    #[error("reading a reply: its lines have different codes")]
    MixedCodes,
    /// A NUL.
    #[error("reading a reply: it has a NUL")]
    Nul,
    /// A CR without LF.
    #[error("reading a reply: it has a CR that is not followed by LF")]
    BareCr,
    /// An LF without CR.
    #[error("reading a reply: it has an LF that does not follow a CR")]
    BareLf,
    /// More than [`REPLY_LIMIT_BYTES`].
    #[error("reading a reply: it is longer than 65536 bytes")]
    TooLong,
}

/// Reads one reply at a time from the front of a growing buffer (RFC 5321 section 4.2.1).
///
/// Each byte is looked at once, as long as the buffer only grows between two replies. Garbage is
/// told from a slow reply by its first bytes, not by its line end.
#[derive(Debug, Default)]
pub struct ReplyDecoder {
    lines: Vec<String>,
    code: u16,
    line_start: usize,
    scanned: usize,
}

/// A line that begins as a reply does.
struct Line<'a> {
    code: u16,
    is_last: bool,
    text: &'a [u8],
}

impl ReplyDecoder {
    /// A decoder at the start of a reply.
    pub fn new() -> Self {
        Self::default()
    }

    /// The reply that `input` begins with, and its length in bytes, once it is whole.
    ///
    /// Until then the caller keeps the bytes and calls again with more after them. What follows
    /// the reply is not looked at. Bytes that are not UTF-8 become U+FFFD. The enhanced code comes
    /// from the first line, if its class is that of the code.
    pub fn decode(&mut self, input: &[u8]) -> Result<Option<(Reply, usize)>, ReplyError> {
        let window = &input[..input.len().min(REPLY_LIMIT_BYTES)];
        if window.len() < self.scanned {
            *self = Self::new();
        }
        while let Some(end) = self.find_line_end(window)? {
            let line = parse_line(&window[self.line_start..end])?;
            if !self.lines.is_empty() && line.code != self.code {
                return Err(ReplyError::MixedCodes);
            }
            self.code = line.code;
            self.lines
                .push(String::from_utf8_lossy(line.text).into_owned());
            self.line_start = end + 2;
            self.scanned = self.line_start;
            if line.is_last {
                let length = self.line_start;
                return Ok(Some((std::mem::take(self).into_reply(), length)));
            }
        }
        if window.len() == REPLY_LIMIT_BYTES {
            return Err(ReplyError::TooLong);
        }
        Ok(None)
    }

    /// Where the CRLF of the current line is.
    fn find_line_end(&mut self, window: &[u8]) -> Result<Option<usize>, ReplyError> {
        check_start(&window[self.line_start..])?;
        let is_special = |byte: &u8| matches!(byte, b'\r' | b'\n' | 0);
        let Some(found) = window[self.scanned..].iter().position(is_special) else {
            self.scanned = window.len();
            return Ok(None);
        };
        self.scanned += found;
        match (window[self.scanned], window.get(self.scanned + 1)) {
            (0, _) => Err(ReplyError::Nul),
            (b'\n', _) => Err(ReplyError::BareLf),
            (_, Some(b'\n')) => Ok(Some(self.scanned)),
            (_, Some(_)) => Err(ReplyError::BareCr),
            (_, None) => Ok(None),
        }
    }

    fn into_reply(mut self) -> Reply {
        let first = self
            .lines
            .first()
            .and_then(|line| EnhancedCode::split(line));
        let enhanced = first
            .map(|(found, _)| found)
            .filter(|found| found.fits(self.code));
        if let Some(enhanced) = enhanced {
            for line in &mut self.lines {
                strip_enhanced(line, enhanced);
            }
        }
        Reply::with_lines(self.code, enhanced, self.lines)
    }
}

/// Takes the reply's enhanced code off a line, since [`Reply::encode`] writes it on each.
fn strip_enhanced(line: &mut String, enhanced: EnhancedCode) {
    if let Some((found, rest)) = EnhancedCode::split(line)
        && found == enhanced
    {
        *line = rest.to_owned();
    }
}

/// Refuses what cannot become a reply line, as soon as it shows.
fn check_start(line: &[u8]) -> Result<(), ReplyError> {
    let may_stand = |(at, byte): (usize, &u8)| match at {
        0 => (b'2'..=b'5').contains(byte),
        1 | 2 => byte.is_ascii_digit(),
        _ => matches!(byte, b' ' | b'-' | b'\r' | b'\n'),
    };
    if line.iter().take(4).enumerate().all(may_stand) {
        Ok(())
    } else {
        Err(ReplyError::NoCode)
    }
}

fn parse_line(line: &[u8]) -> Result<Line<'_>, ReplyError> {
    let (code, rest) = line.split_at_checked(3).ok_or(ReplyError::NoCode)?;
    let code = code
        .iter()
        .fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
    let text = rest.get(1..).unwrap_or_default();
    Ok(Line {
        code,
        is_last: rest.first() != Some(&b'-'),
        text,
    })
}
