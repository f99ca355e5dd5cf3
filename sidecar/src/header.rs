//! The header block of a mail (RFC 5322 2.2), scanned once and never repaired.
//!
//! The scanner finds where the header ends and where each field stands; the bytes stay the app's.
//! Four rules settle what the standard leaves open:
//!
//! - A content that starts with an empty line has an empty header.
//! - A line that is no field (no colon after its name, a blank inside the name, or a fold with
//!   nothing to fold onto) ends the header: it and all that follows is body.
//! - A blank before the colon (`From : x`) is the obsolete form of RFC 5322 4.5 and is a field.
//! - A line of blanks after a field is a fold of it (RFC 5322 4.2), not the end.

use thiserror::Error;

/// How long a header block may be, with the empty line that ends it, in bytes.
pub const HEADER_LIMIT_BYTES: usize = 256 * 1024;

/// Why a header block could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum HeaderError {
    /// The header does not end within [`HEADER_LIMIT_BYTES`].
    #[error("reading the header: it does not end within {HEADER_LIMIT_BYTES} bytes")]
    TooLong,
}

/// One header field, byte for byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// The name, without blanks and colon, in the app's spelling.
    pub name: &'a [u8],
    /// The whole field: name, colon, folded lines, final CRLF.
    pub raw: &'a [u8],
    /// What follows the colon, with its folds, without the final CRLF.
    pub body: &'a [u8],
}

impl Field<'_> {
    /// Whether the field has this name (ASCII case-insensitive, RFC 5322 1.2.2).
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    /// Whether nothing but blanks and folds follows the colon.
    pub fn is_blank(&self) -> bool {
        self.body.iter().all(u8::is_ascii_whitespace)
    }

    /// Whether blanks stand between the name and the colon.
    pub fn has_blank_before_colon(&self) -> bool {
        self.raw.get(self.name.len()) != Some(&b':')
    }
}

/// The header block at the front of a content.
#[derive(Clone, Debug)]
pub struct HeaderBlock<'a> {
    content: &'a [u8],
    spans: Vec<Span>,
    fields_end: usize,
    body_start: usize,
}

/// Where a field ends and where its colon is; it starts where the one before it ended.
#[derive(Clone, Copy, Debug)]
struct Span {
    colon: usize,
    end: usize,
}

impl<'a> HeaderBlock<'a> {
    /// Scans the header at the front of a content, in one pass.
    ///
    /// `content_prefix` is the whole content (`is_whole`) or at least its first
    /// [`HEADER_LIMIT_BYTES`]; bytes past the limit are not looked at.
    ///
    /// # Errors
    ///
    /// [`HeaderError::TooLong`] when the header does not end within the limit.
    pub fn parse(content_prefix: &'a [u8], is_whole: bool) -> Result<Self, HeaderError> {
        let content = &content_prefix[..content_prefix.len().min(HEADER_LIMIT_BYTES)];
        let is_whole = is_whole && content.len() == content_prefix.len();
        let mut block = Self {
            content,
            spans: Vec::with_capacity(32),
            fields_end: 0,
            body_start: 0,
        };
        let separator_bytes = loop {
            let start = block.fields_end;
            match Line::at(&content[start..]) {
                Line::Field { colon } => {
                    let end = line_end(content, start + colon, is_whole)?;
                    block.spans.push(Span {
                        colon: start + colon,
                        end,
                    });
                    block.fields_end = end;
                }
                Line::Folded => {
                    // A fold with nothing to fold onto is body.
                    let Some(last) = block.spans.last_mut() else {
                        break 0;
                    };
                    last.end = line_end(content, start, is_whole)?;
                    block.fields_end = last.end;
                }
                Line::Empty => break 2,
                Line::Undecided if !is_whole => return Err(HeaderError::TooLong),
                Line::NoField | Line::Undecided => break 0,
            }
        };
        block.body_start = block.fields_end + separator_bytes;
        Ok(block)
    }

    /// Where the body starts in the content: after the empty line, or at the first line that is
    /// no field, or at the end of a content that is all header.
    pub fn body_start(&self) -> usize {
        self.body_start
    }

    /// Where the last field ends in the content.
    pub fn fields_end(&self) -> usize {
        self.fields_end
    }

    /// Whether an empty line ends the header.
    pub fn has_empty_line(&self) -> bool {
        self.body_start != self.fields_end
    }

    /// Whether a line that is no field ended the header, so that the body has no empty line
    /// before it.
    pub fn runs_into_body(&self) -> bool {
        !self.has_empty_line() && (self.fields_end < self.content.len() || self.spans.is_empty())
    }

    /// The bytes of the fields, from the first to the last.
    pub fn bytes(&self) -> &'a [u8] {
        &self.content[..self.fields_end]
    }

    /// The fields, in the order of the mail.
    pub fn fields(&self) -> impl Iterator<Item = Field<'a>> + use<'a, '_> {
        let content = self.content;
        let mut start = 0;
        self.spans.iter().map(move |span| {
            let raw = &content[start..span.end];
            let name = content[start..span.colon].trim_ascii_end();
            let body = &content[span.colon + 1..span.end];
            start = span.end;
            Field {
                name,
                raw,
                body: body.strip_suffix(b"\r\n").unwrap_or(body),
            }
        })
    }
}

/// What a line of a header is, told by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// A field whose colon is this many bytes from the start.
    Field {
        /// Offset of the colon.
        colon: usize,
    },
    /// A continuation of the line before it.
    Folded,
    /// The empty line.
    Empty,
    /// Neither: it is body.
    NoField,
    /// The bytes end before it can be told.
    Undecided,
}

impl Line {
    /// Judges the line that starts at the front of `bytes`.
    pub(crate) fn at(bytes: &[u8]) -> Self {
        match bytes {
            [b'\r', b'\n', ..] => return Self::Empty,
            [] | [b'\r'] => return Self::Undecided,
            [b' ' | b'\t', ..] => return Self::Folded,
            _ => {}
        }
        let Some(name_end) = bytes.iter().position(|byte| !is_name_byte(*byte)) else {
            return Self::Undecided;
        };
        let blanks = bytes[name_end..]
            .iter()
            .position(|byte| !matches!(byte, b' ' | b'\t'));
        match blanks.map(|blanks| (name_end + blanks, bytes[name_end + blanks])) {
            None => Self::Undecided,
            Some((colon, b':')) if name_end > 0 => Self::Field { colon },
            Some(_) => Self::NoField,
        }
    }
}

/// RFC 5322 3.6.8, and raw 8-bit bytes: such a name means nothing to us, but ending the header
/// there would push the fields after it into the body.
fn is_name_byte(byte: u8) -> bool {
    byte > b' ' && byte != b':' && byte != 0x7f
}

/// The offset after the CRLF of the line that holds `from`.
fn line_end(content: &[u8], from: usize, is_whole: bool) -> Result<usize, HeaderError> {
    let mut at = from;
    while let Some(newline) = content[at..].iter().position(|byte| *byte == b'\n') {
        at += newline + 1;
        if content[..at].ends_with(b"\r\n") {
            return Ok(at);
        }
    }
    if is_whole {
        Ok(content.len())
    } else {
        Err(HeaderError::TooLong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(content: &str) -> (Vec<String>, usize, bool) {
        let block = HeaderBlock::parse(content.as_bytes(), true).unwrap();
        let names = block
            .fields()
            .map(|f| String::from_utf8_lossy(f.name).into_owned())
            .collect();
        (names, block.body_start(), block.has_empty_line())
    }

    #[test]
    fn fields_are_the_bytes_of_the_mail() {
        let content = b"From: a@b\r\nSubject : x\r\n\ty\r\n\r\nbody";
        let block = HeaderBlock::parse(content, true).unwrap();
        let fields: Vec<_> = block.fields().collect();
        assert_eq!(fields[0].raw, b"From: a@b\r\n");
        assert_eq!(fields[0].body, b" a@b");
        assert_eq!(fields[1].name, b"Subject");
        assert_eq!(fields[1].raw, b"Subject : x\r\n\ty\r\n");
        assert_eq!(fields[1].body, b" x\r\n\ty");
        assert!(fields[1].has_blank_before_colon() && !fields[0].has_blank_before_colon());
        assert_eq!(&content[block.body_start()..], b"body");
    }

    #[test]
    fn f17_the_header_ends_where_the_first_line_that_is_no_field_stands() {
        let own = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        for (content, fields, body_start, empty_line) in [
            ("", &[][..], 0, false),
            ("\r\nx", &[], 2, true),
            (" folded\r\n", &[], 0, false),
            (".\r\n", &[], 0, false),
            (":x\r\n", &[], 0, false),
            ("no colon\r\n", &[], 0, false),
            (
                "From root Mon Nov 23 10:00:00 2026\r\nA: b\r\n",
                &[],
                0,
                false,
            ),
            ("a\u{1}b: c\r\n", &[], 0, false),
            ("A: b\r\nno field\r\nC: d\r\n\r\n", &["A"], 6, false),
            ("A: b\r\n:x\r\n", &["A"], 6, false),
            ("A: b\r\n \r\nC: d\r\n\r\n", &["A", "C"], 17, true),
            ("A: b\r\nC\t : d\r\n", &["A", "C"], 14, false),
            ("A: b", &["A"], 4, false),
            ("A:\r\n\r\n", &["A"], 6, true),
            (
                "Gr\u{f6}\u{df}e: 1\r\nC: d\r\n\r\n",
                &["Gr\u{f6}\u{df}e", "C"],
                20,
                true,
            ),
            ("A: b\r\n\r", &["A"], 6, false),
        ] {
            assert_eq!(
                names(content),
                (own(fields), body_start, empty_line),
                "{content:?}"
            );
        }
    }

    #[test]
    fn f17_a_line_of_100_kib_without_a_colon_is_body() {
        let line = "x".repeat(100 * 1024) + "\r\n";
        assert_eq!(names(&line), (vec![], 0, false));
        let with_blank = "x ".repeat(200 * 1024);
        let block = HeaderBlock::parse(with_blank.as_bytes(), true).unwrap();
        assert!(block.runs_into_body());
    }

    #[test]
    fn s12_a_header_that_does_not_end_within_the_limit_is_too_long() {
        let field = "A: 123456\r\n";
        let many = field.repeat(10 * 1024 * 1024 / field.len());
        for content in [
            many.clone(),
            "A: b\r\n".to_owned() + &" x\r\n".repeat(100_000),
            format!("A: {}", "x".repeat(HEADER_LIMIT_BYTES)),
            "x".repeat(HEADER_LIMIT_BYTES + 1),
        ] {
            let result = HeaderBlock::parse(content.as_bytes(), true);
            assert_eq!(result.unwrap_err(), HeaderError::TooLong);
        }
        let fits = &many[..HEADER_LIMIT_BYTES / field.len() * field.len() - field.len()];
        let content = format!("{fits}\r\n{}", "x".repeat(100));
        let block = HeaderBlock::parse(content.as_bytes(), true).unwrap();
        assert_eq!(block.fields().count(), fits.len() / field.len());
        let block = HeaderBlock::parse(&content.as_bytes()[..HEADER_LIMIT_BYTES], false).unwrap();
        assert_eq!(&content[block.body_start()..], "x".repeat(100));
    }

    #[test]
    fn a_header_that_ends_exactly_at_the_limit_is_whole() {
        let content = format!("A: {}\r\n\r\nbody", "x".repeat(HEADER_LIMIT_BYTES - 7));
        let block = HeaderBlock::parse(content.as_bytes(), true).unwrap();
        assert_eq!(block.body_start(), HEADER_LIMIT_BYTES);
        let longer = format!("A: {}\r\n\r\nbody", "x".repeat(HEADER_LIMIT_BYTES - 6));
        assert!(HeaderBlock::parse(longer.as_bytes(), true).is_err());
    }
}
