//! The refusals of Zoho's submission service: rows R1 to R25 of `docs/zoho.md` that have a text.
//!
//! R6 and R12 have none, R22 is known by its code, and R23 to R25 are not replies.

use crate::classify::rule::{Rule, rule};
use crate::failure::Class;

/// In the order of trying. Relay denial stands before the account classes.
pub(super) const RULES: &[Rule] = &[
    // docs/zoho.md R1, R3, R4: the older wording, with 553 or 552, with or without 5.7.1.
    rule("relaying disallowed", Class::RelayDenied),
    // docs/zoho.md R2: the wording since January 2026.
    rule("sender is not allowed to relay", Class::RelayDenied),
    // docs/zoho.md R9
    rule("unusual sending activity", Class::AccountBlocked),
    // docs/zoho.md R10
    rule("email outgoing blocked", Class::AccountBlocked),
    // docs/zoho.md R11
    rule("sender address blocked", Class::AccountBlocked),
    // docs/zoho.md R13: its code is not known.
    rule("mail rate exceeded limit", Class::RateLimited),
    // docs/zoho.md R5
    rule("authentication failed", Class::AuthFailed).permanent(),
    // docs/zoho.md R8
    rule("authentication required", Class::AuthFailed).permanent(),
    // docs/zoho.md R7
    rule("must issue a starttls command first", Class::Protocol).permanent(),
    // docs/zoho.md R14
    rule("invalid recipients", Class::RecipientRefused).permanent(),
    // docs/zoho.md R15, I10
    rule("virus ", Class::MessageRefused)
        .then("detected by zoho mail")
        .permanent(),
    // docs/zoho.md R16
    rule("subject is mandatory", Class::MessageRefused).permanent(),
    // docs/zoho.md R17
    rule("email size exceeded the policy", Class::MessageRefused).permanent(),
    // docs/zoho.md R18
    rule("temporary system error", Class::Transient).transient(),
    // docs/zoho.md R19
    rule(
        "mx.zohomail.com syntax error, command unrecognized",
        Class::Protocol,
    )
    .permanent(),
    // docs/zoho.md R20
    rule("must issue a ehlo/helo command first", Class::Protocol).permanent(),
    // docs/zoho.md R21
    rule("domain address required", Class::Protocol).permanent(),
    // docs/zoho.md R22: a limit of connections is never for good, whatever the code.
    rule("too many connections", Class::Transient),
];
