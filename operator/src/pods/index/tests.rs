use proptest::prelude::*;

use zohorelay_upstream::failure::Class;

use super::*;
use crate::pods::Examples;
use crate::pods::account::Account;
use crate::pods::delivery::Delivery;
use crate::pods::pod::Sidecar;
use crate::pods::refusal::Refused;

mod model;

const VERSION: &str = "1.0.0";
const ALL: Range = None;

fn named(namespace: &str, name: &str) -> NamespacedName {
    NamespacedName::new(namespace, name)
}

fn pod(uid: &str, identities: &[&str]) -> Sighting {
    Sighting {
        uid: uid.into(),
        identities: identities.iter().map(|name| (*name).into()).collect(),
        sidecar: Some(Sidecar {
            injected_by: Some(VERSION.into()),
            admin: Some("10.0.0.1:9465".parse().unwrap()),
        }),
    }
}

fn bare(uid: &str, identities: &[&str]) -> Sighting {
    Sighting {
        sidecar: None,
        ..pod(uid, identities)
    }
}

fn starting(uid: &str, identities: &[&str]) -> Sighting {
    let mut pod = pod(uid, identities);
    pod.sidecar.as_mut().unwrap().admin = None;
    pod
}

fn report(identity: &str, uid: &str, revision: Option<u64>) -> Report {
    Report {
        identity: identity.into(),
        uid: Some(uid.into()),
        revision,
        state: None,
        refused: None,
        account: Account::default(),
    }
}

fn failing(identity: &str, failures: u64) -> Report {
    let failed = [(Class::Connect, failures)];
    Report {
        account: Account {
            failed: failed.into(),
            ..Account::default()
        },
        ..report(identity, "id", Some(1))
    }
}

/// An index whose list of everything is complete.
fn listed() -> Index {
    let mut index = Index::new(VERSION);
    index.begin_list(&ALL);
    index.end_list(&ALL);
    index
}

fn billing(index: &Index) -> PodTally {
    index.tally(&named("shop", "billing"), "id", Some(7))
}

fn names(change: &Change) -> Vec<&str> {
    (change.identities.iter())
        .map(|identity| &*identity.name)
        .collect()
}

/// Adds a pod that can be asked.
fn attach(index: &mut Index, name: &str, uid: &str) -> Ticket {
    let change = index.see(&ALL, named("shop", name), Some(pod(uid, &["billing"])));
    change.askable[0]
}

#[test]
fn a_change_names_the_identities_that_count_otherwise() {
    let mut index = listed();
    let web = || named("shop", "web");
    let change = index.see(&ALL, web(), Some(starting("u", &["billing", "alerts"])));
    assert_eq!(names(&change), ["alerts", "billing"]);
    assert!(change.askable.is_empty() && change.missing.is_empty());

    let change = index.see(&ALL, web(), Some(pod("u", &["billing", "alerts"])));
    assert_eq!(names(&change), [""; 0], "where it listens changes no count");
    assert_eq!(change.askable.len(), 1);

    let again = index.see(&ALL, web(), Some(pod("u", &["billing", "alerts"])));
    assert_eq!(again, Change::default());

    let change = index.see(&ALL, web(), Some(pod("u", &["billing", "news"])));
    assert_eq!(names(&change), ["alerts", "billing", "news"]);
    assert_eq!(
        index.tally(&named("shop", "alerts"), "id", None).attached,
        0
    );

    let change = index.see(&ALL, web(), None);
    assert_eq!(names(&change), ["billing", "news"]);
    assert_eq!(change.unaskable.len(), 1);
    assert_eq!(index.remove(&web()), Change::default());
    assert_eq!(
        billing(&index),
        PodTally {
            listed: true,
            ..PodTally::default()
        }
    );
}

#[test]
fn a_pod_counts_by_what_it_has_and_says() {
    let mut index = listed();
    let current = attach(&mut index, "current", "1");
    let older = attach(&mut index, "older", "2");
    let stranger = attach(&mut index, "stranger", "3");
    let awaits = attach(&mut index, "awaits", "4");
    let says_nothing = attach(&mut index, "says-nothing", "5");
    let silent = attach(&mut index, "silent", "6");
    let missed_once = attach(&mut index, "missed-once", "7");
    attach(&mut index, "not-asked", "8");
    let mut outdated = starting("9", &["billing"]);
    outdated.sidecar.as_mut().unwrap().injected_by = None;
    index.see(&ALL, named("shop", "starts"), Some(outdated));
    index.see(&ALL, named("shop", "bare"), Some(bare("10", &["billing"])));
    index.see(
        &ALL,
        named("other", "elsewhere"),
        Some(pod("11", &["billing"])),
    );
    index.see(
        &ALL,
        named("shop", "of-others"),
        Some(pod("12", &["alerts"])),
    );

    index.hear(current, Some([report("billing", "id", Some(7))].into()));
    index.hear(older, Some([report("billing", "id", Some(6))].into()));
    index.hear(
        stranger,
        Some([report("billing", "before", Some(7))].into()),
    );
    index.hear(awaits, Some([report("billing", "id", None)].into()));
    index.hear(says_nothing, Some([report("alerts", "id", Some(7))].into()));
    index.hear(missed_once, None);
    index.hear(silent, None);
    index.hear(silent, None);
    let tally = billing(&index);
    let strings = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    assert_eq!(
        tally,
        PodTally {
            listed: true,
            attached: 9,
            missing: 1,
            outdated: 1,
            current: 1,
            behind: 4,
            silent: 1,
            unread: 3,
            examples: Examples {
                missing: strings(&["bare"]),
                behind: strings(&["awaits", "older", "says-nothing"]),
                silent: strings(&["silent"]),
            },
            delivery: Delivery::default(),
        }
    );
    let unpublished = index.tally(&named("shop", "billing"), "id", None);
    assert_eq!((unpublished.current, unpublished.behind), (0, 0));
    assert_eq!((unpublished.silent, unpublished.unread), (1, 3));

    index.forget_answers();
    let anew = billing(&index);
    assert_eq!((anew.attached, anew.unread, anew.silent), (9, 9, 0));
}

#[test]
fn two_misses_in_a_row_make_a_pod_silent_and_one_answer_heals_it() {
    let mut index = listed();
    let web = attach(&mut index, "web", "u");
    let answer = || Some([report("billing", "id", Some(7))].into());
    let mut hear = |answer| {
        let (finding, told) = index.hear(web, answer).unwrap();
        (
            finding,
            told.len(),
            billing(&index).current,
            billing(&index).silent,
        )
    };
    assert_eq!(hear(answer()), (Finding::Calm, 1, 1, 0));
    assert_eq!(hear(None), (Finding::Missed, 0, 1, 0));
    assert_eq!(hear(answer()), (Finding::Calm, 0, 1, 0));
    assert_eq!(hear(None), (Finding::Missed, 0, 1, 0));
    assert_eq!(hear(None), (Finding::Silent, 1, 0, 1));
    assert_eq!(hear(None), (Finding::Silent, 0, 0, 1));
    assert_eq!(hear(answer()), (Finding::Calm, 1, 1, 0));
}

#[test]
fn failures_are_new_when_their_count_changed() {
    let mut index = listed();
    let web = attach(&mut index, "web", "u");
    for (failures, finding) in [
        (5, Finding::Calm),
        (5, Finding::Calm),
        (6, Finding::Failing),
        (6, Finding::Calm),
        // It started anew.
        (2, Finding::Failing),
        (0, Finding::Calm),
        (u64::MAX, Finding::Failing),
    ] {
        let heard = index.hear(web, Some([failing("billing", failures)].into()));
        assert_eq!(heard.unwrap().0, finding, "{failures}");
    }
}

#[test]
fn nobody_is_told_of_half_a_list_and_everybody_of_the_whole() {
    let mut index = Index::new(VERSION);
    index.begin_list(&ALL);
    let change = index.see(&ALL, named("shop", "a"), Some(pod("1", &["billing"])));
    assert_eq!((names(&change), change.askable.len()), (vec![], 1));
    assert!(!billing(&index).listed);
    let change = index.end_list(&ALL);
    assert_eq!(names(&change), ["billing"]);
    assert!(billing(&index).listed);
}

#[test]
fn a_new_list_drops_what_is_gone_and_never_counts_less_meanwhile() {
    let mut index = listed();
    let kept = attach(&mut index, "kept", "1");
    let gone = attach(&mut index, "gone", "2");
    index.hear(kept, Some([report("billing", "id", Some(7))].into()));
    // The first try breaks off.
    for _ in 0..2 {
        index.begin_list(&ALL);
        assert_eq!(billing(&index).attached, 2);
    }
    let change = index.see(&ALL, named("shop", "kept"), Some(pod("1", &["billing"])));
    assert_eq!(change, Change::default());
    assert_eq!(billing(&index).attached, 2);
    let change = index.end_list(&ALL);
    assert_eq!(
        (names(&change), change.unaskable.clone()),
        (vec!["billing"], vec![gone])
    );
    assert_eq!((billing(&index).attached, billing(&index).current), (1, 1));
}

#[test]
fn a_list_of_one_namespace_leaves_the_others_alone() {
    let mut index = Index::new(VERSION);
    let (shop, other) = (Some("shop".into()), Some("other".into()));
    for (range, namespace) in [(&shop, "shop"), (&other, "other")] {
        index.begin_list(range);
        index.see(range, named(namespace, "web"), Some(pod("u", &["billing"])));
        assert!(!index.is_listed(namespace));
        index.end_list(range);
        assert!(index.is_listed(namespace));
    }
    index.begin_list(&shop);
    index.end_list(&shop);
    assert_eq!(billing(&index).attached, 0);
    assert_eq!(
        index.tally(&named("other", "billing"), "id", None).attached,
        1
    );
}

#[test]
fn an_answer_that_comes_late_is_not_put_to_the_pods_successor() {
    let mut index = listed();
    let before = attach(&mut index, "web-0", "1");
    let change = index.see(&ALL, named("shop", "web-0"), Some(pod("2", &["billing"])));
    assert_eq!(change.unaskable, [before]);
    let after = change.askable[0];
    assert_ne!(before, after);
    assert_eq!(
        index.hear(before, Some([report("billing", "id", Some(7))].into())),
        None
    );
    assert_eq!(index.respondent(before), None);
    assert_eq!(billing(&index).unread, 1);
}

#[test]
fn a_pod_misses_its_sidecar_once_a_uid() {
    let mut index = listed();
    let web = || named("shop", "web");
    let change = index.see(&ALL, web(), Some(bare("1", &[])));
    let ticket = change.missing[0];
    assert_eq!(index.missing(ticket), Some((&web(), "1")));
    let again = index.see(&ALL, web(), Some(bare("1", &["billing"])));
    assert!(again.missing.is_empty());
    let successor = index.see(&ALL, web(), Some(bare("2", &[])));
    assert_eq!(successor.missing.len(), 1);
    assert_eq!(index.missing(ticket), None);
}

/// Told at that second: mails that were taken by then, and the newest failure of some kinds.
fn told(accepted: Option<i64>, failures: &[(Class, i64)]) -> Box<[Report]> {
    let second = |second| Timestamp::from_second(second).unwrap();
    let failures = failures.iter();
    let account = Account {
        accepted: accepted.map_or(0, i64::unsigned_abs),
        failed: failures.clone().map(|(class, _)| (*class, 1)).collect(),
        last_accepted: accepted.map(second),
        failures: failures
            .map(|(class, at)| Failure {
                class: *class,
                stage: None,
                code: None,
                at: second(*at),
            })
            .collect(),
        since: None,
    };
    let report = Report {
        account,
        ..report("billing", "id", Some(7))
    };
    [report].into()
}

#[test]
fn what_fails_otherwise_is_told_and_mere_counts_are_not() {
    let mut index = listed();
    let web = attach(&mut index, "web", "u");
    let mut news = |answer| index.hear(web, Some(answer)).unwrap().1.len();
    assert_eq!(news(told(None, &[])), 1, "the first answer");
    assert_eq!(news(told(Some(1), &[])), 1, "the first mail");
    assert_eq!(news(told(Some(2), &[])), 0);
    assert_eq!(news(told(Some(2), &[(Class::RecipientRefused, 3)])), 0);
    assert_eq!(news(told(Some(2), &[(Class::AuthFailed, 4)])), 1);
    assert_eq!(
        news(told(Some(2), &[(Class::AuthFailed, 5)])),
        0,
        "the same again"
    );
    assert_eq!(
        news(told(Some(6), &[(Class::AuthFailed, 5)])),
        1,
        "it is mended"
    );
    assert_eq!(
        news(told(Some(6), &[(Class::Timeout, 7)])),
        0,
        "it may pass"
    );
    assert_eq!(
        news(told(Some(6), &[(Class::Timeout, 307)])),
        1,
        "it goes on"
    );
}

#[test]
fn the_first_failure_of_a_kind_in_a_pod_is_given_once_and_an_old_one_never() {
    let mut index = listed();
    let web = attach(&mut index, "web", "u");
    let mut first = |answer, now| -> Vec<(String, Class)> {
        index.hear(web, Some(answer)).unwrap();
        let first = index.first_failures(web, Timestamp::from_second(now).unwrap());
        first.map(|it| (it.uid.into(), it.failure.class)).collect()
    };
    let (denied, tls) = (Class::RelayDenied, Class::Tls);
    let one = told(
        None,
        &[(Class::RecipientRefused, 1000), (denied, 1000), (tls, 300)],
    );
    assert_eq!(
        first(one, 1001),
        [("u".to_owned(), denied)],
        "tls failed long ago"
    );
    assert!(first(told(None, &[(denied, 1010)]), 1011).is_empty());
    let both = told(None, &[(denied, 1020), (tls, 1020)]);
    assert_eq!(first(both, 1021), [("u".to_owned(), tls)]);
}

/// An answer of a sidecar that was refused, by its own clock and by ours.
fn refused(told_at: i64, now: i64, revision: u64) -> Box<[Report]> {
    let at = |second| Timestamp::from_second(second).unwrap();
    let report = Report {
        refused: Refused::new(Class::AuthFailed, at(told_at), at(now)),
        ..report("billing", "id", Some(revision))
    };
    [report].into()
}

#[test]
fn a_refusal_is_told_when_it_is_new_and_one_of_a_clock_that_is_ahead_gets_no_newer() {
    let mut index = listed();
    let web = attach(&mut index, "web", "u");
    let refusals = |index: &Index, uid| -> Vec<(i64, u64)> {
        let refusals = index.refusals(&named("shop", "billing"), uid);
        refusals
            .iter()
            .map(|it| (it.at.as_second(), it.revision))
            .collect()
    };
    index.hear(web, Some([report("billing", "id", Some(7))].into()));
    for (told_at, now, is_news, expected) in [
        (9000, 1000, true, 1000),
        (9000, 1020, false, 1000),
        (9000, 5000, false, 1000),
        (9100, 5100, true, 5100),
        (5200, 5201, true, 5200),
    ] {
        let (_, told) = index.hear(web, Some(refused(told_at, now, 7))).unwrap();
        assert_eq!(!told.is_empty(), is_news, "{told_at} at {now}");
        assert_eq!(refusals(&index, "id"), [(expected, 7)]);
    }
    assert!(refusals(&index, "another object").is_empty());
    // Held since then: it says no more of it.
    index.hear(web, Some([report("billing", "id", Some(8))].into()));
    assert!(refusals(&index, "id").is_empty());
}
