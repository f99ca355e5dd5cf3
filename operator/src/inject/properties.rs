//! What holds for every pod, also for one with fields that nobody knows yet.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};
use zohorelay_crds::keys;

use super::fixtures::{args, settings};
use super::patch::MESH;
use super::pod::name_of;
use super::{Admission, Plan, Settings, admit, inject_stream, plan};

/// Any JSON, a few levels deep.
fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[ -~]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec(("x-[a-z]{1,6}", inner), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// Fields that no version of Kubernetes has.
fn unknown_fields() -> impl Strategy<Value = Map<String, Value>> {
    vec(("x-[a-z]{1,6}", json_value()), 0..3).prop_map(|fields| fields.into_iter().collect())
}

fn container() -> impl Strategy<Value = Value> {
    let env = option::of(vec(
        select(vec!["SMTP_HOST", "SMTP_PORT", "HOME", "MAIL_URL"]),
        0..3,
    ));
    let limits = select(vec![
        Value::Null,
        json!({"limits": {"cpu": "1", "memory": "1Gi"}}),
        json!({"limits": {"cpu": "500m"}, "requests": {"cpu": "0.5"}}),
        json!({"limits": {"ephemeral-storage": "1Gi"}}),
    ]);
    (env, limits, unknown_fields()).prop_map(|(env, resources, mut fields)| {
        fields.insert("image".to_owned(), json!("registry.example.com/app:1"));
        fields.insert("resources".to_owned(), resources);
        if let Some(names) = env {
            let env: Vec<Value> = names
                .iter()
                .map(|name| json!({"name": name, "value": "theirs"}))
                .collect();
            fields.insert("env".to_owned(), json!(env));
        }
        Value::Object(fields)
    })
}

/// Containers with names of their own.
fn containers(
    prefix: &'static str,
    count: std::ops::Range<usize>,
) -> impl Strategy<Value = Vec<Value>> {
    vec(container(), count).prop_map(move |mut containers| {
        for (index, container) in containers.iter_mut().enumerate() {
            container["name"] = json!(format!("{prefix}{index}"));
        }
        containers
    })
}

/// Init containers, among them those of a mesh, each at most once.
fn init_containers() -> impl Strategy<Value = Value> {
    let own = containers("init", 0..3);
    let mesh = proptest::sample::subsequence(MESH.to_vec(), 0..=3);
    let both = (own, mesh)
        .prop_map(|(own, mesh)| {
            let mesh = mesh.into_iter().map(|name| json!({"name": name}));
            own.into_iter().chain(mesh).collect::<Vec<Value>>()
        })
        .prop_shuffle();
    prop_oneof![Just(Value::Null), both.prop_map(Value::from)]
}

fn annotations() -> impl Strategy<Value = Map<String, Value>> {
    let optional = |key: &'static str, values: Vec<&'static str>| {
        option::of(select(values)).prop_map(move |value| value.map(|value| (key, value)))
    };
    let some = (
        optional(keys::PORT, vec!["25", "587", "2526"]),
        optional(keys::ENV, vec!["true", "false"]),
        optional(keys::ACCEPT_ANY_LOGIN, vec!["true"]),
        optional(keys::LOG, vec!["debug", "info,zohorelay_sidecar=trace"]),
        optional(keys::CPU_LIMIT, vec!["100m", "1"]),
        optional(keys::MEMORY_LIMIT, vec!["32Mi", "1Gi"]),
        optional(
            "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes",
            vec!["", "cache", "cache,zohorelay-spool"],
        ),
    );
    let identities = select(vec!["billing", "billing,alerts", "a,b,c,d"]);
    (identities, some).prop_map(|(identities, (a, b, c, d, e, f, g))| {
        let given = [Some((keys::IDENTITIES, identities)), a, b, c, d, e, f, g];
        given
            .into_iter()
            .flatten()
            .map(|(key, value)| (key.to_owned(), json!(value)))
            .collect()
    })
}

fn security_context() -> impl Strategy<Value = Value> {
    let start = "net.ipv4.ip_unprivileged_port_start";
    select(vec![
        Value::Null,
        json!({"fsGroup": 2000}),
        json!({"sysctls": null}),
        json!({"sysctls": [{"name": "kernel.shm_rmid_forced", "value": "1"}]}),
        json!({"sysctls": [{"name": start, "value": "0"}]}),
        json!({"sysctls": [{"name": start, "value": "600"}]}),
        json!({"sysctls": [{"name": start, "value": "x"}]}),
    ])
}

prop_compose! {
    /// A pod that asks for the sidecar and can have it.
    fn pods()(
        annotations in annotations(),
        app in containers("app", 1..4),
        init in init_containers(),
        context in security_context(),
        volumes in select(vec![Value::Null, json!([]), json!([{"name": "data", "x-new": {}}])]),
        pull in select(vec![Value::Null, json!([{"name": "registry"}]), json!([{"name": "other"}])]),
        more in (unknown_fields(), unknown_fields(), unknown_fields()),
    ) -> Value {
        let (mut pod, mut spec, mut metadata) = more;
        spec.extend([
            ("containers".to_owned(), json!(app)),
            ("initContainers".to_owned(), init),
            ("securityContext".to_owned(), context),
            ("volumes".to_owned(), volumes),
            ("imagePullSecrets".to_owned(), pull),
        ]);
        metadata.extend([
            ("labels".to_owned(), json!({keys::INJECT: "true"})),
            ("annotations".to_owned(), Value::Object(annotations)),
        ]);
        pod.extend([
            ("apiVersion".to_owned(), json!("v1")),
            ("kind".to_owned(), json!("Pod")),
            ("metadata".to_owned(), Value::Object(metadata)),
            ("spec".to_owned(), Value::Object(spec)),
        ]);
        Value::Object(pod)
    }
}

fn with_pull_secret() -> Settings {
    let mut args = args();
    args.image_pull_secrets = vec!["registry".to_owned()];
    Settings::from_args(&args).unwrap()
}

fn injected(pod: &Value) -> Value {
    let Plan::Patch { patch, .. } = plan(pod, &with_pull_secret()).unwrap() else {
        panic!("left alone");
    };
    let mut after = pod.clone();
    json_patch::patch(&mut after, &patch).unwrap();
    after
}

fn list<'a>(pod: &'a Value, key: &str) -> &'a [Value] {
    pod["spec"][key].as_array().map_or(&[], Vec::as_slice)
}

fn names(pod: &Value, key: &str) -> Vec<String> {
    let names = list(pod, key).iter().map(|item| name_of(item).to_owned());
    names.collect()
}

/// What a container was before ours were added to its variables.
fn without_our_variables(container: &Value, before: &Value) -> Value {
    let mut container = container.clone();
    if before.get("env").is_none() {
        container.as_object_mut().unwrap().remove("env");
    } else if let Some(env) = container["env"].as_array_mut() {
        let added = env.len() - before["env"].as_array().unwrap().len();
        env.drain(..added);
    }
    container
}

/// Everything of `before` is in `after`, but for what injection is there to change.
fn survives(before: &Value, after: &Value) -> bool {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => before
            .iter()
            .all(|(key, value)| after.get(key).is_some_and(|after| survives(value, after))),
        (Value::Array(before), Value::Array(after)) => before
            .iter()
            .all(|value| after.iter().any(|after| survives(value, after))),
        (Value::Null, _) => true,
        (before, after) => before == after,
    }
}

/// What Istio's injector does to the list of init containers: its own go first.
fn istio(pod: &mut Value) {
    prepend(pod, &["istio-init", "istio-proxy"]);
}

/// Linkerd's: they go last.
fn linkerd(pod: &mut Value) {
    let mut init = list(pod, "initContainers").to_vec();
    for name in ["linkerd-init", "linkerd-proxy"] {
        if !init.iter().any(|container| name_of(container) == name) {
            init.push(json!({"name": name, "restartPolicy": "Always"}));
        }
    }
    pod["spec"]["initContainers"] = json!(init);
}

fn prepend(pod: &mut Value, names: &[&str]) {
    let mut init = list(pod, "initContainers").to_vec();
    init.retain(|container| !names.contains(&name_of(container)));
    let theirs = names.iter().map(|name| json!({"name": name}));
    let init: Vec<Value> = theirs.chain(init).collect();
    pod["spec"]["initContainers"] = json!(init);
}

fn ours(pod: &mut Value) {
    *pod = injected(pod);
}

proptest! {
    #[test]
    fn twice_is_the_same_as_once(pod in pods()) {
        let once = injected(&pod);
        prop_assert_eq!(injected(&once), once);
    }

    #[test]
    fn every_container_survives_with_its_content_and_its_order(pod in pods()) {
        let after = injected(&pod);
        for key in ["containers", "initContainers"] {
            let kept: Vec<&Value> = list(&after, key)
                .iter()
                .filter(|container| name_of(container) != keys::CONTAINER)
                .collect();
            let before = list(&pod, key);
            prop_assert_eq!(kept.len(), before.len());
            for (before, after) in before.iter().zip(kept) {
                prop_assert_eq!(before, &without_our_variables(after, before));
            }
        }
        let injected = names(&after, "initContainers");
        let ours = injected.iter().filter(|name| *name == keys::CONTAINER).count();
        prop_assert_eq!(ours, 1);
    }

    #[test]
    fn fields_that_nobody_knows_survive(pod in pods()) {
        let mut before = pod.clone();
        let after = injected(&pod);
        // The two values that injection is there to change.
        before["spec"]["securityContext"] = Value::Null;
        let annotations = before["metadata"]["annotations"].as_object_mut().unwrap();
        annotations.remove("cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes");
        prop_assert!(survives(&before, &after), "{before:#}\n{after:#}");
    }

    #[test]
    fn the_sidecar_comes_after_the_mesh_and_before_the_rest_where_the_mesh_is_first(pod in pods()) {
        let after = names(&injected(&pod), "initContainers");
        let place = after.iter().position(|name| name == keys::CONTAINER).unwrap();
        let last_of_mesh = after.iter().rposition(|name| MESH.contains(&name.as_str()));
        prop_assert_eq!(place, last_of_mesh.map_or(0, |last| last + 1));
    }

    #[test]
    fn the_patch_of_the_review_makes_the_same_pod_as_the_stream(pod in pods()) {
        use base64::Engine as _;
        let review = json!({"request": {
            "uid": "u", "operation": "CREATE", "kind": {"kind": "Pod"}, "object": pod,
        }});
        let answer = admit(review.to_string().as_bytes(), &settings());
        prop_assert_eq!(answer.result, Admission::Injected);
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        let patch = base64::engine::general_purpose::STANDARD
            .decode(body["response"]["patch"].as_str().unwrap())
            .unwrap();
        let patch: json_patch::Patch = serde_json::from_slice(&patch).unwrap();
        let mut reviewed = pod.clone();
        json_patch::patch(&mut reviewed, &patch).unwrap();

        let stream = inject_stream(&pod.to_string(), &settings()).unwrap();
        let streamed: Value = serde_saphyr::from_str(&stream.yaml).unwrap();
        prop_assert_eq!(streamed, reviewed);
    }

    #[test]
    fn in_any_order_with_the_injectors_of_meshes_the_pod_has_the_same_containers(
        pod in pods(),
        mut steps in Just(vec![istio as fn(&mut Value), linkerd, ours]).prop_shuffle(),
    ) {
        let mut expected = pod.clone();
        for step in [istio, linkerd, ours] {
            step(&mut expected);
        }
        let mut found = pod;
        // Reinvocation: the API server calls the first again when a later one changed the pod.
        steps.extend_from_within(..);
        for step in steps {
            step(&mut found);
        }
        let sorted = |pod: &Value, key: &str| {
            let mut names = names(pod, key);
            names.sort_unstable();
            names
        };
        for key in ["containers", "initContainers", "volumes"] {
            prop_assert_eq!(sorted(&found, key), sorted(&expected, key));
        }
    }

    #[test]
    fn the_sidecar_reads_its_own_arguments(pod in pods()) {
        use clap::Parser as _;
        let after = injected(&pod);
        let sidecar = list(&after, "initContainers")
            .iter()
            .find(|container| name_of(container) == keys::CONTAINER)
            .unwrap();
        let args = sidecar["args"].as_array().unwrap().iter().map(|arg| arg.as_str().unwrap());
        let cli = zohorelay_sidecar::args::Cli::try_parse_from(["zohorelay-sidecar"].into_iter().chain(args));
        let zohorelay_sidecar::args::Command::Run(run) = cli.unwrap().command else {
            panic!("not run");
        };
        let asked = pod["metadata"]["annotations"][keys::IDENTITIES].as_str().unwrap();
        prop_assert_eq!(run.names.join(","), asked);
        let port = pod["metadata"]["annotations"][keys::PORT].as_str().unwrap_or("2525");
        prop_assert_eq!(run.smtp_port.to_string(), port);
        prop_assert_eq!(run.admin.port(), keys::ADMIN_PORT);
        prop_assert_eq!(run.page.port(), keys::PAGE_PORT);
        prop_assert!(zohorelay_process::telemetry::parse_filter(&run.log).is_ok());
    }

    #[test]
    fn no_bytes_panic(bytes in vec(any::<u8>(), 0..200)) {
        admit(&bytes, &settings());
        if let Ok(text) = std::str::from_utf8(&bytes) {
            let _ = inject_stream(text, &settings());
        }
    }

    #[test]
    fn no_json_panics(
        object in json_value(),
        pod in pods(),
        place in select(vec![
            "/spec", "/spec/containers", "/spec/containers/0", "/spec/initContainers",
            "/spec/volumes", "/spec/securityContext", "/metadata", "/metadata/labels",
            "/metadata/annotations", "/spec/imagePullSecrets", "/spec/containers/0/resources",
            "/spec/containers/0/name", "/spec/containers/0/image",
        ]),
    ) {
        let mut pod = pod;
        if let Some(part) = pod.pointer_mut(place) {
            *part = object;
        }
        let review = json!({"request": {
            "uid": "u", "operation": "CREATE", "kind": {"kind": "Pod"}, "object": pod,
        }});
        admit(review.to_string().as_bytes(), &settings());
        let _ = inject_stream(&pod.to_string(), &settings());
    }
}
