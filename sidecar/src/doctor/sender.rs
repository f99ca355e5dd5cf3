//! What becomes of a mail with a given From: judged by the code that judges mails.

use jiff::Timestamp;
use zohorelay_config::{Document, ForeignFrom};
use zohorelay_process::checkup::Finding;
use zohorelay_smtp::address::{Address, ReversePath};

use super::check::SENDER;
use crate::header::HeaderBlock;
use crate::policy::{Arrival, Prepared, judge};

/// What becomes of a mail with that From.
pub(crate) fn check(subject: &str, document: &Document, from: Option<&Address>) -> Finding {
    let own: Vec<&str> = document.addresses.all().map(Address::as_str).collect();
    let own = own.join(", ");
    let Some(from) = from else {
        let found = format!("may send as {own}; --from ADDRESS says what becomes of another");
        return Finding::skipped(SENDER, subject, found);
    };
    let finding = match prepare(document, from) {
        Ok(prepared) => allowed(subject, document, from, prepared.applied),
        Err(reason) => Finding::failed(
            SENDER,
            subject,
            format!("a mail from {from} is refused with 553 5.7.1: {reason}"),
            format!(
                "Let the application send as {own}, with the visitor's address in Reply-To. If Zoho lets the \
                 mailbox send as {from} (Settings > Mail Accounts > Send Mail As), add it to aliases. If the \
                 application cannot be changed: senderPolicy.foreignFrom: Rewrite."
            ),
        ),
    };
    finding.detail("maySendAs", own).detail(
        "foreignFrom",
        format!("{:?}", document.sender_policy.foreign_from),
    )
}

/// The words of the refusal, where it may not go.
fn prepare(document: &Document, from: &Address) -> Result<Prepared, String> {
    let header = format!("From: <{from}>\r\n\r\n");
    let header = HeaderBlock::parse(header.as_bytes(), true).map_err(|error| error.to_string())?;
    let arrival = Arrival {
        id: 0,
        now: Timestamp::now(),
        entropy: 0,
        has_calendar: false,
        eight_bit: false,
    };
    judge(
        document,
        &ReversePath::Mailbox(from.clone()),
        &header,
        &arrival,
    )
    .map_err(|refusal| format!("it {}", refusal.why))
}

fn allowed(
    subject: &str,
    document: &Document,
    from: &Address,
    applied: Option<ForeignFrom>,
) -> Finding {
    let primary = &document.addresses.primary;
    let (found, remedy) = match applied {
        None => {
            let kind = if primary.same_mailbox(from) {
                "the mailbox's own"
            } else {
                "an alias"
            };
            let found = format!("a mail from {from} goes as it is: it is {kind}");
            return Finding::ok(SENDER, subject, found).detail(
                "onlyZohoKnows",
                "whether Zoho lets the mailbox send as an alias shows with the first mail",
            );
        }
        Some(ForeignFrom::Pass) => (
            format!(
                "a mail from {from} is handed on as it is; Zoho refuses it unless the mailbox may send so"
            ),
            "Let the application send as one of the identity's addresses.",
        ),
        Some(ForeignFrom::Attach) => (
            format!("a mail from {from} goes as an attachment of a mail from {primary}"),
            "If that is not meant, let the application send as one of the identity's addresses.",
        ),
        Some(ForeignFrom::Rewrite | ForeignFrom::Reject) => (
            format!("a mail from {from} goes as {primary}, with {from} in Reply-To"),
            "If that is not meant, let the application send as one of the identity's addresses.",
        ),
    };
    Finding::warning(SENDER, subject, found, remedy)
}
