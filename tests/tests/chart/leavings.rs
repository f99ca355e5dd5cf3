//! What a real operator leaves goes or stays as the chart promises, and what helm prints for people to type
//! works when it is typed.

use std::env;
use std::process::Stdio;

use serde_json::{Value, json};
use zoho_simulator::{Account, Options as Zoho, Simulator};
use zohorelay_cluster::Running;
use zohorelay_cluster::binaries::Program;
use zohorelay_tests::operator::{self, Operator};
use zohorelay_tests::release::{ON_LOOPBACK, Release};

use crate::cluster::{
    APPLY, alone, attempt, inventory, kubectl, make_namespaces, until, until_left,
};
use crate::helm::{NAMESPACE, RELEASE};
use crate::lifecycle::{KEPT, SHOP, until_the_collector_knows_identities};

const ADDRESS: &str = "billing@example.com";
/// As the notes have it.
const PASSWORD: &str = "THE APP PASSWORD";
const READY: &str = "wait --for=condition=Ready mailidentity/billing -n shop --timeout=60s";

async fn zoho() -> zoho_simulator::Running {
    let account = Account::new(ADDRESS, PASSWORD);
    Simulator::start(Zoho::with_account(account)).await.unwrap()
}

async fn install(running: &Running, values: &[&str]) -> (Release, String) {
    let values = [&ON_LOOPBACK[..], values].concat();
    let installed = Release::install(running, RELEASE, NAMESPACE, &values).await;
    installed.unwrap()
}

/// The simulated Zoho in place of the real one.
fn server(zoho: &zoho_simulator::Running) -> Value {
    json!({
        "host": "localhost", "port": zoho.implicit_tls().unwrap().port(),
        "security": "ImplicitTls", "caBundle": zoho.ca_pem(),
    })
}

async fn declare(running: &Running, zoho: &zoho_simulator::Running) {
    let identity = json!({
        "apiVersion": "zohorelay.dev/v1alpha1", "kind": "MailIdentity",
        "metadata": {"name": "billing", "namespace": SHOP},
        "spec": {
            "address": ADDRESS,
            "server": server(zoho),
            "credentials": {"passwordSecretRef": {"name": "billing-zoho", "key": "password"}},
        },
    });
    kubectl(running, APPLY, &identity.to_string()).await;
}

/// Runs an operator until the identity is published and the webhook certified, and ends it in order.
async fn operate(running: &Running, release: &Release) {
    let operator = release.operator(running, "operator").await.unwrap();
    kubectl(running, READY, "").await;
    is_ready(&operator).await;
    assert!(operator.stop().await.unwrap().success());
    for own in ["secret/zohorelay-webhook", "lease/zohorelay-operator"] {
        kubectl(running, &format!("get {own} -n {NAMESPACE}"), "").await;
    }
}

async fn is_ready(operator: &Operator) {
    until("the operator is ready", async || {
        operator.get("/ready").await.unwrap().0 == 200
    })
    .await;
}

/// docs/proof.md O15 with what a real operator made.
#[tokio::test]
async fn what_a_real_operator_made_stays_for_pods_and_goes_otherwise_or_goes_without_keep() {
    let running = &*alone().await;
    make_namespaces(running, &[NAMESPACE, SHOP]).await;
    let zoho = zoho().await;
    let password = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "billing-zoho", "namespace": SHOP}, "stringData": {"password": PASSWORD},
    });
    kubectl(running, APPLY, &password.to_string()).await;
    let before = inventory(running).await;
    for keep in [true, false] {
        let keeps = format!("crds.keep={keep}");
        let (release, _) = install(running, &[&keeps, "--take-ownership"]).await;
        declare(running, &zoho).await;
        operate(running, &release).await;
        until_the_collector_knows_identities(running).await;
        release.uninstall(running).await.unwrap();
        until_left(running, &before, if keep { KEPT } else { &[] }).await;
    }
    kubectl(running, "delete secret billing-zoho -n shop", "").await;
}

/// The commands of a text: paragraphs that begin with one.
fn commands(notes: &str) -> Vec<String> {
    let paragraphs = notes.split("\n\n");
    let commands = paragraphs.filter(|paragraph| {
        let first = paragraph.trim_start();
        first.starts_with("kubectl ") || first.starts_with("zohorelay-operator ")
    });
    commands.map(str::to_owned).collect()
}

/// Starts what somebody typed.
fn type_in(running: &Running, command: &str) -> tokio::process::Child {
    let kubectl = running.command(Program::Kubectl).unwrap();
    let folders = [kubectl.get_program(), operator::executable().as_os_str()]
        .map(|program| std::path::Path::new(program).parent().unwrap().to_owned());
    let path = env::var_os("PATH").unwrap();
    let path = env::join_paths(folders.into_iter().chain(env::split_paths(&path))).unwrap();
    let mut shell = tokio::process::Command::new("bash");
    shell
        .args(["-euo", "pipefail", "-c", command])
        .env("KUBECONFIG", running.kubeconfig())
        .env("HOME", running.folder())
        .env("PATH", path)
        .current_dir(running.folder())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    shell.spawn().unwrap()
}

async fn typed(running: &Running, command: &str) {
    let status = type_in(running, command).wait().await.unwrap();
    assert!(status.success(), "{command}");
}

/// No kubelet runs here, so the test says that the pods of the operator run.
async fn roll_out(running: &Running) {
    let ready = json!({"status": {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "True"}],
    }});
    let list = format!("get pods -n {NAMESPACE} -o name");
    until("the Deployment has its pods", async || {
        kubectl(running, &list, "").await.lines().count() == 2
    })
    .await;
    for pod in kubectl(running, &list, "").await.lines() {
        let patch =
            format!("patch {pod} -n {NAMESPACE} --subresource=status --type=merge -p {ready}");
        kubectl(running, &patch, "").await;
    }
}

fn application() -> Value {
    let labels = json!({"app": "shop"});
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "shop", "namespace": SHOP},
        "spec": {
            "replicas": 1, "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "app", "image": "app"}]},
            },
        },
    })
}

#[tokio::test]
async fn what_the_notes_say_works_when_it_is_typed() {
    let running = &*alone().await;
    make_namespaces(running, &[NAMESPACE, SHOP]).await;
    let zoho = zoho().await;
    let (release, printed) = install(running, &[]).await;
    let commands = commands(printed.split_once("\nNOTES:\n").unwrap().1);
    let [roll, declare, attach, delete] = commands.as_slice() else {
        panic!("{commands:#?}");
    };

    roll_out(running).await;
    typed(running, roll).await;

    // The operator starts when nothing leads to the real Zoho any more.
    let mut declared = type_in(running, declare);
    let there = format!("wait --for=create mailidentity/billing -n {SHOP} --timeout=60s");
    kubectl(running, &there, "").await;
    let patch = json!({"spec": {"server": server(&zoho)}});
    let patch = patch.to_string().replace(' ', "\\u0020");
    let patch = format!("patch mailidentity billing -n {SHOP} --type=merge -p {patch}");
    kubectl(running, &patch, "").await;
    let operator = release.operator(running, "operator").await.unwrap();
    assert!(declared.wait().await.unwrap().success(), "{declare}");
    assert_eq!(zoho.logins(ADDRESS).ok, 1);

    is_ready(&operator).await;
    let client = running.client().unwrap();
    release.register(&client, &operator).await.unwrap();
    kubectl(running, APPLY, &application().to_string()).await;
    typed(running, attach).await;
    let sidecars = format!(
        "get pods -n {SHOP} -l app=shop -o jsonpath={{.items[*].spec.initContainers[*].name}}"
    );
    until("its pods have the sidecar", async || {
        kubectl(running, &sidecars, "").await == "zohorelay"
    })
    .await;

    drop(operator);
    release.uninstall(running).await.unwrap();
    typed(running, delete).await;
    let gone = attempt(running, "get mailidentities -A", "").await;
    assert!(!gone.status.success());
    kubectl(running, "delete namespace shop --timeout=60s", "").await;
}

#[tokio::test]
async fn without_a_webhook_the_notes_inject_a_manifest() {
    let running = &*alone().await;
    make_namespaces(running, &[NAMESPACE, SHOP]).await;
    let (release, printed) = install(running, &["webhook.enabled=false", "crds.keep=false"]).await;
    let commands = commands(printed.split_once("\nNOTES:\n").unwrap().1);
    let start = "zohorelay-operator inject";
    let inject = commands
        .iter()
        .find(|it| it.trim_start().starts_with(start));
    let mut manifest = application();
    let metadata = &mut manifest["spec"]["template"]["metadata"];
    metadata["labels"]["zohorelay.dev/inject"] = json!("true");
    metadata["annotations"] = json!({"zohorelay.dev/identities": "billing"});
    let file = running.folder().join("shop.yaml");
    std::fs::write(&file, manifest.to_string()).unwrap();
    typed(running, inject.unwrap()).await;
    let pods = format!("get pods -n {SHOP} -l app=shop -o name");
    until("the policy lets its pods in", async || {
        !kubectl(running, &pods, "").await.is_empty()
    })
    .await;
    release.uninstall(running).await.unwrap();
    kubectl(running, "delete namespace shop --timeout=60s", "").await;
}
