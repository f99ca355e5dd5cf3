mod world;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use self::world::{LIFETIMES, World, names};
use super::{Issue, Kept, Rotation, Step, plan, take};

fn now() -> Timestamp {
    "2026-11-23T10:00:00Z".parse().unwrap()
}

fn issued() -> Issue {
    Issue::new(&names(), now(), LIFETIMES.validity).unwrap()
}

fn idle() -> Kept {
    Kept {
        current: issued(),
        rotation: Rotation::Idle,
    }
}

fn announced(since: Option<Timestamp>) -> Kept {
    Kept {
        current: issued(),
        rotation: Rotation::Announced {
            next: issued(),
            since,
        },
    }
}

fn promoted(since: Option<Timestamp>) -> Kept {
    Kept {
        current: issued(),
        rotation: Rotation::Promoted {
            previous: issued().authority,
            since,
        },
    }
}

const DAY: i64 = 86_400;
/// Settling time of [`LIFETIMES`].
const SETTLE: i64 = 300;

fn at(seconds: i64) -> Timestamp {
    now() + SignedDuration::from_secs(seconds)
}

fn planned(kept: &Kept, trusted: &str, seconds: i64) -> Step {
    plan(Some(kept), trusted, &names(), LIFETIMES, at(seconds))
}

#[test]
fn a_certificate_is_made_where_there_is_none_and_replaced_only_where_it_is_not_valid() {
    let nothing = plan(None, "", &names(), LIFETIMES, now());
    assert_eq!(nothing, Step::Replace);
    let kept = idle();
    let until_renewal = Step::Wait(Some(at(60 * DAY)));
    for (seconds, step) in [
        (-3601, Step::Replace),
        (-3600, until_renewal),
        (0, until_renewal),
        (60 * DAY - 1, until_renewal),
        (60 * DAY, Step::Announce),
        (90 * DAY, Step::Announce),
        (90 * DAY + 1, Step::Replace),
    ] {
        for trusted in [kept.bundle(), String::new()] {
            assert_eq!(planned(&kept, &trusted, seconds), step, "{seconds}");
        }
    }
}

#[test]
fn the_next_leaf_is_served_when_its_ca_has_been_trusted_for_the_settling_time() {
    let [new, seen] = [announced(None), announced(Some(now()))];
    for unpublished in ["", &new.current.authority] {
        assert_eq!(planned(&new, unpublished, 0), Step::Wait(None));
    }
    assert_eq!(planned(&new, &new.bundle(), 0), Step::Stamp);
    let early = planned(&seen, &seen.bundle(), SETTLE - 1);
    assert_eq!(early, Step::Wait(Some(at(SETTLE))));
    assert_eq!(planned(&seen, &seen.bundle(), SETTLE), Step::Promote);
    let wiped = planned(&seen, "", SETTLE);
    assert_eq!(wiped, Step::Wait(None));
}

#[test]
fn the_ca_before_goes_when_the_settling_time_is_over() {
    let kept = promoted(Some(now()));
    let early = planned(&kept, &kept.bundle(), SETTLE - 1);
    assert_eq!(early, Step::Wait(Some(at(SETTLE))));
    assert_eq!(planned(&kept, &kept.bundle(), SETTLE), Step::Retire);
    let lost = promoted(None);
    assert_eq!(planned(&lost, &lost.bundle(), SETTLE), Step::Stamp);
}

#[test]
fn a_new_name_replaces_the_leaf_at_once_and_keeps_the_ca_before_it_trusted() {
    let further = super::Names::new("webhook", "mail", &["further.test".to_owned()]).unwrap();
    let kept = idle();
    let step = plan(Some(&kept), &kept.bundle(), &further, LIFETIMES, now());
    assert_eq!(step, Step::Replace);
    let before = kept.current.clone();
    let kept = take(step, Some(kept), &further, LIFETIMES, now())
        .unwrap()
        .unwrap();
    assert!(kept.current.is_usable(&further, now()));
    assert!(kept.bundle().contains(&before.authority));
}

#[test]
fn an_expired_ca_is_not_kept_in_the_bundle() {
    let late = at(180 * DAY);
    let kept = take(Step::Replace, Some(idle()), &names(), LIFETIMES, late)
        .unwrap()
        .unwrap();
    assert_eq!(kept.rotation, Rotation::Idle);
}

#[test]
fn a_next_leaf_that_cannot_be_used_is_made_again_when_one_is_due() {
    let mut kept = announced(None);
    if let Rotation::Announced { next, .. } = &mut kept.rotation {
        next.key = kept.current.key.clone();
    }
    assert_eq!(planned(&kept, &kept.bundle(), 60 * DAY), Step::Announce);
}

#[test]
fn a_step_that_does_not_fit_what_is_kept_changes_nothing() {
    for (step, kept) in [
        (Step::Promote, Some(idle())),
        (Step::Promote, Some(promoted(None))),
        (Step::Stamp, Some(idle())),
        (Step::Wait(None), Some(announced(None))),
        (Step::Announce, None),
        (Step::Retire, None),
    ] {
        let taken = take(step, kept, &names(), LIFETIMES, now()).unwrap();
        assert_eq!(taken, None, "{step:?}");
    }
}

#[test]
fn the_webhook_answers_at_once_whenever_it_was_down_and_for_how_long() {
    let life = LIFETIMES.validity;
    for interrupted_after in 0..10 {
        for down in [Duration::ZERO, life / 2, life * 2 / 3, life, life * 3] {
            let mut world = World::new(now());
            world.lead(interrupted_after);
            world.pass(life * 2 / 3);
            world.lead(interrupted_after);
            world.pass(down);
            // Two settling times at most, each followed by two writes.
            world.lead(10);
            world.see_all();
            assert!(world.is_trusted(), "{interrupted_after} {down:?}");
            world.settle();
            assert_eq!(world.kept().rotation, Rotation::Idle);
            assert!(world.is_trusted(), "{interrupted_after} {down:?}");
        }
    }
}

#[test]
fn a_clock_that_jumps_an_hour_breaks_no_trust_and_replaces_nothing() {
    let hour = 3600;
    for jumps in [
        [hour, 0, 0],
        [-hour, 0, 0],
        [hour, -hour, hour],
        [-hour, hour, -hour],
        [0, hour, -hour],
        [0, -hour, hour],
    ] {
        let mut world = World::new(now());
        world.lead(10);
        world.see_all();
        for jump in jumps.into_iter().cycle().take(120) {
            world.jump(jump);
            world.lead_seen(10);
            world.pass(LIFETIMES.validity / 60);
            assert!(world.is_trusted(), "{jumps:?}");
        }
        assert_eq!(world.replaced, 1, "{jumps:?}");
        assert!(world.renewed >= 2, "{jumps:?}");
    }
}

/// What happens between two looks at the world.
#[derive(Clone, Debug)]
enum Event {
    /// A leader makes so many writes at most, and is gone.
    Lead(usize),
    /// Time passes: a few seconds or minutes.
    Pass(u64),
    /// Some days, and a leader that lives long enough for a write.
    PassLong(u64),
    /// The API server sees the configuration.
    ApiServerSees,
    /// A replica sees the Secret.
    ReplicaSees(usize),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => (0..4_usize).prop_map(Event::Lead),
        1 => (0..400_u64).prop_map(Event::Pass),
        2 => (3 * 86_400..7 * 86_400_u64).prop_map(Event::PassLong),
        1 => Just(Event::ApiServerSees),
        2 => (0..2_usize).prop_map(Event::ReplicaSees),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Whatever the order in which leaders end and others learn of what was written, as long as they
    /// do within the settling time, no replica ever serves what the API server does not trust.
    #[test]
    fn trust_is_never_broken(events in prop::collection::vec(event(), 100)) {
        let mut world = World::new(now());
        world.lead(10);
        world.see_all();
        for event in events {
            match event {
                Event::Lead(writes) => world.lead(writes),
                Event::Pass(seconds) => world.pass(Duration::from_secs(seconds)),
                Event::PassLong(seconds) => {
                    world.pass(Duration::from_secs(seconds));
                    world.lead(1);
                }
                Event::ApiServerSees => world.api_server_sees(),
                Event::ReplicaSees(replica) => world.replica_sees(replica),
            }
            prop_assert!(world.is_trusted());
        }
        prop_assert_eq!(world.replaced, 1);
        world.settle();
        prop_assert_eq!(world.kept().bundle(), world.kept().current.authority);
    }
}
