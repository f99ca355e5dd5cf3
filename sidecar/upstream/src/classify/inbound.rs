//! The refusals of Zoho's inbound side: rows I1 to I10 of `docs/zoho.md`.
//!
//! They reach us if Zoho applies them at submission, for a recipient whose mailbox is at Zoho too.
//! I10 has the text of R15 and stands there.

use crate::classify::rule::{Rule, rule};
use crate::failure::Class;

/// In the order of `docs/zoho.md`.
pub(super) const RULES: &[Rule] = &[
    // docs/zoho.md I1, first wording
    rule("user does not exist", Class::RecipientRefused).permanent(),
    // docs/zoho.md I1, second wording
    rule("user unknown", Class::RecipientRefused)
        .behind_address()
        .permanent(),
    // docs/zoho.md I2
    rule(
        "mail rejected by destination domain",
        Class::RecipientRefused,
    )
    .permanent(),
    // docs/zoho.md I3
    rule(
        "email cannot be delivered. reason: email flagged as spam",
        Class::MessageRefused,
    )
    .permanent(),
    // docs/zoho.md I4
    rule("email policy violation detected", Class::MessageRefused).permanent(),
    // docs/zoho.md I5
    rule("mailpolicy violation", Class::MessageRefused).permanent(),
    // docs/zoho.md I6
    rule("email rejected per dmarc policy", Class::MessageRefused).permanent(),
    // docs/zoho.md I7
    rule(
        "mailbox delivery failure policy error",
        Class::RecipientRefused,
    )
    .behind_address()
    .permanent(),
    // docs/zoho.md I8: the address stands before or after it.
    rule(
        "mailbox delivery restricted by policy error",
        Class::Transient,
    )
    .behind_address()
    .transient(),
    // docs/zoho.md I9
    rule("greylisted", Class::Transient).transient(),
];
