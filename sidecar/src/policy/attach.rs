//! A foreign mail as an attachment (RFC 2046 5.2.1) of a new mail from the identity, which is
//! Zoho's own advice for forwarded invitations.
//!
//! The original is streamed as it came, without its blind copies: its signatures stay whole.

use super::Prepared;
use super::edit::{Mail, Top};
use super::kind::{Kind, Kinds};
use super::rewrite::{self, old_mailboxes};
use super::text::{message_id_text, rfc5322_date};

/// The mail as an attachment of a new one.
pub(super) fn attached(mail: &Mail<'_>) -> Prepared {
    let message_id = mail.new_message_id();
    let boundary = format!("zohorelay-{:032x}", mail.arrival.entropy);
    let mut head = outer_header(mail, &message_id);
    head.extend_from_slice(opening(mail, &boundary).as_bytes());
    let body_from = mail.append_header(&mut head, Kinds::BLIND);
    Prepared {
        head,
        body_from,
        tail: format!("\r\n--{boundary}--\r\n").into_bytes(),
        reverse_path: String::new(),
        message_id: message_id_text(message_id.as_bytes()),
        original_message_id: mail.survey.message_id.map(message_id_text),
        applied: None,
    }
}

/// From, Reply-To and Message-ID of our own; what tells the recipient about the mail copied.
fn outer_header(mail: &Mail<'_>, message_id: &str) -> Vec<u8> {
    let mut top = Top::new(mail.arrival);
    top.field(Kind::From, &rewrite::identity(&mail.document.addresses));
    let old: Vec<String> = old_mailboxes(mail)
        .iter()
        .filter_map(|old| Some(rewrite::mailbox(&old.name, old.address()?)))
        .collect();
    if !old.is_empty() {
        top.field(Kind::ReplyTo, &old.join(",\r\n "));
    }
    top.field(Kind::MessageId, message_id);
    if !mail.survey.filled.contains(Kind::Date) {
        top.field(Kind::Date, &rfc5322_date(mail.arrival.now));
    }
    let mut head = top.into_bytes();
    for field in mail.header.fields() {
        let kind = Kind::of(field.name);
        let is_copied = matches!(kind, Some(Kind::To | Kind::Cc | Kind::Subject | Kind::Date));
        if is_copied && !field.is_blank() {
            head.extend_from_slice(field.raw.strip_suffix(b"\r\n").unwrap_or(field.raw));
            head.extend_from_slice(b"\r\n");
        }
    }
    head
}

/// The rest of the outer header, the note to the recipient, and the header of the attachment.
fn opening(mail: &Mail<'_>, boundary: &str) -> String {
    let encoding = if mail.arrival.eight_bit {
        "8bit"
    } else {
        "7bit"
    };
    let from = old_mailboxes(mail);
    let note = match from.iter().find_map(|old| old.address()) {
        Some(address) if from.len() == 1 => format!("The attached mail is from {address}."),
        _ => "The attached mail does not name one sender.".to_owned(),
    };
    format!(
        "MIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=\"{boundary}\"\r\n\
         Content-Transfer-Encoding: {encoding}\r\n\
         \r\n\
         --{boundary}\r\n\
         Content-Type: text/plain; charset=us-ascii\r\n\
         \r\n\
         {note}\r\n\
         --{boundary}\r\n\
         Content-Type: message/rfc822\r\n\
         Content-Transfer-Encoding: {encoding}\r\n\
         Content-Disposition: attachment\r\n\
         \r\n"
    )
}
