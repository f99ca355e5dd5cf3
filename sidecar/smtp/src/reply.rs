//! Replies: a code, an enhanced code and lines of text (RFC 5321 section 4.2, RFC 2034).

mod decoder;
mod enhanced;

pub use decoder::{REPLY_LIMIT_BYTES, ReplyDecoder, ReplyError};
pub use enhanced::EnhancedCode;

/// The longest line that [`Reply::encode`] writes, in bytes without its CRLF (RFC 5321 section
/// 4.5.3.1.5).
pub const LINE_LIMIT_BYTES: usize = 510;

/// One reply, as it is sent or as it was read.
///
/// Its text can go to any wire or log: control characters became blanks, lines are short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    code: u16,
    enhanced: Option<EnhancedCode>,
    lines: Vec<String>,
}

impl Reply {
    /// A reply of one text, which is cleaned: a run of control characters becomes one blank, and
    /// what is too long for a line goes to several.
    ///
    /// One form on the wire has one meaning: an enhanced code whose class is not the first digit of
    /// the code is dropped (RFC 3463 section 2), and one that the text begins with is taken for the
    /// reply's if none is given. A code outside of 200 to 599 becomes 554.
    pub fn new(code: u16, enhanced: Option<EnhancedCode>, text: impl Into<String>) -> Self {
        Self::with_lines(code, enhanced, [text.into()])
    }

    /// As [`Reply::new`], each text on a line of its own.
    pub fn with_lines<L>(code: u16, enhanced: Option<EnhancedCode>, lines: L) -> Self
    where
        L: IntoIterator,
        L::Item: AsRef<str>,
    {
        let code = if (200..=599).contains(&code) {
            code
        } else {
            554
        };
        let mut texts: Vec<String> = lines.into_iter().map(|line| clean(line.as_ref())).collect();
        let mut enhanced = enhanced.filter(|enhanced| enhanced.fits(code));
        if enhanced.is_none()
            && let Some((found, text_after)) = first_code(&texts)
            && found.fits(code)
        {
            enhanced = Some(found);
            texts[0] = text_after;
        }
        let prefix = "250 ".len() + enhanced.map_or(0, |enhanced| enhanced.to_string().len() + 1);
        let mut lines = Vec::with_capacity(texts.len().max(1));
        for text in &texts {
            split_line(text, LINE_LIMIT_BYTES - prefix, &mut lines);
        }
        if lines.is_empty() {
            lines.push(String::new());
        }
        Self {
            code,
            enhanced,
            lines,
        }
    }

    /// The reply code, 200 to 599.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// The enhanced code; its class is the first digit of the code.
    pub fn enhanced(&self) -> Option<EnhancedCode> {
        self.enhanced
    }

    /// The text, line by line, without codes; at least one line, which may be empty.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// The lines, joined by blanks.
    pub fn text(&self) -> String {
        self.lines.join(" ")
    }

    /// 2yz: done.
    pub fn is_positive(&self) -> bool {
        self.code / 100 == 2
    }

    /// 3yz: go on.
    pub fn is_intermediate(&self) -> bool {
        self.code / 100 == 3
    }

    /// 4yz: not now.
    pub fn is_transient(&self) -> bool {
        self.code / 100 == 4
    }

    /// 5yz: not like this.
    pub fn is_permanent(&self) -> bool {
        self.code / 100 == 5
    }

    /// Appends the reply as it goes to the wire: lines of at most [`LINE_LIMIT_BYTES`] and CRLF,
    /// the enhanced code on each (RFC 2034 section 4).
    pub fn encode(&self, out: &mut Vec<u8>) {
        let last = self.lines.len().saturating_sub(1);
        for (index, text) in self.lines.iter().enumerate() {
            let separator = if index == last { ' ' } else { '-' };
            out.extend_from_slice(format!("{}{separator}", self.code).as_bytes());
            if let Some(enhanced) = self.enhanced {
                out.extend_from_slice(format!("{enhanced} ").as_bytes());
            }
            out.extend_from_slice(text.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// The enhanced code that the first line begins with, and that line without it.
fn first_code(texts: &[String]) -> Option<(EnhancedCode, String)> {
    let (found, rest) = EnhancedCode::split(texts.first()?)?;
    Some((found, rest.to_owned()))
}

/// Control characters and Unicode's own line ends become blanks, one for a run of them.
fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    let mut in_run = false;
    for character in text.chars() {
        let is_control = character.is_control() || matches!(character, '\u{2028}' | '\u{2029}');
        if !is_control {
            cleaned.push(character);
        } else if !in_run {
            cleaned.push(' ');
        }
        in_run = is_control;
    }
    cleaned.trim_matches(' ').to_owned()
}

/// Splits a text that begins with no blank into lines of at most `limit` bytes, at blanks where
/// there are any.
fn split_line(text: &str, limit: usize, lines: &mut Vec<String>) {
    let mut rest = text;
    while rest.len() > limit {
        let end = (0..=limit)
            .rfind(|&end| rest.is_char_boundary(end))
            .unwrap_or(limit);
        let cut = rest[..end].rfind(' ').unwrap_or(end);
        lines.push(rest[..cut].trim_end_matches(' ').to_owned());
        rest = rest[cut..].trim_start_matches(' ');
    }
    lines.push(rest.to_owned());
}

#[cfg(test)]
mod tests;
