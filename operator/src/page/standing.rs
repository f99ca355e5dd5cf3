//! How an identity stands, in a few words, from its status. PURE.

use std::borrow::Cow;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use zohorelay_crds::v1alpha1::{ConditionType, Reason};
use zohorelay_crds::{MailIdentity, MailIdentityStatus};
use zohorelay_process::page::Tone;

/// How an identity stands.
pub(super) struct Standing {
    pub(super) tone: Tone,
    pub(super) state: Cow<'static, str>,
    /// Since when, where one condition decides.
    pub(super) since: Option<Timestamp>,
}

impl Standing {
    fn of(tone: Tone, state: impl Into<Cow<'static, str>>, because: Option<&Condition>) -> Self {
        Self {
            tone,
            state: state.into(),
            since: because.map(|condition| condition.last_transition_time.0),
        }
    }
}

/// How it stands at `now`: the first that applies, the gravest first.
pub(super) fn standing(identity: &MailIdentity, now: Timestamp) -> Standing {
    let Some(status) = &identity.status else {
        return Standing::of(Tone::Warn, "new", None);
    };
    let [ready, login, rolled_out, delivering] = [
        ConditionType::Ready,
        ConditionType::CredentialsVerified,
        ConditionType::RolledOut,
        ConditionType::Delivering,
    ]
    .map(|kind| find(status, kind));
    let is = |it: Option<&Condition>, reason: Reason| {
        it.is_some_and(|condition| condition.reason == reason.as_str())
    };
    if let Some(it) = ready.filter(|it| it.status == "False") {
        return Standing::of(
            Tone::Bad,
            format!("not ready, {}", words(&it.reason)),
            ready,
        );
    }
    if is(ready, Reason::Suspended) {
        return Standing::of(Tone::Off, "suspended", ready);
    }
    if hold_ends(status, now).is_some() {
        return Standing::of(Tone::Bad, "held back", None);
    }
    if let Some(it) = delivering.filter(|it| it.status == "False") {
        let state = format!("mails fail, {}", words(&it.reason));
        return Standing::of(Tone::Bad, state, delivering);
    }
    if is(rolled_out, Reason::SidecarMissing) {
        return Standing::of(Tone::Bad, "pods miss their sidecar", rolled_out);
    }
    let Some(it) = ready.filter(|it| it.status == "True") else {
        let state = ready.map_or(Cow::Borrowed("new"), |it| words(&it.reason).into());
        return Standing::of(Tone::Warn, state, ready);
    };
    if is(login, Reason::UpstreamUnreachable) {
        return Standing::of(Tone::Warn, "the login could not be tried", login);
    }
    if is(rolled_out, Reason::PodsUnreachable) || is(delivering, Reason::SidecarsUnreachable) {
        return Standing::of(Tone::Warn, "pods do not answer", rolled_out);
    }
    if is(rolled_out, Reason::PodsOutdated) {
        return Standing::of(Tone::Warn, "pods have an older document", rolled_out);
    }
    if is(delivering, Reason::Delivering) {
        return Standing::of(Tone::Good, "mail goes out", delivering);
    }
    if is(rolled_out, Reason::NoPods) {
        return Standing::of(Tone::Good, "ready, no pod asks for it", Some(it));
    }
    Standing::of(Tone::Good, "ready, no mail yet", Some(it))
}

/// The condition of a type.
pub(super) fn find(status: &MailIdentityStatus, kind: ConditionType) -> Option<&Condition> {
    let mut conditions = status.conditions.iter();
    conditions.find(|condition| condition.type_ == kind.as_str())
}

/// The end of the hold, while it lies ahead.
pub(super) fn hold_ends(status: &MailIdentityStatus, now: Timestamp) -> Option<Timestamp> {
    let until = status.hold.as_ref()?.until.as_ref()?.0;
    (until > now).then_some(until)
}

/// A reason as words: `SecretNotFound` is "secret not found".
pub(super) fn words(reason: &str) -> String {
    let mut words = String::with_capacity(reason.len() + 4);
    for character in reason.chars() {
        if character.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(character.to_ascii_lowercase());
    }
    words
}
