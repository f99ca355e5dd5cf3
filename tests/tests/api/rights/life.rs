//! Everything works in both scopes with the rights of the chart, and nothing is ever refused.

use kube::api::{DeleteParams, PostParams};
use serde_json::json;
use zohorelay_cluster::{Options, Running, shared};
use zohorelay_tests::objects::{api, install_crds};
use zohorelay_tests::operator::Operator;
use zohorelay_tests::release::{ON_LOOPBACK, Release};

use super::secrets;
use super::stage::{Stage, fresh, is_injected, until};

/// No right was missing, and no policy in the way.
pub(super) fn assert_never_refused(operator: &Operator) {
    for line in operator.log() {
        let text = line.to_lowercase();
        assert!(
            !text.contains("forbidden") && !text.contains("cannot"),
            "{line}"
        );
    }
}

/// A release installed by helm.
pub(super) async fn install(
    cluster: &Running,
    values: impl Fn(&Stage<'_>) -> Vec<String>,
) -> Stage<'_> {
    let stage = Stage::new(cluster, fresh()).await;
    let Release { name, namespace } = &stage.release;
    let values = values(&stage);
    let values = values.iter().map(String::as_str);
    let values: Vec<&str> = ON_LOOPBACK.into_iter().chain(values).collect();
    Release::install(cluster, name, namespace, &values)
        .await
        .unwrap();
    stage
}

/// The certificate is made, and the API server trusts it.
async fn is_ready(stage: &Stage<'_>, operator: &Operator) {
    until("the operator is ready", async || {
        operator.get("/ready").await.unwrap().0 == 200
    })
    .await;
    let certificate = stage.certificate().await.unwrap();
    let authority = &certificate.data.unwrap()["ca.crt"].0;
    assert_eq!(stage.bundle().await.as_bytes(), authority);
}

/// A pod is injected, counted and told of.
async fn a_pod_is_attached(stage: &Stage<'_>) {
    // An API server takes a changed configuration up a moment later.
    until("pods are injected", async || {
        stage
            .make_pod("app")
            .await
            .is_ok_and(|pod| is_injected(&pod))
    })
    .await;
    until("the pod is counted", async || {
        stage.identity("billing").await["status"]["pods"]["attached"] == 1
    })
    .await;
}

/// Both policies hold: for the operator's own account, and for pods behind the webhook's back.
async fn policies_hold(stage: &Stage<'_>) {
    let Release { name, namespace } = &stage.release;
    let account = stage.release.deployment();
    let operator = stage
        .cluster
        .client_as_service_account(namespace, &account)
        .await
        .unwrap();
    let secret = serde_json::from_value(json!({"metadata": {"name": "mine"}})).unwrap();
    let secrets = api::<k8s_openapi::api::core::v1::Secret>(&operator, &stage.shop);
    let refused = secrets
        .create(&PostParams::default(), &secret)
        .await
        .unwrap_err();
    assert!(
        refused.to_string().contains(&format!("{name}-secrets")),
        "{refused}"
    );
    let params = DeleteParams::default();
    stage.configurations().delete(name, &params).await.unwrap();
    until(
        "the policy on pods refuses one without a sidecar",
        async || {
            let made = stage.make_pod("bare").await;
            made.is_err_and(|refused| refused.to_string().contains(&format!("{name}-pods")))
        },
    )
    .await;
}

/// A certificate, a published identity, an attached pod.
pub(super) async fn assert_works(stage: &Stage<'_>, operator: &Operator) {
    is_ready(stage, operator).await;
    stage.until_ready("billing", "True/Published").await;
    assert_eq!(stage.document().await["name"], "billing");
    a_pod_is_attached(stage).await;
}

/// All that one replica does, and that another takes over.
async fn two_replicas_work(stage: &Stage<'_>) -> Operator {
    stage.declare("billing").await;
    let first = stage.operator("operator-a").await;
    assert_works(stage, &first).await;
    until("it is told that the identity is published", async || {
        let events = stage.events().await;
        events
            .iter()
            .any(|event| event.reason.as_deref() == Some("Published"))
    })
    .await;

    // The next one takes over what the first gives up, and goes on with what it made.
    let certificate = stage.certificate().await;
    assert_eq!(stage.leader().await, "operator-a");
    let second = stage.operator("operator-b").await;
    is_ready(stage, &second).await;
    first.signal("TERM").unwrap();
    until("the second leads", async || {
        stage.leader().await == "operator-b"
    })
    .await;
    assert_never_refused(&first);
    assert!(first.stop().await.unwrap().success());
    stage
        .put_identity("billing", "Billing of Example", false)
        .await;
    until("the second publishes", async || {
        stage.document().await["addresses"]["displayName"] == "Billing of Example"
    })
    .await;
    assert_eq!(stage.certificate().await, certificate);
    second
}

async fn ends(stage: &Stage<'_>, operator: Operator) {
    assert_never_refused(&operator);
    policies_hold(stage).await;
    assert!(operator.stop().await.unwrap().success());
    assert_eq!(stage.leader().await, "");
}

#[tokio::test]
async fn in_scope_cluster_everything_works_and_nothing_is_refused() {
    let cluster = Running::start(Options::default()).await.unwrap();
    let stage = install(&cluster, |_| Vec::new()).await;
    let operator = two_replicas_work(&stage).await;
    secrets::live_through_everything(&stage).await;
    ends(&stage, operator).await;
}

#[tokio::test]
async fn in_scope_namespaces_everything_works_and_nothing_is_refused() {
    let cluster = shared().await.unwrap();
    install_crds(&cluster.client().unwrap()).await.unwrap();
    let stage = install(cluster, |stage| scope_namespaces(&[&stage.shop])).await;
    let operator = two_replicas_work(&stage).await;
    ends(&stage, operator).await;
}

/// Values for these namespaces only, without the definition, which the tests of a shared control plane
/// share.
pub(super) fn scope_namespaces(namespaces: &[&str]) -> Vec<String> {
    vec![
        "rbac.scope=Namespaces".to_owned(),
        format!("rbac.namespaces={{{}}}", namespaces.join(",")),
        "crds.enabled=false".to_owned(),
    ]
}
