//! Display names in our spelling: a quoted string (RFC 5322 3.2.4) where the name is ASCII, else
//! encoded-words (RFC 2047) in UTF-8 and base64, on one line, never inside quotes.
//!
//! Encoded-words of the app are passed on and never decoded: what they hide, such as a line end,
//! stays hidden from every parser of headers.

use std::fmt::Write;
use std::ops::Range;

/// How much of a run of text is spelled, in bytes.
const TEXT_LIMIT_BYTES: usize = 256;
/// How long a spelled name may be, in bytes: with an address it fits a line of 998 (RFC 5322
/// 2.1.1).
const NAME_LIMIT_BYTES: usize = 640;
/// How far the end of an encoded-word is looked for, in bytes. The standard says 75, real mails
/// have more.
const ENCODED_LIMIT_BYTES: usize = 512;
/// Bytes of text in one encoded-word of at most 75 bytes: 60 of base64 and 12 around it.
const ENCODED_TEXT_BYTES: usize = 45;

/// A display name, as words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Name {
    words: Vec<Word>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Word {
    /// Text without control characters.
    Text(String),
    /// An encoded-word of the app, in letters that need no quotes.
    Encoded(String),
}

impl Name {
    /// The name that a configured text or a quoted string or a comment gives.
    pub(super) fn from_text(text: &[u8]) -> Self {
        let mut name = Self::default();
        name.push_text(text);
        name
    }

    pub(super) fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Appends text. Text of nothing but encoded-words, which are not legal in quotes but common
    /// there, becomes these.
    pub(super) fn push_text(&mut self, text: &[u8]) {
        let tokens = || {
            text.split(u8::is_ascii_whitespace)
                .filter(|token| !token.is_empty())
        };
        if tokens().all(|token| encoded_word(token) == Some(token.len())) {
            tokens().for_each(|token| self.push_encoded(token));
        } else {
            self.push_plain(text);
        }
    }

    /// Appends one encoded-word, as [`encoded_word`] found it.
    pub(super) fn push_encoded(&mut self, word: &[u8]) {
        self.words.push(Word::Encoded(without_specials(word)));
    }

    fn push_plain(&mut self, text: &[u8]) {
        let text = String::from_utf8_lossy(text).replace(char::is_control, " ");
        match (text.trim(), self.words.last_mut()) {
            ("", _) => {}
            (text, Some(Word::Text(before))) => {
                before.push(' ');
                before.push_str(text);
            }
            (text, _) => self.words.push(Word::Text(text.to_owned())),
        }
    }

    /// The name as it stands before an address; empty when there is none.
    pub(super) fn spelled(&self) -> String {
        let mut spelled = String::new();
        for (index, word) in self.words.iter().enumerate() {
            let is_encoded = |word: Option<&Word>| matches!(word, Some(Word::Encoded(_)));
            let before = is_encoded(
                index
                    .checked_sub(1)
                    .and_then(|before| self.words.get(before)),
            );
            let after = is_encoded(self.words.get(index + 1));
            let word = match word {
                Word::Encoded(word) => word.clone(),
                Word::Text(text) => spelled_text(text, before, after),
            };
            if spelled.len() + word.len() >= NAME_LIMIT_BYTES {
                break;
            }
            if !spelled.is_empty() {
                spelled.push(' ');
            }
            spelled.push_str(&word);
        }
        spelled
    }
}

/// Blanks between two encoded-words are not shown (RFC 2047 6.2), so text between them brings its
/// own.
fn spelled_text(text: &str, is_after_encoded: bool, is_before_encoded: bool) -> String {
    let text = &text[..char_boundary(text, TEXT_LIMIT_BYTES)];
    if text.is_ascii() && !text.contains(['<', '>']) {
        return quoted(text);
    }
    let blank = |is_needed| if is_needed { " " } else { "" };
    encoded(&format!(
        "{}{text}{}",
        blank(is_after_encoded),
        blank(is_before_encoded)
    ))
}

/// A quoted string (RFC 5322 3.2.4).
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for char in text.chars() {
        if matches!(char, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(char);
    }
    quoted.push('"');
    quoted
}

/// Encoded-words with a blank between them, none of which splits a character.
fn encoded(text: &str) -> String {
    let mut words = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (word, after) = rest.split_at(char_boundary(rest, ENCODED_TEXT_BYTES));
        words.push(format!("=?UTF-8?B?{}?=", base64(word.as_bytes())));
        rest = after;
    }
    words.join(" ")
}

/// The last boundary of a character that is not past `limit`.
fn char_boundary(text: &str, limit: usize) -> usize {
    (0..=limit.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0)
}

/// RFC 4648 4.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |index: usize| usize::from(group.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            let is_padding = digit > group.len();
            let value = bits >> (18 - 6 * digit) & 0x3f;
            text.push(if is_padding {
                '='
            } else {
                char::from(ALPHABET[value])
            });
        }
    }
    text
}

/// The length of the encoded-word (RFC 2047 2) that `bytes` start with. Its text may have letters
/// that the standard forbids within a phrase, as real mails do, but no blank.
pub(super) fn encoded_word(bytes: &[u8]) -> Option<usize> {
    let text = encoded_text(bytes)?;
    Some(text.end + 2)
}

/// Where the encoded text stands in an encoded-word.
fn encoded_text(bytes: &[u8]) -> Option<Range<usize>> {
    let bytes = &bytes[..bytes.len().min(ENCODED_LIMIT_BYTES)];
    let rest = bytes.strip_prefix(b"=?")?;
    let charset = rest
        .iter()
        .position(|byte| !is_charset_byte(*byte))
        .filter(|end| *end > 0)?;
    let is_text_byte = match rest.get(charset..charset + 3)? {
        b"?B?" | b"?b?" => |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte),
        b"?Q?" | b"?q?" => |byte: u8| byte.is_ascii_graphic() && byte != b'?',
        _ => return None,
    };
    let start = 2 + charset + 3;
    let end = start
        + bytes[start..]
            .iter()
            .position(|byte| !is_text_byte(*byte))?;
    bytes[end..].starts_with(b"?=").then_some(start..end)
}

fn is_charset_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.:*+".contains(&byte)
}

/// An encoded-word with its specials in hexadecimal (RFC 2047 5, rule 3), so that no parser takes
/// a comma or an angle bracket in it for one of the header.
fn without_specials(word: &[u8]) -> String {
    let text = encoded_text(word).unwrap_or_default();
    let mut spelled = String::with_capacity(word.len());
    for (index, byte) in word.iter().enumerate() {
        let is_special = !(byte.is_ascii_alphanumeric() || b"!*+-/=_.".contains(byte));
        if text.contains(&index) && is_special {
            // Writing to a String cannot fail.
            let _ = write!(spelled, "={byte:02X}");
        } else {
            spelled.push(char::from(*byte));
        }
    }
    spelled
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spelled(text: &str) -> String {
        Name::from_text(text.as_bytes()).spelled()
    }

    #[test]
    fn u19_names_are_quoted_or_encoded_and_bring_no_line_end() {
        for (text, expected) in [
            ("Billing", "\"Billing\""),
            ("Smith, J. (Ltd)", "\"Smith, J. (Ltd)\""),
            ("a \"b\" \\c", "\"a \\\"b\\\" \\\\c\""),
            ("J\u{f6}rg", "=?UTF-8?B?SsO2cmc=?="),
            ("a\r\nBcc: evil@x.example", "\"a  Bcc: evil@x.example\""),
            ("a\u{0}b\u{7f}c", "\"a b c\""),
            ("\u{85}x", "\"x\""),
            ("<evil@x.example>", "=?UTF-8?B?PGV2aWxAeC5leGFtcGxlPg==?="),
            ("", ""),
            (" \t ", ""),
            (
                "=?utf-8?Q?a?= =?utf-8?B?Yg==?=",
                "=?utf-8?Q?a?= =?utf-8?B?Yg==?=",
            ),
            ("=?utf-8?Q?a,<b>?=", "=?utf-8?Q?a=2C=3Cb=3E?="),
            ("=?utf-8?Q?a?= b", "\"=?utf-8?Q?a?= b\""),
        ] {
            assert_eq!(spelled(text), expected, "{text:?}");
        }
    }

    #[test]
    fn encoded_words_are_at_most_75_bytes_and_split_no_character() {
        let words = spelled(&"\u{1f4e7}\u{f6}".repeat(30));
        let words: Vec<&str> = words.split(' ').collect();
        assert!(words.len() > 3);
        assert!(
            words
                .iter()
                .all(|word| word.len() <= 75 && word.ends_with("?="))
        );
    }

    #[test]
    fn a_name_is_cut_so_that_its_line_stays_legal() {
        for text in [
            "x".repeat(5_000),
            "\"".repeat(5_000),
            "\u{f6}".repeat(5_000),
        ] {
            assert!(spelled(&text).len() < NAME_LIMIT_BYTES);
        }
        assert!(spelled(&"=?utf-8?Q?abcdef?= ".repeat(500)).len() < NAME_LIMIT_BYTES);
    }

    #[test]
    fn text_between_encoded_words_keeps_its_blanks() {
        let mut name = Name::from_text(b"=?utf-8?Q?a?=");
        name.push_plain("\u{f6}".as_bytes());
        name.push_encoded(b"=?utf-8?Q?b?=");
        let between = encoded(" \u{f6} ");
        assert_eq!(
            name.spelled(),
            format!("=?utf-8?Q?a?= {between} =?utf-8?Q?b?=")
        );
    }

    #[test]
    fn base64_is_that_of_the_rfc() {
        let rows = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
        ];
        for (text, expected) in rows {
            assert_eq!(base64(text.as_bytes()), expected);
        }
    }
}
