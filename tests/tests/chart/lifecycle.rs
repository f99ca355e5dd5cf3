//! Install, upgrade, uninstall, and what stays.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Value, json};
use zohorelay_cluster::Running;

use crate::cluster::{
    APPLY, alone, attempt, helm, inventory, kubectl, make_namespaces, until, until_left,
};
use crate::helm::{self as offline, NAMESPACE, RELEASE};

/// Where identities are.
pub(crate) const SHOP: &str = "shop";
const CREATE: &str = "create -o json -f -";
const DELETE_DEFINITION: &str = "delete crd mailidentities.zohorelay.dev --timeout=6m";

/// What is kept by default: the definition (with what the API server makes of it), the identity, its
/// rendered Secret.
pub(crate) const KEPT: &[&str] = &[
    "APIService /v1alpha1.zohorelay.dev",
    "CustomResourceDefinition /mailidentities.zohorelay.dev",
    "MailIdentity shop/billing",
    "Secret shop/zohorelay-billing",
];

async fn install(running: &Running, values: &[&str]) {
    run_with("install", running, values).await;
}

async fn upgrade(running: &Running, values: &[&str]) {
    run_with("upgrade", running, values).await;
}

/// Flags among the values are flags, all else is for `--set`.
async fn run_with(task: &str, running: &Running, values: &[&str]) {
    let chart = offline::chart();
    let mut arguments = vec![task, RELEASE, &chart, "-n", NAMESPACE];
    for value in values {
        if !value.starts_with("--") {
            arguments.push("--set");
        }
        arguments.push(value);
    }
    helm(running, &arguments).await;
}

async fn uninstall(running: &Running) {
    helm(running, &["uninstall", RELEASE, "-n", NAMESPACE]).await;
}

async fn create(running: &Running, object: Value) -> Value {
    let printed = kubectl(running, CREATE, &object.to_string()).await;
    serde_json::from_str(&printed).unwrap()
}

/// An identity, and the rendered Secret that an operator makes of it.
async fn declare(running: &Running, name: &str) {
    let identity = json!({
        "apiVersion": "zohorelay.dev/v1alpha1", "kind": "MailIdentity",
        "metadata": {"name": name, "namespace": SHOP},
        "spec": {
            "address": format!("{name}@example.com"),
            "credentials": {"passwordSecretRef": {"name": "zoho", "key": "password"}},
        },
    });
    let identity = create(running, identity).await;
    let mut owner = owner(&identity);
    owner["controller"] = json!(true);
    let rendered = owned("v1", "Secret", &format!("zohorelay-{name}"), SHOP, &owner);
    create(running, rendered).await;
}

/// What an operator leaves behind: a rendered Secret, its own certificate and Lease.
async fn work(running: &Running) {
    declare(running, "billing").await;
    let get = format!("get deployment zohorelay-operator -n {NAMESPACE} -o json");
    let deployment = serde_json::from_str(&kubectl(running, &get, "").await).unwrap();
    let owner = owner(&deployment);
    let secret = owned("v1", "Secret", "zohorelay-webhook", NAMESPACE, &owner);
    create(running, secret).await;
    let group = "coordination.k8s.io/v1";
    let lease = owned(group, "Lease", "zohorelay-operator", NAMESPACE, &owner);
    create(running, lease).await;
}

fn owner(object: &Value) -> Value {
    let metadata = &object["metadata"];
    json!({
        "apiVersion": object["apiVersion"], "kind": object["kind"],
        "name": metadata["name"], "uid": metadata["uid"],
    })
}

fn owned(version: &str, kind: &str, name: &str, namespace: &str, owner: &Value) -> Value {
    let metadata = json!({"name": name, "namespace": namespace, "ownerReferences": [owner]});
    json!({"apiVersion": version, "kind": kind, "metadata": metadata})
}

/// As whoever makes the certificate writes it.
async fn write_ca_bundle(running: &Running, bundle: &str) {
    let patch = json!([
        {"op": "test", "path": "/webhooks/0/name", "value": "inject.zohorelay.dev"},
        {"op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": bundle},
    ]);
    let manager = "--field-manager=zohorelay-operator";
    let command =
        format!("patch mutatingwebhookconfiguration {RELEASE} --type=json {manager} -p {patch}");
    kubectl(running, &command, "").await;
}

async fn ca_bundle(running: &Running) -> String {
    let path = "-o=jsonpath={.webhooks[0].clientConfig.caBundle}";
    let get = format!("get mutatingwebhookconfiguration {RELEASE} {path}");
    kubectl(running, &get, "").await
}

/// The garbage collector looks for new kinds every 30 s, and misses what owners of a kind leave that goes
/// before. So this waits until it takes away what an identity leaves.
pub(crate) async fn until_the_collector_knows_identities(running: &Running) {
    until("the collector knows identities", async || {
        declare(running, "probe").await;
        let delete = format!("delete mailidentity probe -n {SHOP}");
        kubectl(running, &delete, "").await;
        let gone = format!("wait --for=delete secret/zohorelay-probe -n {SHOP} --timeout=3s");
        let collected = attempt(running, &gone, "").await.status.success();
        let delete = format!("delete secret zohorelay-probe -n {SHOP} --ignore-not-found");
        kubectl(running, &delete, "").await;
        collected
    })
    .await;
}

#[tokio::test]
async fn exactly_definition_identities_and_rendered_secrets_stay_or_without_keep_nothing() {
    let running = &*alone().await;
    make_namespaces(running, &[NAMESPACE, SHOP]).await;
    let before = inventory(running).await;
    install(running, &[]).await;
    work(running).await;
    until_the_collector_knows_identities(running).await;
    upgrade(running, &["replicas=3"]).await;
    uninstall(running).await;
    until_left(running, &before, KEPT).await;

    // Another release takes over what was kept, where it is told to.
    let chart = offline::chart();
    let other = [
        "install",
        "other",
        &chart,
        "-n",
        NAMESPACE,
        "--take-ownership",
    ];
    helm(running, &other).await;
    helm(running, &["uninstall", "other", "-n", NAMESPACE]).await;
    until_left(running, &before, KEPT).await;

    install(running, &["crds.keep=false", "--take-ownership"]).await;
    uninstall(running).await;
    until_left(running, &before, &[]).await;
}

#[tokio::test]
async fn whatever_is_deleted_first_nothing_blocks_the_rest() {
    let running = &*alone().await;
    make_namespaces(running, &[NAMESPACE, SHOP]).await;
    let before = inventory(running).await;
    let orders = [
        ["definition", "identities", "release"],
        ["definition", "release", "identities"],
        ["identities", "definition", "release"],
        ["identities", "release", "definition"],
        ["release", "definition", "identities"],
        ["release", "identities", "definition"],
    ];
    for order in orders {
        make_namespaces(running, &[NAMESPACE, SHOP]).await;
        install(running, &[]).await;
        work(running).await;
        for what in order {
            match what {
                "definition" => {
                    kubectl(running, DELETE_DEFINITION, "").await;
                }
                "identities" => {
                    let delete = format!("delete namespace {SHOP} --timeout=60s");
                    kubectl(running, &delete, "").await;
                }
                _ => uninstall(running).await,
            }
        }
        make_namespaces(running, &[SHOP]).await;
        until_left(running, &before, &[]).await;
    }
}

#[tokio::test]
async fn a_release_whose_namespace_went_first_is_removed_by_its_label() {
    let running = &*alone().await;
    make_namespaces(running, &[NAMESPACE, SHOP]).await;
    let before = inventory(running).await;
    install(running, &[]).await;
    let delete = format!("delete namespace {NAMESPACE} --timeout=60s");
    kubectl(running, &delete, "").await;

    let page = offline::read("docs/install.md");
    let mut lines = page.lines();
    let start = "kubectl delete mutatingwebhookconfiguration,";
    let command = lines.find(|line| line.starts_with(start)).unwrap();
    let arguments = command.strip_prefix("kubectl ").unwrap();
    kubectl(running, arguments, "").await;
    kubectl(running, DELETE_DEFINITION, "").await;
    make_namespaces(running, &[NAMESPACE]).await;
    until_left(running, &before, &[]).await;
}

#[tokio::test]
async fn no_upgrade_takes_the_ca_bundle_away() {
    let running = &*alone().await;
    make_namespaces(running, &[NAMESPACE]).await;
    let before = inventory(running).await;
    install(running, &["crds.keep=false"]).await;
    let bundle = BASE64_STANDARD.encode(offline::ca_bundle());
    write_ca_bundle(running, &bundle).await;
    let mut ways: Vec<&[&str]> = vec![&["replicas=3"], &["webhook.timeoutSeconds=6"]];
    // Helm 3 has its own way only.
    let help = offline::run(&["upgrade", "--help"]).stdout;
    if String::from_utf8_lossy(&help).contains("--server-side") {
        ways.push(&["webhook.timeoutSeconds=7", "--server-side=false"]);
        ways.push(&[
            "webhook.timeoutSeconds=8",
            "--server-side=true",
            "--force-conflicts",
        ]);
    }
    for values in ways {
        upgrade(running, &[&["crds.keep=false"], values].concat()).await;
        assert_eq!(ca_bundle(running).await, bundle, "{values:?}");
    }
    uninstall(running).await;
    until_left(running, &before, &[]).await;
}

#[tokio::test]
async fn rendered_and_applied_it_is_quiet_and_goes_again() {
    let running = &*alone().await;
    make_namespaces(running, &[NAMESPACE]).await;
    let before = inventory(running).await;
    let rendered = offline::text(&[]);
    kubectl(running, APPLY, &rendered).await;
    let bundle = BASE64_STANDARD.encode(offline::ca_bundle());
    write_ca_bundle(running, &bundle).await;
    // What GitOps tools ask: no difference, although the caBundle was written in the cluster.
    let difference = kubectl(running, "diff --server-side -f -", &rendered).await;
    assert_eq!(difference, "");
    kubectl(running, APPLY, &rendered).await;
    assert_eq!(ca_bundle(running).await, bundle);

    let without_definitions = offline::text(&["crds.enabled=false"]);
    kubectl(running, "delete -f -", &without_definitions).await;
    until_left(running, &before, &KEPT[..2]).await;
    kubectl(running, DELETE_DEFINITION, "").await;
    until_left(running, &before, &[]).await;
}

#[tokio::test]
async fn a_narrower_scope_takes_rights_away() {
    let running = &*alone().await;
    make_namespaces(running, &[NAMESPACE, SHOP]).await;
    let before = inventory(running).await;
    install(running, &["crds.keep=false"]).await;
    let may_list_secrets = async |namespace: &str| {
        let account = format!("system:serviceaccount:{NAMESPACE}:zohorelay-operator");
        let ask = format!("auth can-i list secrets -n {namespace} --as={account}");
        let output = attempt(running, &ask, "").await;
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    assert_eq!(may_list_secrets("default").await, "yes");
    let narrower = [
        "rbac.scope=Namespaces",
        "rbac.namespaces={shop}",
        "crds.keep=false",
    ];
    upgrade(running, &narrower).await;
    assert_eq!(may_list_secrets("default").await, "no");
    assert_eq!(may_list_secrets(NAMESPACE).await, "no");
    assert_eq!(may_list_secrets(SHOP).await, "yes");
    uninstall(running).await;
    until_left(running, &before, &[]).await;
}
