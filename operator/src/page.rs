//! All identities on one page, for whoever looks after them: which of them are in trouble, why, since
//! when and what to do.
//!
//! It says what the statuses say, from memory: nobody is asked for it. A replica that does not lead
//! names the one that does.

mod identity;
mod standing;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::sync::Arc;

use jiff::Timestamp;
use zohorelay_crds::MailIdentity;
use zohorelay_process::admin::{Response, Routes};
use zohorelay_process::page::{
    Frame, POLICY_WITH_FORM, Text, Time, Tone, field, verdict as verdict_of,
};

use self::identity::{Id, of_identity};
use self::standing::{Standing, standing};
use crate::identity::roster::Known;

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Identities on the page at most: it is made anew every five seconds.
const SHOWN: usize = 200;
/// Characters that are looked for at most.
const WANTED: usize = 200;

const GONE: &str = "The operator does not answer; this is its last word. If its pod is gone, start \
                    kubectl port-forward anew.";

/// What there is to show.
#[derive(Clone, Debug)]
pub enum Scene {
    /// This replica leads.
    Leading(Known),
    /// Another one does, by that name, or nobody does.
    Following(Option<Arc<str>>),
}

/// The listener on loopback. `namespace` is the operator's own.
pub fn routes(namespace: String, look: impl Fn() -> Scene + Send + Sync + 'static) -> Routes {
    Routes::new().query("/", move |query| {
        let now = Timestamp::now();
        let page = match look() {
            Scene::Leading(known) => leading(&known, &field(query, "q"), now),
            Scene::Following(other) => following(&namespace, other.as_deref(), now),
        };
        Response::html(200, page, POLICY_WITH_FORM)
    })
}

/// An identity, and how it stands.
struct Row {
    identity: Arc<MailIdentity>,
    id: Id,
    standing: Standing,
}

impl Row {
    fn new(identity: Arc<MailIdentity>, now: Timestamp) -> Self {
        let id = Id::of(&identity);
        let standing = standing(&identity, now);
        Self {
            identity,
            id,
            standing,
        }
    }

    /// Whether each of these words, in small letters, is part of what the overview says of it.
    fn has(&self, words: &[&str]) -> bool {
        let status = self.identity.status.as_ref();
        let server = status.and_then(|it| it.server.as_deref());
        let server = server.unwrap_or_default();
        let said = format!("{} {} {server}", self.id, self.standing.state).to_lowercase();
        words.iter().all(|word| said.contains(word))
    }
}

fn leading(known: &Known, wanted: &str, now: Timestamp) -> String {
    let identities = known.identities.iter().cloned();
    let mut rows: Vec<Row> = identities.map(|it| Row::new(it, now)).collect();
    let (tone, verdict) = verdict(known, &rows);
    rows.sort_by(|a, b| (a.standing.tone, &a.id).cmp(&(b.standing.tone, &b.id)));
    let wanted: String = wanted.chars().take(WANTED).collect();
    let small = wanted.to_lowercase();
    let words: Vec<&str> = small.split_whitespace().collect();
    rows.retain(|row| row.has(&words));
    let found = (!words.is_empty()).then_some(rows.len());
    frame(&verdict, tone).render(note(now), form(&wanted), |page| {
        unlisted(page, known);
        if let Some(found) = found {
            let all = known.identities.len();
            let wanted = Text(&wanted);
            let _ = write!(
                page,
                "<p>{found} of {all} have “{wanted}” in name, state or server. <a href=\"/\">Show all</a></p>"
            );
        }
        body(page, &rows, now);
    })
}

fn frame(verdict: &str, tone: Tone) -> Frame<'_> {
    Frame {
        heading: "zohorelay: all mail identities",
        verdict,
        tone,
        gone: GONE,
    }
}

fn note(now: Timestamp) -> String {
    let time = Time { at: now, now };
    format!("Version {VERSION}. As of {time} UTC.")
}

fn verdict(known: &Known, rows: &[Row]) -> (Tone, String) {
    if rows.is_empty() {
        let words = match &*known.unlisted {
            [] => "There is no MailIdentity.",
            _ => "The MailIdentities are not known yet.",
        };
        return (Tone::Off, words.to_owned());
    }
    if let [Row { id, standing, .. }] = rows {
        return (standing.tone, format!("{id}: {}.", standing.state));
    }
    let tones: Vec<Tone> = rows.iter().map(|row| row.standing.tone).collect();
    verdict_of(&tones)
}

/// It works without the script, and for those that the page has no room for.
fn form(wanted: &str) -> String {
    format!(
        "<form role=\"search\"><label for=\"q\">Show only</label><input type=\"search\" id=\"q\" name=\"q\" \
         maxlength=\"{WANTED}\" value=\"{}\" autocomplete=\"off\" placeholder=\"words of name, state, server\">\
         <button>Show</button></form>",
        Text(wanted)
    )
}

fn unlisted(page: &mut String, known: &Known) {
    if !known.unlisted.is_empty() {
        let names = known.unlisted.join(", ");
        let _ = write!(
            page,
            "<section class=\"warn\"><h2>Not listed yet: {}</h2><p>The API server has not told these \
             MailIdentities. If that stays, the operator's log says why; mostly a right is missing \
             (docs/reference/rbac.md).</p></section>",
            Text(&names)
        );
    }
}

fn body(page: &mut String, rows: &[Row], now: Timestamp) {
    let shown = &rows[..rows.len().min(SHOWN)];
    if shown.len() > 1 {
        contents(page, shown);
    }
    for row in shown {
        of_identity(page, row, now);
    }
    let more = rows.len() - shown.len();
    if more > 0 {
        let _ = write!(
            page,
            "<p>And {more} more, none in greater trouble than the last one here. Words in the field above \
             find them; <code>kubectl get mid -A</code> has all.</p>"
        );
    }
}

fn contents(page: &mut String, rows: &[Row]) {
    page.push_str("<nav aria-label=\"Identities\"><ul>");
    for Row { id, standing, .. } in rows {
        let Standing { tone, state, .. } = standing;
        let (name, state) = (id.to_string(), Text(state));
        let name = Text(&name);
        let _ = write!(
            page,
            "<li class=\"{tone}\"><a href=\"#i-{name}\">{name}</a>: \
             <span class=\"state\">{state}</span></li>"
        );
    }
    page.push_str("</ul></nav>");
}

fn following(namespace: &str, other: Option<&str>, now: Timestamp) -> String {
    let verdict = match other {
        Some(_) => "Another replica leads.",
        None => "This replica does not lead.",
    };
    frame(verdict, Tone::Off).render(note(now), "", |page| {
        page.push_str("<section class=\"off\">");
        let _ = match other {
            Some(other) => write!(
                page,
                "<h2>Look at <bdi>{other}</bdi></h2><p>Only the replica that leads knows the identities and \
                 their pods:</p><p><code>kubectl -n {} port-forward pod/{other} 9466</code></p>",
                Text(namespace),
                other = Text(other),
            ),
            None => write!(
                page,
                "<h2>Nobody is known to lead</h2><p>A replica takes the lead within 15 seconds. If none \
                 does, none reaches the API server or may write the Lease in the namespace {}: see the \
                 operator's log.</p>",
                Text(namespace)
            ),
        };
        page.push_str("</section>");
    })
}
