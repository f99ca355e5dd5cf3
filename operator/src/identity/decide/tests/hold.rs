//! Holds: what pods report, how long it holds, and what ends it.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::json;
use zohorelay_config::{Hold, HoldReason};
use zohorelay_upstream::Class;

use super::super::fixtures::{REVISION, Scene, now, refused, seconds_ago};
use super::super::{Publication, Rendered, decide};
use crate::identity::attempt::Attempt;
use crate::identity::validate::fixtures::PASSWORD;

fn published() -> Scene {
    Scene::published(&json!({}))
}

/// A hold that ends so many seconds from now.
fn hold(reason: HoldReason, seconds: i64) -> Hold {
    Hold {
        until: seconds_ago(-seconds),
        reason,
    }
}

fn held(scene: Scene, seconds: i64) -> Scene {
    let mut scene = scene;
    if let Rendered::Ours(published) = &mut scene.rendered {
        published.document.hold = Some(hold(HoldReason::AuthFailed, seconds));
    }
    scene
}

fn publication(scene: &Scene) -> Option<Publication> {
    decide(&scene.situation()).publish
}

/// What the document says after a decision, written or not.
fn serves(scene: &Scene) -> (Option<Hold>, u64) {
    let decision = decide(&scene.situation());
    let before = scene.rendered.published().unwrap();
    let document = decision
        .publish
        .map_or(before.document.clone(), |it| it.document);
    (document.hold, document.retry)
}

#[test]
fn one_refusal_holds_all_for_an_hour_from_its_own_time_on() {
    use HoldReason::{AccountBlocked, AuthFailed};
    let auth = |ago| published().refused_in(Class::AuthFailed, ago, REVISION);
    let rows: Vec<(&str, Scene, Option<Hold>)> = vec![
        ("nothing is refused", published(), None),
        ("just now", auth(0), Some(hold(AuthFailed, 3600))),
        ("a while ago", auth(600), Some(hold(AuthFailed, 3000))),
        ("almost an hour ago", auth(3301), None),
        ("long ago", auth(90_000), None),
        (
            "blocked",
            published().refused_in(Class::AccountBlocked, 10, REVISION),
            Some(hold(AccountBlocked, 3590)),
        ),
        (
            "too many mails hold the pod that sent them",
            published().refused_in(Class::RateLimited, 0, REVISION),
            None,
        ),
        (
            "the newest of many counts",
            auth(900)
                .refused_in(Class::AccountBlocked, 300, REVISION)
                .refused_in(Class::AuthFailed, 600, REVISION),
            Some(hold(AccountBlocked, 3300)),
        ),
        (
            "a document of before",
            published().refused_in(Class::AuthFailed, 0, REVISION - 1),
            None,
        ),
        (
            "a clock that is ahead",
            auth(-7200),
            Some(hold(AuthFailed, 3600)),
        ),
        (
            "the same again",
            held(auth(300), 3300),
            Some(hold(AuthFailed, 3300)),
        ),
        (
            "another pod, before it had the document",
            held(auth(210), 3300),
            Some(hold(AuthFailed, 3300)),
        ),
        (
            "much later again",
            held(auth(0), 600),
            Some(hold(AuthFailed, 3600)),
        ),
        (
            "its pod is gone",
            held(published(), 600),
            Some(hold(AuthFailed, 600)),
        ),
        ("it is over", held(auth(3600), 0), None),
        ("nobody of ours wrote it", held(published(), 9000), None),
    ];
    for (name, scene, expected) in rows {
        let (found, retry) = serves(&scene);
        assert_eq!((found, retry), (expected, 0), "{name}");
    }
}

#[test]
fn a_hold_is_a_new_revision_of_the_same_document_and_comes_to_its_end() {
    let scene = published().refused_in(Class::AuthFailed, 60, REVISION);
    let decision = decide(&scene.situation());
    let publication = decision.publish.unwrap();
    assert!(publication.verified && publication.document.revision > Some(REVISION));
    assert_eq!(publication.trial.since, Some(REVISION));
    let hold = publication.document.hold;
    assert_eq!(decision.requeue, Some(std::time::Duration::from_secs(3540)));
    let standing = decision.standing.unwrap();
    assert!(standing.serving.unwrap().is_current);
    assert_eq!(
        standing.hold.map(|it| Some(it.until)),
        Some(hold.map(|it| it.until))
    );

    // The same report again, and a leader that knows nothing of it.
    let scene = scene.publish(&publication);
    assert_eq!(decide(&scene.situation()).publish, None);
    let mut forgotten = scene.clone();
    forgotten.refusals.clear();
    assert_eq!(decide(&forgotten.situation()).publish, None);

    let end = hold.unwrap().until;
    let decision = decide(&scene.at(end));
    assert_eq!(decision.publish.unwrap().document.hold, None);
    assert_eq!(decision.standing.unwrap().hold, None);
}

#[test]
fn a_hold_holds_whatever_becomes_of_a_spec_and_of_a_new_login() {
    let refused_by_pods = |scene: Scene| scene.refused_in(Class::AuthFailed, 0, REVISION);
    let rotated = || published().rotated("new");
    let auth_failed = refused(Class::AuthFailed, now());
    let required = json!({"spec": {"credentials": {"verification": "Required"}}});
    for (name, scene) in [
        ("without a Secret", published().without_secret()),
        ("a refused one", rotated().attempt(auth_failed)),
        ("an untried one", rotated().attempt(Attempt::Waiting)),
        ("that must be tried", rotated().patched(&required)),
        (
            "suspended",
            published().patched(&json!({"spec": {"suspend": true}})),
        ),
        (
            "another name",
            published().patched(&json!({"spec": {"displayName": "New"}})),
        ),
    ] {
        let publication = publication(&refused_by_pods(scene)).unwrap();
        let document = publication.document;
        assert_eq!(
            document.hold,
            Some(hold(HoldReason::AuthFailed, 3600)),
            "{name}"
        );
        assert_eq!(document.login.password.expose(), PASSWORD, "{name}");
        assert_eq!(publication.trial.since, Some(REVISION), "{name}");
    }
}

#[test]
fn a_new_login_that_is_taken_ends_the_hold_and_what_pods_say_of_the_old_one_holds_no_more() {
    let scene = held(published(), 600)
        .rotated("new")
        .attempt(Attempt::Accepted { at: now() })
        .refused_in(Class::AuthFailed, 0, REVISION);
    let publication = publication(&scene).unwrap();
    assert_eq!(publication.document.hold, None);
    assert_eq!(publication.document.retry, 0);
    assert_eq!(publication.trial.since, publication.document.revision);
    let scene = scene.publish(&publication);
    assert_eq!(decide(&scene.situation()).publish, None);
    let revision = publication.document.revision.unwrap();
    let again = scene.refused_in(Class::AuthFailed, 0, revision);
    assert_eq!(serves(&again).0, Some(hold(HoldReason::AuthFailed, 3600)));
}

#[test]
fn a_release_ends_the_hold_and_raises_retry_once_however_often_it_is_looked_at() {
    let scene = held(published(), 600)
        .refused_in(Class::AuthFailed, 3000, REVISION)
        .released("1");
    let decision = decide(&scene.situation());
    assert_eq!(
        decision.standing.unwrap().handled_release.as_deref(),
        Some("1")
    );
    let publication = decision.publish.unwrap();
    assert_eq!(
        (publication.document.hold, publication.document.retry),
        (None, 1)
    );
    assert_eq!(publication.trial.since, publication.document.revision);

    // Written in the Secret and not yet in the status, as by a leader that died between; pods have the
    // document of before.
    let scene = scene.publish(&publication);
    let late = scene.clone().refused_in(Class::AuthFailed, 0, REVISION);
    let decision = decide(&late.situation());
    assert_eq!(decision.publish, None);
    assert_eq!(
        decision.standing.unwrap().handled_release.as_deref(),
        Some("1")
    );
    assert_eq!(decide(&late.clone().handled("1").situation()).publish, None);

    // What pods meet with the new document holds again, and another request ends that.
    let revision = publication.document.revision.unwrap();
    let again = late.handled("1").refused_in(Class::AuthFailed, 0, revision);
    let publication = decide(&again.situation()).publish.unwrap();
    assert_eq!(publication.document.retry, 1);
    assert!(publication.document.hold.is_some());
    let again = again.publish(&publication).released("2");
    assert_eq!(serves(&again), (None, 2));
}

#[test]
fn a_release_that_cannot_be_written_is_not_handled() {
    let scene = held(published(), 600).released("1");
    let situation = scene.situation();
    let problem = crate::identity::validate::Problem::forbidden("patch", "secrets", "shop", "no");
    let decision = situation.unwritten(decide(&situation), &problem);
    let standing = decision.standing.unwrap();
    assert_eq!(standing.handled_release, None);
    assert!(standing.hold.is_some());
}

/// What happens in a property test: a pod reports a refusal of so many seconds ago, or time passes.
#[derive(Clone, Debug)]
enum Event {
    Refused(Class, i64),
    Seconds(i64),
    Gone,
}

fn event() -> impl Strategy<Value = Event> {
    let class = prop::sample::select(vec![Class::AuthFailed, Class::AccountBlocked]);
    prop_oneof![
        (class, -4000_i64..8000).prop_map(|(class, ago)| Event::Refused(class, ago)),
        (1_i64..5000).prop_map(Event::Seconds),
        Just(Event::Gone),
    ]
}

proptest! {
    #[test]
    fn no_hold_outlasts_an_hour_after_the_newest_refusal_and_none_comes_of_nothing(
        events in prop::collection::vec(event(), 1..30),
    ) {
        let mut scene = published();
        let mut time = now();
        // When a refusal was met, as far as it can be believed.
        let mut newest: Option<Timestamp> = None;
        for event in events {
            match event {
                Event::Refused(class, ago) => {
                    let before = (now().as_second() - time.as_second()) + ago;
                    scene = scene.refused_in(class, before, REVISION);
                    let at = (time - SignedDuration::from_secs(ago)).min(time);
                    newest = newest.max(Some(at));
                }
                Event::Seconds(seconds) => time += SignedDuration::from_secs(seconds),
                Event::Gone => scene.refusals.clear(),
            }
            // The index keeps a time that was believed once.
            for refusal in &mut scene.refusals {
                refusal.at = refusal.at.min(time);
            }
            let decision = decide(&scene.at(time));
            if let Some(publication) = &decision.publish {
                scene = scene.publish(publication);
            }
            let hold = scene.rendered.published().unwrap().document.hold;
            if let Some(hold) = hold {
                prop_assert!(hold.until > time);
                let at = newest.expect("a refusal");
                prop_assert!(hold.until <= at + SignedDuration::from_hours(1), "{hold:?} after {at}");
            }
            prop_assert_eq!(decide(&scene.at(time)).publish, None);
        }
    }
}
