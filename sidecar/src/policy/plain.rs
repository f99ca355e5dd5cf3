//! The spellings of a mailbox that every parser reads alike, Zoho's naive one too
//! (`docs/zoho.md R1`): `a@b`, `<a@b>`, `Name <a@b>`, `"Name" <a@b>`, `=?…?= <a@b>`, on one line.

/// The address of a field body in a plain spelling, or `None` for any other.
pub(super) fn address(body: &[u8]) -> Option<&str> {
    let body = trim_blanks(body);
    let address = match body.strip_suffix(b">") {
        None => body,
        Some(front) => {
            let angle = front.iter().rposition(|byte| *byte == b'<')?;
            let (phrase, address) = (&front[..angle], &front[angle + 1..]);
            let is_apart = phrase.is_empty() || phrase.ends_with(b" ") || phrase.ends_with(b"\t");
            if !is_apart || !is_plain_phrase(trim_blanks(phrase)) {
                return None;
            }
            address
        }
    };
    let at = address.iter().position(|byte| *byte == b'@')?;
    let is_plain = address[..at].iter().all(|byte| is_atom_byte(*byte))
        && address[at + 1..]
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(byte));
    if is_plain {
        std::str::from_utf8(address).ok()
    } else {
        None
    }
}

/// `atext` of RFC 5322 3.2.3, and the dot.
pub(super) fn is_atom_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&byte)
}

fn trim_blanks(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// Atoms, dots and raw 8-bit bytes; or one quoted string without angle brackets.
fn is_plain_phrase(phrase: &[u8]) -> bool {
    let is_text = |byte: u8| byte >= 0x80 || (b' '..0x7f).contains(&byte) || byte == b'\t';
    let Some(quoted) = phrase.strip_prefix(b"\"") else {
        return phrase
            .iter()
            .all(|byte| is_atom_byte(*byte) || *byte >= 0x80 || matches!(byte, b' ' | b'\t'));
    };
    let mut rest = quoted;
    loop {
        rest = match rest {
            [b'"'] => return true,
            [b'\\', b'"' | b'\\', rest @ ..] => rest,
            [b'"' | b'\\' | b'<' | b'>', ..] | [] => return false,
            [byte, rest @ ..] if is_text(*byte) => rest,
            _ => return false,
        };
    }
}
