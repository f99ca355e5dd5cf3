//! Both admission policies at work, with no webhook before them.

use serde_json::{Value, json};
use zohorelay_cluster::Running;

use crate::cluster::{APPLY, attempt, kubectl, make_namespaces, refused, until};
use crate::helm::{self, NAMESPACE};
use crate::objects::text;

/// Where pods and Secrets are tried.
const APPS: &str = "policy-apps";
const TRY: &str = "create --dry-run=server -f -";
/// As the operator, whom the second policy binds.
const TRY_AS_OPERATOR: &str = "create --dry-run=server -f - \
    --as=system:serviceaccount:zohorelay-system:zohorelay-operator";

/// The policies of the default release, and the rights that they narrow; no webhook.
async fn install(running: &Running) {
    make_namespaces(running, &[NAMESPACE, APPS]).await;
    let wanted = ["ValidatingAdmissionPolicy", "ClusterRole"];
    for object in helm::render(&[]) {
        let kind = text(&object["kind"]);
        if wanted.iter().any(|start| kind.starts_with(start)) {
            kubectl(running, APPLY, &object.to_string()).await;
        }
    }
}

/// A policy holds a moment after it was made.
async fn until_it_holds(running: &Running, policy: &str, command: &str, denied: &str) {
    until("the policy holds", async || {
        let tried = attempt(running, command, denied).await;
        String::from_utf8_lossy(&tried.stderr).contains(policy)
    })
    .await;
}

fn pod(namespace: &str, metadata: &Value, init_containers: &Value) -> String {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "app", "namespace": namespace},
        "spec": {"containers": [{"name": "app", "image": "app"}], "initContainers": init_containers},
    });
    for (key, value) in metadata.as_object().unwrap() {
        pod["metadata"][key] = value.clone();
    }
    pod.to_string()
}

#[tokio::test]
async fn a_pod_that_asks_for_the_sidecar_starts_only_with_it() {
    let running = zohorelay_cluster::shared().await.unwrap();
    install(running).await;
    let asks = json!({"labels": {"zohorelay.dev/inject": "true"}});
    let without = pod(APPS, &asks, &json!([]));
    until_it_holds(running, "zohorelay-pods", TRY, &without).await;

    let message = refused(running, TRY, &without).await;
    let wanted = "no sidecar: see that the pods of Deployment zohorelay-operator in namespace \
        zohorelay-system are ready and that no later webhook takes the init container zohorelay away; \
        a pod that shall have no sidecar must not have the label";
    assert!(message.contains(wanted), "{message}");

    let ends = json!([{"name": "zohorelay", "image": "a"}]);
    let another = json!([{"name": "istio-proxy", "image": "a", "restartPolicy": "Always"}]);
    for other in [ends, another] {
        let message = refused(running, TRY, &pod(APPS, &asks, &other)).await;
        assert!(message.contains("zohorelay-pods"), "{other}: {message}");
    }
    let sidecar = json!([{"name": "zohorelay", "image": "a", "restartPolicy": "Always"}]);
    kubectl(running, TRY, &pod(APPS, &asks, &sidecar)).await;
}

#[tokio::test]
async fn strangers_are_left_alone() {
    let running = zohorelay_cluster::shared().await.unwrap();
    install(running).await;
    make_namespaces(running, &["kube-system"]).await;
    let asks = json!({"labels": {"zohorelay.dev/inject": "true"}});
    let mirror = json!({
        "labels": {"zohorelay.dev/inject": "true"},
        "annotations": {"kubernetes.io/config.mirror": "a"},
    });
    let none = json!([]);
    until_it_holds(running, "zohorelay-pods", TRY, &pod(APPS, &asks, &none)).await;
    let strangers = [
        pod(APPS, &json!({"labels": {"app": "a"}}), &none),
        pod(
            APPS,
            &json!({"labels": {"zohorelay.dev/inject": "false"}}),
            &none,
        ),
        pod(NAMESPACE, &asks, &none),
        pod("kube-system", &asks, &none),
    ];
    for stranger in strangers {
        kubectl(running, TRY, &stranger).await;
    }
    let mut mirror: Value = serde_json::from_str(&pod(APPS, &mirror, &none)).unwrap();
    mirror["spec"]["nodeName"] = json!("node");
    kubectl(running, TRY, &mirror.to_string()).await;
}

/// A Secret with what its type asks for.
fn secret(namespace: &str, name: &str, kind: &str, owner: Option<&Value>) -> String {
    let owners: Vec<&Value> = owner.into_iter().collect();
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": kind,
        "metadata": {"name": name, "namespace": namespace, "ownerReferences": owners},
        "data": {"tls.crt": "", "tls.key": "", "identity.json": ""},
    })
    .to_string()
}

fn owner(version: &str, kind: &str, controller: bool) -> Value {
    json!({
        "apiVersion": version, "kind": kind,
        "name": "billing", "uid": "5d1f", "controller": controller,
    })
}

#[tokio::test]
async fn the_operator_writes_only_what_it_renders_and_its_certificate() {
    let running = zohorelay_cluster::shared().await.unwrap();
    install(running).await;
    let version = "zohorelay.dev/v1alpha1";
    let billing = owner(version, "MailIdentity", true);
    let name = "zohorelay-billing";
    let unowned = secret(APPS, name, "Opaque", None);
    until_it_holds(running, "zohorelay-secrets", TRY_AS_OPERATOR, &unowned).await;

    let allowed = [
        secret(APPS, name, "Opaque", Some(&billing)),
        secret(NAMESPACE, "zohorelay-webhook", "Opaque", None),
        secret(NAMESPACE, "zohorelay-webhook", "kubernetes.io/tls", None),
    ];
    for secret in allowed {
        kubectl(running, TRY_AS_OPERATOR, &secret).await;
    }
    let helper = owner(version, "MailIdentity", false);
    let other_kind = owner(version, "Mailbox", true);
    let other_group = owner("example.com/v1", "MailIdentity", true);
    let tls = "kubernetes.io/tls";
    let release = "sh.helm.release.v1.zohorelay.v1";
    let token = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
        "metadata": {
            "name": "zohorelay-webhook", "namespace": NAMESPACE,
            "annotations": {"kubernetes.io/service-account.name": "default"},
        },
    });
    let denied = [
        ("no owner", unowned.clone()),
        (
            "another name",
            secret(APPS, "billing", "Opaque", Some(&billing)),
        ),
        (
            "another identity's",
            secret(APPS, "zohorelay-alerts", "Opaque", Some(&billing)),
        ),
        ("no controller", secret(APPS, name, "Opaque", Some(&helper))),
        (
            "another kind",
            secret(APPS, name, "Opaque", Some(&other_kind)),
        ),
        (
            "another group",
            secret(APPS, name, "Opaque", Some(&other_group)),
        ),
        ("another type", secret(APPS, name, tls, Some(&billing))),
        (
            "the certificate elsewhere",
            secret(APPS, "zohorelay-webhook", "Opaque", None),
        ),
        ("a release", secret(NAMESPACE, release, "Opaque", None)),
        ("a token", token.to_string()),
    ];
    for (case, secret) in denied {
        let message = refused(running, TRY_AS_OPERATOR, &secret).await;
        assert!(message.contains("zohorelay-secrets"), "{case}: {message}");
    }

    // What is not the operator's does not become it, although the result would be allowed.
    kubectl(running, "create -f -", &unowned).await;
    let patch = json!({"metadata": {"ownerReferences": [billing]}});
    let account = "--as=system:serviceaccount:zohorelay-system:zohorelay-operator";
    let take = format!("patch secret {name} -n {APPS} --type=merge -p {patch} {account}");
    let message = refused(running, &take, "").await;
    assert!(
        message.contains("zohorelay-secrets"),
        "taking over: {message}"
    );
    // Others write what they may write.
    kubectl(
        running,
        &format!("label secret {name} -n {APPS} team=shop"),
        "",
    )
    .await;
}
