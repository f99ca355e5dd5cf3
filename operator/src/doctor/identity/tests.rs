use serde_json::{Value, json};
use zohorelay_process::checkup::Verdict;

use super::super::fixtures::{condition, identity, scene};
use super::super::rights::{Right, Unread};
use super::super::scene::SecretSeen;
use super::*;

/// A scene whose identity is changed by a JSON merge of its status and spec.
fn with(change: impl FnOnce(&mut Value)) -> Scene {
    let mut scene = scene();
    let mut value = serde_json::to_value(identity("billing")).unwrap();
    change(&mut value);
    scene.identities = Ok(vec![serde_json::from_value(value).unwrap()]);
    scene
}

fn with_conditions(conditions: Vec<Value>) -> Scene {
    with(|it| it["status"]["conditions"] = conditions.into())
}

/// The first that is not well.
fn trouble(scene: &Scene) -> Finding {
    let mut findings = judge(scene).into_iter();
    findings.find(|it| it.verdict != Verdict::Ok).unwrap()
}

#[test]
fn an_identity_that_is_ready_is_well() {
    let findings = judge(&scene());
    assert!(
        findings.iter().all(|it| it.verdict == Verdict::Ok),
        "{findings:#?}"
    );
    let checks: Vec<&str> = findings.iter().map(|it| it.check.name).collect();
    assert_eq!(checks, ["identity", "secret", "login", "identity"]);
}

#[test]
fn a_name_that_is_not_there_gets_the_one_that_was_meant() {
    let mut scene = scene();
    let asked = |scene: &mut Scene, name: &str| {
        scene.subject.identity = Some(name.to_owned());
        trouble(scene).remedy.unwrap()
    };
    assert_eq!(asked(&mut scene, "biling"), "did you mean billing?");
    assert!(asked(&mut scene, "alerts").contains("has billing"));
    scene.identities = Ok(Vec::new());
    assert!(asked(&mut scene, "alerts").contains("no identity at all"));
}

#[test]
fn conditions_that_are_false_fail_under_their_own_check_and_the_same_words_stand_once() {
    let why = "Zoho refused the login";
    let scene = with_conditions(vec![
        condition("Ready", "False", "LoginRefused", why),
        condition("CredentialsVerified", "False", "LoginRefused", why),
        condition("Delivering", "False", "RelayDenied", "add the alias"),
    ]);
    let failed: Vec<_> = judge(&scene)
        .into_iter()
        .filter(|it| it.verdict == Verdict::Failed)
        .map(|it| (it.check.exit_code, it.remedy.unwrap()))
        .collect();
    assert_eq!(
        failed,
        [(37, why.to_owned()), (38, "add the alias".to_owned())]
    );
}

#[test]
fn what_ready_adds_to_the_words_of_another_condition_is_the_remedy() {
    let why = "Zoho refused the login: 535";
    let scene = with_conditions(vec![
        condition(
            "Ready",
            "False",
            "LoginRefused",
            &format!("{why}. Make an app password"),
        ),
        condition("CredentialsVerified", "False", "LoginRefused", why),
    ]);
    let failed: Vec<Finding> = judge(&scene)
        .into_iter()
        .filter(|it| it.verdict == Verdict::Failed)
        .collect();
    assert_eq!(failed.len(), 1, "{failed:#?}");
    assert!(failed[0].found.ends_with(why));
    assert_eq!(failed[0].remedy.as_deref(), Some("Make an app password"));
}

#[test]
fn an_unknown_and_a_rollout_are_worth_a_warning_and_silence_is_well() {
    for (kind, status, reason, verdict) in [
        (
            "CredentialsVerified",
            "Unknown",
            "Verifying",
            Some(Verdict::Warning),
        ),
        ("RolledOut", "False", "PodsOutdated", Some(Verdict::Warning)),
        ("Delivering", "Unknown", "NoMail", None),
        ("RolledOut", "Unknown", "NoPods", None),
    ] {
        let scene = with_conditions(vec![condition(kind, status, reason, "words")]);
        let trouble = judge(&scene)
            .into_iter()
            .find(|it| it.verdict != Verdict::Ok);
        assert_eq!(trouble.map(|it| it.verdict), verdict, "{kind} {reason}");
    }
}

#[test]
fn an_identity_that_nobody_looked_at_and_one_that_is_suspended_are_told() {
    let unseen = trouble(&with(|it| it["metadata"]["generation"] = json!(2)));
    assert_eq!(unseen.verdict, Verdict::Failed);
    assert!(unseen.remedy.unwrap().contains("rbac.namespaces"));
    let suspended = trouble(&with(|it| it["spec"]["suspend"] = json!(true)));
    assert!(suspended.remedy.unwrap().contains("spec.suspend"));
}

#[test]
fn a_hold_that_lasts_fails_with_the_command_that_ends_it_and_an_old_one_is_nothing() {
    let hold = |until: &str| {
        with(|it| it["status"]["hold"] = json!({"until": until, "reason": "auth_failed"}))
    };
    let lasts = trouble(&hold("2026-11-23T12:30:00Z"));
    assert_eq!(lasts.check.name, "delivery");
    let command = "kubectl annotate --overwrite mid billing -n shop zohorelay.dev/release-hold=";
    assert!(lasts.remedy.unwrap().contains(command));
    let over = judge(&hold("2026-11-23T12:00:00Z"));
    assert!(over.iter().all(|it| it.verdict == Verdict::Ok));
}

#[test]
fn a_secret_that_is_missing_fails_with_the_command_that_makes_it() {
    let mut scene = scene();
    scene.secrets.insert("billing-zoho".to_owned(), Ok(None));
    let missing = trouble(&scene);
    assert_eq!(missing.check.exit_code, 36);
    let command = "kubectl -n shop create secret generic billing-zoho --from-literal=password=";
    assert!(missing.remedy.unwrap().starts_with(command));
}

#[test]
fn a_key_that_is_missing_is_the_operators_word_or_that_of_those_who_wrote_it() {
    let mut told = with_conditions(vec![condition(
        "Ready",
        "False",
        "SecretKeyNotFound",
        "no key",
    )]);
    assert!(trouble(&told).found.contains("no key password"));
    told = with_conditions(vec![condition("Ready", "Unknown", "Pending", "wait")]);
    let other = SecretSeen {
        keys: vec!["token".to_owned()],
    };
    told.secrets
        .insert("billing-zoho".to_owned(), Ok(Some(other.clone())));
    assert!(trouble(&told).found.contains("it has token"));
    // Where mail goes, what managedFields say is not the whole truth.
    let mut ready = scene();
    ready
        .secrets
        .insert("billing-zoho".to_owned(), Ok(Some(other)));
    assert!(judge(&ready).iter().all(|it| it.verdict == Verdict::Ok));
}

#[test]
fn a_published_document_that_is_gone_is_told() {
    let mut scene = scene();
    scene
        .secrets
        .insert("zohorelay-billing".to_owned(), Ok(None));
    assert_eq!(trouble(&scene).subject, "zohorelay-billing");
}

#[test]
fn what_may_not_be_read_is_skipped_with_the_right_and_the_rest_goes_on() {
    let mut scene = scene();
    let forbidden = || Err(Unread::Forbidden(Right::get("secrets", "shop")));
    scene.secrets.insert("billing-zoho".to_owned(), forbidden());
    let skipped = trouble(&scene);
    assert_eq!(skipped.verdict, Verdict::Skipped);
    assert!(
        skipped
            .found
            .contains("you may not get secrets in namespace shop")
    );
    assert_eq!(judge(&scene).len(), 4);
}
