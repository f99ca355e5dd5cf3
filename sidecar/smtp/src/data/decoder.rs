//! From the wire to content: finds the end, takes off the stuffed dots, makes every line end CRLF.

use crate::scan::find_special;

/// What content may not have. Servers disagree about both, which is how a second mail hides in a
/// first one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// A CR that is not followed by LF.
    BareCr,
    /// A NUL.
    Nul,
}

/// What is known about the content so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DataSummary {
    /// Bytes of decoded content, up to the first violation.
    pub size_bytes: u64,
    /// Line ends without CR that became CRLF, up to the first violation.
    pub bare_lf: u64,
    /// Whether a byte was over 0x7f.
    pub eight_bit: bool,
    /// The first violation. Nothing after it was decoded.
    pub violation: Option<Violation>,
}

/// What one call of [`DataDecoder::decode`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// Bytes of the input that were used up: all of it, unless the end was reached.
    pub consumed: usize,
    /// Whether the end of data was reached. What follows it was not looked at.
    pub ended: bool,
}

/// Decodes the content of one mail, which only CRLF `.` CRLF ends.
///
/// After CRLF, and at the start, a line loses its leading dot. After a bare LF it does so only if
/// it begins with two: senders who write LF alone stuff their dots, or do not know that dots are
/// special, and a lone dot is then content.
#[derive(Debug, Default)]
pub struct DataDecoder {
    state: State,
    summary: DataSummary,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// After CRLF, or at the very start.
    #[default]
    LineStart,
    /// After CRLF and a dot that is not decided.
    Dot,
    /// After CRLF, a dot and a CR.
    DotCr,
    /// After a bare LF.
    LfStart,
    /// After a bare LF and a dot that is not decided.
    LfDot,
    /// Within a line.
    Text,
    /// Within a line, after a CR.
    Cr,
    /// After the end.
    Ended,
}

impl DataDecoder {
    /// A decoder at the start of the content.
    pub fn new() -> Self {
        Self::default()
    }

    /// Decodes the next bytes and appends content to `out`, until there is a violation; from then
    /// on it only looks for the end.
    pub fn decode(&mut self, input: &[u8], out: &mut Vec<u8>) -> Decoded {
        let mut consumed = 0;
        while let Some(&byte) = input.get(consumed) {
            consumed += match self.state {
                State::Ended => break,
                State::Text => self.take_text(&input[consumed..], out),
                _ => usize::from(self.take_edge(byte, out)),
            };
        }
        Decoded {
            consumed,
            ended: self.state == State::Ended,
        }
    }

    /// What is known so far; final after the end.
    pub fn summary(&self) -> DataSummary {
        self.summary
    }

    /// Takes all lines that pass unchanged in one piece, then the byte that ended the piece.
    fn take_text(&mut self, input: &[u8], out: &mut Vec<u8>) -> usize {
        let mut end = 0;
        loop {
            let Some(found) = find_special(&input[end..]) else {
                self.append(input, out);
                return input.len();
            };
            end += found;
            match &input[end..] {
                [b'\r', b'\n'] | [b'\r', b'\n', b'.', ..] => {
                    self.append(&input[..end + 2], out);
                    self.state = State::LineStart;
                    return end + 2;
                }
                [b'\r', b'\n', ..] => end += 2,
                _ => break,
            }
        }
        self.append(&input[..end], out);
        match input[end] {
            b'\r' => self.state = State::Cr,
            b'\n' => self.end_line_at_lf(out),
            _ => self.violate(Violation::Nul),
        }
        end + 1
    }

    /// Decides about one byte at the edge of a line. Says whether it is used up; a byte of text is
    /// left for [`Self::take_text`].
    fn take_edge(&mut self, byte: u8, out: &mut Vec<u8>) -> bool {
        let (state, is_used) = match (self.state, byte) {
            (State::LineStart, b'.') => (State::Dot, true),
            (State::LfStart, b'.') => (State::LfDot, true),
            (State::Dot, b'\r') => (State::DotCr, true),
            (State::DotCr, b'\n') => (State::Ended, true),
            (State::Cr, b'\n') => {
                self.append(b"\r\n", out);
                (State::LineStart, true)
            }
            (State::Dot, b'\n') => {
                self.append(b".", out);
                (State::Text, false)
            }
            (State::LfDot, _) => {
                if byte != b'.' {
                    self.append(b".", out);
                }
                (State::Text, false)
            }
            (State::Cr | State::DotCr, _) => {
                self.violate(Violation::BareCr);
                (State::Text, false)
            }
            _ => (State::Text, false),
        };
        self.state = state;
        is_used
    }

    fn end_line_at_lf(&mut self, out: &mut Vec<u8>) {
        if self.summary.violation.is_none() {
            self.summary.bare_lf += 1;
        }
        self.append(b"\r\n", out);
        self.state = State::LfStart;
    }

    fn violate(&mut self, violation: Violation) {
        self.summary.violation.get_or_insert(violation);
    }

    fn append(&mut self, content: &[u8], out: &mut Vec<u8>) {
        if self.summary.violation.is_none() {
            self.summary.size_bytes += content.len() as u64;
            self.summary.eight_bit |= !content.is_ascii();
            out.extend_from_slice(content);
        }
    }
}
