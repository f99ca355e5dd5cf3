use serde_json::json;

use super::*;
use crate::inject::fixtures::{annotated, pod};

fn request(pod: &Value) -> Request {
    match decide(pod) {
        Ok(Decision::Inject(request)) => *request,
        other => panic!("{other:?}"),
    }
}

fn refusal(pod: &Value) -> String {
    decide(pod).expect_err("was taken").to_string()
}

#[test]
fn the_label_decides() {
    let mut stranger = pod();
    stranger["metadata"]["labels"] = json!({});
    assert!(matches!(decide(&stranger), Ok(Decision::Untouched)));
    stranger["metadata"]["labels"] = json!({"zohorelay.dev/inject": "false"});
    assert!(matches!(decide(&stranger), Ok(Decision::Untouched)));
    assert!(matches!(decide(&json!({})), Ok(Decision::Untouched)));
    for odd in [json!("True"), json!("yes"), json!(true), json!(1)] {
        stranger["metadata"]["labels"] = json!({"zohorelay.dev/inject": odd});
        assert!(refusal(&stranger).contains("write \"true\" with the quotes"));
    }
}

#[test]
fn a_mirror_pod_is_left_alone_whatever_it_asks_for() {
    let mut mirror = annotated("kubernetes.io/config.mirror", "abc");
    mirror["spec"]["hostNetwork"] = json!(true);
    assert!(matches!(decide(&mirror), Ok(Decision::Untouched)));
}

#[test]
fn identities_keep_their_order_and_may_have_blanks_around_them() {
    let pod = annotated(keys::IDENTITIES, " reports , billing,a-1 ");
    assert_eq!(request(&pod).identities, ["reports", "billing", "a-1"]);
}

#[test]
fn the_label_without_an_identity_is_refused_with_the_remedy() {
    let mut none = pod();
    none["metadata"]["annotations"] = Value::Null;
    for pod in [none, annotated(keys::IDENTITIES, "  ")] {
        let text = refusal(&pod);
        assert!(text.contains("zohorelay.dev/identities: billing"), "{text}");
    }
}

#[test]
fn a_name_that_would_be_a_path_or_no_dns_label_is_refused() {
    let long = "a".repeat(64);
    for bad in [
        "../x", "a/b", "A", "-a", "a-", ".", "a.b", "a,,b", "a,", "a b", &long, "ä",
    ] {
        let text = refusal(&annotated(keys::IDENTITIES, bad));
        assert!(text.contains("no name of an identity"), "{bad}: {text}");
    }
    assert!(refusal(&annotated(keys::IDENTITIES, "a,b,a")).contains("a stands there twice"));
}

#[test]
fn sixteen_identities_are_taken_and_one_more_is_refused() {
    let names: Vec<String> = (0..17).map(|n| format!("i{n}")).collect();
    let taken = request(&annotated(keys::IDENTITIES, &names[..16].join(",")));
    assert_eq!(taken.identities.len(), MAX_IDENTITIES);
    let text = refusal(&annotated(keys::IDENTITIES, &names.join(",")));
    assert!(text.contains("17 identities"), "{text}");
}

#[test]
fn an_annotation_of_ours_that_is_none_is_refused_by_name_with_those_that_are() {
    for unknown in [
        "zohorelay.dev/identity",
        "zohorelay.dev/inject",
        "zohorelay.dev/",
    ] {
        let text = refusal(&annotated(unknown, "billing"));
        assert!(text.contains(&format!("annotation {unknown} is not known")));
        for known in ANNOTATIONS {
            assert!(text.contains(known), "{text}");
        }
    }
    request(&annotated("example.com/identity", "anything"));
}

#[test]
fn ports_have_bounds_and_two_are_ours() {
    assert_eq!(request(&pod()).port, 2525);
    assert_eq!(request(&annotated(keys::PORT, "25")).port, 25);
    assert_eq!(request(&annotated(keys::PORT, "65535")).port, 65535);
    for bad in ["0", "-1", "+25", "65536", "smtp", "", "25 ", "2 5"] {
        let text = refusal(&annotated(keys::PORT, bad));
        assert!(text.contains("from 1 to 65535"), "{bad}: {text}");
    }
    for ours in ["9465", "9466"] {
        assert!(refusal(&annotated(keys::PORT, ours)).contains("choose another"));
    }
}

#[test]
fn a_port_that_a_container_has_is_refused_and_named() {
    let with = |list: &str, number: u64, protocol: Option<&str>| {
        let mut pod = pod();
        let mut port = json!({"containerPort": number});
        if let Some(protocol) = protocol {
            port["protocol"] = json!(protocol);
        }
        let mail = json!({"name": "mailpit", "image": "x", "ports": [port]});
        match list {
            "containers" => pod["spec"]["containers"][0] = mail,
            _ => pod["spec"]["initContainers"] = json!([mail]),
        }
        pod
    };
    for list in ["containers", "initContainers"] {
        for port in [2525, 9465, 9466] {
            let text = refusal(&with(list, port, None));
            let start = format!("port {port} is taken by container \"mailpit\"");
            assert!(text.starts_with(&start), "{text}");
            assert_eq!(text.contains(keys::PORT), port == 2525, "{text}");
        }
        request(&with(list, 2525, Some("UDP")));
        request(&with(list, 8080, None));
    }
}

#[test]
fn flags_are_true_or_false_and_nothing_else() {
    for key in [keys::ENV, keys::ACCEPT_ANY_LOGIN] {
        for bad in ["", "yes", "True", "1"] {
            let text = refusal(&annotated(key, bad));
            assert!(text.contains(key) && text.contains("\"true\""), "{text}");
        }
    }
    let taken = request(&annotated(keys::ENV, "true"));
    assert!(taken.env && !taken.accept_any_login);
    let taken = request(&annotated(keys::ACCEPT_ANY_LOGIN, "true"));
    assert!(!taken.env && taken.accept_any_login);
    assert!(!request(&annotated(keys::ENV, "false")).env);
}

#[test]
fn a_log_filter_that_the_sidecar_would_not_take_is_refused() {
    let taken = request(&annotated(keys::LOG, "info,zohorelay_sidecar=debug"));
    assert_eq!(taken.log.as_deref(), Some("info,zohorelay_sidecar=debug"));
    for bad in ["", "loud", "zohorelay_sidecar=loud"] {
        assert!(refusal(&annotated(keys::LOG, bad)).contains(keys::LOG));
    }
    let long = vec!["info"; 64].join(",");
    assert!(refusal(&annotated(keys::LOG, &long)).contains("at most 256"));
}

#[test]
fn amounts_have_a_least_and_a_request_is_not_above_its_limit() {
    for (key, least) in LEAST {
        assert!(refusal(&annotated(key, "x")).contains(key));
        assert!(refusal(&annotated(key, "0")).contains(&format!("write at least {least}")));
        request(&annotated(key, least));
    }
    // The unit was forgotten.
    assert!(refusal(&annotated(keys::MEMORY_LIMIT, "64")).contains("too little"));
    for (request, limit, high, low) in [
        (keys::CPU_REQUEST, keys::CPU_LIMIT, "100m", "0.05"),
        (keys::MEMORY_REQUEST, keys::MEMORY_LIMIT, "1Gi", "512Mi"),
    ] {
        let mut pod = annotated(request, high);
        pod["metadata"]["annotations"][limit] = json!(low);
        let text = refusal(&pod);
        assert!(text.contains(request) && text.contains(low), "{text}");
    }
}

#[test]
fn where_loopback_is_the_nodes_or_the_image_cannot_run_it_is_refused() {
    let with = |field: &str, value: Value| {
        let mut pod = pod();
        pod["spec"][field] = value;
        pod
    };
    assert!(refusal(&with("hostNetwork", json!(true))).contains("127.0.0.1 is the node's"));
    request(&with("hostNetwork", json!(false)));
    assert!(refusal(&with("os", json!({"name": "windows"}))).contains("Linux"));
    request(&with("os", json!({"name": "linux"})));
    assert!(
        refusal(&with(
            "nodeSelector",
            json!({"kubernetes.io/os": "windows"})
        ))
        .contains("Linux")
    );
}

#[test]
fn a_foreign_container_or_volume_with_our_name_is_refused() {
    let mut foreign = pod();
    foreign["spec"]["initContainers"] = json!([{"name": "zohorelay", "image": "x"}]);
    assert!(refusal(&foreign).contains("spec.initContainers has a container named zohorelay"));
    foreign["metadata"]["annotations"][keys::INJECTED] = json!("0.1.0");
    assert!(request(&foreign).present);

    let mut app = pod();
    app["spec"]["containers"][0]["name"] = json!("zohorelay");
    assert!(refusal(&app).contains("spec.containers"));
    app["metadata"]["annotations"][keys::INJECTED] = json!("0.1.0");
    assert!(refusal(&app).contains("spec.containers"));

    for name in [
        keys::IDENTITIES_VOLUME,
        keys::SPOOL_VOLUME,
        keys::NO_TOKEN_VOLUME,
    ] {
        let mut volume = pod();
        volume["spec"]["volumes"] = json!([{"name": name, "emptyDir": {}}]);
        assert!(refusal(&volume).contains(name));
        volume["metadata"]["annotations"][keys::INJECTED] = json!("0.1.0");
        assert!(!request(&volume).present);
    }
}

#[test]
fn whoever_shares_processes_is_warned() {
    assert!(request(&pod()).warnings.is_empty());
    for field in ["shareProcessNamespace", "hostPID"] {
        let mut pod = pod();
        pod["spec"][field] = json!(true);
        let warnings = request(&pod).warnings;
        assert!(
            warnings.len() == 1 && warnings[0].starts_with(field),
            "{warnings:?}"
        );
        // The API server may cut longer ones.
        assert!(warnings[0].len() <= 256);
    }
}

#[test]
fn a_sidecar_with_other_identities_than_the_annotation_is_named() {
    let mut pod = annotated(keys::INJECTED, "0.1.0");
    let args =
        |name: &str| json!([{"name": "zohorelay", "args": ["run", format!("--identity={name}")]}]);
    pod["spec"]["initContainers"] = args("billing");
    assert!(request(&pod).warnings.is_empty());
    pod["spec"]["initContainers"] = args("alerts");
    assert!(request(&pod).warnings[0].contains("has the identities alerts"));
}

#[test]
fn what_is_not_shaped_like_a_pod_is_refused_with_its_place() {
    let with = |pointer: &str, value: Value| {
        let mut pod = pod();
        pod["spec"]["securityContext"] = json!({"sysctls": []});
        *pod.pointer_mut(pointer).unwrap() = value;
        pod
    };
    for (pointer, place) in [
        ("/spec", "spec is not an object"),
        ("/spec/containers", "spec.containers is not a list"),
        ("/spec/containers/0", "spec.containers[] is not an object"),
        (
            "/spec/securityContext",
            "spec.securityContext is not an object",
        ),
        ("/spec/securityContext/sysctls", "sysctls is not a list"),
        (
            "/metadata/annotations",
            "metadata.annotations is not an object",
        ),
        ("/metadata/labels", "metadata.labels is not an object"),
    ] {
        let text = refusal(&with(pointer, json!(7)));
        assert!(text.contains(place), "{pointer}: {text}");
    }
    let mut number = pod();
    number["metadata"]["annotations"][keys::PORT] = json!(25);
    assert!(refusal(&number).contains("put it into quotes"));
}
