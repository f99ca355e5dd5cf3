//! Whether a mail has a text/calendar part, found while its content passes by.
//!
//! The scanner walks the MIME structure by its boundaries (RFC 2046 5.1). It takes the content in
//! any chunks, looks at each byte once, and keeps at most a line and the open boundaries. An
//! attached mail (message/rfc822) is one part: an invitation inside it is not this mail's.

use crate::header::Line;

/// How many multiparts may stand inside each other; what is deeper is not looked into.
const DEPTH_LIMIT: usize = 32;
/// How many parts are looked at; after them the answer stands.
const PART_LIMIT: usize = 1_000;
/// How much of a header line and of a Content-Type is kept, in bytes.
const FIELD_LIMIT_BYTES: usize = 4_096;
/// How much of a body line is kept, in bytes: `--`, a boundary, `--` and some blanks.
const DELIMITER_LIMIT_BYTES: usize = 512;

/// Streaming search for a text/calendar part.
#[derive(Clone, Debug, Default)]
pub struct CalendarScanner {
    state: State,
    found: bool,
    parts: usize,
    /// The start of the line under way, without its newline.
    line: Vec<u8>,
    field: FieldUnderWay,
    /// The boundary that the header under way names.
    boundary: Option<Vec<u8>>,
    /// The boundaries of the open multiparts, the innermost last.
    open: Vec<Vec<u8>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Header,
    Body,
    /// The answer stands: nothing that follows can change it.
    Done,
}

#[derive(Clone, Debug, Default)]
enum FieldUnderWay {
    #[default]
    None,
    Other,
    /// The body of a Content-Type field, unfolded.
    ContentType(Vec<u8>),
}

impl CalendarScanner {
    /// A scanner before the first byte of a content.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes of the content. The answer does not depend on how it was cut.
    pub fn scan(&mut self, content: &[u8]) {
        let mut rest = content;
        while self.state != State::Done && !rest.is_empty() {
            let newline = rest.iter().position(|byte| *byte == b'\n');
            self.keep(&rest[..newline.unwrap_or(rest.len())]);
            let Some(newline) = newline else { return };
            rest = &rest[newline + 1..];
            self.end_line();
        }
    }

    /// Whether a text/calendar part was seen.
    pub fn found(&self) -> bool {
        self.found
    }

    /// Keeps what the line under way may need: of a body line, only what may be a delimiter.
    fn keep(&mut self, bytes: &[u8]) {
        let limit = match self.state {
            State::Header => FIELD_LIMIT_BYTES,
            _ if !self.line.iter().take(2).all(|byte| *byte == b'-') => return,
            _ if self.line.is_empty() && bytes.first() != Some(&b'-') => 1,
            _ => DELIMITER_LIMIT_BYTES,
        };
        extend_within(&mut self.line, bytes, limit);
    }

    fn end_line(&mut self) {
        let mut line = std::mem::take(&mut self.line);
        let bare = line.strip_suffix(b"\r").unwrap_or(&line);
        match self.state {
            State::Header => self.header_line(bare),
            State::Body | State::Done => self.body_line(bare),
        }
        line.clear();
        self.line = line;
    }

    fn header_line(&mut self, line: &[u8]) {
        if line.is_empty() {
            return self.end_header();
        }
        match (Line::at(line), &mut self.field) {
            (Line::Folded, FieldUnderWay::ContentType(body)) => {
                extend_within(body, line, FIELD_LIMIT_BYTES);
            }
            (Line::Folded, FieldUnderWay::Other) => {}
            (Line::Field { colon }, _) => {
                self.end_field();
                let is_content_type = line[..colon]
                    .trim_ascii_end()
                    .eq_ignore_ascii_case(b"content-type");
                self.field = if is_content_type {
                    FieldUnderWay::ContentType(line[colon + 1..].to_vec())
                } else {
                    FieldUnderWay::Other
                };
            }
            // A line that is no field is the first of the body.
            _ => {
                self.end_header();
                if self.state == State::Body {
                    self.body_line(line);
                }
            }
        }
    }

    fn end_field(&mut self) {
        if let FieldUnderWay::ContentType(body) = std::mem::take(&mut self.field) {
            let content_type = ContentType::parse(&body);
            self.found |= content_type.is_calendar;
            self.boundary = self.boundary.take().or(content_type.boundary);
        }
    }

    fn end_header(&mut self) {
        self.end_field();
        if let Some(boundary) = self.boundary.take()
            && self.open.len() < DEPTH_LIMIT
        {
            self.open.push(boundary);
        }
        let is_answered = self.found || self.open.is_empty();
        self.state = if is_answered {
            State::Done
        } else {
            State::Body
        };
    }

    /// A delimiter of an outer multipart ends the inner ones (RFC 2046 5.1.2).
    fn body_line(&mut self, line: &[u8]) {
        let Some(line) = line.strip_prefix(b"--") else {
            return;
        };
        let delimited = self
            .open
            .iter()
            .enumerate()
            .rev()
            .find_map(|(depth, boundary)| {
                Some((
                    depth,
                    Delimiter::parse(line.strip_prefix(boundary.as_slice())?)?,
                ))
            });
        match delimited {
            Some((depth, Delimiter::Close)) => {
                self.open.truncate(depth);
                self.state = if self.open.is_empty() {
                    State::Done
                } else {
                    State::Body
                };
            }
            Some((depth, Delimiter::Part)) => {
                self.open.truncate(depth + 1);
                self.parts += 1;
                self.state = if self.parts > PART_LIMIT {
                    State::Done
                } else {
                    State::Header
                };
            }
            None => {}
        }
    }
}

fn extend_within(kept: &mut Vec<u8>, bytes: &[u8], limit: usize) {
    let room = limit.saturating_sub(kept.len());
    kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
}

/// What a line that starts with `--boundary` does.
enum Delimiter {
    Part,
    Close,
}

impl Delimiter {
    fn parse(after_boundary: &[u8]) -> Option<Self> {
        let (kind, padding) = match after_boundary.strip_prefix(b"--") {
            Some(padding) => (Self::Close, padding),
            None => (Self::Part, after_boundary),
        };
        padding.trim_ascii().is_empty().then_some(kind)
    }
}

/// What a Content-Type (RFC 2045 5.1) says that matters here.
struct ContentType {
    is_calendar: bool,
    /// Of a multipart.
    boundary: Option<Vec<u8>>,
}

impl ContentType {
    fn parse(body: &[u8]) -> Self {
        let type_end = body
            .iter()
            .position(|byte| *byte == b';')
            .unwrap_or(body.len());
        let mut halves = body[..type_end]
            .splitn(2, |byte| *byte == b'/')
            .map(<[u8]>::trim_ascii);
        let (main, sub) = (
            halves.next().unwrap_or_default(),
            halves.next().unwrap_or_default(),
        );
        let is_multipart = main.eq_ignore_ascii_case(b"multipart");
        Self {
            is_calendar: main.eq_ignore_ascii_case(b"text")
                && sub.eq_ignore_ascii_case(b"calendar"),
            boundary: if is_multipart {
                boundary_of(&body[type_end..])
            } else {
                None
            },
        }
    }
}

/// The first `boundary` among parameters, each of which starts with a semicolon.
fn boundary_of(parameters: &[u8]) -> Option<Vec<u8>> {
    let mut rest = parameters;
    while let Some((b';', parameter)) = rest.split_first() {
        let name_end = parameter
            .iter()
            .position(|byte| matches!(byte, b'=' | b';'));
        let name_end = name_end.unwrap_or(parameter.len());
        let name = parameter[..name_end].trim_ascii();
        let value;
        (value, rest) = match &parameter[name_end..] {
            [b'=', after @ ..] => parameter_value(after.trim_ascii_start()),
            after => (Vec::new(), after),
        };
        if name.eq_ignore_ascii_case(b"boundary") && !value.is_empty() {
            return Some(value);
        }
    }
    None
}

/// A token or quoted string, and what follows from the next semicolon on.
fn parameter_value(bytes: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut value = Vec::new();
    let mut rest = bytes;
    if let Some(quoted) = bytes.strip_prefix(b"\"") {
        rest = quoted;
        while let Some((byte, after)) = rest.split_first() {
            rest = after;
            match (byte, after) {
                (b'"', _) => break,
                (b'\\', [escaped, after @ ..]) => {
                    value.push(*escaped);
                    rest = after;
                }
                _ => value.push(*byte),
            }
        }
    }
    let end = rest
        .iter()
        .position(|byte| *byte == b';')
        .unwrap_or(rest.len());
    if !bytes.starts_with(b"\"") {
        value.extend_from_slice(rest[..end].trim_ascii_end());
    }
    (value, &rest[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(content: &str) -> bool {
        let mut scanner = CalendarScanner::new();
        scanner.scan(content.as_bytes());
        scanner.found()
    }

    #[test]
    fn a_calendar_part_is_found_wherever_it_stands() {
        for content in [
            "Content-Type: text/calendar; method=REQUEST\r\n\r\nBEGIN:VCALENDAR\r\n",
            "CONTENT-TYPE :\r\n TEXT / Calendar\r\n\r\nx\r\n",
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\
             Content-Type: text/calendar\r\n\r\nx\r\n--b--\r\n",
            "Content-Type: multipart/mixed;\r\n\tcharset=x;\r\n boundary=\"a \\\"b\"\r\n\r\n\
             preamble\r\n--a \"b\r\n\r\ntext\r\n--a \"b \t\r\nContent-type: text/calendar\r\n\r\n",
            "Content-Type: multipart/mixed; x; y=\"; boundary=no\"; boundary=b\r\n--b\r\n\
             Content-Type: text/calendar\r\n\r\nx",
            "Content-Type: multipart/mixed; boundary=out\r\n\r\n--out\r\n\
             Content-Type: multipart/alternative; boundary=in\r\n\r\n--in\r\n\r\ntext\r\n\
             --in\r\nContent-Type: text/calendar\r\n\r\nx\r\n--in--\r\n--out--\r\n",
            "Content-Type: multipart/mixed; boundary=out\r\n\r\n--out\r\n\
             Content-Type: multipart/alternative; boundary=in\r\n\r\n--in\r\n\r\nnot closed\r\n\
             --out\r\nContent-Type: text/calendar\r\n\r\nx",
        ] {
            assert!(found(content), "{content}");
        }
    }

    #[test]
    fn what_only_looks_like_a_calendar_part_is_none() {
        for content in [
            "",
            "\r\nContent-Type: text/calendar\r\n\r\n",
            "Subject: x\r\n Content-Type: text/calendar\r\n\r\n",
            "X: y\r\n\r\nContent-Type: text/calendar\r\n\r\nx\r\n",
            "Content-Type: text/plain; name=text/calendar\r\n\r\nx",
            "Content-Type: multipart/mixed; boundary=b\r\n\r\nContent-Type: text/calendar\r\n\r\n",
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--bb\r\n\
             Content-Type: text/calendar\r\n\r\n",
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b--\r\n--b\r\n\
             Content-Type: text/calendar\r\n\r\n",
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\
             Content-Type: message/rfc822\r\n\r\nContent-Type: text/calendar\r\n\r\n--b--\r\n",
            "Content-Type: text/plain; boundary=b\r\n\r\n--b\r\nContent-Type: text/calendar\r\n\r\n",
        ] {
            assert!(!found(content), "{content}");
        }
    }

    #[test]
    fn a_delimiter_of_an_outer_multipart_ends_the_inner_ones() {
        let inner = "--out\r\nContent-Type: multipart/alternative; boundary=in\r\n\r\n--in\r\n\r\n";
        let siblings = "Content-Type: multipart/mixed; boundary=out\r\n\r\n".to_owned()
            + &inner.repeat(2 * DEPTH_LIMIT);
        let calendar = "Content-Type: text/calendar\r\n\r\n";
        assert!(found(&format!("{siblings}--in\r\n{calendar}")));
        assert!(!found(&format!(
            "{siblings}--out\r\n\r\n--in\r\n{calendar}"
        )));
    }

    #[test]
    fn s12_multiparts_nested_10_000_deep_cost_a_bounded_stack() {
        let mut scanner = CalendarScanner::new();
        for depth in 0..10_000 {
            scanner.scan(
                format!("Content-Type: multipart/mixed; boundary=b{depth}\r\n\r\n--b{depth}\r\n")
                    .as_bytes(),
            );
        }
        scanner.scan(b"Content-Type: text/calendar\r\n\r\nx");
        assert!(!scanner.found());
        assert_eq!(scanner.open.len(), DEPTH_LIMIT);
    }

    #[test]
    fn s12_after_the_part_limit_the_answer_stands() {
        let mut scanner = CalendarScanner::new();
        scanner.scan(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n");
        for _ in 0..=PART_LIMIT {
            scanner.scan(b"--b\r\n\r\nx\r\n");
        }
        assert_eq!(scanner.state, State::Done);
        scanner.scan(b"--b\r\nContent-Type: text/calendar\r\n\r\nx");
        assert!(!scanner.found());
    }

    #[test]
    fn s12_a_line_without_end_is_kept_only_in_part() {
        let mut scanner = CalendarScanner::new();
        for _ in 0..1_000 {
            scanner.scan(&[b'A'; 1_000]);
        }
        assert_eq!(scanner.line.len(), FIELD_LIMIT_BYTES);
        let mut scanner = CalendarScanner::new();
        scanner.scan(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n");
        for _ in 0..1_000 {
            scanner.scan(&[b'-'; 1_000]);
        }
        assert_eq!(scanner.line.len(), DELIMITER_LIMIT_BYTES);
    }
}
