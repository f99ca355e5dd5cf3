//! The chart's `NetworkPolicy`, enforced: it forbids what it should, and everything works behind it.
//!
//! No network plugin of the node enforces policies; [`enforce`] does, by packet filters made of the objects
//! that are at the API server.

mod enforce;
mod rules;

use std::net::IpAddr;
use std::time::Instant;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kube::api::ListParams;
use serde_json::{Value, json};
use zohorelay_cluster::binaries::Program;
use zohorelay_crds::MailIdentity;
use zohorelay_tests::ground::shop::{IDENTITY, Shop, ask};
use zohorelay_tests::ground::workload::Workload;
use zohorelay_tests::ground::{Ground, RELEASE, SYSTEM, VALUES, zoho};
use zohorelay_tests::objects;

use self::enforce::Enforcer;

/// Where a pod of the operator listens for this test alone.
const FORBIDDEN_PORT: u16 = 7777;

#[tokio::test]
async fn behind_the_enforced_network_policy_of_the_chart_everything_works() {
    let shop = Shop::open_alone("policy").await.unwrap();
    let ground = shop.ground;
    let Some(node) = ground.node() else {
        assert!(std::env::var_os("CI").is_none(), "in CI there is a node");
        println!("left out: the NetworkPolicy needs a node of its own");
        return;
    };
    let outside = outside(ground).await.unwrap();
    shop.start(&shell(&shop)).await.unwrap();
    shop.pod_of("shell").await.unwrap();
    let operator = operator(&shop).await.unwrap();
    listen(&shop, &operator).await.unwrap();
    let (into, out_of) = (ask::address(&operator).unwrap(), outside.to_string());
    let inbound = async || {
        let at = (&*into, FORBIDDEN_PORT, "/");
        fetch(ground, &shop.namespace, "shell", at).await
    };
    let outbound = async || {
        let at = (&*out_of, 8080, "/healthz");
        fetch(ground, SYSTEM, &operator.name_any(), at).await
    };

    // What the policy forbids works without it.
    for open in [inbound().await, outbound().await] {
        let answer = open.unwrap();
        assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
    }
    install(ground, true).await.unwrap();
    let enforcer = Enforcer::start(&shop.client, node, outside).await.unwrap();
    for forbidden in [inbound().await, outbound().await] {
        let error = forbidden.expect_err("it is forbidden").to_string();
        assert!(error.contains("timed out"), "{error}");
    }

    // From here on no connection of the operator is older than the policy.
    let began = Instant::now();
    ground
        .kubectl(&format!(
            "rollout restart deployment -n {SYSTEM} {RELEASE}-operator"
        ))
        .await
        .unwrap();
    ground
        .kubectl(&format!(
            "rollout status deployment -n {SYSTEM} {RELEASE}-operator --timeout=120s"
        ))
        .await
        .unwrap();
    println!(
        "cluster: operator restarted behind the policy {:?}",
        began.elapsed()
    );
    works(&shop).await;

    drop(enforcer);
    install(ground, false).await.unwrap();
    shop.close().await.unwrap().verdict.assert_sound(0);
}

/// Admission, mail, summaries, logins at both ports by name, and metrics.
async fn works(shop: &Shop) {
    let app = shop.deployment("shop").flags(&["--count=3", "--linger"]);
    shop.start(&app).await.unwrap();
    shop.until_available("shop").await.unwrap();
    shop.until_mails(3).await.unwrap();
    shop.until::<MailIdentity>(IDENTITY, "the pod's summary was read", |found| {
        let status = found.status.as_ref();
        let pods = status.and_then(|status| status.pods.as_ref());
        pods.is_some_and(|pods| (pods.attached, pods.current) == (1, 1))
    })
    .await
    .unwrap();
    shop.until_condition(IDENTITY, "RolledOut", "True")
        .await
        .unwrap();

    for (identity, port, security) in [
        ("alerts", 465, "ImplicitTls"),
        ("helpdesk", 587, "StartTls"),
    ] {
        shop.mailbox(identity).await.unwrap();
        shop.set_password(identity, &shop.password).await.unwrap();
        let mut object = shop.identity(identity).await.unwrap();
        object["spec"]["server"]["port"] = json!(port);
        object["spec"]["server"]["security"] = json!(security);
        shop.apply(&object).await.unwrap();
        let verified = shop.until_condition(identity, "CredentialsVerified", "True");
        verified.await.unwrap();
    }

    let operator = operator(shop).await.unwrap();
    let address = ask::address(&operator).unwrap();
    let metrics = (&*address, 9465, "/metrics");
    let metrics = fetch(shop.ground, &shop.namespace, "shell", metrics).await;
    assert!(metrics.unwrap().contains("zohorelay_build_info"));
}

async fn install(ground: &Ground, with_policy: bool) -> Result<()> {
    let slices = "get endpointslices -n default -l kubernetes.io/service-name=kubernetes";
    let port = format!("{slices} -o jsonpath={{.items[0].ports[0].port}}");
    let port = ground.kubectl(&port).await?;
    let enabled = format!("networkPolicy.enabled={with_policy}");
    let ports = format!("networkPolicy.apiServerPorts={{443,{port}}}");
    let mut values = VALUES.to_vec();
    if with_policy {
        values.extend([&*enabled, &*ports]);
    }
    ground.install(&values).await.map(drop)
}

/// The address of the Service that stands for Zoho, which in truth is no part of the cluster.
async fn outside(ground: &Ground) -> Result<IpAddr> {
    let (name, namespace) = (zoho::NAME, zoho::NAMESPACE);
    let command = format!("get service {name} -n {namespace} -o jsonpath={{.spec.clusterIP}}");
    Ok(ground.kubectl(&command).await?.parse()?)
}

/// A pod of the operator that runs.
async fn operator(shop: &Shop) -> Result<Pod> {
    let labelled = ListParams::default().labels(&format!("app.kubernetes.io/instance={RELEASE}"));
    let found = objects::api::<Pod>(&shop.client, SYSTEM)
        .list(&labelled)
        .await?;
    let is_there =
        |pod: &Pod| pod.metadata.deletion_timestamp.is_none() && ask::address(pod).is_some();
    found
        .items
        .into_iter()
        .find(is_there)
        .context("a pod of the operator")
}

/// A pod with a shell and without sidecar.
fn shell(shop: &Shop) -> Workload {
    let set = |workload: Workload, field: &str, value: Value| {
        workload.set_pod(&format!("/spec/containers/0/{field}"), value)
    };
    let pod = shop.pod("shell").stranger();
    let pod = pod.set_pod("/spec/terminationGracePeriodSeconds", json!(0));
    let pod = set(pod, "name", json!("shell"));
    let pod = set(pod, "image", json!("zohorelay/busybox:1"));
    let pod = set(pod, "args", json!([]));
    set(pod, "command", json!(["/bin/busybox", "sleep", "3600"]))
}

/// Lets a pod of the operator listen at [`FORBIDDEN_PORT`], by a container `shell` that is put into it.
async fn listen(shop: &Shop, operator: &Pod) -> Result<()> {
    let (name, port) = (operator.name_any(), FORBIDDEN_PORT.to_string());
    let mut arguments = vec!["-n", SYSTEM, "debug", &name, "-c", "shell"];
    arguments.extend([
        "--image=zohorelay/busybox:1",
        "--image-pull-policy=IfNotPresent",
    ]);
    arguments.extend([
        "--profile=restricted",
        "--",
        "/bin/busybox",
        "httpd",
        "-f",
        "-p",
        &port,
    ]);
    shop.ground
        .cluster
        .output(Program::Kubectl, &arguments)
        .await?;
    let pods = objects::api::<Pod>(&shop.client, SYSTEM);
    objects::until(&pods, &name, "the container put into it runs", |pod| {
        let status = pod.and_then(|pod| pod.status.as_ref());
        let added = status.and_then(|status| status.ephemeral_container_statuses.as_ref());
        let mut of_each = added.into_iter().flatten().filter_map(|c| c.state.as_ref());
        of_each.any(|state| state.running.is_some())
    })
    .await
    .map(drop)
}

/// What the container `shell` of a pod gets at `http://HOST:PORT/PATH`.
async fn fetch(
    ground: &Ground,
    namespace: &str,
    pod: &str,
    at: (&str, u16, &str),
) -> Result<String> {
    let (host, port, path) = at;
    let request =
        format!("GET {path} HTTP/1.1\\r\\nHost: {host}\\r\\nConnection: close\\r\\n\\r\\n");
    // A server may leave where it hears the end before it has answered.
    let script = format!("(printf '{request}'; sleep 1) | timeout 10 nc -w 3 {host} {port}");
    let exec = ["-n", namespace, "exec", pod, "-c", "shell", "--"];
    let arguments = [&exec[..], &["/bin/busybox", "sh", "-c", &script]].concat();
    ground.cluster.output(Program::Kubectl, &arguments).await
}
