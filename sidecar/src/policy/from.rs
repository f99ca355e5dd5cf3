//! The grammar of From and Sender (RFC 5322 3.4, with the obsolete forms of 4.4 that real mails
//! have): mailboxes with comments, folds, quoted strings and routes.
//!
//! The parser reads each byte once and nests nothing. It is lenient where a name is meant and
//! strict where an address is: what it takes is spelled anew, so that a parser which reads the
//! original otherwise never sees it.

use zohorelay_smtp::address::Address;

use super::RefusalReason;
use super::name::{Name, encoded_word, quoted};
use super::plain::{self, is_atom_byte};
use crate::header::{Field, HeaderBlock};

/// How many mailboxes a From may have before it is no longer read.
const MAILBOX_LIMIT: usize = 32;
/// How deep comments may nest (RFC 5322 3.2.2 sets no limit).
const COMMENT_DEPTH_LIMIT: usize = 16;

/// One mailbox: a name and an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mailbox {
    /// The phrase before the address, or else the comment after it, as cron writes it.
    pub(super) name: Name,
    pub(super) at: Destination,
}

/// Where a mailbox is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Destination {
    Address(Address),
    /// A local part without a domain, as in `root (Cron Daemon)`.
    Local(String),
}

impl Mailbox {
    /// The address, if there is a whole one.
    pub(super) fn address(&self) -> Option<&Address> {
        match &self.at {
            Destination::Address(address) => Some(address),
            Destination::Local(_) => None,
        }
    }
}

/// The mailboxes of all From fields, in order, up to a limit; a field that cannot be read adds
/// none.
pub(super) fn mailboxes(header: &HeaderBlock<'_>) -> Vec<Mailbox> {
    let from = header.fields().filter(|field| field.is("from"));
    from.filter_map(|field| parse(field.body).ok())
        .flatten()
        .take(MAILBOX_LIMIT)
        .collect()
}

/// The address of a field in a plain spelling: no other parser can read another one there.
pub(super) fn plain_address(field: &Field<'_>) -> Option<Address> {
    if field.has_blank_before_colon() {
        return None;
    }
    Address::parse(plain::address(field.body)?).ok()
}

/// Parses a list of mailboxes, which has one in a mail of ours.
///
/// The error is [`RefusalReason::SeveralAddresses`] for a group and for more than 32 mailboxes,
/// else [`RefusalReason::Unreadable`].
pub(super) fn parse(body: &[u8]) -> Result<Vec<Mailbox>, RefusalReason> {
    let mut parser = Parser {
        rest: body,
        comment: None,
    };
    let mut mailboxes = vec![parser.mailbox()?];
    loop {
        match parser.next() {
            None => return Ok(mailboxes),
            Some(b',') if mailboxes.len() < MAILBOX_LIMIT => mailboxes.push(parser.mailbox()?),
            Some(b',') => return Err(RefusalReason::SeveralAddresses),
            Some(_) => return Err(RefusalReason::Unreadable),
        }
    }
}

struct Parser<'a> {
    rest: &'a [u8],
    /// The inside of the last comment.
    comment: Option<&'a [u8]>,
}

type Parsed<T> = Result<T, RefusalReason>;

impl<'a> Parser<'a> {
    /// A mailbox, and the blanks and comments after it.
    fn mailbox(&mut self) -> Parsed<Mailbox> {
        self.comment = None;
        let mut phrase = Phrase::default();
        loop {
            self.skip_blanks()?;
            let at = match self.rest.first() {
                None | Some(b',') => Destination::Local(phrase.local_alone()?),
                Some(b'@') => Destination::Address(self.domain_after(&phrase.take_local()?)?),
                Some(b'<') => Destination::Address(self.angle_address()?),
                Some(b':') => return Err(RefusalReason::SeveralAddresses),
                Some(b'"') => {
                    phrase.push(Word::Quoted(self.quoted_string()?));
                    continue;
                }
                Some(_) => {
                    phrase.push(self.atom()?);
                    continue;
                }
            };
            self.skip_blanks()?;
            return Ok(Mailbox {
                name: phrase.name_or(self.comment),
                at,
            });
        }
    }

    /// `<local@domain>`, with the route that RFC 5322 4.4 wants ignored.
    fn angle_address(&mut self) -> Parsed<Address> {
        self.expect(b'<')?;
        self.skip_blanks()?;
        if self.rest.first() == Some(&b'@') {
            self.route()?;
            self.skip_blanks()?;
        }
        let mut local = Phrase::default();
        local.push(match self.rest.first() {
            Some(b'"') => Word::Quoted(self.quoted_string()?),
            _ => self.atom()?,
        });
        self.skip_blanks()?;
        let address = self.domain_after(&local.take_local()?)?;
        self.skip_blanks()?;
        self.expect(b'>')?;
        Ok(address)
    }

    fn route(&mut self) -> Parsed<()> {
        loop {
            self.skip_blanks()?;
            match self.next() {
                Some(b'@') => {
                    self.skip_blanks()?;
                    self.domain()?;
                }
                Some(b',') => {}
                Some(b':') => return Ok(()),
                _ => return Err(RefusalReason::Unreadable),
            }
        }
    }

    /// `@domain`, after a local part.
    fn domain_after(&mut self, local: &str) -> Parsed<Address> {
        self.expect(b'@')?;
        self.skip_blanks()?;
        let domain = String::from_utf8_lossy(self.domain()?);
        Address::parse(&format!("{local}@{domain}")).map_err(|_| RefusalReason::Unreadable)
    }

    /// A name or an address literal; [`Address`] knows which are valid.
    fn domain(&mut self) -> Parsed<&'a [u8]> {
        if self.rest.first() == Some(&b'[') {
            let end = self.rest.iter().position(|byte| *byte == b']');
            return Ok(self.take(end.ok_or(RefusalReason::Unreadable)? + 1));
        }
        let end = self.rest.iter().position(|byte| !is_atom_byte(*byte));
        Ok(self.take(end.unwrap_or(self.rest.len())))
    }

    /// An atom of a phrase: unquoted dots, brackets and 8-bit bytes are common there.
    fn atom(&mut self) -> Parsed<Word<'a>> {
        if let Some(length) = encoded_word(self.rest)
            && matches!(
                self.rest.get(length),
                None | Some(b' ' | b'\t' | b'\r' | b'<' | b'(' | b',')
            )
        {
            return Ok(Word::Encoded(self.take(length)));
        }
        let is_text = |byte: u8| is_atom_byte(byte) || byte >= 0x80 || matches!(byte, b'[' | b']');
        let end = self
            .rest
            .iter()
            .position(|byte| !is_text(*byte))
            .unwrap_or(self.rest.len());
        if end == 0 {
            Err(RefusalReason::Unreadable)
        } else {
            Ok(Word::Atom(self.take(end)))
        }
    }

    /// The text of a quoted string, unfolded (RFC 5322 3.2.4).
    fn quoted_string(&mut self) -> Parsed<Vec<u8>> {
        self.expect(b'"')?;
        let mut text = Vec::new();
        loop {
            match self.rest {
                [b'\r', b'\n', b' ' | b'\t', ..] => {
                    self.take(2);
                    continue;
                }
                [b'\\', escaped, ..] if !matches!(escaped, b'\r' | b'\n') => {
                    text.push(*escaped);
                    self.take(2);
                    continue;
                }
                _ => {}
            }
            match self.next() {
                Some(b'"') => return Ok(text),
                None | Some(b'\r' | b'\n' | b'\\') => return Err(RefusalReason::Unreadable),
                Some(byte) => text.push(byte),
            }
        }
    }

    /// Skips blanks, folds and comments (CFWS of RFC 5322 3.2.2), and keeps the last comment.
    fn skip_blanks(&mut self) -> Parsed<()> {
        loop {
            match self.rest {
                [b' ' | b'\t', ..] => self.take(1),
                [b'\r', b'\n', b' ' | b'\t', ..] => self.take(3),
                [b'(', ..] => {
                    let comment = self.comment()?;
                    self.comment = Some(comment);
                    comment
                }
                [b'\r' | b'\n', ..] => return Err(RefusalReason::Unreadable),
                _ => return Ok(()),
            };
        }
    }

    /// The inside of a comment, with those nested in it.
    fn comment(&mut self) -> Parsed<&'a [u8]> {
        let inside = &self.rest[1..];
        let mut depth = 0;
        loop {
            match self.next() {
                Some(b'(') if depth < COMMENT_DEPTH_LIMIT => depth += 1,
                Some(b')') if depth == 1 => break,
                Some(b')') => depth -= 1,
                Some(b'\\') => {
                    self.next();
                }
                Some(b'(') | None => return Err(RefusalReason::Unreadable),
                Some(_) => {}
            }
        }
        Ok(&inside[..inside.len() - self.rest.len() - 1])
    }

    fn expect(&mut self, byte: u8) -> Parsed<()> {
        if self.next() == Some(byte) {
            Ok(())
        } else {
            Err(RefusalReason::Unreadable)
        }
    }

    fn next(&mut self) -> Option<u8> {
        let (byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*byte)
    }

    /// The next bytes, of which there are as many.
    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }
}

enum Word<'a> {
    Atom(&'a [u8]),
    Encoded(&'a [u8]),
    Quoted(Vec<u8>),
}

/// The words before an address: a name before `<`, a local part before `@`.
#[derive(Default)]
struct Phrase {
    name: Name,
    /// The first word as a local part, if it may be one.
    local: Option<String>,
    words: usize,
    is_first_quoted: bool,
}

impl Phrase {
    fn push(&mut self, word: Word<'_>) {
        self.words += 1;
        if self.words == 1 {
            self.local = match &word {
                Word::Atom(atom) => std::str::from_utf8(atom).ok().map(str::to_owned),
                Word::Quoted(text) => std::str::from_utf8(text).ok().map(local_part),
                Word::Encoded(_) => None,
            };
            self.is_first_quoted = matches!(word, Word::Quoted(_));
        }
        match word {
            Word::Atom(atom) => self.name.push_text(atom),
            Word::Encoded(word) => self.name.push_encoded(word),
            Word::Quoted(text) => self.name.push_text(&text),
        }
    }

    /// The one word before an `@`: then there is no name.
    fn take_local(&mut self) -> Parsed<String> {
        self.name = Name::default();
        self.local
            .take()
            .filter(|_| self.words == 1)
            .ok_or(RefusalReason::Unreadable)
    }

    /// The one word without an `@`, if it is a local part and no quoted name.
    fn local_alone(&mut self) -> Parsed<String> {
        let local = self.take_local()?;
        let is_local = Address::parse(&format!("{local}@localhost")).is_ok();
        let is_local = is_local && !self.is_first_quoted;
        is_local.then_some(local).ok_or(RefusalReason::Unreadable)
    }

    fn name_or(self, comment: Option<&[u8]>) -> Name {
        match comment {
            Some(comment) if self.name.is_empty() => Name::from_text(&without_escapes(comment)),
            _ => self.name,
        }
    }
}

/// A quoted local part without quotes where it needs none: `"a"@b` is `a@b` (RFC 5321 4.1.2).
fn local_part(text: &str) -> String {
    let needs_none = !text.is_empty() && text.bytes().all(is_atom_byte) && !text.contains("..");
    let needs_none = needs_none && !text.starts_with('.') && !text.ends_with('.');
    if needs_none {
        text.to_owned()
    } else {
        quoted(text)
    }
}

fn without_escapes(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        plain.extend(if *byte == b'\\' {
            bytes.next()
        } else {
            Some(byte)
        });
    }
    plain
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn s13_a_plain_spelling_means_the_same_to_the_grammar(pieces in vec(select(vec![
            "a@b.example", "<a@b.example>", "<", ">", "@", "\"", "\\", "\\\"", " ", "\t", ".", "a",
            "(", ")", ",", ":", "=?a?Q?b?=", "=?a?Q?b,?=", "\u{f6}", "[", "\r\n ", "\u{1}", "\r",
        ]), 0..7)) {
            let body = pieces.concat();
            let plain = plain::address(body.as_bytes()).and_then(|text| Address::parse(text).ok());
            if let Some(address) = plain {
                let parsed = parse(body.as_bytes());
                prop_assert!(parsed.is_ok(), "{body:?}");
                let [mailbox] = parsed.as_deref().unwrap() else { panic!("{body:?}") };
                prop_assert_eq!(mailbox.address(), Some(&address), "{}", body);
            }
        }
    }
}
