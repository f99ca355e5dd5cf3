//! One identity on the page.

use std::fmt::{self, Display, Formatter, Write as _};

use jiff::Timestamp;
use kube::ResourceExt;
use zohorelay_crds::keys::RELEASE_HOLD;
use zohorelay_crds::v1alpha1::{ConditionType, DeliveryStatus, FailedMail, PodCounts, Reason};
use zohorelay_crds::{MailIdentity, MailIdentityStatus};
use zohorelay_process::page::{At, Countdown, Docs, Name, Text, Time, since, span};
use zohorelay_upstream::Class;

use super::Row;
use super::standing::{Standing, find, hold_ends, words};

/// `NAMESPACE/NAME`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id {
    namespace: String,
    name: String,
}

impl Id {
    pub(super) fn of(identity: &MailIdentity) -> Self {
        Self {
            namespace: identity.namespace().unwrap_or_default(),
            name: identity.name_any(),
        }
    }
}

impl Display for Id {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Its section.
pub(super) fn of_identity(page: &mut String, row: &Row, now: Timestamp) {
    let Standing { tone, state, since } = &row.standing;
    let (name, state) = (row.id.to_string(), Text(state));
    let name = Text(&name);
    let _ = write!(
        page,
        "<section class=\"{tone}\" aria-labelledby=\"i-{name}\"><h2 id=\"i-{name}\">{name}: \
         <span class=\"state\">{state}</span></h2>"
    );
    if let Some(at) = *since {
        let _ = write!(page, "<p class=\"dim\">For {}.</p>", Long { at, now });
    }
    if let Some(status) = &row.identity.status {
        let held = held(page, status, &row.id, now);
        troubles(page, status);
        if let Some(delivery) = &status.delivery {
            failures(page, delivery, held, now);
        }
        facts(page, status, now);
    } else {
        page.push_str("<p>The operator has not looked at it yet.</p>");
    }
    page.push_str("</section>");
}

/// How long something is so, and since when.
struct Long {
    at: Timestamp,
    now: Timestamp,
}

impl Display for Long {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { at, now } = *self;
        let long = span(since(at, now));
        write!(f, "{long}, since {} UTC", Time { at, now })
    }
}

/// The hold, and its reason.
fn held<'a>(
    page: &mut String,
    status: &'a MailIdentityStatus,
    id: &Id,
    now: Timestamp,
) -> Option<&'a str> {
    let until = hold_ends(status, now)?;
    let left = since(now, until);
    let reason = status.hold.as_ref()?.reason.as_deref().unwrap_or("held");
    let Id { namespace, name } = id;
    let _ = write!(
        page,
        "<p><strong>{}</strong>: the operator holds the mails of all pods. The next try: {}.</p><p>{}</p>\
         <p>To try before, once it is cured: <code>kubectl annotate --overwrite mid {} -n {} \
         {RELEASE_HOLD}=$(date +%s)</code></p>",
        Name(reason),
        Countdown { left, now },
        remedy(reason),
        Text(name),
        Text(namespace),
    );
    Some(reason)
}

fn remedy(class: &str) -> Text<'static> {
    Text(Class::parse(class).map_or("", Class::remedy))
}

/// What the conditions say that are not as they should be. Of mails that fail the failures say more.
fn troubles(page: &mut String, status: &MailIdentityStatus) {
    let mut said: Vec<&str> = Vec::new();
    for kind in [
        ConditionType::Ready,
        ConditionType::CredentialsVerified,
        ConditionType::RolledOut,
        ConditionType::Delivering,
    ] {
        let Some(it) = find(status, kind).filter(|it| it.status != "True") else {
            continue;
        };
        let is_told = match kind {
            ConditionType::Delivering => it.reason != Reason::SidecarsUnreachable.as_str(),
            // Before anything is published there is nothing to roll out.
            ConditionType::RolledOut => it.reason == Reason::Pending.as_str() && !said.is_empty(),
            _ => false,
        };
        if is_told || said.contains(&&*it.reason) {
            continue;
        }
        said.push(&it.reason);
        let (reason, message) = (words(&it.reason), sentence(&it.message));
        let _ = write!(
            page,
            "<p><strong>{}</strong>: {}.</p>",
            Name(&reason),
            Text(message.trim_end_matches('.')),
        );
    }
}

fn sentence(words: &str) -> String {
    crate::pods::kind::sentence(words)
}

/// Those that need somebody, the gravest first; and the newest, where it is none of them.
fn failures(page: &mut String, delivery: &DeliveryStatus, held: Option<&str>, now: Timestamp) {
    let newest = delivery.last_failure.as_ref();
    let newest = newest.filter(|it| delivery.failing.iter().all(|open| open.class != it.class));
    if delivery.failing.is_empty() && newest.is_none() {
        return;
    }
    page.push_str("<h3>Failures</h3><ul>");
    for failed in &delivery.failing {
        failure(page, failed, now);
        // The hold says it already.
        if held != Some(&failed.class) {
            let _ = write!(page, "<p>{}</p>", remedy(&failed.class));
        }
        let _ = write!(page, "{}</li>", Docs(&failed.class));
    }
    if let Some(failed) = newest {
        failure(page, failed, now);
        page.push_str("<p class=\"dim\">The newest one. It keeps no other mail back.</p></li>");
    }
    page.push_str("</ul>");
}

fn failure(page: &mut String, failed: &FailedMail, now: Timestamp) {
    let FailedMail {
        class,
        stage,
        code,
        at: last,
        pod,
    } = failed;
    let code = code.and_then(|code| u16::try_from(code).ok());
    let _ = write!(
        page,
        "<li><strong>{}</strong>{}: last in pod <bdi>{}</bdi> {} ago, {} UTC",
        Name(class),
        At(stage.as_deref(), code),
        Text(pod),
        span(since(last.0, now)),
        Time { at: last.0, now },
    );
}

fn facts(page: &mut String, status: &MailIdentityStatus, now: Timestamp) {
    page.push_str("<dl>");
    if let Some(pods) = &status.pods {
        fact(page, "Pods", counted(*pods));
    }
    if let Some(delivery) = &status.delivery {
        let as_of = Time {
            at: delivery.as_of.0,
            now,
        };
        let DeliveryStatus {
            accepted, failed, ..
        } = delivery;
        let words =
            format!("{accepted} sent, {failed} failed by the pods that run; as of {as_of} UTC");
        fact(page, "Mails", words);
        let last = delivery.last_success.as_ref();
        let last = last.map(|at| (Time { at: at.0, now }, span(since(at.0, now))));
        let last = last.map_or_else(
            || "none yet".to_owned(),
            |(time, ago)| format!("{time} UTC, {ago} ago"),
        );
        fact(page, "Last one sent", last);
    }
    if let Some(server) = &status.server {
        fact(page, "Server", Text(server));
    }
    if let Some(revision) = status.revision {
        fact(page, "Revision", revision);
    }
    page.push_str("</dl>");
}

fn counted(pods: PodCounts) -> String {
    let PodCounts {
        attached,
        missing,
        outdated,
        current,
    } = pods;
    let mut words = format!("{attached} with the sidecar, {current} up to date");
    if missing > 0 {
        let _ = write!(words, "; {missing} without it");
    }
    if outdated > 0 {
        let _ = write!(words, "; {outdated} of another release");
    }
    words
}

/// `html` is markup already.
fn fact(page: &mut String, name: &str, html: impl Display) {
    let _ = write!(page, "<dt>{name}</dt><dd>{html}</dd>");
}
