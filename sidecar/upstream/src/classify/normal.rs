//! What the text of a reply is: the words that rules are compared with.
//!
//! Lower case (ASCII), without codes, without the echo of a From, without HTML, white space folded
//! to single blanks. A From is the application's own text, so its echo goes before anything else is
//! looked at. A recipient's address in front (`docs/zoho.md` I1, I7, I8) is cut in a second form,
//! which only the rules about recipients see: an address is the application's own text too.

use zohorelay_smtp::reply::{EnhancedCode, Reply};

/// What stands before the From that R1 refuses.
const ECHO: &str = "disallowed as";

/// What may stand before a whole second reply (`docs/zoho.md` R2, R11).
const PREFIXES: [&str; 2] = ["message failed:", "authentication failed:"];

/// The text of a reply, in two forms.
pub(super) struct Text {
    front: String,
    behind_address: String,
}

impl Text {
    /// The text of all lines of `reply`.
    pub(super) fn of(reply: &Reply) -> Self {
        let lines = reply.lines().iter().map(|line| without_enhanced(line));
        let joined = lines.collect::<Vec<_>>().join(" ").to_ascii_lowercase();
        Self {
            front: without_prefix(&words(without_echo(&joined))).to_owned(),
            behind_address: words(without_address(joined.trim_start())),
        }
    }

    /// The text as it begins.
    pub(super) fn front(&self) -> &str {
        &self.front
    }

    /// The text behind an address, if it begins with one; else as it begins.
    pub(super) fn behind_address(&self) -> &str {
        &self.behind_address
    }

    /// Whether there are no words at all.
    pub(super) fn is_empty(&self) -> bool {
        self.front.is_empty()
    }
}

/// The text without tags, its white space folded.
fn words(text: &str) -> String {
    let text = without_html(text);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn without_enhanced(line: &str) -> &str {
    let line = line.trim_start();
    let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
    if EnhancedCode::parse(first).is_some() {
        rest
    } else {
        line
    }
}

fn without_echo(text: &str) -> &str {
    text.find(ECHO).map_or(text, |at| &text[..at + ECHO.len()])
}

/// Cuts a prefix and the codes of the second reply, if words of it are left.
fn without_prefix(text: &str) -> &str {
    let second = PREFIXES.iter().find_map(|prefix| text.strip_prefix(prefix));
    let Some(second) = second else {
        return text;
    };
    let rest = without_enhanced(without_code(second.trim_start()));
    if rest.is_empty() { text } else { rest }
}

fn without_code(text: &str) -> &str {
    let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
    let is_code = first.len() == 3 && first.bytes().all(|byte| byte.is_ascii_digit());
    if is_code { rest } else { text }
}

/// A tag leaves a blank.
fn without_html(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        let (before, tag) = rest.split_at(at);
        plain.push_str(before);
        rest = if let Some(length) = tag_len(tag) {
            plain.push(' ');
            &tag[length..]
        } else {
            plain.push('<');
            &tag[1..]
        };
    }
    plain.push_str(rest);
    plain
}

/// The length of the tag that the text begins with: a name of letters and digits, then a blank, `/`
/// or `>`, and all up to `>`. So `<local@domain>` is none.
fn tag_len(text: &str) -> Option<usize> {
    let inner = text.strip_prefix('<')?;
    let inner = inner.strip_prefix('/').unwrap_or(inner);
    let name_len = inner.find(|c: char| !c.is_ascii_alphanumeric())?;
    let is_tag = name_len > 0 && inner[name_len..].starts_with([' ', '/', '>']);
    is_tag.then(|| text.find('>'))?.map(|end| end + 1)
}

/// Cuts `<local@domain>` or `local@domain` off the front. A quoted local part may hold anything
/// (RFC 5321 section 4.1.2), also `>` and blanks.
fn without_address(text: &str) -> &str {
    let end = match text.strip_prefix('<') {
        Some(inner) => find_unquoted(inner, |byte| byte == b'>').map(|at| at + 2),
        None => find_unquoted(text, |byte| byte.is_ascii_whitespace()),
    };
    let (address, rest) = text.split_at(end.unwrap_or(text.len()));
    if address.contains('@') { rest } else { text }
}

fn find_unquoted(text: &str, ends: impl Fn(u8) -> bool) -> Option<usize> {
    let mut in_quotes = false;
    let mut is_escaped = false;
    text.bytes().position(|byte| {
        if is_escaped {
            is_escaped = false;
            return false;
        }
        is_escaped = in_quotes && byte == b'\\';
        in_quotes ^= byte == b'"';
        !in_quotes && ends(byte)
    })
}
