//! CPU, memory and quality of service, as `LimitRange`, `ResourceQuota` and the API server see them.

use k8s_openapi::api::core::v1::ResourceQuota;
use serde_json::{Value, json};
use zohorelay_tests::objects::{self, api};

use super::world::{World, asking, container, pod, sidecar};

/// A pod whose one container has these resources; more annotations of ours may be added.
fn asks(name: &str, resources: &Value, annotations: &[(&str, &str)]) -> Value {
    let mut metadata = asking("billing");
    for (key, value) in annotations {
        metadata["annotations"][*key] = json!(value);
    }
    let mut app = container("app");
    app["resources"] = resources.clone();
    pod(name, &metadata, &json!({"containers": [app]}))
}

fn amounts(cpu: &str, memory: &str) -> Value {
    json!({"cpu": cpu, "memory": memory})
}

async fn limit_range(world: &World, limits: &Value) {
    let mut limits = limits.clone();
    limits["type"] = json!("Container");
    let object = json!({
        "apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "limits"},
        "spec": {"limits": [limits]},
    });
    world.kubectl("apply -f -", &object).await;
}

/// Waits until a pod is judged by what was applied: the API server learns of it by a watch.
async fn until_refused(world: &World, pod: &Value, reason: &str) {
    super::world::until(
        reason,
        async || matches!(world.try_pod(pod).await, Err(error) if error.to_string().contains(reason)),
    )
    .await;
}

#[tokio::test]
async fn a_pod_keeps_its_quality_of_service_and_becomes_burstable_at_worst() {
    let (world, _operator) = World::start().await;
    let full = amounts("500m", "256Mi");
    let cases = [
        ("limits", json!({"limits": full}), "Guaranteed"),
        (
            "both",
            json!({"limits": full, "requests": full}),
            "Guaranteed",
        ),
        (
            "burstable",
            json!({"limits": full, "requests": amounts("100m", "64Mi")}),
            "Burstable",
        ),
        ("nothing", json!({}), "Burstable"),
    ];
    for (name, resources, class) in &cases {
        let pod = world.create_pod(&asks(name, resources, &[])).await.unwrap();
        assert!(sidecar(&pod).is_some(), "{name}");
        assert_eq!(pod["status"]["qosClass"], *class, "{name}");
    }
}

#[tokio::test]
async fn a_limit_range_fills_in_judges_and_is_met() {
    let (world, _operator) = World::start().await;
    let full = amounts("200m", "128Mi");
    limit_range(
        &world,
        &json!({
            "min": amounts("5m", "8Mi"),
            "max": amounts("1", "512Mi"),
            "default": full,
            "defaultRequest": full,
            "maxLimitRequestRatio": amounts("10", "4"),
        }),
    )
    .await;
    let too_much = json!({"limits": amounts("2", "128Mi")});
    until_refused(&world, &asks("big", &too_much, &[]), "maximum cpu usage").await;

    // Its own defaults make the app Guaranteed before the webhook is asked: it stays so.
    let filled = world
        .create_pod(&asks("filled", &json!({}), &[]))
        .await
        .unwrap();
    assert_eq!(filled["status"]["qosClass"], "Guaranteed", "{filled:#}");
    assert_eq!(
        filled["spec"]["containers"][0]["resources"]["limits"],
        json!(full)
    );
    let resources = &sidecar(&filled).unwrap()["resources"];
    assert_eq!(resources["limits"], amounts("100m", "64Mi"));

    let own = json!({"limits": amounts("200m", "128Mi"), "requests": amounts("20m", "32Mi")});
    let pod = world.create_pod(&asks("own", &own, &[])).await.unwrap();
    let resources = &sidecar(&pod).unwrap()["resources"];
    assert_eq!(resources["limits"], amounts("100m", "64Mi"));
    assert_eq!(resources["requests"]["cpu"], "10m");
    assert_eq!(resources["requests"]["memory"], "16Mi");
}

#[tokio::test]
async fn where_a_limit_range_wants_more_the_annotations_give_it() {
    let (world, _operator) = World::start().await;
    limit_range(
        &world,
        &json!({"min": amounts("50m", "96Mi"), "maxLimitRequestRatio": {"memory": "1"}}),
    )
    .await;
    let app = json!({"limits": amounts("100m", "128Mi"), "requests": amounts("50m", "128Mi")});
    let refused = asks("web", &app, &[]);
    until_refused(
        &world,
        &refused,
        "minimum memory usage per Container is 96Mi",
    )
    .await;
    let enough = [
        ("zohorelay.dev/cpu-request", "50m"),
        ("zohorelay.dev/memory-request", "96Mi"),
        ("zohorelay.dev/memory-limit", "96Mi"),
    ];
    let pod = world.create_pod(&asks("web", &app, &enough)).await.unwrap();
    let resources = &sidecar(&pod).unwrap()["resources"];
    assert_eq!(resources["requests"]["memory"], "96Mi");
    assert_eq!(resources["limits"]["memory"], "96Mi");
}

#[tokio::test]
async fn a_quota_on_requests_and_limits_is_met_and_counts_the_sidecar() {
    let (world, _operator) = World::start().await;
    let hard = json!({
        "requests.cpu": "1", "requests.memory": "1Gi", "limits.cpu": "2", "limits.memory": "2Gi",
    });
    let quota = json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "compute"},
        "spec": {"hard": hard},
    });
    world.kubectl("apply -f -", &quota).await;
    let quotas = api::<ResourceQuota>(&world.client, &world.namespace);
    let used = async |what: &str, cpu: &str| {
        let fits = |quota: Option<&ResourceQuota>| {
            let used = quota.and_then(|it| it.status.as_ref()?.used.as_ref()?.get("limits.cpu"));
            used.is_some_and(|used| used.0 == cpu)
        };
        let quota = objects::until(&quotas, "compute", what, fits)
            .await
            .unwrap();
        quota.unwrap().status.unwrap().used.unwrap()
    };
    used("its status is known", "0").await;
    // A pod that has no limits is refused, so the quota is at work.
    until_refused(
        &world,
        &asks("none", &json!({}), &[]),
        "must specify limits.cpu",
    )
    .await;
    let app = json!({"limits": amounts("500m", "256Mi"), "requests": amounts("100m", "64Mi")});
    let pod = world.create_pod(&asks("web", &app, &[])).await.unwrap();
    assert!(sidecar(&pod).is_some());
    let used = used("the pod is counted", "600m").await;
    let used: Vec<(&str, &str)> = used
        .iter()
        .map(|(k, v)| (k.as_str(), v.0.as_str()))
        .collect();
    assert_eq!(
        used,
        [
            ("limits.cpu", "600m"),
            ("limits.memory", "320Mi"),
            ("requests.cpu", "110m"),
            ("requests.memory", "80Mi"),
        ]
    );
}

#[tokio::test]
async fn a_namespace_that_enforces_restricted_takes_the_sidecar_and_judges_the_app() {
    let (world, _operator) = World::start().await;
    let pod = world
        .create_pod(&asks("web", &json!({}), &[]))
        .await
        .unwrap();
    assert!(sidecar(&pod).is_some());
    let mut loose = asks("loose", &json!({}), &[]);
    loose["spec"]["containers"][0]["securityContext"] = json!({});
    let refusal = world.create_pod(&loose).await.unwrap_err().to_string();
    assert!(refusal.contains("violates PodSecurity"), "{refusal}");
    assert!(refusal.contains("container \"app\""), "{refusal}");
    assert!(!refusal.contains("container \"zohorelay\""), "{refusal}");
    // A port below 1024 takes a sysctl, which restricted allows.
    let low = [("zohorelay.dev/port", "25")];
    let pod = world
        .create_pod(&asks("low", &json!({}), &low))
        .await
        .unwrap();
    assert_eq!(
        pod["spec"]["securityContext"]["sysctls"],
        json!([{"name": "net.ipv4.ip_unprivileged_port_start", "value": "25"}])
    );
}
