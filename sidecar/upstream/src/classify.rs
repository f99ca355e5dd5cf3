//! What a refusal means: one stage and one reply in, one [`Class`] out.
//!
//! Zoho's codes say little: a 550 is usually about the sending account, and 5.4.6 is no routing
//! loop. So the text decides first, and the code only where no table knows the text. The order,
//! in which the first that fits wins:
//!
//! 1. A reply that is neither 4yz nor 5yz is no refusal: the server is out of step. To our dot the
//!    mail may have been taken (`unknown_outcome`), elsewhere it is `protocol`.
//! 2. The text against the rules of [`zoho`], then of [`inbound`]. Relay denial stands first, so
//!    that nothing which an application can write into a From is ever taken for an account block.
//!    Each pattern is anchored at the start of the text; what the text of a reply is says
//!    [`normal`].
//! 3. The code, with its enhanced code and the stage:
//!
//! | reply without a known text | class |
//! |---|---|
//! | 421 at any stage | `transient` (`docs/zoho.md` R22) |
//! | 550 5.4.6 | `account_blocked` (R9 in other words) |
//! | 554 5.1.8 before the end of data | `account_blocked` (R10 and R11 in other words, R12) |
//! | 554 5.1.8 and no text at the end of data | `message_refused` (R12) |
//! | any at the TLS stage | `tls` |
//! | 535 at any stage; 530 from AUTH on | `auth_failed` (R5, R6, R8) |
//! | 4yz to AUTH | `transient` (R22) |
//! | 5yz to AUTH | `auth_failed`: whatever it means, nothing may hammer |
//! | 500 to 504, 555; 530 before AUTH | `protocol` (R19 to R21) |
//! | 5yz to RCPT with 5.1.1 to 5.1.6 or 5.1.10; 541 to RCPT | `recipient_refused` (I1, I2) |
//! | 5yz with 5.3.4 or 5.2.3; 552 but to RCPT | `message_refused` (R17, I5) |
//! | all else, so also a bare 550 to RCPT | `unclassified` |

mod inbound;
mod normal;
mod rule;
#[cfg(test)]
mod tests;
mod zoho;

use zohorelay_smtp::reply::{EnhancedCode, Reply};

use crate::classify::normal::Text;
use crate::classify::rule::Rule;
use crate::failure::{Class, Stage};

/// The codes of the tables in `docs/zoho.md`, and what they are called in metrics.
const KNOWN_CODES: [(u16, &str); 14] = [
    (421, "421"),
    (451, "451"),
    (452, "452"),
    (454, "454"),
    (500, "500"),
    (501, "501"),
    (503, "503"),
    (530, "530"),
    (535, "535"),
    (541, "541"),
    (550, "550"),
    (552, "552"),
    (553, "553"),
    (554, "554"),
];

/// The class of a refusal at a stage. Pure: the same reply always has the same class.
pub fn classify(stage: Stage, reply: &Reply) -> Class {
    classify_by(&all_rules(), stage, reply)
}

/// The code as a label of metrics, if a table of `docs/zoho.md` has it: a closed set.
pub fn known_code(code: u16) -> Option<&'static str> {
    KNOWN_CODES
        .iter()
        .find(|(known, _)| *known == code)
        .map(|(_, label)| *label)
}

fn all_rules() -> Vec<Rule> {
    zoho::RULES.iter().chain(inbound::RULES).copied().collect()
}

fn classify_by(rules: &[Rule], stage: Stage, reply: &Reply) -> Class {
    if !reply.is_transient() && !reply.is_permanent() {
        return match stage {
            Stage::EndOfData => Class::UnknownOutcome,
            _ => Class::Protocol,
        };
    }
    let text = Text::of(reply);
    rules
        .iter()
        .find(|rule| rule.fits(reply, &text))
        .map_or_else(|| class_of_code(stage, reply, &text), |rule| rule.class)
}

fn class_of_code(stage: Stage, reply: &Reply, text: &Text) -> Class {
    if reply.code() == 421 {
        return Class::Transient;
    }
    if let Some(class) = class_of_account_code(stage, reply, text) {
        return class;
    }
    match stage {
        Stage::Tls => Class::Tls,
        Stage::Auth if reply.is_transient() => Class::Transient,
        Stage::Auth => Class::AuthFailed,
        _ if reply.is_transient() => Class::Unclassified,
        _ => class_of_permanent_code(stage, reply),
    }
}

/// The two enhanced codes by which Zoho means the whole account, in whatever words.
fn class_of_account_code(stage: Stage, reply: &Reply, text: &Text) -> Option<Class> {
    match (reply.code(), reply.enhanced()) {
        (550, Some(EnhancedCode(5, 4, 6))) => Some(Class::AccountBlocked),
        (554, Some(EnhancedCode(5, 1, 8))) => match stage {
            Stage::EndOfData if text.is_empty() => Some(Class::MessageRefused),
            Stage::EndOfData => None,
            _ => Some(Class::AccountBlocked),
        },
        _ => None,
    }
}

fn class_of_permanent_code(stage: Stage, reply: &Reply) -> Class {
    match reply.code() {
        530 if stage < Stage::Auth => Class::Protocol,
        530 | 535 => Class::AuthFailed,
        500..=504 | 555 => Class::Protocol,
        541 if stage == Stage::Rcpt => Class::RecipientRefused,
        _ if stage == Stage::Rcpt && names_recipient(reply) => Class::RecipientRefused,
        _ if names_size(reply) => Class::MessageRefused,
        // To RCPT a 552 may mean "too many recipients" (RFC 5321 4.5.3.1.10).
        552 if stage != Stage::Rcpt => Class::MessageRefused,
        _ => Class::Unclassified,
    }
}

/// RFC 3463 3.2: the codes about the destination; 5.1.7 and 5.1.8 are about the sender.
fn names_recipient(reply: &Reply) -> bool {
    matches!(reply.enhanced(), Some(EnhancedCode(5, 1, 1..=6 | 10)))
}

/// RFC 3463 3.3 and 3.4: the mail is larger than the mailbox or the server takes.
fn names_size(reply: &Reply) -> bool {
    matches!(
        reply.enhanced(),
        Some(EnhancedCode(5, 3, 4) | EnhancedCode(5, 2, 3))
    )
}
