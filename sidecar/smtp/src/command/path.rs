//! The paths of `MAIL` and `RCPT`: `<address>` (RFC 5321 section 4.1.2).

use crate::address::{Address, AddressError, ForwardPath, ReversePath, quoted_string_length};

/// Why a path is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PathError {
    #[error("the address does not stand in angle brackets, write <local@domain>")]
    Brackets,
    #[error("the address has a source route, write <local@domain>")]
    SourceRoute,
    #[error("the recipient is empty")]
    Empty,
    #[error(transparent)]
    Address(#[from] AddressError),
}

/// Parses `<>` or `<mailbox>`, and gives what follows.
pub(crate) fn parse_reverse_path(text: &str) -> Result<(ReversePath, &str), PathError> {
    let (inner, rest) = split_brackets(text)?;
    if inner.is_empty() {
        return Ok((ReversePath::Null, rest));
    }
    Ok((ReversePath::Mailbox(parse_mailbox(inner)?), rest))
}

/// Parses `<mailbox>` or `<postmaster>`, and gives what follows.
pub(crate) fn parse_forward_path(text: &str) -> Result<(ForwardPath, &str), PathError> {
    let (inner, rest) = split_brackets(text)?;
    if inner.is_empty() {
        return Err(PathError::Empty);
    }
    if inner.eq_ignore_ascii_case("postmaster") {
        return Ok((ForwardPath::Postmaster, rest));
    }
    Ok((ForwardPath::Mailbox(parse_mailbox(inner)?), rest))
}

/// What stands in the brackets, and what follows them. A quoted local part may have brackets.
fn split_brackets(text: &str) -> Result<(&str, &str), PathError> {
    let inner = text.strip_prefix('<').ok_or(PathError::Brackets)?;
    let quoted = if inner.starts_with('"') {
        quoted_string_length(inner.as_bytes())
    } else {
        Some(0)
    };
    let error = if inner.is_ascii() {
        AddressError::LocalPart
    } else {
        AddressError::NonAscii
    };
    let quoted = quoted.ok_or(error)?;
    let end = inner[quoted..].find('>').ok_or(PathError::Brackets)? + quoted;
    let rest = &inner[end + 1..];
    if !rest.is_empty() && !rest.starts_with(' ') {
        return Err(PathError::Brackets);
    }
    Ok((&inner[..end], rest))
}

fn parse_mailbox(inner: &str) -> Result<Address, PathError> {
    if inner.starts_with('@') {
        return Err(PathError::SourceRoute);
    }
    Ok(Address::parse(inner)?)
}
