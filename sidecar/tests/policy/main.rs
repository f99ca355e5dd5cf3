//! What the policy makes of a mail, judged by what would go upstream.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

mod attach;
mod attacks;
mod header_care;
mod properties;
mod sender;

use zohorelay_config::{Document, ForeignFrom};
use zohorelay_sidecar::header::HeaderBlock;
use zohorelay_sidecar::policy::{Arrival, Prepared, Refusal, judge};
use zohorelay_smtp::address::{Address, ReversePath};

/// The identity of all tests: `billing@example.com`, "Example Billing", alias
/// `invoices@example.com`.
fn document(foreign_from: ForeignFrom) -> Document {
    let json = r#"{
        "version": 1, "name": "billing",
        "addresses": {"primary": "billing@example.com", "displayName": "Example Billing",
                      "aliases": ["invoices@example.com"]},
        "upstream": {"host": "smtppro.zoho.com", "port": 465, "security": "ImplicitTls"},
        "login": {"username": "billing@example.com", "password": "secret"}
    }"#;
    let mut document = Document::load(json.as_bytes()).unwrap().document;
    document.sender_policy.foreign_from = foreign_from;
    document
}

fn arrival() -> Arrival {
    Arrival {
        id: 0xfeed,
        now: "2026-11-23T10:00:00Z".parse().unwrap(),
        entropy: 0xabcd,
        has_calendar: false,
        eight_bit: false,
    }
}

const RECEIVED: &str = "Received: from localhost by zohorelay with ESMTP id \
                            000000000000feed; Mon, 23 Nov 2026 10:00:00 +0000\r\n";
const MESSAGE_ID: &str = "Message-ID: <0000000000000000000000000000abcd@example.com>\r\n";
const DATE: &str = "Date: Mon, 23 Nov 2026 10:00:00 +0000\r\n";
/// Fields that leave nothing to add.
const REST: &str = "Message-ID: <a@b>\r\nDate: x\r\n";

fn path(address: &str) -> ReversePath {
    match address {
        "" => ReversePath::Null,
        address => ReversePath::Mailbox(Address::parse(address).unwrap()),
    }
}

fn judged(document: &Document, arrival: &Arrival, mail: &[u8]) -> Result<Prepared, Refusal> {
    let header = HeaderBlock::parse(mail, true).unwrap();
    judge(document, &path("billing@example.com"), &header, arrival)
}

/// What goes upstream.
fn wire(prepared: &Prepared, mail: &[u8]) -> Vec<u8> {
    [&prepared.head, &mail[prepared.body_from..], &prepared.tail].concat()
}

/// What goes upstream under a policy, without our Received.
fn sent_bytes(policy: ForeignFrom, mail: &[u8]) -> Vec<u8> {
    let prepared = judged(&document(policy), &arrival(), mail)
        .unwrap_or_else(|refusal| panic!("{refusal:?}: {:?}", String::from_utf8_lossy(mail)));
    let wire = wire(&prepared, mail);
    wire.strip_prefix(RECEIVED.as_bytes()).unwrap().to_vec()
}

/// [`sent_bytes`] of a mail that is UTF-8.
fn sent(policy: ForeignFrom, mail: &str) -> String {
    String::from_utf8(sent_bytes(policy, mail.as_bytes())).unwrap()
}

fn refused(policy: ForeignFrom, mail: &str) -> Refusal {
    judged(&document(policy), &arrival(), mail.as_bytes()).unwrap_err()
}
