use serde_json::json;
use zohorelay_crds::keys;

use super::*;
use crate::inject::decide::{Decision, decide};
use crate::inject::fixtures::{annotated, args, pod, settings};

fn of(raw: &Value, settings: &Settings) -> Value {
    match decide(raw) {
        Ok(Decision::Inject(request)) => resources(&Pod::read(raw).unwrap(), &request, settings),
        other => panic!("{other:?}"),
    }
}

/// A pod whose container has these resources, and these annotations of ours.
fn with(resources: Value, annotations: &[(&str, &str)]) -> Value {
    let mut pod = pod();
    pod["spec"]["containers"][0]["resources"] = resources;
    for (key, value) in annotations {
        pod["metadata"]["annotations"][*key] = json!(value);
    }
    pod
}

#[test]
fn by_default_memory_is_limited_and_cpu_is_not() {
    assert_eq!(
        of(&pod(), &settings()),
        json!({
            "requests": {"cpu": "10m", "memory": "16Mi", "ephemeral-storage": "32Mi"},
            "limits": {"memory": "64Mi"},
        })
    );
}

#[test]
fn annotations_win_over_settings_and_what_was_not_asked_for_gives_way() {
    for (key, value, expected) in [
        (
            keys::CPU_REQUEST,
            "20m",
            [Some("20m"), None, Some("16Mi"), Some("64Mi")],
        ),
        (
            keys::CPU_LIMIT,
            "200m",
            [Some("10m"), Some("200m"), Some("16Mi"), Some("64Mi")],
        ),
        (
            keys::MEMORY_REQUEST,
            "32Mi",
            [Some("10m"), None, Some("32Mi"), Some("64Mi")],
        ),
        (
            keys::MEMORY_REQUEST,
            "128Mi",
            [Some("10m"), None, Some("128Mi"), Some("128Mi")],
        ),
        (
            keys::MEMORY_LIMIT,
            "16Mi",
            [Some("10m"), None, Some("16Mi"), Some("16Mi")],
        ),
    ] {
        let found = of(&annotated(key, value), &settings());
        let found = [
            found["requests"]["cpu"].as_str(),
            found["limits"]["cpu"].as_str(),
            found["requests"]["memory"].as_str(),
            found["limits"]["memory"].as_str(),
        ];
        assert_eq!(found, expected, "{key}: {value}");
    }
    let mut limited = args();
    limited.cpu_limit = Some("50m".to_owned());
    let found = of(
        &annotated(keys::CPU_REQUEST, "80m"),
        &Settings::from_args(&limited).unwrap(),
    );
    assert_eq!(found["limits"]["cpu"], "80m");
}

#[test]
fn in_a_guaranteed_pod_requests_are_limits_and_the_cpu_is_enough_to_start_with() {
    for resources in [
        json!({"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "1000m", "memory": "1024Mi"}}),
        // The API server fills requests in, a file may not have them.
        json!({"limits": {"cpu": "1", "memory": "1Gi"}}),
        json!({"limits": {"cpu": 1, "memory": 1_073_741_824}}),
    ] {
        assert_eq!(
            of(&with(resources, &[]), &settings()),
            json!({
                "requests": {"cpu": "100m", "memory": "64Mi", "ephemeral-storage": "32Mi"},
                "limits": {"cpu": "100m", "memory": "64Mi"},
            })
        );
    }
    let guaranteed = json!({"limits": {"cpu": "1", "memory": "1Gi"}});
    for annotations in [
        &[(keys::CPU_REQUEST, "20m")][..],
        &[(keys::CPU_LIMIT, "20m")][..],
        &[(keys::CPU_REQUEST, "10m"), (keys::CPU_LIMIT, "20m")][..],
    ] {
        let found = of(&with(guaranteed.clone(), annotations), &settings());
        assert_eq!(found["requests"]["cpu"], "20m", "{annotations:?}");
        assert_eq!(found["limits"]["cpu"], "20m", "{annotations:?}");
    }
}

#[test]
fn a_pod_is_not_guaranteed_for_less() {
    let mut second = with(json!({"limits": {"cpu": "1", "memory": "1Gi"}}), &[]);
    second["spec"]["initContainers"] = json!([{"name": "migrate", "image": "x"}]);
    for pod in [
        second,
        with(json!({"limits": {"memory": "1Gi"}}), &[]),
        with(json!({"limits": {"cpu": "0", "memory": "1Gi"}}), &[]),
        with(
            json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"memory": "512Mi"}}),
            &[],
        ),
    ] {
        assert_eq!(of(&pod, &settings())["requests"]["memory"], "16Mi");
    }
}

#[test]
fn where_every_container_has_a_cpu_limit_ours_has_one_since_a_quota_may_ask_for_it() {
    let found = of(&with(json!({"limits": {"cpu": "2"}}), &[]), &settings());
    assert_eq!(found["limits"]["cpu"], "100m");
    assert_eq!(found["requests"]["cpu"], "10m");
    let mut generous = args();
    generous.cpu_limit = Some("300m".to_owned());
    let generous = Settings::from_args(&generous).unwrap();
    let found = of(&with(json!({"limits": {"cpu": "2"}}), &[]), &generous);
    assert_eq!(found["limits"]["cpu"], "300m");
}

#[test]
fn a_limit_of_the_disk_leaves_room_for_the_spool() {
    let pod = with(json!({"limits": {"ephemeral-storage": "1Gi"}}), &[]);
    assert_eq!(
        of(&pod, &settings())["limits"]["ephemeral-storage"],
        "512Mi"
    );
}

#[test]
fn a_budget_for_the_whole_pod_is_shared_and_not_added_to() {
    let mut pod = pod();
    pod["spec"]["resources"] = json!({"limits": {"memory": "1Gi", "cpu": "1"}});
    assert_eq!(
        of(&pod, &settings()),
        json!({"requests": {"ephemeral-storage": "32Mi"}})
    );
    pod["metadata"]["annotations"][keys::MEMORY_LIMIT] = json!("32Mi");
    assert_eq!(of(&pod, &settings())["limits"], json!({"memory": "32Mi"}));
    pod["spec"]["resources"] = json!({"limits": {"cpu": "1"}});
    assert_eq!(of(&pod, &settings())["requests"]["memory"], "16Mi");
}
