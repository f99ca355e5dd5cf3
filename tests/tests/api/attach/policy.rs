//! The policy that looks at the final pod, whatever became of the webhook.

use serde_json::{Value, json};

use super::world::{World, asking, container, pod, sidecar, until};

/// A pod that `kubectl apply` takes or not, and what is said to stderr.
async fn apply(world: &World, pod: &Value) -> (bool, String) {
    let output = world.run_kubectl("apply -f -", pod).await;
    let said = String::from_utf8(output.stderr).unwrap();
    (output.status.success(), said)
}

/// Somebody lets the webhook be ignored.
async fn ignore_webhook(world: &World) {
    let patch = r#"[{"op":"replace","path":"/webhooks/0/failurePolicy","value":"Ignore"}]"#;
    let kind = "mutatingwebhookconfiguration";
    let command = format!("patch {kind} {} --type=json -p {patch}", world.release);
    world.kubectl(&command, &Value::Null).await;
}

#[tokio::test]
async fn a_pod_that_asks_and_has_no_sidecar_is_denied_even_where_the_webhook_is_ignored() {
    let world = World::without_operator(&[]).await;
    ignore_webhook(&world).await;
    let asks = pod("web", &asking("billing"), &json!({}));
    until("the webhook is ignored", async || {
        let tried = world.try_pod(&asks).await;
        matches!(tried, Err(error) if error.to_string().contains("ValidatingAdmissionPolicy"))
    })
    .await;
    let (taken, said) = apply(&world, &asks).await;
    let release = &world.release;
    let home = &world.home;
    assert!(!taken);
    assert_eq!(
        said,
        format!(
            "Error from server (Forbidden): error when creating \"STDIN\": pods \"web\" is forbidden: \
             ValidatingAdmissionPolicy '{release}-pods' with binding '{release}-pods' denied request: \
             the pod has the label zohorelay.dev/inject=true but no sidecar: see that the pods of \
             Deployment {release}-operator in namespace {home} are ready and that no later webhook \
             takes the init container zohorelay away; a pod that shall have no sidecar must not have \
             the label\n"
        )
    );

    let mut ended = container("zohorelay");
    let spec = |container: &Value| json!({"initContainers": [container]});
    let (taken, said) = apply(&world, &pod("once", &asking("billing"), &spec(&ended))).await;
    assert!(!taken && said.contains("no sidecar"), "{said}");
    ended["restartPolicy"] = json!("Always");
    for complete in [
        pod("complete", &asking("billing"), &spec(&ended)),
        pod("stranger", &json!({}), &json!({})),
    ] {
        let (taken, said) = apply(&world, &complete).await;
        assert!(taken, "{said}");
        assert_eq!(said, "", "no warning either");
    }
}

#[tokio::test]
async fn with_failure_policy_ignore_a_pod_without_sidecar_is_made_and_whoever_applies_it_is_warned()
{
    let world = World::without_operator(&["webhook.failurePolicy=Ignore"]).await;
    let asks = |name: &str| pod(name, &asking("billing"), &json!({}));
    let mut number = 0;
    let mut said = String::new();
    until("the policy warns", async || {
        number += 1;
        let (taken, now) = apply(&world, &asks(&format!("web-{number}"))).await;
        said = now;
        taken && said.starts_with("Warning: ")
    })
    .await;
    assert!(
        said.contains("the pod has the label zohorelay.dev/inject=true but no sidecar"),
        "{said}"
    );

    // With the operator it has the sidecar, and nobody is warned.
    let _operator = world.operator(&[]).await;
    world.until_attached().await;
    let (taken, said) = apply(&world, &asks("web")).await;
    assert!(taken);
    assert_eq!(said, "");
    let pod = world.pods().get("web").await.unwrap();
    assert!(sidecar(&serde_json::to_value(pod).unwrap()).is_some());
}
