use std::time::Duration;

use k8s_openapi::ByteString;
use serde_json::json;
use zohorelay_process::checkup::Verdict;

use super::super::fixtures::{hook, pod, scene};
use super::super::rights::{Right, Unread};
use super::*;
use crate::webhook::certificate::{Issue, Names};

/// Changes the webhook of a scene and gives what is found first.
fn found(change: impl FnOnce(&mut Hook)) -> Finding {
    let mut scene = scene();
    let mut changed = hook();
    change(&mut changed);
    scene.hooks = Ok(vec![changed]);
    judge(&scene).remove(0)
}

fn selector(value: serde_json::Value) -> LabelSelector {
    serde_json::from_value(value).unwrap()
}

#[test]
fn a_webhook_that_reaches_the_namespace_is_well() {
    assert_eq!(found(|_| {}).verdict, Verdict::Ok);
}

#[test]
fn a_namespace_that_is_left_out_fails_with_what_to_change() {
    let narrow = |values: &[&str]| {
        let one = json!({"key": NAME, "operator": "In", "values": values});
        selector(json!({"matchExpressions": [one]}))
    };
    let out = found(|hook| hook.webhook.namespace_selector = Some(narrow(&["crm"])));
    assert_eq!(out.verdict, Verdict::Failed);
    assert!(out.remedy.unwrap().contains("rbac.namespaces"));
    let within = found(|hook| hook.webhook.namespace_selector = Some(narrow(&["crm", "shop"])));
    assert_eq!(within.verdict, Verdict::Ok);
}

#[test]
fn the_operators_own_namespace_is_told_apart() {
    let mut scene = scene();
    scene.subject.namespace = scene.operator_namespace.clone();
    scene.labels = Err(Unread::Forbidden(Right::get("namespaces", "mail")));
    assert!(judge(&scene).remove(0).found.contains("never given"));
}

#[test]
fn a_selector_by_other_labels_cannot_be_judged_without_them() {
    let mut scene = scene();
    let mut changed = hook();
    changed.webhook.namespace_selector = Some(selector(json!({"matchLabels": {"team": "a"}})));
    scene.hooks = Ok(vec![changed]);
    assert_eq!(judge(&scene).remove(0).verdict, Verdict::Failed);
    scene.labels = Err(Unread::Forbidden(Right::get("namespaces", "shop")));
    assert_eq!(judge(&scene).remove(0).verdict, Verdict::Skipped);
}

#[test]
fn an_object_selector_that_does_not_take_our_label_fails() {
    let other = found(|hook| {
        hook.webhook.object_selector = Some(selector(json!({"matchLabels": {"inject": "yes"}})));
    });
    assert_eq!(other.verdict, Verdict::Failed);
}

#[test]
fn failing_open_is_worth_a_warning() {
    let ignores = found(|hook| hook.webhook.failure_policy = Some("Ignore".to_owned()));
    assert_eq!(ignores.verdict, Verdict::Warning);
}

#[test]
fn no_bundle_a_broken_one_and_one_near_its_end_are_told_apart() {
    let bundle = |days: u64| {
        let names = Names::new("w", "mail", &[]).unwrap();
        let validity = Duration::from_secs(days * 24 * 3600);
        let issue = Issue::new(&names, scene().now, validity).unwrap();
        Some(ByteString(issue.authority.into_bytes()))
    };
    let with = |bundle: Option<ByteString>| {
        let found = found(|hook| hook.webhook.client_config.ca_bundle = bundle);
        (found.verdict, found.found)
    };
    assert!(with(None).1.contains("no caBundle"));
    assert!(
        with(Some(ByteString(b"x".to_vec())))
            .1
            .contains("cannot be read")
    );
    assert!(with(bundle(0)).1.contains("ended at"));
    assert_eq!(with(bundle(13)).0, Verdict::Warning);
    assert_eq!(with(bundle(15)).0, Verdict::Ok);
}

#[test]
fn nobody_behind_the_service_and_a_certificate_that_does_not_fit_fail() {
    let mut scene = scene();
    scene.endpoints = Some(Ok(0));
    assert!(judge(&scene).remove(0).found.contains("nobody is behind"));
    scene.endpoints = Some(Ok(2));
    for answer in [
        Handshake::Refused("UnknownIssuer".to_owned()),
        Handshake::Unreachable("refused".to_owned()),
    ] {
        scene.handshake = Some(answer);
        assert_eq!(judge(&scene).remove(0).verdict, Verdict::Failed);
    }
    scene.handshake = Some(Handshake::Trusted);
    assert_eq!(judge(&scene).remove(0).verdict, Verdict::Ok);
}

#[test]
fn without_a_webhook_it_matters_whether_pods_have_the_sidecar_all_the_same() {
    let mut scene = scene();
    scene.hooks = Ok(Vec::new());
    scene.pods = Ok(Vec::new());
    assert_eq!(judge(&scene).remove(0).verdict, Verdict::Failed);
    scene.pods = Ok(vec![pod("web")]);
    assert_eq!(judge(&scene).remove(0).verdict, Verdict::Warning);
}

#[test]
fn of_two_releases_the_one_that_serves_the_namespace_counts() {
    let mut other = hook();
    other.configuration = "other".to_owned();
    other.webhook.namespace_selector = Some(selector(json!({"matchLabels": {NAME: "crm"}})));
    let hooks = [other, hook()];
    let chosen = |namespace| {
        choose(&hooks, None, namespace)
            .unwrap()
            .configuration
            .clone()
    };
    assert_eq!(chosen("shop"), "zohorelay");
    assert_eq!(chosen("crm"), "other");
}
