//! What one pass over a header finds.

use zohorelay_config::Addresses;
use zohorelay_smtp::address::Address;

use super::RefusalReason;
use super::from::{self, Destination, Mailbox};
use super::kind::{Kind, Kinds};
use crate::header::{Field, HeaderBlock};

/// Whom the header From names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Author {
    /// There is no From.
    Missing,
    /// The identity, plainly spelled.
    Own,
    /// The identity, in a spelling that a parser might read otherwise.
    OwnOddly(Mailbox, Address),
    /// One mailbox of someone else.
    Foreign(Mailbox),
    /// No single mailbox.
    Unclear(RefusalReason),
}

/// The facts of a header.
#[derive(Clone, Debug)]
pub(super) struct Survey<'a> {
    pub(super) author: Author,
    /// The first From.
    pub(super) from: Option<Field<'a>>,
    /// What stands in the header.
    pub(super) seen: Kinds,
    /// What stands there and is not blank.
    pub(super) filled: Kinds,
    /// Whether there is a Sender that is not the identity's.
    pub(super) has_foreign_sender: bool,
    /// The first Message-ID that is not blank.
    pub(super) message_id: Option<&'a [u8]>,
}

impl<'a> Survey<'a> {
    pub(super) fn of(header: &HeaderBlock<'a>, own: &Addresses) -> Self {
        let mut survey = Self {
            author: Author::Missing,
            from: None,
            seen: Kinds::default(),
            filled: Kinds::default(),
            has_foreign_sender: false,
            message_id: None,
        };
        let mut from_fields = 0_usize;
        for field in header.fields() {
            let Some(kind) = Kind::of(field.name) else {
                continue;
            };
            survey.seen.insert(kind);
            if !field.is_blank() {
                survey.filled.insert(kind);
            }
            match kind {
                Kind::From => {
                    from_fields += 1;
                    survey.from = survey.from.or(Some(field));
                }
                Kind::Sender => survey.has_foreign_sender |= !Author::of(&field, own).is_own(),
                Kind::MessageId if !field.is_blank() => {
                    survey.message_id = survey.message_id.or(Some(field.body));
                }
                _ => {}
            }
        }
        survey.author = match survey.from {
            None => Author::Missing,
            Some(_) if from_fields > 1 => Author::Unclear(RefusalReason::SeveralFields),
            Some(field) => Author::of(&field, own),
        };
        survey
    }
}

impl Author {
    /// Whether nobody but the identity is named.
    pub(super) fn is_own(&self) -> bool {
        matches!(self, Self::Missing | Self::Own | Self::OwnOddly(..))
    }

    fn of(field: &Field<'_>, own: &Addresses) -> Self {
        if from::plain_address(field).is_some_and(|address| own.owns(&address)) {
            return Self::Own;
        }
        let mut mailboxes = match from::parse(field.body) {
            Ok(mailboxes) => mailboxes,
            Err(reason) => return Self::Unclear(reason),
        };
        let Some(mailbox) = mailboxes.pop() else {
            return Self::Unclear(RefusalReason::Unreadable);
        };
        if !mailboxes.is_empty() {
            return Self::Unclear(RefusalReason::SeveralAddresses);
        }
        // A local part alone means the own domain, as for every mail program of Unix.
        let address = match &mailbox.at {
            Destination::Address(address) => Some(address.clone()),
            Destination::Local(local) => {
                Address::parse(&format!("{local}@{}", own.primary.domain())).ok()
            }
        };
        match address {
            Some(address) if own.owns(&address) => Self::OwnOddly(mailbox, address),
            _ => Self::Foreign(mailbox),
        }
    }
}
