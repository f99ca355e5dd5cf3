//! Takes the content after DATA, strictly: only CRLF.CRLF ends it (RFC 5321 4.5.2).
//!
//! A bare CR or LF is never a line end here. It is counted and stays content, so that a second
//! mail that hides behind one shows up as the content of the first.

use crate::store::ContentDefects;

/// Where the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    LineStart,
    /// After a dot at the start of a line.
    Dot,
    /// After a dot and a CR at the start of a line.
    DotCr,
    Text,
    Cr,
}

/// What a decoder took.
#[derive(Debug, Default)]
pub(crate) struct Content {
    /// As on the wire, still stuffed, without the line that ends it.
    pub(crate) wire: Vec<u8>,
    /// With the stuffed dots taken out.
    pub(crate) unstuffed: Vec<u8>,
    pub(crate) defects: ContentDefects,
    /// Bytes on the wire without the line that ends it, also those that were not kept.
    pub(crate) wire_bytes: u64,
    /// Bytes after un-stuffing, also those that were not kept.
    pub(crate) size_bytes: u64,
}

/// Decodes one content. Its first state is the start of a line.
#[derive(Debug)]
pub(crate) struct Decoder {
    at: At,
    taken: Content,
    keep_bytes: u64,
}

impl Decoder {
    /// Keeps at most `keep_bytes` of content; what follows is only counted.
    pub(crate) fn new(keep_bytes: u64) -> Self {
        Self {
            at: At::LineStart,
            taken: Content::default(),
            keep_bytes,
        }
    }

    /// Takes bytes up to the end; returns how many were taken and whether the end was reached.
    pub(crate) fn take(&mut self, input: &[u8]) -> (usize, bool) {
        for (index, &byte) in input.iter().enumerate() {
            if self.take_byte(byte) {
                return (index + 1, true);
            }
        }
        (input.len(), false)
    }

    /// Bytes on the wire so far, for faults within the content.
    pub(crate) fn wire_bytes(&self) -> u64 {
        self.taken.wire_bytes
    }

    pub(crate) fn finish(self) -> Content {
        self.taken
    }

    /// True at the LF of CRLF.CRLF.
    fn take_byte(&mut self, byte: u8) -> bool {
        self.at = match (self.at, byte) {
            (At::LineStart, b'.') => At::Dot,
            (At::Dot, b'\r') => At::DotCr,
            (At::DotCr, b'\n') => return true,
            (At::Dot, _) => {
                // A stuffed dot: on the wire, not in the content.
                self.wire(b'.');
                self.text(byte)
            }
            (At::DotCr, _) => {
                self.wire(b'.');
                self.both(b'\r');
                self.after_cr(byte)
            }
            (At::Cr, _) => self.after_cr(byte),
            (At::LineStart | At::Text, _) => self.text(byte),
        };
        false
    }

    /// The CR before `byte` is content already.
    fn after_cr(&mut self, byte: u8) -> At {
        if byte == b'\n' {
            self.both(byte);
            return At::LineStart;
        }
        self.taken.defects.bare_cr += 1;
        self.text(byte)
    }

    fn text(&mut self, byte: u8) -> At {
        match byte {
            b'\n' => self.taken.defects.bare_lf += 1,
            0 => self.taken.defects.nul += 1,
            0x80.. => self.taken.defects.eight_bit = true,
            _ => {}
        }
        self.both(byte);
        if byte == b'\r' { At::Cr } else { At::Text }
    }

    fn both(&mut self, byte: u8) {
        self.wire(byte);
        self.taken.size_bytes += 1;
        if self.taken.size_bytes <= self.keep_bytes {
            self.taken.unstuffed.push(byte);
        }
    }

    fn wire(&mut self, byte: u8) {
        self.taken.wire_bytes += 1;
        if self.taken.size_bytes < self.keep_bytes {
            self.taken.wire.push(byte);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (on the wire after DATA, content, CR, LF, NUL counts); what is after the end stays.
    type Row = (&'static [u8], &'static [u8], u64, u64, u64);

    const ROWS: [Row; 14] = [
        (b".\r\n", b"", 0, 0, 0),
        (b"a\r\n.\r\n", b"a\r\n", 0, 0, 0),
        (b"..\r\n.\r\n", b".\r\n", 0, 0, 0),
        (b"..a\r\n...\r\n.\r\n", b".a\r\n..\r\n", 0, 0, 0),
        (b".a\r\n.\r\n", b"a\r\n", 0, 0, 0),
        (b"a\n.\nb\r\n.\r\n", b"a\n.\nb\r\n", 0, 2, 0),
        (b"a\n.\r\nb\r\n.\r\n", b"a\n.\r\nb\r\n", 0, 1, 0),
        (b"a\r\n.\nb\r\n.\r\n", b"a\r\n\nb\r\n", 0, 1, 0),
        (b"a\r.\rb\r\n.\r\n", b"a\r.\rb\r\n", 2, 0, 0),
        (b"a\r.\r\nb\r\n.\r\n", b"a\r.\r\nb\r\n", 1, 0, 0),
        (b"a\r\n.\r\r\nb\r\n.\r\n", b"a\r\n\r\r\nb\r\n", 1, 0, 0),
        (b"a\r\n.\rb\r\n.\r\n", b"a\r\n\rb\r\n", 1, 0, 0),
        (b"a\r\r\n.\r\n", b"a\r\r\n", 1, 0, 0),
        (b"a\r\n\0.\r\n.\0\r\n.\r\n", b"a\r\n\0.\r\n\0\r\n", 0, 0, 2),
    ];

    fn decode(wire: &[u8], step: usize) -> Content {
        let mut decoder = Decoder::new(u64::MAX);
        let mut taken = 0;
        for piece in wire.chunks(step) {
            let (count, ended) = decoder.take(piece);
            taken += count;
            assert_eq!(ended, taken == wire.len(), "{wire:?} by {step}");
        }
        decoder.finish()
    }

    #[test]
    fn only_crlf_dot_crlf_ends_a_content_however_it_is_split() {
        for (wire, content, bare_cr, bare_lf, nul) in ROWS {
            for step in 1..=wire.len() {
                let taken = decode(wire, step);
                assert_eq!(taken.unstuffed, content, "{wire:?} by {step}");
                assert_eq!(taken.wire, wire[..wire.len() - 3], "{wire:?} by {step}");
                let defects = taken.defects;
                assert_eq!(
                    (defects.bare_cr, defects.bare_lf, defects.nul),
                    (bare_cr, bare_lf, nul)
                );
                assert_eq!(taken.size_bytes, content.len() as u64);
                assert_eq!(taken.wire_bytes, wire.len() as u64 - 3);
            }
        }
    }

    #[test]
    fn commands_behind_the_end_are_not_content() {
        let mut decoder = Decoder::new(u64::MAX);
        assert_eq!(decoder.take(b"a\r\n.\r\nQUIT\r\n"), (6, true));
    }

    #[test]
    fn what_is_over_the_limit_is_counted_and_not_kept() {
        let mut decoder = Decoder::new(4);
        assert_eq!(decoder.take(b"abcdefgh\r\n.\r\n"), (13, true));
        let taken = decoder.finish();
        assert_eq!(
            (taken.size_bytes, taken.unstuffed.as_slice()),
            (10, b"abcd".as_slice())
        );
        assert_eq!(taken.wire, b"abcd");
    }
}
