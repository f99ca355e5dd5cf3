//! Refusals of the account that sidecars met: what all other pods need not try. Pure.

use jiff::Timestamp;
use zohorelay_upstream::failure::Class;

/// The kinds after which no pod is to try the account for a while.
const ABOUT_THE_ACCOUNT: [Class; 2] = [Class::AccountBlocked, Class::AuthFailed];

/// What made a sidecar stop: its own breaker is open, for a refusal of this kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// `AccountBlocked` or `AuthFailed`.
    pub class: Class,
    /// When it was refused, as far as that can be believed.
    pub at: Timestamp,
    /// The same in the sidecar's own words.
    told_at: Timestamp,
}

/// A refusal, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// `AccountBlocked` or `AuthFailed`.
    pub class: Class,
    /// When.
    pub at: Timestamp,
    /// The revision of the document that the sidecar has.
    pub revision: u64,
    /// The name of the pod.
    pub pod: Box<str>,
}

impl Refused {
    /// A refusal that is about the account; nothing in it happened after `until`.
    pub(super) fn new(class: Class, told_at: Timestamp, until: Timestamp) -> Option<Self> {
        ABOUT_THE_ACCOUNT.contains(&class).then_some(Self {
            class,
            at: told_at.min(until),
            told_at,
        })
    }

    /// One refusal stays one, however often a sidecar whose clock is ahead tells of it.
    pub(super) fn or_earlier(self, earlier: Option<Self>) -> Self {
        earlier
            .filter(|it| (it.class, it.told_at) == (self.class, self.told_at))
            .unwrap_or(self)
    }
}
