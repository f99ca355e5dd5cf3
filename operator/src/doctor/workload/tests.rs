use serde_json::{Value, json};

use super::super::fixtures::{scene, workload};
use super::super::rights::Right;
use super::*;

/// What is found of a Deployment with this label and annotation, on its template or on itself.
fn found(label: Option<&str>, annotation: Option<&str>, on_itself: bool) -> Option<Finding> {
    let mut changed = workload();
    let marks = |key: &str, value: Option<&str>| -> Marks {
        let pair = value.map(|value| (key.to_owned(), value.to_owned()));
        pair.into_iter().collect()
    };
    let labels = marks(keys::INJECT, label);
    let annotations = marks(keys::IDENTITIES, annotation);
    let template = changed.template.metadata.get_or_insert_default();
    (template.labels, template.annotations) = (None, None);
    if on_itself {
        (changed.labels, changed.annotations) = (labels, annotations);
    } else {
        (template.labels, template.annotations) = (Some(labels), Some(annotations));
    }
    let mut scene = scene();
    scene.workloads = vec![Ok(vec![changed])];
    judge(&scene).into_iter().next()
}

#[test]
fn label_and_annotation_are_judged_as_admission_would() {
    for (label, annotation, says) in [
        (Some("true"), None, "refused"),
        (Some("yes"), Some("billing"), "refused"),
        (Some("true"), Some("Billing!"), "refused"),
        (None, Some("billing"), "not the label"),
        (Some("true"), Some("biling"), "the identity biling"),
    ] {
        let finding = found(label, annotation, false).unwrap();
        assert_eq!(finding.verdict, Verdict::Failed, "{label:?} {annotation:?}");
        assert!(finding.found.contains(says), "{}", finding.found);
        assert_eq!(finding.subject, "Deployment web");
    }
    let well = found(Some("true"), Some("billing"), false).unwrap();
    assert_eq!(well.verdict, Verdict::Ok);
    assert_eq!(found(None, None, false), None);
}

#[test]
fn label_and_annotation_on_the_deployment_itself_are_moved() {
    for (label, annotation) in [
        (Some("true"), Some("billing")),
        (Some("true"), None),
        (None, Some("billing")),
    ] {
        let finding = found(label, annotation, true).unwrap();
        assert!(finding.found.contains("on the Deployment itself"));
        assert!(
            finding
                .remedy
                .unwrap()
                .contains("spec.template.metadata.labels")
        );
    }
}

#[test]
fn another_identitys_workload_is_left_out() {
    assert_eq!(found(Some("true"), Some("alerts"), false), None);
}

#[test]
fn who_could_not_make_a_pod_is_told_until_it_has_one() {
    let mut scene = scene();
    let refused = |uid: &str| Refused {
        kind: "ReplicaSet".to_owned(),
        name: "web-5d4f".to_owned(),
        uid: uid.to_owned(),
        message: "admission webhook \"inject.zohorelay.dev\" denied the request: hostNetwork"
            .to_owned(),
    };
    scene.refused = Ok(vec![refused("another"), refused("replica-set")]);
    let failed: Vec<Finding> = judge(&scene)
        .into_iter()
        .filter(|it| it.verdict == Verdict::Failed)
        .collect();
    assert_eq!(failed.len(), 1);
    assert!(failed[0].found.contains("hostNetwork"));
}

#[test]
fn kinds_that_may_not_be_read_are_named_in_one_line() {
    let mut scene = scene();
    let forbidden = |resource| Err(Unread::Forbidden(Right::list(resource, "shop")));
    scene.workloads = vec![forbidden("jobs.batch"), forbidden("cronjobs.batch")];
    scene.refused = Err(Unread::Forbidden(Right::list("events", "shop")));
    let findings = judge(&scene);
    assert_eq!(findings.len(), 1);
    for named in ["jobs.batch", "cronjobs.batch", "events"] {
        assert!(findings[0].found.contains(named), "{}", findings[0].found);
    }
}

#[test]
fn a_template_in_a_cron_job_is_named_by_its_own_path() {
    let path = "spec.jobTemplate.spec.template.metadata";
    let mut changed = workload();
    changed.path = path;
    let template: Value =
        json!({"metadata": {"annotations": {"zohorelay.dev/identities": "billing"}}});
    changed.template = serde_json::from_value(template).unwrap();
    let mut scene = scene();
    scene.workloads = vec![Ok(vec![changed])];
    assert!(judge(&scene)[0].remedy.as_ref().unwrap().contains(path));
}
