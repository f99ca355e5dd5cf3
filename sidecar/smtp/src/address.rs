//! Mailbox addresses and the paths of `MAIL` and `RCPT` (RFC 5321 section 4.1.2).

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// The longest address in bytes: a path of 256 (RFC 5321 section 4.5.3.1.3) without its `<` and `>`.
pub const ADDRESS_LIMIT_BYTES: usize = 254;
/// The longest local part in bytes (RFC 5321 section 4.5.3.1.1).
pub const LOCAL_PART_LIMIT_BYTES: usize = 64;
/// The longest label of a domain in bytes (RFC 1035 section 2.3.4).
const LABEL_LIMIT_BYTES: usize = 63;

/// Why a text is not an address that we take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Nothing, or an address without `@`.
    #[error("parsing an address: it has no domain, write local@domain")]
    NoDomain,
    /// More than [`ADDRESS_LIMIT_BYTES`].
    #[error("parsing an address: it is longer than 254 bytes")]
    TooLong,
    /// A local part of more than [`LOCAL_PART_LIMIT_BYTES`].
    #[error("parsing an address: the part before the @ is longer than 64 bytes")]
    LocalPartTooLong,
    /// A byte over 0x7f: that needs SMTPUTF8 (RFC 6531), which is not offered.
    #[error("parsing an address: it has a character that is not ASCII")]
    NonAscii,
    /// The local part is neither a dot-string nor a quoted string.
    #[error("parsing an address: the part before the @ is not valid")]
    LocalPart,
    /// The domain is neither a name nor an address literal.
    #[error("parsing an address: the domain is not valid")]
    Domain,
}

/// A mailbox, `local@domain`, in the form that it has on the wire.
///
/// Quoted local parts and address literals are kept byte for byte. Equality and order are those of
/// the wire form; see [`Address::same_mailbox`] for the comparison that ignores case.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    text: String,
    at: usize,
}

impl Address {
    /// Parses a `Mailbox` of RFC 5321 section 4.1.2, without angle brackets, in linear time.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.len() > ADDRESS_LIMIT_BYTES {
            return Err(AddressError::TooLong);
        }
        if !text.is_ascii() {
            return Err(AddressError::NonAscii);
        }
        let at = local_part_length(text.as_bytes())?;
        if at > LOCAL_PART_LIMIT_BYTES {
            return Err(AddressError::LocalPartTooLong);
        }
        if !is_domain(&text[at + 1..]) {
            return Err(AddressError::Domain);
        }
        Ok(Self {
            text: text.to_owned(),
            at,
        })
    }

    /// The whole address.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What stands before the `@`, quotes included.
    pub fn local(&self) -> &str {
        &self.text[..self.at]
    }

    /// What stands after the `@`: a name, or an address literal with its brackets.
    pub fn domain(&self) -> &str {
        &self.text[self.at + 1..]
    }

    /// Whether both name one mailbox when ASCII case is ignored, in the local part too: servers
    /// that tell `Info@` from `info@` do not exist in practice (RFC 5321 section 2.4).
    pub fn same_mailbox(&self, other: &Self) -> bool {
        self.text.eq_ignore_ascii_case(&other.text)
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

/// The argument of `MAIL FROM:`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ReversePath {
    /// `<>`: nobody wants a report about this mail (RFC 5321 section 4.5.5).
    Null,
    /// The mailbox that reports go to.
    Mailbox(Address),
}

impl ReversePath {
    /// The address, or the empty string for `<>`.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Null => "",
            Self::Mailbox(address) => address.as_str(),
        }
    }

    /// The address, if it is not `<>`.
    pub fn mailbox(&self) -> Option<&Address> {
        match self {
            Self::Null => None,
            Self::Mailbox(address) => Some(address),
        }
    }
}

impl fmt::Display for ReversePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The argument of `RCPT TO:`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ForwardPath {
    /// `<Postmaster>` without a domain, in any case (RFC 5321 section 4.1.1.3).
    Postmaster,
    /// A mailbox.
    Mailbox(Address),
}

impl ForwardPath {
    /// The address, or `postmaster`.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Postmaster => "postmaster",
            Self::Mailbox(address) => address.as_str(),
        }
    }
}

impl fmt::Display for ForwardPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Bytes of a valid local part, which is followed by an `@`.
fn local_part_length(text: &[u8]) -> Result<usize, AddressError> {
    let length = if text.first() == Some(&b'"') {
        quoted_string_length(text).ok_or(AddressError::LocalPart)?
    } else {
        text.iter()
            .position(|&byte| byte == b'@')
            .ok_or(AddressError::NoDomain)?
    };
    if text.get(length) != Some(&b'@') {
        return Err(AddressError::NoDomain);
    }
    let local = &text[..length];
    if local.first() != Some(&b'"') && !is_dot_string(local) {
        return Err(AddressError::LocalPart);
    }
    Ok(length)
}

/// Bytes of the `Quoted-string` that the text begins with, its quotes included.
pub(crate) fn quoted_string_length(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        match *text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' if (b' '..=b'~').contains(text.get(at + 1)?) => at += 2,
            b'\\' => return None,
            b' '..=b'~' => at += 1,
            _ => return None,
        }
    }
}

/// `Dot-string`: atoms with single dots between them.
fn is_dot_string(text: &[u8]) -> bool {
    text.split(|&byte| byte == b'.')
        .all(|atom| !atom.is_empty() && atom.iter().copied().all(is_atext))
}

/// `atext` of RFC 5322 section 3.2.3.
fn is_atext(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte)
}

/// `Domain` or `address-literal`. A name without a dot is one; a general address literal is not
/// taken, because no tag was ever registered for it.
fn is_domain(text: &str) -> bool {
    match text.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').is_some_and(is_ip_address),
        None => text.split('.').all(is_label),
    }
}

fn is_ip_address(text: &str) -> bool {
    match text.split_at_checked(5) {
        Some((tag, rest)) if tag.eq_ignore_ascii_case("IPv6:") => rest.parse::<Ipv6Addr>().is_ok(),
        _ => text.parse::<Ipv4Addr>().is_ok(),
    }
}

/// `sub-domain`, and the underscore that real host names have although RFC 1123 does not know it.
fn is_label(label: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=LABEL_LIMIT_BYTES).contains(&label.len())
        && label.bytes().all(inner)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests;
