//! `/status` for eyes: can each identity send, if not why not and what to do, and its last mails.
//!
//! One answer with all in it: it needs no network, and says the same without its script. Every text
//! that is not ours goes through [`Text`].

mod identity;
mod remedy;
mod text;

use std::fmt::Write as _;

use self::identity::{Name, Tone, of_identity, standing};
use self::text::{Text, Time};
use super::Status;

const STYLE: &str = include_str!("page/style.css");
const SCRIPT: &str = include_str!("page/script.js");

/// Lets through this style and this script, by their SHA-256, and no other; and the script may fetch
/// from where the page came.
pub(super) const POLICY: &str = "default-src 'none'; \
    style-src 'sha256-rTeRh3YL8V1o7gxNdhR2qgZArQQ2/9+crmLWOElqg1w='; \
    script-src 'sha256-BXF7NpIESyXHHpm/NVAO4Y2oUOCvzogkaPvjD2VFjzg='; \
    connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page.
pub(super) fn render(status: &Status<'_>) -> String {
    let (tone, verdict) = verdict(status);
    let mut page = String::with_capacity(16 * 1024);
    let _ = write!(
        page,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>{verdict} zohorelay</title><link rel=\"icon\" href=\"data:,\">\
         <style>{STYLE}</style></head><body><main><header class=\"{tone}\">\
         <h1>zohorelay in this pod</h1><p class=\"sum\">{verdict}</p><p class=\"dim\">Version {}. Connections from applications: {}. \
         As of {} UTC.</p></header>",
        status.version,
        status.sessions,
        Time {
            at: status.at,
            now: status.at
        },
    );
    if status.egress_blocked {
        page.push_str(
            "<section class=\"bad\"><h2>Mail ports are blocked</h2><p>Connections time out on 465 \
             and on 587: a NetworkPolicy, a firewall or the cloud drops them. Allow TCP to the \
             server's port, and ask the cloud's support to open SMTP submission.</p>\
             <p class=\"dim\"><code>docs/troubleshooting.md<wbr>#egress-blocked</code></p></section>",
        );
    }
    if status.identities.len() > 1 {
        contents(&mut page, status);
    }
    for identity in &status.identities {
        of_identity(&mut page, identity, status.at);
    }
    let _ = write!(
        page,
        "</main><footer><p><button type=\"button\" hidden>Stop renewing</button> \
         <output></output></p><noscript><p>Load the page again for news.</p></noscript></footer>\
         <script>{SCRIPT}</script></body></html>"
    );
    page
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
    let all = status.identities.len();
    let of_tone = |tone| {
        let standings = status.identities.iter().map(standing);
        standings.filter(|it| it.0 == tone).count()
    };
    for (tone, words) in [
        (Tone::Bad, "in trouble"),
        (Tone::Warn, "worth a look"),
        (Tone::Off, "suspended"),
    ] {
        let some = of_tone(tone);
        if some > 0 {
            return (tone, format!("{some} of {all} identities {words}."));
        }
    }
    (Tone::Good, "All is well.".to_owned())
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
