//! What becomes of a mail before it goes upstream: its From against the identity's addresses, and
//! the care of its header.
//!
//! Zoho refuses a foreign From only after the whole body (`docs/zoho.md R1`) and reads the header
//! naively (`docs/zoho.md R1`), so [`judge`] decides first, and what it lets pass stands in a
//! spelling that every parser reads alike. Only the header is judged; the body is streamed as it
//! is. Every field that is not named here is kept byte for byte:
//!
//! | field | |
//! |---|---|
//! | `From` | ours: kept, or spelled plainly; none: added; else as [`ForeignFrom`] says |
//! | `Sender` | removed when it is not the identity's |
//! | `Reply-To` | gets the old From under `Rewrite`, unless one is set |
//! | `Message-ID`, `Date` | added when missing |
//! | `Bcc`, `Resent-Bcc` | removed |
//! | `DKIM-Signature`, `ARC-*` | removed when a header that they sign changed |
//! | `Received` | ours goes on top |
//!
//! The grammar of From is in `from`, the spellings that are left alone in `plain`, names in our
//! spelling in `name`; `survey` is the one pass over the header, `edit` what changes in it,
//! `signature` what a signature covers; `rewrite` and `attach` are the policies of that name.

mod attach;
mod edit;
mod from;
mod kind;
mod name;
mod plain;
mod rewrite;
mod signature;
mod survey;
mod text;

use std::fmt;

use jiff::Timestamp;
use zohorelay_config::{Document, ForeignFrom};
use zohorelay_smtp::address::{Address, ReversePath};

use self::edit::{Mail, Top};
use self::kind::Kind;
use self::survey::{Author, Survey};
use crate::header::HeaderBlock;

/// The longest text of a From that a refusal repeats, in characters.
const REFUSED_FROM_LIMIT_CHARS: usize = 320;

/// What is known of a mail beside its header.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// The number of the mail in this process.
    pub id: u64,
    /// When it came.
    pub now: Timestamp,
    /// 128 random bits, for the Message-ID and the boundary.
    pub entropy: u128,
    /// Whether it has a text/calendar part.
    pub has_calendar: bool,
    /// Whether a byte of it is over 0x7f.
    pub eight_bit: bool,
}

/// A mail that may go. Upstream gets `head`, then the content from `body_from` on, then `tail`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// What replaces the content before `body_from`.
    pub head: Vec<u8>,
    /// Where in the content the part begins that goes as it is, in bytes.
    pub body_from: usize,
    /// What follows the content.
    pub tail: Vec<u8>,
    /// The envelope sender: an address, or empty for `<>`.
    pub reverse_path: String,
    /// Message-ID for logs: without angle brackets, printable, at most 256 characters.
    pub message_id: String,
    /// The Message-ID of a mail that became an attachment, in the same form.
    pub original_message_id: Option<String>,
    /// The policy, where the From was not the identity's.
    pub applied: Option<ForeignFrom>,
}

/// A mail that may not go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What the app had put into From: printable ASCII, at most 320 characters.
    pub from: String,
    /// What is wrong with it.
    pub why: RefusalReason,
}

/// What is wrong with a From. The text completes "From x …".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefusalReason {
    /// One address, which is not the identity's.
    Foreign,
    /// More than one From field (RFC 5322 3.6 takes one).
    SeveralFields,
    /// A list or a group.
    SeveralAddresses,
    /// Nothing, or no address by RFC 5322 3.4.
    Unreadable,
}

impl fmt::Display for RefusalReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Foreign => "is not allowed",
            Self::SeveralFields => "is one of several From headers",
            Self::SeveralAddresses => "has more than one address",
            Self::Unreadable => "has no address that can be read",
        })
    }
}

/// The addresses of the From headers, in order, for the choice of identity. Empty when there is
/// none, or none that can be read.
pub fn from_addresses(header: &HeaderBlock<'_>) -> Vec<Address> {
    let mailboxes = from::mailboxes(header);
    mailboxes
        .iter()
        .filter_map(|mailbox| mailbox.address().cloned())
        .collect()
}

/// The app's own Message-ID, for the log line of a mail that may not go: in the form of
/// [`Prepared::message_id`].
pub fn message_id(header: &HeaderBlock<'_>) -> Option<String> {
    let mut fields = header.fields();
    let field = fields.find(|field| field.name.eq_ignore_ascii_case(b"message-id"))?;
    Some(text::message_id_text(field.body))
}

/// Judges a mail by its header and prepares it for the wire.
///
/// # Errors
///
/// A [`Refusal`] (553 5.7.1) when the From is not the identity's and the policy says so.
pub fn judge(
    document: &Document,
    reverse_path: &ReversePath,
    header: &HeaderBlock<'_>,
    arrival: &Arrival,
) -> Result<Prepared, Refusal> {
    let survey = Survey::of(header, &document.addresses);
    let is_own = survey.author.is_own();
    let policy = policy(document, is_own, arrival);
    let mail = Mail {
        document,
        header,
        arrival,
        survey: &survey,
    };
    let mut prepared = match (&survey.author, policy) {
        (Author::Own, _) | (Author::Foreign(_), ForeignFrom::Pass) => {
            mail.with_top(Top::new(arrival))
        }
        (Author::Missing, _) => with_from(&mail, &rewrite::identity(&document.addresses)),
        (Author::OwnOddly(mailbox, address), _) => {
            with_from(&mail, &rewrite::mailbox(&mailbox.name, address))
        }
        (Author::Foreign(_) | Author::Unclear(_), ForeignFrom::Rewrite) => {
            rewrite::rewritten(&mail)
        }
        (Author::Foreign(_) | Author::Unclear(_), ForeignFrom::Attach) => attach::attached(&mail),
        (Author::Foreign(mailbox), ForeignFrom::Reject) => {
            return Err(refusal(
                mailbox.written().as_bytes(),
                RefusalReason::Foreign,
            ));
        }
        (Author::Unclear(why), ForeignFrom::Reject | ForeignFrom::Pass) => {
            let from = survey.from.map(|field| field.body).unwrap_or_default();
            return Err(refusal(from, *why));
        }
    };
    prepared.applied = (!is_own).then_some(policy);
    prepared.reverse_path = envelope_sender(document, reverse_path, policy);
    Ok(prepared)
}

/// The policy that holds for this mail. For a mail with a calendar part, every From that is not
/// the identity's alone counts as foreign.
fn policy(document: &Document, is_own: bool, arrival: &Arrival) -> ForeignFrom {
    let policy = document.sender_policy;
    match policy.foreign_calendar {
        Some(of_calendar) if arrival.has_calendar && !is_own => of_calendar,
        _ => policy.foreign_from,
    }
}

fn with_from(mail: &Mail<'_>, from: &str) -> Prepared {
    let mut top = Top::new(mail.arrival);
    top.field(Kind::From, from);
    mail.with_top(top)
}

fn refusal(from: &[u8], why: RefusalReason) -> Refusal {
    Refusal {
        from: text::printable(from, REFUSED_FROM_LIMIT_CHARS),
        why,
    }
}

/// Zoho takes only the identity's addresses (`docs/zoho.md R1`), and bounces can only reach its
/// mailbox.
fn envelope_sender(document: &Document, given: &ReversePath, policy: ForeignFrom) -> String {
    let is_kept = match given {
        _ if policy == ForeignFrom::Pass => true,
        ReversePath::Null => false,
        ReversePath::Mailbox(address) => document.addresses.owns(address),
    };
    if is_kept {
        given.as_str()
    } else {
        document.addresses.primary.as_str()
    }
    .to_owned()
}
