//! From content to the wire: stuffs dots, and refuses what a server could take for a line end.

use crate::scan::find_special;

/// Content that cannot be sent. Nothing of the offending line end was written; the connection can
/// only be closed, since what stands before it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// A CR that is not followed by LF.
    #[error("sending content: it has a CR that is not followed by LF")]
    BareCr,
    /// An LF that does not follow a CR.
    #[error("sending content: it has an LF that does not follow a CR")]
    BareLf,
    /// A NUL.
    #[error("sending content: it has a NUL")]
    Nul,
}

/// Encodes the content of one mail: the only way of content to a wire.
///
/// Whatever the content is, CRLF `.` CRLF goes out once, at the end, and no CR or LF goes out alone.
#[derive(Debug, Default)]
pub struct DataEncoder {
    state: State,
    error: Option<ContentError>,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    LineStart,
    Text,
    /// After a CR that is held back.
    Cr,
}

impl DataEncoder {
    /// An encoder at the start of the content.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends the encoded content to `out`. After an error, all further calls fail with it.
    pub fn encode(&mut self, content: &[u8], out: &mut Vec<u8>) -> Result<(), ContentError> {
        let mut rest = content;
        while let (Some(&byte), None) = (rest.first(), self.error) {
            let used = match self.state {
                State::LineStart => {
                    if byte == b'.' {
                        out.push(b'.');
                    }
                    self.state = State::Text;
                    0
                }
                State::Text => self.put_text(rest, out),
                State::Cr => self.put_line_end(byte, out),
            };
            rest = &rest[used..];
        }
        self.error.map_or(Ok(()), Err)
    }

    /// Appends the end of data, after a CRLF if the content does not end with one.
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<(), ContentError> {
        if let State::Cr = self.state {
            self.error.get_or_insert(ContentError::BareCr);
        }
        if let Some(error) = self.error {
            return Err(error);
        }
        if let State::Text = self.state {
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b".\r\n");
        Ok(())
    }

    /// Puts all lines that need no stuffing in one piece, and holds back a CR after it.
    fn put_text(&mut self, content: &[u8], out: &mut Vec<u8>) -> usize {
        let mut end = 0;
        loop {
            let Some(found) = find_special(&content[end..]) else {
                out.extend_from_slice(content);
                return content.len();
            };
            end += found;
            match &content[end..] {
                [b'\r', b'\n'] | [b'\r', b'\n', b'.', ..] => {
                    out.extend_from_slice(&content[..end + 2]);
                    self.state = State::LineStart;
                    return end + 2;
                }
                [b'\r', b'\n', ..] => end += 2,
                _ => break,
            }
        }
        out.extend_from_slice(&content[..end]);
        match content[end] {
            b'\r' => self.state = State::Cr,
            b'\n' => self.error = Some(ContentError::BareLf),
            _ => self.error = Some(ContentError::Nul),
        }
        end + 1
    }

    fn put_line_end(&mut self, byte: u8, out: &mut Vec<u8>) -> usize {
        if byte == b'\n' {
            out.extend_from_slice(b"\r\n");
            self.state = State::LineStart;
        } else {
            self.error = Some(ContentError::BareCr);
        }
        1
    }
}
