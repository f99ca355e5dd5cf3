//! The operator's hold, as one pod keeps it.
//!
//! Nothing is sent before the document's `until`. Were all pods to go on in that moment, an account that
//! is still refused would meet as many logins as there are pods. So each waits for a random time longer,
//! [`SPREAD`] at most, most of them almost that long: the few that come first try the account, and the
//! others have the next hold on disk before their time comes. This is how receivers of one multicast
//! choose who answers (J. Nonnenmacher, E. Biersack: Scalable Feedback for Large Groups, 1999).
//!
//! PURE: time and chance are parameters.

use std::time::Duration;

use jiff::Timestamp;
use zohorelay_config::Hold;

/// The longest wait after the end of a hold.
const SPREAD: Duration = Duration::from_secs(20 * 60);
/// How much denser the last moment is than the first, as a power of e: about 150 times, so that of up to
/// some hundred pods few come first.
const STEEPNESS: f64 = 5.0;

/// A hold, and when it is over for this pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    hold: Hold,
    over: Timestamp,
}

impl Kept {
    /// What is kept after a document with this hold was taken, or without one, where `before` was kept of
    /// the same login and `retry`. `chance` is from 0 to 1.
    pub fn after(
        before: Option<Self>,
        hold: Option<Hold>,
        now: Timestamp,
        chance: f64,
    ) -> Option<Self> {
        let Some(hold) = hold else {
            // It came to its end; one that is taken back before is over.
            return before.filter(|before| before.hold.until <= now);
        };
        let same = before.filter(|before| before.hold.until == hold.until);
        same.or_else(|| {
            let is_on = now < hold.until;
            let over = hold.until.checked_add(wait(chance)).unwrap_or(hold.until);
            is_on.then_some(Self { hold, over })
        })
    }

    /// Its reason, and how long it lasts, if it is not over.
    pub fn left(&self, now: Timestamp) -> Option<(&'static str, Duration)> {
        let left = Duration::try_from(self.over.duration_since(now)).ok();
        let left = left.filter(|left| !left.is_zero())?;
        Some((self.hold.reason.as_str(), left))
    }
}

/// The wait of which `chance` is the share of pods that wait no longer: densities rise exponentially.
fn wait(chance: f64) -> Duration {
    let share = (chance.clamp(0.0, 1.0) * STEEPNESS.exp_m1()).ln_1p() / STEEPNESS;
    SPREAD.mul_f64(share.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use zohorelay_config::HoldReason;

    use super::*;

    /// So long it takes at most until all pods have the next hold: a question each 20 s, and the kubelet.
    const ON_ITS_WAY: f64 = 110.0;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn hold(until: i64) -> Hold {
        Hold {
            until: at(until),
            reason: HoldReason::AuthFailed,
        }
    }

    fn kept(before: Option<Kept>, until: Option<i64>, now: i64) -> Option<Kept> {
        Kept::after(before, until.map(hold), at(now), 0.5)
    }

    #[test]
    fn a_hold_lasts_up_to_twenty_minutes_longer_than_the_document_says() {
        for (chance, expected) in [(0.0, 0), (0.01, 217), (0.5, 1035), (1.0, 1200)] {
            let kept = Kept::after(None, Some(hold(100)), at(0), chance).unwrap();
            let (reason, left) = kept
                .left(at(100))
                .unwrap_or(("auth_failed", Duration::ZERO));
            assert_eq!((reason, left.as_secs()), ("auth_failed", expected));
            assert!(kept.left(at(99)).unwrap().1 > Duration::ZERO);
            assert_eq!(kept.left(at(1300)), None);
        }
    }

    #[test]
    fn one_that_ended_is_kept_to_its_own_end_and_one_that_was_taken_back_is_not() {
        let first = kept(None, Some(100), 0);
        assert!(first.is_some());
        for (name, until, now, expected) in [
            ("taken back", None, 99, None),
            ("ended, and the document says so", None, 100, first),
            ("the same hold in another document", Some(100), 50, first),
            ("the same, late", Some(100), 150, first),
            ("another", Some(200), 50, kept(None, Some(200), 50)),
            ("another that was over when it came", Some(120), 150, None),
        ] {
            assert_eq!(kept(first, until, now), expected, "{name}");
        }
        assert_eq!(
            kept(None, Some(100), 100),
            None,
            "a pod that starts after it"
        );
    }

    #[test]
    fn of_fifty_busy_pods_at_most_five_have_tried_before_the_next_hold_is_there() {
        let mut random = fastrand::Rng::with_seed(6);
        let mut crowds = 0;
        let rounds = 10_000;
        for _ in 0..rounds {
            let mut waits: Vec<f64> = (0..50).map(|_| wait(random.f64()).as_secs_f64()).collect();
            waits.sort_by(f64::total_cmp);
            let tried = waits.iter().filter(|it| **it <= waits[0] + ON_ITS_WAY);
            crowds += usize::from(tried.count() > 5);
        }
        assert!(crowds * 100 < rounds, "{crowds} of {rounds}");
    }
}
