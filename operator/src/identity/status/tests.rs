//! Golden statuses: whole objects in `operator/fixtures/status/`, which the suites also show to
//! kstatus and to the health check of Argo CD; `expected.tsv` beside them says what these must make of
//! each. `ZOHORELAY_BLESS=1` writes the objects anew.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use zohorelay_crds::MailIdentity;
use zohorelay_upstream::{Class, Stage};

use super::*;
use crate::identity::attempt::Attempt;
use crate::identity::decide::fixtures::{
    REVISION, Scene, now, published, refused, seconds_ago, unheard, unheard_for,
};
use crate::identity::decide::{Rendered, decide};
use crate::identity::validate::fixtures::PASSWORD;
use crate::identity::validate::{Problem, SecretFact};
use crate::pods::Examples;
use crate::pods::account::{Account, Failure};

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/status"))
}

fn pods(attached: u32) -> PodTally {
    PodTally {
        listed: true,
        attached,
        current: attached,
        ..PodTally::default()
    }
}

/// The object after one look at a scene.
fn told(scene: &Scene, pods: &PodTally) -> MailIdentity {
    let situation = scene.situation();
    let standing = decide(&situation).standing.unwrap();
    written(scene, &standing, pods)
}

fn written(scene: &Scene, standing: &Standing, pods: &PodTally) -> MailIdentity {
    let mut object = scene.identity.clone();
    let generation = object.metadata.generation.unwrap();
    object.status = Some(status(
        object.status.as_ref(),
        generation,
        standing,
        pods,
        now(),
    ));
    object
}

/// A scene in which no Secret may be read.
fn forbidden(scene: Scene) -> Scene {
    let secret = |name: &str| format!("secrets \"{name}\" is forbidden");
    Scene {
        secret: SecretFact::Forbidden {
            message: secret("billing-zoho"),
        },
        rendered: Rendered::Forbidden {
            message: secret("zohorelay-billing"),
        },
        ..scene
    }
}

/// The object after a publication that could not be written.
fn unwritten(scene: &Scene, problem: &Problem) -> MailIdentity {
    let situation = scene.situation();
    let decision = situation.unwritten(decide(&situation), problem);
    written(scene, &decision.standing.unwrap(), &pods(2))
}

fn fresh() -> Scene {
    Scene::new(&json!({}))
}

fn serving() -> Scene {
    let conditions = ["Ready", "CredentialsVerified", "Published"].map(|kind| {
        json!({
            "type": kind, "status": "True", "reason": "Published", "message": "",
            "lastTransitionTime": "2026-11-20T08:00:00Z", "observedGeneration": 3
        })
    });
    Scene::published(&json!({})).status(json!({
        "observedGeneration": 3,
        "revision": 1_795_420_000,
        "credential": {"verifiedAt": "2026-11-20T08:00:00Z", "secretResourceVersion": "41"},
        "conditions": conditions
    }))
}

fn accepted() -> Attempt {
    Attempt::Accepted { at: now() }
}

fn auth_failed() -> Attempt {
    refused(Class::AuthFailed, now())
}

fn patched(patch: &Value) -> Scene {
    Scene::new(patch)
}

fn waiting_since(seconds: i64) -> Scene {
    fresh()
        .without_secret()
        .status(json!({"observedGeneration": 3, "conditions": [{
            "type": "Reconciling", "status": "True", "reason": "SecretNotFound", "message": "",
            "lastTransitionTime": seconds_ago(seconds).to_string(), "observedGeneration": 3
        }]}))
}

fn of_logins() -> Vec<(&'static str, MailIdentity)> {
    let unverified = || Scene {
        rendered: published(&json!({}), PASSWORD, false),
        ..fresh()
    };
    let zeptomail = patched(&json!({"spec": {"zoho": {"service": "ZeptoMail"}}}));
    let required = patched(&json!({"spec": {"credentials": {"verification": "Required"}}}));
    let blocked = refused(Class::AccountBlocked, now());
    vec![
        ("published", told(&fresh().attempt(accepted()), &pods(0))),
        (
            "published-unverified",
            told(&fresh().attempt(unheard_for(120)), &pods(1)),
        ),
        (
            "verifying",
            told(&fresh().attempt(Attempt::Waiting), &pods(1)),
        ),
        ("unreachable", told(&fresh().attempt(unheard()), &pods(1))),
        (
            "unreachable-required",
            told(&required.attempt(unheard()), &pods(0)),
        ),
        (
            "unreachable-while-serving",
            told(&serving().rotated("new").attempt(unheard()), &pods(2)),
        ),
        (
            "login-refused",
            told(&fresh().attempt(auth_failed()), &pods(1)),
        ),
        (
            "login-refused-while-serving",
            told(&serving().rotated("new").attempt(auth_failed()), &pods(2)),
        ),
        (
            "login-refused-after-publishing",
            told(&unverified().attempt(auth_failed()), &pods(2)),
        ),
        (
            "login-refused-with-blanks",
            told(&fresh().rotated(" x ").attempt(auth_failed()), &pods(0)),
        ),
        (
            "login-refused-remembered",
            told(
                &fresh().rotated("x").remembers_refusal("LoginRefused", 600),
                &pods(0),
            ),
        ),
        (
            "login-refused-zeptomail",
            told(&zeptomail.attempt(auth_failed()), &pods(0)),
        ),
        (
            "login-refused-released",
            told(
                &fresh().attempt(auth_failed()).released("1795428000"),
                &pods(0),
            ),
        ),
        (
            "login-refused-once-more",
            told(
                &fresh()
                    .attempt(auth_failed())
                    .released("1795428000")
                    .release_tried(),
                &pods(0),
            ),
        ),
        ("account-blocked", told(&fresh().attempt(blocked), &pods(1))),
        (
            "suspended",
            told(
                &serving().patched(&json!({"spec": {"suspend": true}})),
                &pods(2),
            ),
        ),
        (
            "suspended-unpublished",
            told(&patched(&json!({"spec": {"suspend": true}})), &pods(0)),
        ),
    ]
}

fn of_problems() -> Vec<(&'static str, MailIdentity)> {
    let foreign = Scene {
        rendered: Rendered::Foreign { has_maker: false },
        ..fresh()
    };
    let host = json!({"spec": {"server": {"host": "mail.example.com"}}});
    let address = json!({"spec": {"address": "billing"}});
    let renamed = json!({"spec": {"displayName": "New"}});
    let timeout = Problem::api_error(
        "writing Secret zohorelay-billing",
        "etcdserver: request timed out",
    );
    vec![
        ("secret-missing", told(&fresh().without_secret(), &pods(0))),
        (
            "secret-missing-for-long",
            told(&waiting_since(300), &pods(0)),
        ),
        (
            "secret-missing-while-serving",
            told(&serving().without_secret(), &pods(2)),
        ),
        (
            "secret-with-line-end",
            told(&fresh().rotated("x\n"), &pods(0)),
        ),
        ("host-not-allowed", told(&patched(&host), &pods(0))),
        (
            "invalid-spec-while-serving",
            told(&serving().patched(&address), &pods(2)),
        ),
        ("name-taken", told(&foreign, &pods(0))),
        ("forbidden", told(&forbidden(fresh()), &pods(0))),
        (
            "forbidden-while-serving",
            told(&forbidden(serving()), &pods(2)),
        ),
        (
            "api-error",
            unwritten(&serving().patched(&renamed), &timeout),
        ),
    ]
}

/// What pods say of their mails: the newest failure of this kind, and the newest success.
fn mails(class: Option<Class>, failed: i64, accepted: Option<i64>) -> PodTally {
    let account = Account {
        accepted: if accepted.is_some() { 12 } else { 0 },
        failed: class.map(|class| (class, 3)).into_iter().collect(),
        last_accepted: accepted.map(seconds_ago),
        failures: (class.into_iter())
            .map(|class| Failure {
                class,
                stage: Some(Stage::EndOfData),
                code: Some(553),
                at: seconds_ago(failed),
            })
            .collect(),
        since: None,
    };
    let mut tally = pods(2);
    tally.delivery.add("app-1", &account);
    tally
}

fn of_mails() -> Vec<(&'static str, MailIdentity)> {
    let silent = PodTally {
        current: 1,
        silent: 1,
        ..mails(None, 0, Some(60))
    };
    vec![
        (
            "mails-delivered",
            told(
                &serving(),
                &mails(Some(Class::RecipientRefused), 30, Some(60)),
            ),
        ),
        (
            "mails-denied",
            told(&serving(), &mails(Some(Class::RelayDenied), 60, Some(30))),
        ),
        (
            "mails-held",
            told(&serving(), &mails(Some(Class::AccountBlocked), 60, None)),
        ),
        (
            "hold",
            told(
                &serving().refused_in(Class::AccountBlocked, 60, REVISION),
                &mails(Some(Class::AccountBlocked), 60, None),
            ),
        ),
        ("mails-unknown", told(&serving(), &silent)),
    ]
}

fn of_pods() -> Vec<(&'static str, MailIdentity)> {
    let names = |names: &[&str]| names.iter().map(|&it| it.to_owned()).collect::<Vec<_>>();
    let tally = |missing, behind, silent, unread| PodTally {
        attached: 3,
        current: 3 - behind - silent - unread,
        missing,
        behind,
        silent,
        unread,
        examples: Examples {
            missing: names(&["app-0"]),
            behind: names(&["app-1", "app-2"]),
            silent: names(&["app-3"]),
        },
        ..pods(3)
    };
    let outdated = PodTally {
        outdated: 2,
        ..pods(3)
    };
    vec![
        ("pods-current", told(&serving(), &pods(3))),
        ("pods-of-another-release", told(&serving(), &outdated)),
        ("pods-without-sidecar", told(&serving(), &tally(1, 2, 1, 0))),
        ("pods-behind", told(&serving(), &tally(0, 2, 1, 0))),
        ("pods-silent", told(&serving(), &tally(0, 0, 1, 1))),
        ("pods-unread", told(&serving(), &tally(0, 0, 0, 1))),
        ("pods-not-counted", told(&serving(), &PodTally::default())),
    ]
}

fn all() -> Vec<(&'static str, MailIdentity)> {
    let mut behind = told(&serving(), &pods(2));
    behind.metadata.generation = Some(4);
    let created = fresh().status(json!({"conditions": [{
        "type": "Ready", "status": "Unknown", "reason": "Pending",
        "message": "waiting for the operator", "lastTransitionTime": "1970-01-01T00:00:00Z"
    }]}));
    let seen_by_nobody = vec![("created", created.identity), ("changed", behind)];
    [
        of_logins(),
        of_problems(),
        of_pods(),
        of_mails(),
        seen_by_nobody,
    ]
    .concat()
}

#[test]
fn each_golden_status_is_as_it_was() {
    let bless = std::env::var_os("ZOHORELAY_BLESS").is_some();
    let mut differ = Vec::new();
    for (name, object) in all() {
        let path = folder().join(format!("{name}.json"));
        let found = serde_json::to_string_pretty(&object).unwrap() + "\n";
        if bless {
            fs::write(&path, &found).unwrap();
        } else if fs::read_to_string(&path).unwrap_or_default() != found {
            differ.push(format!("{name}: {found}"));
        }
    }
    assert!(
        differ.is_empty(),
        "if they should differ, run ZOHORELAY_BLESS=1 cargo test -p zohorelay-operator --lib golden, and \
         look at the difference:\n{}",
        differ.join("\n")
    );
}

#[test]
fn each_golden_status_has_a_row_of_what_others_make_of_it_and_none_is_without() {
    let text = fs::read_to_string(folder().join("expected.tsv")).unwrap();
    let rows: Vec<Vec<&str>> = text
        .lines()
        .skip(1)
        .map(|line| line.split('\t').collect())
        .collect();
    let names: BTreeSet<_> = rows.iter().map(|row| row[0].to_owned()).collect();
    let golden: BTreeSet<_> = all()
        .iter()
        .map(|(name, _)| format!("{name}.json"))
        .collect();
    assert_eq!(names, golden);
    let files = fs::read_dir(folder())
        .unwrap()
        .map(|it| it.unwrap().file_name());
    let files = files.map(|it| it.into_string().unwrap());
    let files: BTreeSet<_> = files.filter(|it| it != "expected.tsv").collect();
    assert_eq!(files, golden);
    for row in rows {
        assert!(
            ["Current", "InProgress", "Failed"].contains(&row[1]),
            "{row:?}"
        );
        assert!(
            ["Healthy", "Progressing", "Degraded", "Suspended"].contains(&row[2]),
            "{row:?}"
        );
    }
}

#[test]
fn what_is_abnormal_is_there_only_while_it_is_and_never_both() {
    for (name, object) in all() {
        let status = object.status.unwrap();
        let of = |kind: &str| status.conditions.iter().find(|it| it.type_ == kind);
        let ready = &of("Ready").unwrap().status;
        if matches!(name, "created" | "changed") {
            continue;
        }
        assert_eq!(status.observed_generation, Some(3), "{name}");
        let abnormal = [of("Reconciling"), of("Stalled")].into_iter().flatten();
        let abnormal: Vec<_> = abnormal.map(|it| it.status.as_str()).collect();
        let expected: &[&str] = if ready == "True" { &[] } else { &["True"] };
        assert_eq!(abnormal, expected, "{name}");
        for condition in &status.conditions {
            assert_eq!(condition.observed_generation, Some(3), "{name}");
            assert!(!condition.message.is_empty(), "{name}");
            assert!(
                !condition.message.contains(PASSWORD),
                "{name}: {}",
                condition.message
            );
        }
    }
}

#[test]
fn published_stays_true_while_the_last_good_document_serves() {
    let kept = [
        "unreachable-while-serving",
        "login-refused-while-serving",
        "login-refused-after-publishing",
        "secret-missing-while-serving",
        "invalid-spec-while-serving",
        "api-error",
    ];
    for (name, object) in all() {
        let status = object.status.unwrap();
        let of = |kind: &str| status.conditions.iter().find(|it| it.type_ == kind);
        if kept.contains(&name) {
            assert_eq!(of("Published").unwrap().status, "True", "{name}");
            assert_eq!(of("Ready").unwrap().status, "False", "{name}");
        }
    }
}

#[test]
fn a_transition_keeps_its_time_until_the_next() {
    let first = told(&fresh().attempt(auth_failed()), &pods(0))
        .status
        .unwrap();
    let later = now() + jiff::SignedDuration::from_secs(60);
    let times = |scene: &Scene| {
        let standing = decide(&scene.situation()).standing.unwrap();
        let again = status(Some(&first), 3, &standing, &pods(0), later);
        let conditions = again.conditions.into_iter();
        let times = conditions.map(|it| (it.type_, it.last_transition_time.0));
        times.collect::<std::collections::BTreeMap<_, _>>()
    };
    let same = times(&fresh().attempt(auth_failed()));
    assert!(same.values().all(|time| *time == now()), "{same:?}");
    let other = times(&fresh().attempt(refused(Class::AccountBlocked, now())));
    assert_eq!(
        (other["Ready"], other["Stalled"]),
        (now(), later),
        "another reason stalls anew"
    );
    let mended = times(&fresh().attempt(accepted()));
    assert_eq!((mended["Ready"], mended["Published"]), (later, later));
    assert!(!mended.contains_key("Stalled"));
}

#[test]
fn counts_stay_as_they_were_until_the_pods_are_known() {
    let first = told(&serving(), &pods(3)).status.unwrap();
    let standing = decide(&serving().situation()).standing.unwrap();
    let again = status(Some(&first), 3, &standing, &PodTally::default(), now());
    assert_eq!(again.pods, first.pods);
}
