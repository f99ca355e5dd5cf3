//! What a person reads who applies a pod that cannot have the sidecar, and what the controller of one
//! writes into an event.

use serde_json::{Value, json};

use super::world::{World, asking, container, pod, sidecar, template};

/// What `kubectl apply` says of a pod; it must not be taken.
async fn refusal(world: &World, pod: &Value) -> String {
    let output = world.run_kubectl("apply -f -", pod).await;
    assert!(!output.status.success(), "taken: {pod:#}");
    String::from_utf8(output.stderr).unwrap()
}

fn with_port(port: u16) -> Value {
    let mut app = container("web");
    app["ports"] = json!([{"containerPort": port}]);
    json!({"containers": [app]})
}

#[tokio::test]
async fn whoever_applies_a_pod_that_cannot_have_the_sidecar_reads_why_and_what_to_do() {
    let (world, operator) = World::start().await;
    let plain = json!({});
    let asks = asking("billing");
    let mut no_identity = asks.clone();
    no_identity["annotations"] = plain.clone();
    let mut typo = asks.clone();
    typo["annotations"]["zohorelay.dev/identitys"] = json!("billing");
    let cases = [
        (
            no_identity,
            plain.clone(),
            &["no identity is named", "zohorelay.dev/identities: billing"][..],
        ),
        (
            asking("Billing"),
            plain,
            &["\"Billing\" is no name of an identity"],
        ),
        (
            typo,
            json!({}),
            &[
                "zohorelay.dev/identitys is not known",
                "zohorelay.dev/identities,",
            ],
        ),
        (
            asks.clone(),
            json!({"nodeSelector": {"kubernetes.io/os": "windows"}}),
            &["for Windows", "send from a Linux pod"],
        ),
        (
            asks.clone(),
            with_port(2525),
            &[
                "port 2525 is taken by container \"web\"",
                "zohorelay.dev/port",
            ],
        ),
        (
            asks.clone(),
            with_port(9465),
            &[
                "port 9465 is taken by container \"web\"",
                "move the container's",
            ],
        ),
        (
            asks.clone(),
            json!({"initContainers": [container("zohorelay")]}),
            &[
                "spec.initContainers has a container named zohorelay",
                "rename it",
            ],
        ),
    ];
    for (metadata, spec, words) in &cases {
        let said = refusal(&world, &pod("web", metadata, spec)).await;
        for word in *words {
            assert!(said.contains(word), "no {word:?} in {said}");
        }
    }

    let on_the_node = pod("web", &asks, &json!({"hostNetwork": true}));
    assert_eq!(
        refusal(&world, &on_the_node).await,
        "Error from server (Forbidden): error when creating \"STDIN\": admission webhook \
         \"inject.zohorelay.dev\" denied the request: hostNetwork is true, so 127.0.0.1 is the node's \
         and whoever is on the node could send mail: take hostNetwork away, or send from a pod without \
         it\n"
    );
    let metrics = operator.metrics().await.unwrap();
    let name = "zohorelay_operator_admissions_total";
    let refused = metrics.value(name, &[("result", "refused")]);
    assert!((refused - 8.0).abs() < 0.1, "{refused} were refused");
}

#[tokio::test]
async fn the_controller_of_a_refused_pod_says_why_in_an_event() {
    let (world, _operator) = World::start().await;
    let template = template("web", &asking("billing"), &json!({"hostNetwork": true}));
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": template},
    });
    world.kubectl("apply -f -", &deployment).await;
    let note = world
        .note("denied the request: hostNetwork is true, so 127.0.0.1 is the node's")
        .await;
    assert!(note.contains("take hostNetwork away"), "{note}");
}

#[tokio::test]
async fn what_works_but_should_be_known_is_a_warning_to_whoever_applies_it() {
    let (world, _operator) = World::start().await;
    let shared = json!({"shareProcessNamespace": true});
    let pod = pod("web", &asking("billing"), &shared);
    let output = world.run_kubectl("apply -f - -o json", &pod).await;
    assert!(output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        said,
        "Warning: shareProcessNamespace: other containers see the sidecar's process, and one that \
         runs as root or as the same user may read the mail password\n"
    );
    let pod: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(sidecar(&pod).is_some());
}
