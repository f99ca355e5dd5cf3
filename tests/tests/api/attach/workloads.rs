//! Pods as the controllers of Kubernetes make them; strangers; a dry run.

use serde_json::{Value, json};

use super::world::{World, asking, pod, sidecar, template};

const TOKEN_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// All that makes a pod one with the sidecar, as the API server stores it.
fn assert_attached(pod: &Value, identities: &[&str]) {
    let first = &pod["spec"]["initContainers"][0];
    assert_eq!(Some(first), sidecar(pod), "it is the first: {pod:#}");
    assert_eq!(first["restartPolicy"], "Always");
    assert_eq!(first["image"], "localhost/zohorelay-sidecar:test");
    assert_eq!(
        first["lifecycle"],
        json!({"postStart": {"exec": {"command": ["/zohorelay-sidecar", "wait"]}}})
    );
    for probe in ["readinessProbe", "livenessProbe", "startupProbe"] {
        assert!(first[probe].is_null(), "{probe}");
    }
    let named: Vec<&str> = first["args"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|it| it.as_str()?.strip_prefix("--identity="))
        .collect();
    assert_eq!(named, identities);
    assert_eq!(
        pod["metadata"]["annotations"]["zohorelay.dev/injected"],
        env!("CARGO_PKG_VERSION")
    );
    assert_documents(pod, identities);
    assert_no_token(pod);
}

/// The rendered Secrets are mounted into our container only, and need not be there.
fn assert_documents(pod: &Value, identities: &[&str]) {
    let volume = named(&pod["spec"]["volumes"], "zohorelay-identities");
    let sources: Vec<Value> = identities
        .iter()
        .map(|name| {
            json!({"secret": {
                "name": format!("zohorelay-{name}"),
                "optional": true,
                "items": [{"key": "identity.json", "path": format!("{name}/identity.json")}],
            }})
        })
        .collect();
    assert_eq!(volume["projected"]["sources"], json!(sources));
    for (container, mounts) in mounts(pod) {
        let has = mounts
            .iter()
            .any(|mount| mount["name"] == "zohorelay-identities");
        assert_eq!(has, container == "zohorelay", "{container}");
    }
}

/// The API server's own admission, which comes after the webhook, mounts the pod's token into each
/// container that has nothing at that path.
fn assert_no_token(pod: &Value) {
    for (container, mounts) in mounts(pod) {
        let at: Vec<&str> = mounts
            .iter()
            .filter(|mount| mount["mountPath"] == TOKEN_PATH)
            .map(|mount| mount["name"].as_str().unwrap())
            .collect();
        let [volume] = at[..] else {
            panic!("{container}: {at:?}");
        };
        if container == "zohorelay" {
            assert_eq!(volume, "zohorelay-no-token");
            assert_eq!(
                named(&pod["spec"]["volumes"], volume)["emptyDir"],
                json!({})
            );
        } else {
            assert!(
                volume.starts_with("kube-api-access-"),
                "{container}: {volume}"
            );
        }
    }
    let tokens = |mount: &&Value| {
        let name = mount["name"].as_str().unwrap();
        name.starts_with("kube-api-access-")
    };
    let ours = mounts(pod)
        .into_iter()
        .filter(|(name, _)| *name == "zohorelay");
    assert_eq!(
        ours.flat_map(|(_, mounts)| mounts).filter(tokens).count(),
        0
    );
}

/// Each container with what it mounts.
fn mounts(pod: &Value) -> Vec<(&str, &[Value])> {
    let lists = ["initContainers", "containers"].map(|list| pod["spec"][list].as_array());
    let containers = lists.into_iter().flatten().flatten();
    containers
        .map(|it| {
            let mounts = it["volumeMounts"].as_array();
            (it["name"].as_str().unwrap(), mounts.map_or(&[][..], |m| m))
        })
        .collect()
}

fn named<'a>(list: &'a Value, name: &str) -> &'a Value {
    let mut found = list.as_array().unwrap().iter();
    found.find(|it| it["name"] == name).unwrap()
}

/// A workload that makes one pod with the label `app`.
fn workload(api_version: &str, kind: &str, app: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": api_version, "kind": kind, "metadata": {"name": app}, "spec": spec,
    })
}

#[tokio::test]
async fn the_pods_of_every_workload_have_the_sidecar() {
    let (world, _operator) = World::start().await;
    let never = json!({"restartPolicy": "Never"});
    let job = |app: &str| json!({"template": template(app, &asking("reports,billing"), &never)});
    let set = |app: &str, spec: &Value| {
        json!({
            "selector": {"matchLabels": {"app": app}},
            "template": template(app, &asking("reports,billing"), spec),
        })
    };
    // A DaemonSet has a pod for each node that fits, so there is one that runs nothing.
    let node = world.namespace.clone();
    let labels = json!({"kubernetes.io/hostname": node});
    let on_node = json!({"nodeSelector": labels});
    world
        .apply(&json!({
            "apiVersion": "v1", "kind": "Node", "metadata": {"name": node, "labels": labels},
        }))
        .await;
    let workloads = [
        pod("pod", &asking("reports,billing"), &json!({})),
        workload(
            "apps/v1",
            "ReplicaSet",
            "replicas",
            &set("replicas", &json!({})),
        ),
        workload(
            "apps/v1",
            "Deployment",
            "deployment",
            &set("deployment", &json!({})),
        ),
        workload(
            "apps/v1",
            "StatefulSet",
            "stateful",
            &set("stateful", &json!({})),
        ),
        workload("apps/v1", "DaemonSet", "daemon", &set("daemon", &on_node)),
        workload("batch/v1", "Job", "job", &job("job")),
        workload(
            "batch/v1",
            "CronJob",
            "cron",
            &json!({"schedule": "15 3 1 1 *", "jobTemplate": {"spec": job("cron")}}),
        ),
    ];
    for object in &workloads {
        world.kubectl("apply -f -", object).await;
    }
    world
        .kubectl("create job by-hand --from=cronjob/cron", &Value::Null)
        .await;
    for object in &workloads {
        let app = object["metadata"]["name"].as_str().unwrap();
        assert_attached(&world.pod_of(app).await, &["reports", "billing"]);
    }
    world
        .kubectl(&format!("delete node {node}"), &Value::Null)
        .await;
}

#[tokio::test]
async fn strangers_are_left_alone() {
    let (world, operator) = World::start().await;
    let counted = |metrics: &zohorelay_tests::metrics::Metrics| {
        metrics.value("zohorelay_operator_admissions_total", &[])
    };
    let before = operator.metrics().await.unwrap();
    let strangers = [
        ("none", json!({})),
        (
            "other",
            json!({"labels": {"zohorelay.dev/inject": "false"}}),
        ),
        (
            "annotated",
            json!({"annotations": {"zohorelay.dev/identities": "billing"}}),
        ),
    ];
    for (name, metadata) in &strangers {
        let mut asked = pod(name, metadata, &json!({}));
        let made = world.create_pod(&asked).await.unwrap();
        assert!(made["spec"]["initContainers"].is_null(), "{name}");
        assert_eq!(
            made["spec"]["containers"][0]["image"],
            asked["spec"]["containers"][0]["image"].take()
        );
        let text = made["spec"].to_string() + &made["metadata"]["annotations"].to_string();
        assert!(!text.contains("zohorelay-"), "{name}: {text}");
        assert!(!text.contains("zohorelay.dev/injected"), "{name}: {text}");
    }
    let after = operator.metrics().await.unwrap();
    assert!(
        (counted(&after) - counted(&before)).abs() < 0.5,
        "the webhook was asked about strangers"
    );
}

#[tokio::test]
async fn a_dry_run_shows_the_sidecar_and_leaves_nothing() {
    let (world, _operator) = World::start().await;
    let asks = pod("web", &asking("billing"), &json!({}));
    let shown = world
        .kubectl("apply --dry-run=server -f - -o json", &asks)
        .await;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_attached(&shown, &["billing"]);
    let left = world
        .kubectl(
            "get pods,secrets,events,mailidentities -o name",
            &Value::Null,
        )
        .await;
    assert_eq!(left, "");
    // And what it showed is what is made.
    world.kubectl("apply -f -", &asks).await;
    let made = world.pod_of("web").await;
    let without_name = |pod: &Value| {
        let mut container = sidecar(pod).unwrap().clone();
        container["volumeMounts"].take();
        container
    };
    assert_eq!(without_name(&made), without_name(&shown));
}
