//! Small texts of our own making.

use jiff::Timestamp;

/// The longest Message-ID in a log, in characters.
const MESSAGE_ID_LIMIT_CHARS: usize = 256;

/// `Mon, 23 Nov 2026 10:00:00 +0000` (RFC 5322 3.3).
pub(super) fn rfc5322_date(time: Timestamp) -> String {
    time.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

/// A Message-ID for logs: what stands between the angle brackets, or else the whole body.
pub(super) fn message_id_text(body: &[u8]) -> String {
    let start = body
        .iter()
        .position(|byte| *byte == b'<')
        .map_or(0, |angle| angle + 1);
    let end = body[start..].iter().position(|byte| *byte == b'>');
    printable(
        &body[start..end.map_or(body.len(), |angle| start + angle)],
        MESSAGE_ID_LIMIT_CHARS,
    )
}

/// Text of the app in one line of printable ASCII: a blank for any blanks, `?` for what cannot be
/// shown.
pub(super) fn printable(bytes: &[u8], limit_chars: usize) -> String {
    let bytes = bytes.trim_ascii();
    let mut text = String::new();
    for char in String::from_utf8_lossy(&bytes[..bytes.len().min(4 * limit_chars)]).chars() {
        match char {
            _ if text.len() == limit_chars => break,
            ' ' | '\t' | '\r' | '\n' if text.ends_with(' ') => {}
            ' ' | '\t' | '\r' | '\n' => text.push(' '),
            '!'..='~' => text.push(char),
            _ => text.push('?'),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_rfc_5322() {
        let time: Timestamp = "2026-11-03T09:05:07.9Z".parse().unwrap();
        assert_eq!(rfc5322_date(time), "Tue, 03 Nov 2026 09:05:07 +0000");
        assert_eq!(
            rfc5322_date(Timestamp::UNIX_EPOCH),
            "Thu, 01 Jan 1970 00:00:00 +0000"
        );
        for extreme in [Timestamp::MIN, Timestamp::MAX] {
            assert!(rfc5322_date(extreme).ends_with(" +0000"));
        }
    }

    #[test]
    fn message_ids_are_short_and_printable() {
        for (body, expected) in [
            (&b" <a@b>"[..], "a@b"),
            (b"\r\n <a@b> (comment)", "a@b"),
            (b" a@b ", "a@b"),
            (b" <a\x1b[31m@b>", "a?[31m@b"),
            (b" <a b", "a b"),
            (b"<>", ""),
        ] {
            assert_eq!(message_id_text(body), expected);
        }
        assert_eq!(message_id_text(&[b'x'; 1_000]).len(), 256);
        assert_eq!(
            message_id_text("\u{f6}".repeat(1_000).as_bytes()).len(),
            256
        );
    }
}
