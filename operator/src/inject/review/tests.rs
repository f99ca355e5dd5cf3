use json_patch::Patch;

use super::*;
use crate::inject::fixtures::{annotated, pod, settings};

fn review(object: &Value) -> Value {
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "namespace": "shop",
            "operation": "CREATE",
            "dryRun": false,
            "object": object,
        },
    })
}

fn ask(review: &Value) -> (Answer, Value) {
    let answer = admit(review.to_string().as_bytes(), &settings());
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(body["apiVersion"], "admission.k8s.io/v1");
    assert_eq!(body["kind"], "AdmissionReview");
    let response = body["response"].clone();
    (answer, response)
}

fn patch_of(response: &Value) -> Patch {
    assert_eq!(response["patchType"], "JSONPatch");
    let bytes = STANDARD.decode(response["patch"].as_str().unwrap());
    serde_json::from_slice(&bytes.unwrap()).unwrap()
}

#[test]
fn a_pod_that_asks_is_patched_and_the_answer_has_the_uid_of_the_review() {
    let (answer, response) = ask(&review(&pod()));
    assert_eq!(answer.result, Admission::Injected);
    assert_eq!(answer.pod, "shop/web");
    assert_eq!(response["uid"], "705ab4f5-6393-11e8-b7cc-42010a800002");
    assert_eq!(response["allowed"], true);
    assert!(response.get("warnings").is_none());
    let mut patched = pod();
    json_patch::patch(&mut patched, &patch_of(&response)).unwrap();
    assert_eq!(patched["spec"]["initContainers"][0]["name"], "zohorelay");
}

#[test]
fn the_patch_adds_and_rewrites_no_list() {
    let mut pod = annotated("zohorelay.dev/env", "true");
    pod["metadata"]["annotations"]["zohorelay.dev/port"] = json!("25");
    pod["spec"]["initContainers"] = json!([{"name": "linkerd-init"}, {"name": "migrate"}]);
    pod["spec"]["containers"][0]["env"] = json!([{"name": "A", "value": "1"}]);
    pod["spec"]["volumes"] = json!([{"name": "data"}]);
    pod["spec"]["securityContext"] = json!({"sysctls": [{"name": "kernel.shm_rmid_forced"}]});
    let (_, response) = ask(&review(&pod));
    let patch = json!(patch_of(&response));
    let operations: Vec<String> = patch
        .as_array()
        .unwrap()
        .iter()
        .map(|o| {
            format!(
                "{} {}",
                o["op"].as_str().unwrap(),
                o["path"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(
        operations,
        [
            "add /metadata/annotations/zohorelay.dev~1injected",
            "add /metadata/annotations/cluster-autoscaler.kubernetes.io~1safe-to-evict-local-volumes",
            "test /spec/initContainers/1/name",
            "add /spec/initContainers/1/env",
            "test /spec/containers/0/name",
            "add /spec/containers/0/env/0",
            "add /spec/containers/0/env/1",
            "test /spec/initContainers/0/name",
            "add /spec/initContainers/1",
            "add /spec/volumes/-",
            "add /spec/volumes/-",
            "add /spec/volumes/-",
            "add /spec/securityContext/sysctls/-",
        ]
    );
}

#[test]
fn a_dry_run_gets_the_same_answer() {
    let (real, _) = ask(&review(&pod()));
    let mut dry = review(&pod());
    dry["request"]["dryRun"] = json!(true);
    assert_eq!(ask(&dry).0.body, real.body);
}

#[test]
fn strangers_and_what_is_no_new_pod_are_let_through_without_a_patch() {
    let mut stranger = pod();
    stranger["metadata"]["labels"] = json!({"app": "web"});
    let mut update = review(&pod());
    update["request"]["operation"] = json!("UPDATE");
    let mut delete = review(&Value::Null);
    delete["request"]["operation"] = json!("DELETE");
    let mut deployment = review(&pod());
    deployment["request"]["kind"] = json!({"group": "apps", "kind": "Deployment"});
    let mut eviction = review(&json!({"kind": "Eviction"}));
    eviction["request"]["kind"] = json!({"group": "policy", "kind": "Eviction"});
    for review in [review(&stranger), update, delete, deployment, eviction] {
        let (answer, response) = ask(&review);
        assert_eq!(answer.result, Admission::Untouched, "{review}");
        assert_eq!(response["allowed"], true);
        assert!(response.get("patch").is_none());
    }
}

#[test]
fn a_pod_that_was_injected_needs_nothing_more() {
    let mut once = pod();
    let (_, response) = ask(&review(&once));
    json_patch::patch(&mut once, &patch_of(&response)).unwrap();
    let (answer, response) = ask(&review(&once));
    assert_eq!(answer.result, Admission::Untouched);
    assert!(response.get("patch").is_none() && response.get("patchType").is_none());
}

#[test]
fn a_refusal_says_why_and_names_the_pod_for_the_log() {
    let mut host = pod();
    host["spec"]["hostNetwork"] = json!(true);
    host["metadata"]["name"] = Value::Null;
    host["metadata"]["generateName"] = json!("web-7d9f-");
    let (answer, response) = ask(&review(&host));
    assert_eq!(answer.result, Admission::Refused);
    assert_eq!(answer.pod, "shop/web-7d9f-…");
    assert_eq!(response["allowed"], false);
    assert_eq!(response["status"]["code"], 403);
    let message = response["status"]["message"].as_str().unwrap();
    assert!(message.starts_with("hostNetwork is true"), "{message}");
    assert_eq!(answer.reason.as_deref(), Some(message));
}

#[test]
fn the_name_and_namespace_of_the_request_win_over_those_of_the_object() {
    let mut named = review(&pod());
    named["request"]["name"] = json!("given");
    named["request"]["object"]["metadata"]["namespace"] = json!("elsewhere");
    assert_eq!(ask(&named).0.pod, "shop/given");
    named["request"]["namespace"] = Value::Null;
    named["request"]["name"] = json!("");
    assert_eq!(ask(&named).0.pod, "elsewhere/web");
}

#[test]
fn warnings_reach_whoever_applies_the_pod() {
    let mut shared = pod();
    shared["spec"]["shareProcessNamespace"] = json!(true);
    let (answer, response) = ask(&review(&shared));
    assert_eq!(answer.result, Admission::Injected);
    let warning = response["warnings"][0].as_str().unwrap();
    assert!(warning.starts_with("shareProcessNamespace"), "{warning}");
}

#[test]
fn what_is_no_review_is_answered_with_400_and_never_let_through() {
    let mut empty = review(&Value::Null);
    let no_object = empty.to_string();
    empty["request"]["uid"] = json!("");
    for body in [
        "",
        "{",
        "null",
        "[]",
        "7",
        "{}",
        "\"pod\"",
        "\u{0}",
        r#"{"request": 7}"#,
        r#"{"request": {"uid": 7}}"#,
        &empty.to_string(),
        &no_object,
        &"[".repeat(10_000),
    ] {
        let answer = admit(body.as_bytes(), &settings());
        assert_eq!(answer.result, Admission::Malformed, "{body:.40}");
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(body["response"]["allowed"], false);
        assert_eq!(body["response"]["status"]["code"], 400);
        assert!(body["response"]["uid"].is_string());
        assert!(answer.reason.is_some());
    }
}
