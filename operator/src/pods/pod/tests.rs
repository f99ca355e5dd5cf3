use serde_json::{Value, json};

use super::*;

fn pod(changes: &Value) -> SlimPod {
    let mut pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "namespace": "shop", "name": "web-1", "uid": "u1",
            "annotations": {
                "zohorelay.dev/identities": "billing, alerts,billing",
                "zohorelay.dev/injected": "0.1.0",
            },
        },
        "spec": {
            "initContainers": [
                {"name": "migrate", "image": "app"},
                {"name": "zohorelay", "image": "relay", "restartPolicy": "Always"},
            ],
            "containers": [{"name": "app", "image": "app"}],
        },
        "status": {"phase": "Running", "podIP": "10.1.2.3"},
    });
    json_patch::merge(&mut pod, changes);
    serde_json::from_value(pod).unwrap()
}

fn admin(changes: &Value) -> Option<String> {
    let sidecar = pod(changes).sighting().unwrap().sidecar.unwrap();
    sidecar.admin.map(|address| address.to_string())
}

#[test]
fn an_attached_pod_names_its_identities_once_each() {
    let pod = pod(&json!({}));
    assert_eq!(pod.key(), ("shop", "web-1"));
    let sighting = pod.sighting().unwrap();
    assert_eq!(&*sighting.uid, "u1");
    assert_eq!(*sighting.identities, ["billing".into(), "alerts".into()]);
    let sidecar = sighting.sidecar.unwrap();
    assert_eq!(sidecar.injected_by.as_deref(), Some("0.1.0"));
    assert_eq!(sidecar.admin, Some("10.1.2.3:9465".parse().unwrap()));
}

#[test]
fn only_a_native_sidecar_of_our_name_is_one() {
    for containers in [
        json!(null),
        json!([]),
        json!([{"name": "zohorelay"}]),
        json!([{"name": "zohorelay", "restartPolicy": "Never"}]),
        json!([{"name": "zohorelay-2", "restartPolicy": "Always"}]),
    ] {
        let pod = pod(&json!({"spec": {"initContainers": containers}}));
        assert_eq!(pod.sighting().unwrap().sidecar, None, "{containers}");
    }
}

#[test]
fn what_ended_or_goes_is_not_seen() {
    for changes in [
        json!({"status": {"phase": "Succeeded"}}),
        json!({"status": {"phase": "Failed"}}),
        json!({"metadata": {"deletionTimestamp": "2026-11-23T10:00:00Z"}}),
    ] {
        assert_eq!(pod(&changes).sighting(), None, "{changes}");
    }
    for phase in ["Pending", "Running", "Unknown"] {
        assert!(
            pod(&json!({"status": {"phase": phase}}))
                .sighting()
                .is_some()
        );
    }
}

#[test]
fn a_sidecar_is_asked_where_and_when_it_listens() {
    let ports = |ports| {
        json!({"spec": {"initContainers": [
            {"name": "zohorelay", "restartPolicy": "Always", "ports": ports},
        ]}})
    };
    for (changes, address) in [
        (json!({}), Some("10.1.2.3:9465")),
        (
            json!({"status": {"podIP": "fd00::7"}}),
            Some("[fd00::7]:9465"),
        ),
        (
            ports(json!([
                {"name": "smtp", "containerPort": 2525},
                {"name": "zohorelay-admin", "containerPort": 9999},
            ])),
            Some("10.1.2.3:9999"),
        ),
        (json!({"status": {"podIP": null}}), None),
        (json!({"status": {"podIP": "010.1.2.3"}}), None),
        (json!({"status": {"podIP": "0.0.0.0"}}), None),
        (json!({"status": {"podIP": "::"}}), None),
        (json!({"status": {"phase": "Pending"}}), None),
        (json!({"status": null}), None),
        (json!({"spec": {"hostNetwork": true}}), None),
        (
            json!({"status": {"phase": "Pending", "initContainerStatuses": [
                {"name": "zohorelay", "state": {"running": {"startedAt": "2026-11-23T10:00:00Z"}}},
            ]}}),
            Some("10.1.2.3:9465"),
        ),
        (
            json!({"status": {"phase": "Pending", "initContainerStatuses": [
                {"name": "zohorelay", "state": {"waiting": {"reason": "PodInitializing"}}},
                {"name": "migrate", "state": {"running": {}}},
            ]}}),
            None,
        ),
    ] {
        assert_eq!(admin(&changes).as_deref(), address, "{changes}");
    }
}

#[test]
fn names_that_cannot_be_are_left_out() {
    let long = "a".repeat(64);
    let text = format!("Billing,-a,a-,a.b,../x,{long},, ok ,x1");
    assert_eq!(*identities(&text), ["ok".into(), "x1".into()]);
    let many: Vec<String> = (0..1000).map(|n| format!("i{n}")).collect();
    assert_eq!(identities(&many.join(",")).len(), IDENTITIES_MAX);
}

#[test]
fn each_end_of_the_sidecar_is_seen_with_the_life_that_it_ended() {
    let end =
        |time: &str, message: &str| json!({"terminated": {"finishedAt": time, "message": message}});
    let status = |restarts: i64, state: &Value, last: &Value| {
        json!({"status": {"initContainerStatuses": [
            {"name": "migrate", "restartCount": 0, "state": end("2026-11-23T10:00:00Z", "no")},
            {"name": "zohorelay", "restartCount": restarts, "state": state, "lastState": last},
        ]}})
    };
    let none = json!({});
    let running = json!({"running": {}});
    let (first, second) = (
        end("2026-11-23T10:00:00Z", "a"),
        end("2026-11-23T11:00:00Z", "b"),
    );
    let lost = json!({"terminated": {"reason": "ContainerStatusUnknown", "message": "gone"}});
    for (changes, expected) in [
        (json!({}), &[][..]),
        (status(0, &running, &none), &[]),
        (status(0, &first, &none), &[(0, "a")]),
        (status(1, &running, &first), &[(0, "a")]),
        (status(1, &second, &first), &[(0, "a"), (1, "b")]),
        (status(0, &lost, &none), &[]),
    ] {
        // A pod that goes is heard, too.
        let mut goes = changes.clone();
        json_patch::merge(
            &mut goes,
            &json!({"metadata": {"deletionTimestamp": "2026-11-23T10:00:00Z"}}),
        );
        for changes in [changes, goes] {
            let ends = pod(&changes).ends();
            let ends: Vec<_> = ends.iter().map(|it| (it.life, &*it.message)).collect();
            assert_eq!(ends, expected, "{changes}");
        }
    }
    let mut stranger = status(0, &first, &none);
    stranger["spec"] = json!({"initContainers": [{"name": "zohorelay"}]});
    assert!(pod(&stranger).ends().is_empty(), "no sidecar of ours");
}
