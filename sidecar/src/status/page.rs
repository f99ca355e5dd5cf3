//! `/status` for eyes: can each identity send, if not why not and what to do, and its last mails.

mod identity;

use std::fmt::Write as _;

use zohorelay_process::page::{self, Docs, Frame, Name, Text, Time, Tone};

use self::identity::{of_identity, standing};
use super::Status;

const GONE: &str = "The sidecar does not answer; this is its last word.";

/// The page.
pub(super) fn render(status: &Status<'_>) -> String {
    let (tone, verdict) = verdict(status);
    let now = status.at;
    let note = format!(
        "Version {}. Connections from applications: {}. As of {} UTC.",
        status.version,
        status.sessions,
        Time { at: now, now },
    );
    let frame = Frame {
        heading: "zohorelay in this pod",
        verdict: &verdict,
        tone,
        gone: GONE,
    };
    frame.render(note, "", |page| body(page, status))
}

fn body(page: &mut String, status: &Status<'_>) {
    if status.egress_blocked {
        let _ = write!(
            page,
            "<section class=\"bad\"><h2>Mail ports are blocked</h2><p>Connections time out on 465 \
             and on 587: a NetworkPolicy, a firewall or the cloud drops them. Allow TCP to the \
             server's port, and ask the cloud's support to open SMTP submission.</p>{}</section>",
            Docs("egress-blocked")
        );
    }
    if status.identities.len() > 1 {
        contents(page, status);
    }
    for identity in &status.identities {
        of_identity(page, identity, status.at);
    }
}

/// Whether somebody has to act.
fn verdict(status: &Status<'_>) -> (Tone, String) {
    if status.egress_blocked {
        return (Tone::Bad, "Mail ports are blocked.".to_owned());
    }
    if let [only] = &*status.identities {
        let (tone, state) = standing(only);
        return (tone, format!("{}.", Name(state)));
    }
    let tones = status.identities.iter().map(|it| standing(it).0);
    page::verdict(&tones.collect::<Vec<_>>())
}

fn contents(page: &mut String, status: &Status<'_>) {
    page.push_str("<nav aria-label=\"Identities\"><ul>");
    for identity in &status.identities {
        let (tone, state) = standing(identity);
        let name = Text(identity.brief.name);
        let _ = write!(
            page,
            "<li class=\"{tone}\"><a href=\"#i-{name}\">{name}</a>: \
             <span class=\"state\">{state}</span></li>"
        );
    }
    page.push_str("</ul></nav>");
}

#[cfg(test)]
mod tests;
