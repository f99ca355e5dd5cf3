//! The one function that maps how a mail ended to the reply that the app gets.
//!
//! The class decides, not the upstream's code: a 550 that is about the account must not make an
//! app drop a recipient, and a policy denial must not look temporary (docs/zoho.md, facts 6, 7).

use std::time::Duration;

use zohorelay_config::{Document, UnknownOutcome};
use zohorelay_smtp::address::Address;
use zohorelay_smtp::data::Violation;
use zohorelay_smtp::reply::{EnhancedCode, Reply};
use zohorelay_upstream::failure::{Class, Failure};

use crate::outcome::{Local, Outcome};

/// What an answer names.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// Name of the identity.
    pub identity: &'a str,
    /// Its document, if it has one.
    pub document: Option<&'a Document>,
    /// The mail's From as the app wrote it, cleaned; empty if unknown.
    pub from: &'a str,
    /// When the breaker lets a mail through again, if it is open.
    pub again_after: Option<Duration>,
}

/// The reply, and whether the connection closes after it.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// For the app.
    pub reply: Reply,
    /// Whether we hang up.
    pub close: bool,
}

/// Maps an outcome to the app's reply.
pub fn answer(outcome: &Outcome, about: About<'_>) -> Answer {
    let close = matches!(
        outcome,
        Outcome::Local(Local::Framing(_) | Local::BareLineFeed | Local::ShuttingDown)
    );
    let reply = match outcome {
        Outcome::Accepted(reply) => accepted(reply),
        Outcome::Suspended => new(
            451,
            (4, 3, 0),
            format!("identity {} is suspended; try again later", about.identity),
        ),
        Outcome::Local(local) => local_reply(local, about),
        Outcome::Upstream(failure) => upstream_reply(failure, about),
    };
    Answer { reply, close }
}

/// 421: the session ends here, whatever it was doing.
pub fn shutting_down() -> Reply {
    new(
        421,
        (4, 3, 2),
        "the relay is shutting down; try again".into(),
    )
}

/// 421: nothing came for too long.
pub fn idle() -> Reply {
    new(421, (4, 3, 2), "nothing came for too long; closing".into())
}

/// 421: all sessions are taken.
pub fn too_many_sessions() -> Reply {
    new(
        421,
        (4, 3, 2),
        "too many sessions at a time; try again".into(),
    )
}

fn new(code: u16, (class, subject, detail): (u8, u16, u16), text: String) -> Reply {
    Reply::new(code, Some(EnhancedCode(class, subject, detail)), text)
}

fn accepted(reply: &Reply) -> Reply {
    new(250, (2, 0, 0), clean(&reply.text()))
}

fn local_reply(local: &Local, about: About<'_>) -> Reply {
    let identity = about.identity;
    match local {
        Local::ShuttingDown => shutting_down(),
        // Read only by an app that closed one direction of its connection.
        Local::AppGone(_) => new(
            421,
            (4, 3, 2),
            "the connection was closed before the mail was sent; nothing was sent".into(),
        ),
        Local::Framing(violation) => new(
            554,
            (5, 6, 0),
            format!(
                "the mail contains {}, which RFC 5321 forbids; nothing was sent",
                named(*violation)
            ),
        ),
        Local::BareLineFeed => new(
            554,
            (5, 6, 0),
            format!(
                "the mail contains a bare LF, which identity {identity} refuses (lineEndings: Strict)"
            ),
        ),
        Local::HeaderTooLong => new(
            554,
            (5, 6, 0),
            "the header is longer than 256 KiB; nothing was sent".into(),
        ),
        Local::TooLarge { limit_bytes } => new(
            552,
            (5, 3, 4),
            format!(
                "the mail is larger than {limit_bytes} bytes, the limit of identity {identity}"
            ),
        ),
        Local::SenderRefused(refusal) => new(
            553,
            (5, 7, 1),
            format!(
                "From {} {}: identity {identity} may send as {}",
                quoted(&refusal.from),
                refusal.why,
                allowed(about)
            ),
        ),
        Local::NotConfigured => new(
            451,
            (4, 3, 0),
            format!("identity {identity} not configured yet; try again"),
        ),
        Local::Removed => new(451, (4, 3, 0), format!("identity {identity} removed")),
        Local::Held {
            reason,
            again_after,
        } => new(
            451,
            (4, 7, 1),
            format!(
                "identity {identity} is held ({reason}); try again in {}",
                human(*again_after)
            ),
        ),
        Local::Paced { again_after } => new(
            451,
            (4, 7, 1),
            format!(
                "identity {identity} has used its messages per hour; try again in {} seconds",
                again_after.as_secs().max(1)
            ),
        ),
        Local::Spool => new(
            452,
            (4, 3, 1),
            "no room for a mail of this size; try again".into(),
        ),
        Local::TooManyRecipients { limit } => new(
            452,
            (4, 5, 3),
            format!("identity {identity} takes at most {limit} recipients a mail"),
        ),
    }
}

const fn named(violation: Violation) -> &'static str {
    match violation {
        Violation::BareCr => "a bare CR",
        Violation::Nul => "a NUL",
    }
}

fn upstream_reply(failure: &Failure, about: About<'_>) -> Reply {
    let identity = about.identity;
    let said = said(failure);
    match failure.class {
        Class::RecipientRefused | Class::MessageRefused => refused(failure),
        Class::RelayDenied => new(
            553,
            (5, 7, 1),
            format!(
                "Zoho does not let identity {identity} send as {}{said}; it may send as {}",
                quoted(about.from),
                allowed(about)
            ),
        ),
        Class::AuthFailed => new(
            451,
            (4, 3, 5),
            format!(
                "the login of identity {identity} was refused{said}; its credential needs attention"
            ),
        ),
        Class::AccountBlocked => new(
            451,
            (4, 7, 1),
            format!(
                "the mailbox of identity {identity} is blocked at Zoho{said}{}",
                again(about)
            ),
        ),
        Class::RateLimited => new(
            451,
            (4, 7, 1),
            format!(
                "identity {identity} sends too much for Zoho{said}{}",
                again(about)
            ),
        ),
        Class::Held => new(
            451,
            (4, 7, 1),
            format!("identity {identity} is held: {}", failure.detail),
        ),
        Class::Connect => new(
            451,
            (4, 4, 1),
            format!("no connection to {}: {}", failure.host, failure.detail),
        ),
        Class::Tls => new(
            451,
            (4, 7, 5),
            format!("no trusted TLS with {}: {}", failure.host, failure.detail),
        ),
        Class::Timeout => new(
            451,
            (4, 4, 2),
            format!(
                "{} did not answer in time (stage {})",
                failure.host, failure.stage
            ),
        ),
        Class::Protocol => new(
            451,
            (4, 5, 0),
            format!(
                "{} broke the protocol (stage {}){}",
                failure.host,
                failure.stage,
                refused_recipients(failure)
            ),
        ),
        Class::Transient => new(
            451,
            (4, 4, 0),
            format!("{} asks to try again{said}", failure.host),
        ),
        Class::Busy => new(
            451,
            (4, 3, 2),
            format!("identity {identity} is busy: {}; try again", failure.detail),
        ),
        Class::UnknownOutcome => unknown(failure, about),
        _ => unclassified(failure, &said),
    }
}

fn unknown(failure: &Failure, about: About<'_>) -> Reply {
    let fail = about
        .document
        .is_some_and(|document| document.delivery.unknown_outcome == UnknownOutcome::Fail);
    let text = format!(
        "the reply of {} to the end of the mail was lost: it may have been taken",
        failure.host
    );
    if fail {
        new(554, (5, 4, 2), text)
    } else {
        new(451, (4, 4, 2), text)
    }
}

fn unclassified(failure: &Failure, said: &str) -> Reply {
    let text = format!(
        "{} refused the mail (stage {}){said}",
        failure.host, failure.stage
    );
    if failure.reply.as_ref().is_some_and(Reply::is_permanent) {
        new(554, (5, 0, 0), text)
    } else {
        new(451, (4, 0, 0), text)
    }
}

/// The upstream's own verdict about a recipient or the message: its code and its text.
fn refused(failure: &Failure) -> Reply {
    let Some(upstream) = &failure.reply else {
        return new(552, (5, 3, 4), failure.detail.clone());
    };
    let (code, digit) = match upstream.code() {
        // That would end the app's session, and it is the server's that ends.
        421 => (451, 4),
        code @ 400..500 => (code, 4),
        code @ 500..600 => (code, 5),
        _ => return unclassified(failure, &said(failure)),
    };
    let ours = match failure.class {
        Class::RecipientRefused => EnhancedCode(digit, 1, 1),
        _ => EnhancedCode(digit, 6, 0),
    };
    let enhanced = upstream.enhanced().unwrap_or(ours);
    let text = clean(&upstream.text()) + &refused_recipients(failure);
    Reply::new(code, Some(enhanced), text)
}

/// What the server said and whom it refused, to be put behind our own words.
fn said(failure: &Failure) -> String {
    let said = failure.reply.as_ref().map_or_else(String::new, |reply| {
        format!(" ({} {})", reply.code(), clean(&reply.text()))
    });
    said + &refused_recipients(failure)
}

/// Whatever the class: an app with several recipients must learn which of them it was.
fn refused_recipients(failure: &Failure) -> String {
    const SHOWN: usize = 20;
    let refused = &failure.refused_recipients;
    if refused.is_empty() {
        return String::new();
    }
    let names = listed(refused.iter().map(String::as_str), SHOWN);
    format!(" (refused: {names}; nobody got the mail)")
}

/// The first of many, and how many more there are.
fn listed<'a>(names: impl Iterator<Item = &'a str>, shown: usize) -> String {
    let names: Vec<&str> = names.collect();
    let first = names[..names.len().min(shown)].join(", ");
    match names.len().saturating_sub(shown) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

/// The server's words for an app: without HTML, since Zoho puts links into some refusals
/// (docs/zoho.md R9), in ASCII (RFC 5321 section 4.2), and not endless.
fn clean(text: &str) -> String {
    const LIMIT_CHARS: usize = 1000;
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        let (before, tag) = rest.split_at(start);
        out.push_str(before);
        match tag.find('>') {
            Some(end) if is_html(&tag[1..end]) => rest = &tag[end + 1..],
            _ => {
                out.push('<');
                rest = &tag[1..];
            }
        }
    }
    out.push_str(rest);
    let words = out.split_whitespace().collect::<Vec<_>>().join(" ");
    let ascii = |character: char| if character.is_ascii() { character } else { '?' };
    words.chars().take(LIMIT_CHARS).map(ascii).collect()
}

/// A tag or a comment, and not an address in angle brackets.
fn is_html(inside: &str) -> bool {
    let name = inside.trim_start_matches('/');
    let name = name.split_whitespace().next().unwrap_or_default();
    name.starts_with('!')
        || name.starts_with(|c: char| c.is_ascii_alphabetic()) && !name.contains('@')
}

fn quoted(from: &str) -> String {
    if from.is_empty() {
        "this address".to_owned()
    } else {
        format!("\"{from}\"")
    }
}

fn allowed(about: About<'_>) -> String {
    const SHOWN: usize = 6;
    let Some(document) = about.document else {
        return "none yet".to_owned();
    };
    listed(document.addresses.all().map(Address::as_str), SHOWN)
}

fn again(about: About<'_>) -> String {
    about.again_after.map_or_else(String::new, |span| {
        format!("; try again in {}", human(span))
    })
}

fn human(span: Duration) -> String {
    match span.as_secs() {
        seconds @ 0..120 => format!("{} seconds", seconds.max(1)),
        seconds @ 120..7200 => format!("{} minutes", seconds / 60),
        seconds => format!("{} hours", seconds / 3600),
    }
}

#[cfg(test)]
mod tests;
