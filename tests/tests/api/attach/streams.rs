//! `zohorelay-operator inject` and the webhook make the same of a pod.

use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use zohorelay_tests::operator::executable;

use super::world::{World, asking, container, pod, sidecar};

/// What `inject` makes of a YAML stream.
async fn inject(yaml: &str) -> Vec<Value> {
    let mut child = Command::new(executable())
        .args([
            "inject",
            "--sidecar-image",
            "localhost/zohorelay-sidecar:test",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(yaml.as_bytes()).await.unwrap();
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    serde_saphyr::from_multiple(&text).unwrap()
}

/// The pod, or the template, of an object.
fn template(object: &Value) -> Value {
    let spec = &object["spec"];
    let mut template = match object["kind"].as_str().unwrap() {
        "Pod" => object.clone(),
        "CronJob" => spec["jobTemplate"]["spec"]["template"].clone(),
        _ => spec["template"].clone(),
    };
    template["apiVersion"] = json!("v1");
    template["kind"] = json!("Pod");
    template
}

/// What the API server stores of a pod, under a name that only the test knows.
async fn stored(world: &World, template: &Value) -> Value {
    let mut pod = template.clone();
    pod["metadata"]["name"] = json!("compared");
    pod["metadata"].as_object_mut().unwrap().remove("namespace");
    let mut pod = world.try_pod(&pod).await.unwrap();
    for list in ["initContainers", "containers"] {
        for container in pod["spec"][list].as_array_mut().unwrap() {
            let mounts = container["volumeMounts"].as_array_mut();
            mounts.unwrap().retain(|mount| !is_token(mount));
        }
    }
    let volumes = pod["spec"]["volumes"].as_array_mut().unwrap();
    volumes.retain(|volume| !is_token(volume));
    pod
}

/// The volume of the token has a random name.
fn is_token(named: &Value) -> bool {
    let name = named["name"].as_str().unwrap();
    name.starts_with("kube-api-access-")
}

#[tokio::test]
async fn the_command_and_the_webhook_make_the_same_of_every_example_and_of_more() {
    let (world, operator) = World::start().await;
    let mut first = container("first");
    first["resources"] = json!({"limits": {"cpu": "1", "memory": "64Mi"}});
    let mut metadata = asking("alerts,billing");
    metadata["annotations"]["zohorelay.dev/env"] = json!("true");
    metadata["annotations"]["zohorelay.dev/port"] = json!("587");
    metadata["annotations"]["zohorelay.dev/accept-any-login"] = json!("true");
    let spec = json!({"initContainers": [first], "containers": [container("app"), container("b")]});
    let mut sources = vec![pod("more", &metadata, &spec).to_string()];
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    for entry in std::fs::read_dir(examples).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            sources.push(std::fs::read_to_string(path).unwrap());
        }
    }

    let mut compared = Vec::new();
    for source in &sources {
        let before: Vec<Value> = serde_saphyr::from_multiple(source).unwrap();
        let after = inject(source).await;
        for (before, after) in before.iter().zip(&after) {
            let kind = before["kind"].as_str().unwrap();
            if ["Secret", "MailIdentity"].contains(&kind) {
                assert_eq!(before, after);
                continue;
            }
            let by_command = template(after);
            assert!(sidecar(&by_command).is_some(), "{kind}");
            let by_webhook = stored(&world, &template(before)).await;
            let by_command = stored(&world, &by_command).await;
            for part in ["initContainers", "containers", "volumes", "securityContext"] {
                assert_eq!(
                    by_command["spec"][part], by_webhook["spec"][part],
                    "{kind} {part}"
                );
            }
            let annotations = |pod: &Value| pod["metadata"]["annotations"].clone();
            assert_eq!(annotations(&by_command), annotations(&by_webhook), "{kind}");
            compared.push(kind.to_owned());
        }
    }
    compared.sort();
    assert_eq!(compared, ["CronJob", "Deployment", "Pod"]);
    // The webhook found nothing to do on what the command had made.
    let metrics = operator.metrics().await.unwrap();
    let name = "zohorelay_operator_admissions_total";
    let untouched = metrics.value(name, &[("result", "untouched")]);
    assert!((untouched - 3.0).abs() < 0.5, "{untouched}");
}
