//! The mailboxes that we write into headers.

use zohorelay_config::Addresses;
use zohorelay_smtp::address::Address;

use super::edit::{Mail, Top};
use super::from::{self, Mailbox};
use super::kind::Kind;
use super::name::Name;
use super::survey::Author;
use super::{Prepared, from::Destination};

/// `"Name" <address>`, the form that Zoho's parser takes; without a name `<address>`.
pub(super) fn mailbox(name: &Name, address: &Address) -> String {
    match name.spelled() {
        name if name.is_empty() => format!("<{address}>"),
        name => format!("{name} <{address}>"),
    }
}

/// The identity as a sender.
pub(super) fn identity(own: &Addresses) -> String {
    mailbox(&display_name(own), &own.primary)
}

fn display_name(own: &Addresses) -> Name {
    Name::from_text(own.display_name.as_deref().unwrap_or_default().as_bytes())
}

/// The mail with the identity in From, under the app's name, and the old From in Reply-To unless
/// one is set.
pub(super) fn rewritten(mail: &Mail<'_>) -> Prepared {
    let own = &mail.document.addresses;
    let old = old_mailboxes(mail);
    let name = match old.as_slice() {
        [mailbox] if !mailbox.name.spelled().is_empty() => mailbox.name.clone(),
        _ => display_name(own),
    };
    let mut top = Top::new(mail.arrival);
    top.field(Kind::From, &self::mailbox(&name, &own.primary));
    let addresses: Vec<&str> = old
        .iter()
        .filter_map(Mailbox::address)
        .map(Address::as_str)
        .collect();
    if !addresses.is_empty() && !mail.survey.filled.contains(Kind::ReplyTo) {
        top.field(Kind::ReplyTo, &addresses.join(",\r\n "));
    }
    mail.with_top(top)
}

/// The mailboxes of the From that is replaced, as far as they can be read.
pub(super) fn old_mailboxes(mail: &Mail<'_>) -> Vec<Mailbox> {
    match &mail.survey.author {
        Author::Foreign(mailbox) => vec![mailbox.clone()],
        _ => from::mailboxes(mail.header),
    }
}

impl Mailbox {
    /// The address as the app wrote it.
    pub(super) fn written(&self) -> &str {
        match &self.at {
            Destination::Address(address) => address.as_str(),
            Destination::Local(local) => local,
        }
    }
}
