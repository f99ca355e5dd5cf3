//! One identity on the page.

use std::fmt::Write as _;

use jiff::Timestamp;
use zohorelay_process::page::{At, Countdown, Docs, Name, Text, Time, Tone, since, span};
use zohorelay_upstream::failure::Class;

use super::super::{BreakerView, Full};
use crate::recent::Past;
use crate::tally::Circumstances;

/// These are about one mail, or pass by themselves: others may go all the same.
const ABOUT_ONE_MAIL: [&str; 8] = [
    "recipient_refused",
    "message_refused",
    "app_gone",
    "framing",
    "too_large",
    "paced",
    "too_many_recipients",
    "transient",
];

/// What to do about a class by its name; nothing for another text.
fn remedy(class: &str) -> &'static str {
    Class::parse(class).map_or("", Class::remedy)
}

/// How an identity stands, in a few words.
pub(super) fn standing(full: &Full<'_>) -> (Tone, &'static str) {
    let brief = &full.brief;
    let counts = &brief.counts;
    match brief.state {
        "removed" => return (Tone::Bad, "removed: its document is gone"),
        "suspended" => return (Tone::Off, "suspended by its document"),
        "awaited" if full.problem.is_some() => {
            return (Tone::Bad, "its document cannot be used");
        }
        "awaited" => return (Tone::Warn, "waits for its document"),
        _ => {}
    }
    if brief.breaker.is_some() {
        return (Tone::Bad, "held back");
    }
    let failed = counts.last_failure.as_ref();
    let failed = failed.filter(|it| counts.last_accepted < Some(it.circumstances.at));
    match failed {
        Some(it) if ABOUT_ONE_MAIL.contains(&it.class) => (Tone::Warn, "the last mail failed"),
        Some(_) => (Tone::Bad, "the last mail failed"),
        None if full.problem.is_some() => (Tone::Warn, "its newest document cannot be used"),
        None if counts.accepted == 0 => (Tone::Good, "ready, no mail yet"),
        None => (Tone::Good, "mail goes out"),
    }
}

/// Its section.
pub(super) fn of_identity(page: &mut String, full: &Full<'_>, now: Timestamp) {
    let (tone, state) = standing(full);
    let name = Text(full.brief.name);
    let _ = write!(
        page,
        "<section class=\"{tone}\" aria-labelledby=\"i-{name}\"><h2 id=\"i-{name}\">{name}: \
         <span class=\"state\">{state}</span></h2>"
    );
    if let Some(problem) = &full.problem {
        let problem = Text(problem);
        let _ = write!(
            page,
            "<p>The document on disk cannot be used: {problem}</p>"
        );
    }
    if let Some(breaker) = &full.brief.breaker {
        held(page, breaker, now);
    } else if full.brief.state == "awaited" {
        let _ = write!(page, "<p>{}</p>", Text(remedy("not_configured")));
    }
    failures(page, full, now);
    mails(page, &full.last_mails, now);
    facts(page, full, now);
    page.push_str("</section>");
}

fn held(page: &mut String, breaker: &BreakerView, now: Timestamp) {
    let left = breaker.again_in_seconds;
    let by = match breaker.refusals {
        None => "by the operator, in all pods".to_owned(),
        Some(1) => "after one refusal".to_owned(),
        Some(refusals) => format!("after {refusals} refusals in a row"),
    };
    let _ = write!(
        page,
        "<p><strong>{}</strong>, {by}. The next try: {}.</p><p>{}</p>",
        Name(breaker.reason),
        Countdown { left, now },
        Text(remedy(breaker.reason)),
    );
}

/// The newest first; what was mended since is dim.
fn failures(page: &mut String, full: &Full<'_>, now: Timestamp) {
    let counts = &full.brief.counts;
    let mut failures: Vec<_> = counts.last_failures.iter().collect();
    if failures.is_empty() {
        return;
    }
    failures.sort_by_key(|(_, last)| std::cmp::Reverse(last.at));
    page.push_str("<h3>Failures since the start</h3><ul>");
    for (class, last) in failures {
        let count = counts.failed.get(class).copied().unwrap_or(1);
        failure(page, class, count, last, now);
        if counts.last_accepted > Some(last.at) {
            page.push_str("<p class=\"dim\">Mail went out since.</p>");
        }
        // The breaker says it already.
        if full
            .brief
            .breaker
            .as_ref()
            .is_none_or(|it| it.reason != *class)
        {
            let _ = write!(page, "<p>{}</p>", Text(remedy(class)));
        }
        let _ = write!(page, "{}</li>", Docs(class));
    }
    page.push_str("</ul>");
}

fn failure(page: &mut String, class: &str, count: u64, last: &Circumstances, now: Timestamp) {
    let mails = if count == 1 { "mail" } else { "mails" };
    let _ = write!(
        page,
        "<li><strong>{}</strong>{}: {count} {mails}, the last one {} ago, {} UTC",
        Name(class),
        At(last.stage, last.code),
        span(since(last.at, now)),
        Time { at: last.at, now },
    );
}

/// Two columns, which fit on a phone.
fn mails(page: &mut String, mails: &[Past], now: Timestamp) {
    if mails.is_empty() {
        return;
    }
    page.push_str(
        "<table><caption>Last mails</caption><thead><tr><th scope=\"col\">UTC</th>\
         <th scope=\"col\">Outcome and Message-ID</th></tr></thead><tbody>",
    );
    for mail in mails {
        let time = Time { at: mail.at, now };
        let outcome = Name(mail.outcome);
        let _ = write!(page, "<tr><td class=\"time\">{time}</td><td>{outcome}");
        if let Some(class) = mail.class {
            let _ = write!(page, ": <code>{class}</code>{}", At(mail.stage, mail.code));
        }
        if let Some(from) = &mail.from {
            let _ = write!(page, ", From <bdi>{}</bdi>", Text(from));
        }
        let id = mail.message_id.as_deref().unwrap_or("no Message-ID");
        let id = Text(id);
        let _ = write!(page, "<br><bdi class=\"dim\">{id}</bdi></td></tr>");
    }
    page.push_str("</tbody></table>");
}

fn facts(page: &mut String, full: &Full<'_>, now: Timestamp) {
    let brief = &full.brief;
    page.push_str("<dl>");
    let _ = write!(page, "<dt>Sent</dt><dd>{}", brief.counts.accepted);
    if let Some(at) = brief.counts.last_accepted {
        let _ = write!(page, ", the last one at {} UTC", Time { at, now });
    }
    page.push_str("</dd>");
    if let Some(upstream) = &full.upstream {
        fact(
            page,
            "Server",
            &format!("{}:{}", upstream.host, upstream.port),
        );
        fact(page, "Login", &upstream.username);
        let connections = format!(
            "{} idle, {} busy",
            upstream.connections_idle, upstream.connections_busy
        );
        fact(page, "Connections", &connections);
    }
    if let Some(addresses) = &full.addresses {
        fact(page, "May send as", &addresses.join(", "));
    }
    if let Some(namespace) = &brief.namespace {
        fact(page, "Namespace", namespace);
    }
    if let Some(revision) = brief.revision {
        fact(page, "Revision", &revision.to_string());
    }
    page.push_str("</dl>");
}

fn fact(page: &mut String, name: &str, text: &str) {
    let _ = write!(page, "<dt>{name}</dt><dd>{}</dd>", Text(text));
}
