use serde_json::{Value, json};

use super::super::fixtures::{pod, pod_value, scene};
use super::*;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What is found of one pod that was changed.
fn found(change: impl FnOnce(&mut Value)) -> Finding {
    let mut value = pod_value("web-1");
    change(&mut value);
    let mut scene = scene();
    scene.pods = Ok(vec![serde_json::from_value(value).unwrap()]);
    judge(&scene, VERSION).remove(0)
}

fn without_sidecar(it: &mut Value) {
    it["spec"]["initContainers"] = json!([]);
    it["metadata"]["annotations"] = json!({"zohorelay.dev/identities": "billing"});
}

fn status(it: &mut Value, status: &Value) {
    let known = it["status"]["initContainerStatuses"][0]
        .as_object_mut()
        .unwrap();
    known.extend(status.as_object().unwrap().clone());
}

#[test]
fn a_pod_with_its_sidecar_is_well() {
    assert_eq!(
        found(|_| {}),
        Finding::ok(POD, "web-1", "the sidecar is there and runs")
    );
}

#[test]
fn each_way_to_have_no_sidecar_is_told_apart() {
    type Change = fn(&mut Value);
    let cases: [(&str, Change); 5] = [
        ("lacks the label", |it| it["metadata"]["labels"] = json!({})),
        ("names no identity", |it| {
            it["metadata"]["annotations"] = json!({});
        }),
        ("neither \"true\" nor", |it| {
            it["metadata"]["labels"] = json!({"zohorelay.dev/inject": "yes"});
        }),
        ("older than the webhook", |it| {
            it["metadata"]["creationTimestamp"] = json!("2026-10-01T00:00:00Z");
        }),
        ("has none: it was made while", |_| {}),
    ];
    for (says, change) in cases {
        let finding = found(|it| {
            without_sidecar(it);
            change(it);
        });
        assert_eq!(finding.verdict, Verdict::Failed, "{says}");
        assert!(finding.found.contains(says), "{}", finding.found);
    }
    let restart = found(without_sidecar).remedy.unwrap();
    assert!(
        restart.ends_with("kubectl -n shop rollout restart deployment/web"),
        "{restart}"
    );
}

#[test]
fn a_pod_that_says_no_is_left_alone_unless_it_is_asked_about() {
    let mut value = pod_value("web-1");
    without_sidecar(&mut value);
    value["metadata"]["labels"]["zohorelay.dev/inject"] = json!("false");
    let mut scene = scene();
    scene.pods = Ok(vec![serde_json::from_value(value).unwrap(), pod("web-2")]);
    let findings = judge(&scene, VERSION);
    assert!(findings.iter().all(|it| it.verdict == Verdict::Ok));
    scene.subject.pod = Some("web-1".to_owned());
    assert!(judge(&scene, VERSION)[0].found.contains("is \"false\""));
}

#[test]
fn documents_of_others_and_identities_that_are_not_there_are_told() {
    let stale = found(|it| it["spec"]["volumes"] = json!([]));
    assert!(
        stale.found.contains("the documents of nobody"),
        "{}",
        stale.found
    );
    let stranger = found(|it| {
        it["metadata"]["annotations"]["zohorelay.dev/identities"] = json!("billin");
        it["spec"]["volumes"][0]["projected"]["sources"][0]["secret"]["name"] =
            json!("zohorelay-billin");
    });
    assert!(stranger.remedy.unwrap().contains("did you mean billing?"));
}

#[test]
fn a_container_that_waits_ends_or_was_killed_is_told_with_what_to_do() {
    let terminated = |code: i32, reason: &str| json!({"terminated": {"exitCode": code, "reason": reason, "message": "{\"words\": 1}"}});
    let waiting = |reason: &str| json!({"waiting": {"reason": reason, "message": "m"}});
    for (change, verdict, says, does) in [
        (
            json!({"state": waiting("ContainerCreating")}),
            Verdict::Warning,
            "being started",
            "wait",
        ),
        (
            json!({"state": waiting("ImagePullBackOff")}),
            Verdict::Failed,
            "image",
            "sidecar.image",
        ),
        (
            json!({"state": waiting("CreateContainerError")}),
            Verdict::Failed,
            "does not start",
            "events",
        ),
        (
            json!({"state": waiting("CrashLoopBackOff"), "lastState": terminated(69, "Error"), "restartCount": 4}),
            Verdict::Failed,
            "a port cannot be had; it was started 5 times",
            "zohorelay.dev/port",
        ),
        (
            json!({"state": terminated(64, "Error")}),
            Verdict::Failed,
            "wrong flags",
            "its log",
        ),
        (
            json!({"lastState": terminated(137, "OOMKilled"), "restartCount": 2}),
            Verdict::Warning,
            "anew 2 times; the last time it was killed for lack of memory",
            "zohorelay.dev/memory-limit",
        ),
        (
            json!({"started": false}),
            Verdict::Warning,
            "postStart",
            "wait",
        ),
    ] {
        let finding = found(|it| status(it, &change));
        assert_eq!(finding.verdict, verdict, "{change}");
        assert!(finding.found.contains(says), "{}", finding.found);
        assert!(
            finding.remedy.as_ref().unwrap().contains(does),
            "{finding:?}"
        );
        if change.to_string().contains("words") {
            assert_eq!(finding.details[0].1, "{\"words\": 1}");
        }
    }
}

#[test]
fn a_pod_that_no_node_takes_says_why() {
    let finding = found(|it| {
        it["status"] = json!({"phase": "Pending", "conditions": [
            {"type": "PodScheduled", "status": "False", "message": "0/3 nodes"}]});
    });
    assert!(finding.found.contains("0/3 nodes"));
}

#[test]
fn a_sidecar_of_another_version_is_worth_a_warning() {
    let old = found(|it| it["metadata"]["annotations"]["zohorelay.dev/injected"] = json!("0.0.9"));
    assert_eq!(old.verdict, Verdict::Warning);
    assert!(old.found.contains("version 0.0.9"));
}

#[test]
fn pods_with_the_same_trouble_are_one_finding_and_failures_come_first() {
    let mut pods: Vec<Pod> = Vec::new();
    for name in ["a", "b", "c"] {
        let mut value = pod_value(name);
        without_sidecar(&mut value);
        pods.push(serde_json::from_value(value).unwrap());
    }
    let mut old = pod("0");
    old.annotations_mut()
        .insert(keys::INJECTED.to_owned(), "0.0.9".to_owned());
    pods.insert(0, old);
    let mut scene = scene();
    scene.pods = Ok(pods);
    let findings = judge(&scene, VERSION);
    let subjects: Vec<&str> = findings.iter().map(|it| &*it.subject).collect();
    assert_eq!(subjects, ["a and 2 more", "0"]);
}

#[test]
fn where_nobody_asks_the_two_lines_are_named_and_a_pod_that_is_not_there_gets_the_one_that_was_meant()
 {
    let mut scene = scene();
    scene.subject.identity = Some("alerts".to_owned());
    let nobody = judge(&scene, VERSION).remove(0);
    assert_eq!(nobody.verdict, Verdict::Warning);
    assert!(
        nobody
            .remedy
            .unwrap()
            .contains("zohorelay.dev/identities: alerts")
    );
    scene.subject.pod = Some("wep".to_owned());
    let missing = judge(&scene, VERSION).remove(0);
    assert_eq!(missing.remedy.unwrap(), "did you mean web?");
}

#[test]
fn an_annotation_concerns_an_identity_that_it_names_or_nearly_names_or_when_it_names_none() {
    let subject = scene().subject;
    for concerned in [Some("alerts, billing"), Some("biling"), Some(""), None] {
        assert!(concerns(concerned, &subject), "{concerned:?}");
    }
    assert!(!concerns(Some("alerts"), &subject));
}

#[test]
fn a_pod_that_ended_is_not_judged() {
    let mut scene = scene();
    scene.subject.pod = Some("web-1".to_owned());
    let mut value = pod_value("web-1");
    value["status"]["phase"] = json!("Succeeded");
    scene.pods = Ok(vec![serde_json::from_value(value).unwrap()]);
    assert_eq!(judge(&scene, VERSION)[0].verdict, Verdict::Skipped);
}
