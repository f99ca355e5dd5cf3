//! The pods: each as the webhook makes it, running, and with somebody behind it who answers.

use std::process::Stdio;

use anyhow::{Context, Result, bail};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use zohorelay_crds::keys;
use zohorelay_tests::operator::executable;

use crate::identities::CONCURRENT;
use crate::scale::identity_name;
use crate::sidecars::Sidecars;
use crate::world::World;

/// Stands for the identity in the template.
const PLACEHOLDER: &str = "id-placeholder";

/// A pod as a `ReplicaSet` makes it, before admission.
pub fn plain(identities: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "shop-7d4f8b6c9d-x2x5q",
            "labels": {
                "app.kubernetes.io/name": "shop",
                "app.kubernetes.io/component": "web",
                "pod-template-hash": "7d4f8b6c9d",
                (keys::INJECT): "true",
            },
            "annotations": {
                (keys::IDENTITIES): identities,
                (keys::ENV): "true",
                "prometheus.io/scrape": "true",
                "checksum/config": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
            },
        },
        "spec": {
            "containers": [
                container("web", 8080),
                container("worker", 8081),
            ],
            "volumes": [{"name": "config", "configMap": {"name": "shop"}}],
            "tolerations": [
                {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute",
                 "tolerationSeconds": 300},
                {"key": "node.kubernetes.io/unreachable", "operator": "Exists",
                 "effect": "NoExecute", "tolerationSeconds": 300},
            ],
            "terminationGracePeriodSeconds": 30,
        },
    })
}

fn container(name: &str, port: u16) -> Value {
    let probe = json!({"httpGet": {"path": "/healthz", "port": port}, "periodSeconds": 10});
    let variables: Vec<Value> = (0..12)
        .map(
            |number| json!({"name": format!("SHOP_SETTING_{number}"), "value": "some value of it"}),
        )
        .collect();
    json!({
        "name": name,
        "image": format!("registry.example.com/shop/{name}:1.42.0"),
        "env": variables,
        "ports": [{"name": "http", "containerPort": port}],
        "readinessProbe": probe,
        "livenessProbe": probe,
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
        "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [{"name": "config", "mountPath": "/etc/shop"}],
    })
}

/// Makes all pods.
pub async fn create(world: &World, sidecars: &Sidecars) -> Result<()> {
    let template = injected().await?;
    let made = stream::iter(0..world.scale.pods())
        .map(|number| create_one(world, sidecars, &template, number));
    made.buffer_unordered(CONCURRENT).try_collect().await
}

async fn create_one(
    world: &World,
    sidecars: &Sidecars,
    template: &str,
    number: usize,
) -> Result<()> {
    let identity = number / world.scale.pods_each;
    let text = template.replace(PLACEHOLDER, &identity_name(identity));
    let mut pod: Value = serde_json::from_str(&text)?;
    let name = format!("pod-{number:05}");
    pod["metadata"]["name"] = json!(name);
    let port = sidecars.port(identity).context("a sidecar")?;
    *admin_port(&mut pod).context("the admin port in the sidecar")? = json!(port);
    let namespace = world.scale.namespace_of(identity);
    let pods: Api<Pod> = Api::namespaced(world.client.clone(), &namespace);
    pods.create(&PostParams::default(), &serde_json::from_value(pod)?)
        .await
        .context("making a pod")?;
    let ip = "127.0.0.1";
    let status = json!({"status": {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}]}});
    pods.patch_status(&name, &PatchParams::default(), &Patch::Merge(status))
        .await
        .context("saying that a pod runs")?;
    Ok(())
}

fn admin_port(pod: &mut Value) -> Option<&mut Value> {
    let containers = pod["spec"]["initContainers"].as_array_mut()?;
    let sidecar = containers
        .iter_mut()
        .find(|container| container["name"] == keys::CONTAINER)?;
    let mut ports = sidecar["ports"].as_array_mut()?.iter_mut();
    ports
        .find(|port| port["name"] == keys::ADMIN_PORT_NAME)
        .map(|port| &mut port["containerPort"])
}

/// The pod with the sidecar, as JSON: the operator under test puts it in.
async fn injected() -> Result<String> {
    let mut command = Command::new(executable());
    command
        .args([
            "inject",
            "--sidecar-image",
            "localhost/zohorelay-sidecar:test",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command.spawn().context("starting `inject`")?;
    let plain = plain(PLACEHOLDER).to_string();
    let mut stdin = child.stdin.take().context("its stdin")?;
    stdin.write_all(plain.as_bytes()).await?;
    drop(stdin);
    let output = child.wait_with_output().await?;
    if !output.status.success() {
        bail!("`inject` ended with {}", output.status);
    }
    let pod: Value = serde_saphyr::from_str(&String::from_utf8(output.stdout)?)
        .context("reading what it printed")?;
    Ok(pod.to_string())
}
