//! `/status` for eyes: one table an identity, no script, looked at again every few seconds.

use std::fmt::{self, Display, Formatter, Write as _};

use super::{BreakerView, Brief, Full, Status};
use crate::tally::LastFailure;

const HEAD: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
<meta http-equiv=\"refresh\" content=\"5\"><title>zohorelay</title><style>\
body{font:16px/1.5 system-ui,sans-serif;max-width:50em;margin:2em auto;padding:0 1em}\
th{text-align:left;vertical-align:top;padding-right:1.5em;font-weight:normal;color:#555}\
.bad{color:#b00020}</style>";

/// The page.
pub(super) fn render(status: &Status<'_>) -> String {
    let mut page = HEAD.to_owned();
    let _ = write!(
        page,
        "<h1>zohorelay {}</h1><p>Sessions of apps: {}</p>",
        status.version, status.sessions
    );
    if status.egress_blocked {
        page.push_str(
            "<p class=\"bad\">Connections time out on 465 and on 587: the cluster or the cloud \
             may block mail ports.</p>",
        );
    }
    for identity in &status.identities {
        of_identity(&mut page, identity);
    }
    page
}

fn of_identity(page: &mut String, full: &Full<'_>) {
    let brief = &full.brief;
    let _ = write!(
        page,
        "<h2>{}: {}</h2><table>",
        Text(brief.name),
        brief.state
    );
    if let Some(problem) = &full.problem {
        row(page, "Problem", "bad", problem);
    }
    if let Some(breaker) = &brief.breaker {
        row(page, "Held", "bad", &held(breaker));
    }
    if let Some(upstream) = &full.upstream {
        let server = format!(
            "{}:{} as {} ({} idle, {} busy)",
            upstream.host,
            upstream.port,
            upstream.username,
            upstream.connections_idle,
            upstream.connections_busy
        );
        row(page, "Server", "", &server);
    }
    if let Some(addresses) = &full.addresses {
        row(page, "May send as", "", &addresses.join(", "));
    }
    counts(page, brief);
    page.push_str("</table>");
}

fn counts(page: &mut String, brief: &Brief<'_>) {
    if let Some(revision) = brief.revision {
        row(page, "Revision", "", &revision.to_string());
    }
    let counts = &brief.counts;
    let last = counts.last_accepted.map(|at| format!(", the last at {at}"));
    let sent = format!("{}{}", counts.accepted, last.unwrap_or_default());
    row(page, "Sent", "", &sent);
    let failed: Vec<_> = counts
        .failed
        .iter()
        .map(|(class, count)| format!("{class} {count}"))
        .collect();
    if !failed.is_empty() {
        row(page, "Failed", "", &failed.join(", "));
    }
    if let Some(failure) = &counts.last_failure {
        row(page, "Last failure", "", &last_failure(failure));
    }
}

fn held(breaker: &BreakerView) -> String {
    let minutes = breaker.again_in_seconds.div_ceil(60);
    format!("{}, for {minutes} more minutes", breaker.reason)
}

fn last_failure(failure: &LastFailure) -> String {
    let mut text = failure.class.to_owned();
    let failure = &failure.circumstances;
    if let Some(stage) = failure.stage {
        let _ = write!(text, " at {stage}");
    }
    if let Some(code) = failure.code {
        let _ = write!(text, ", code {code}");
    }
    let _ = write!(text, ", {}", failure.at);
    text
}

fn row(page: &mut String, name: &str, class: &str, text: &str) {
    let text = Text(text);
    let _ = write!(
        page,
        "<tr><th>{name}</th><td class=\"{class}\">{text}</td></tr>"
    );
}

/// Text within HTML.
struct Text<'a>(&'a str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}
