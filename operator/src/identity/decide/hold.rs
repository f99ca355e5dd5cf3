//! One pod learns, all hold: what the next document says of `hold` and `retry`.
//!
//! A refusal of the account that a pod reports holds every pod for [`SPAN`] from the refusal's own time
//! on, whatever else is reported: two refusals hold no longer than the newer one does. What it reports
//! with a document from before the login or `retry` changed is about another login, and holds nothing.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use zohorelay_config::{Document, Hold, HoldReason};
use zohorelay_upstream::Class;

use super::{Published, Situation, Trial};
use crate::identity::attempt::AttemptKey;
use crate::identity::release;
use crate::pods::refusal::Refusal;

/// How long one refusal holds.
pub(super) const SPAN: SignedDuration = SignedDuration::from_hours(1);
/// A hold that goes no further than that beyond what stands is worth no new document: while one is on
/// its way, other pods meet the same refusal a moment later.
const WORTH: SignedDuration = SignedDuration::from_mins(5);

impl Situation<'_> {
    /// Puts `hold` and `retry` into a document that is to follow the published one.
    pub(super) fn bind(&self, document: &mut Document) -> Trial {
        let asked = release::pending(self.identity);
        let Some(published) = self.rendered.published() else {
            (document.hold, document.retry) = (None, 0);
            return Trial {
                since: None,
                released: asked,
            };
        };
        let before = &published.trial;
        let released = asked.filter(|asked| before.released.as_ref() != Some(asked));
        let retry = published.document.retry;
        document.retry = retry.wrapping_add(u64::from(released.is_some()));
        let is_same = AttemptKey::of(document) == AttemptKey::of(&published.document);
        if released.is_some() || !is_same {
            document.hold = None;
            return Trial {
                since: None,
                released: released.or_else(|| before.released.clone()),
            };
        }
        document.hold = self.hold(published);
        before.clone()
    }

    fn hold(&self, published: &Published) -> Option<Hold> {
        let now = self.now;
        let is_one = |hold: &Hold| now < hold.until && hold.until <= now + SPAN;
        let standing = published.document.hold.filter(is_one);
        let since = published.trial.since.or(published.document.revision);
        let refusals = self.refusals.iter();
        let newest = refusals
            .filter(|it| Some(it.revision) >= since)
            .filter_map(|it| self.asked_by(it))
            .max_by_key(|hold| hold.until);
        let stands_until = standing.map_or(now, |hold| hold.until);
        newest
            .filter(|hold| hold.until > stands_until + WORTH)
            .or(standing)
    }

    /// The hold that a refusal asks for, in whole seconds.
    fn asked_by(&self, refusal: &Refusal) -> Option<Hold> {
        let reason = match refusal.class {
            Class::AuthFailed => HoldReason::AuthFailed,
            Class::AccountBlocked => HoldReason::AccountBlocked,
            _ => return None,
        };
        let until = refusal.at.min(self.now) + SPAN;
        let until = Timestamp::from_second(until.as_second()).ok()?;
        Some(Hold { until, reason })
    }

    /// When to publish that a hold is over.
    pub(super) fn until_hold_ends(&self, document: &Document) -> Option<Duration> {
        let hold = document.hold?;
        Duration::try_from(hold.until.duration_since(self.now)).ok()
    }
}
