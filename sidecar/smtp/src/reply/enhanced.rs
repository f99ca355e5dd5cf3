//! Enhanced status codes (RFC 3463).

use std::fmt;

/// Class, subject and detail: `5.7.1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EnhancedCode(pub u8, pub u16, pub u16);

impl EnhancedCode {
    /// Parses `class.subject.detail`: 2, 4 or 5, then numbers of at most three digits without
    /// leading zeros.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let class = match parts.next()? {
            "2" => 2,
            "4" => 4,
            "5" => 5,
            _ => return None,
        };
        let subject = parse_number(parts.next()?)?;
        let detail = parse_number(parts.next()?)?;
        parts
            .next()
            .is_none()
            .then_some(Self(class, subject, detail))
    }

    /// The code that a text begins with, and the text after it and its blank.
    pub(super) fn split(text: &str) -> Option<(Self, &str)> {
        let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
        Some((Self::parse(first)?, rest.trim_start_matches(' ')))
    }

    /// Whether it can stand beside that reply code.
    pub(super) fn fits(self, code: u16) -> bool {
        let Self(class, subject, detail) = self;
        matches!(class, 2 | 4 | 5)
            && u16::from(class) == code / 100
            && subject <= 999
            && detail <= 999
    }
}

impl fmt::Display for EnhancedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(class, subject, detail) = self;
        write!(f, "{class}.{subject}.{detail}")
    }
}

fn parse_number(text: &str) -> Option<u16> {
    let has_form = (1..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    (has_form && (text == "0" || !text.starts_with('0'))).then(|| text.parse().ok())?
}
