//! A namespace without its role leaves the others alone. docs/proof.md O4

use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::api::DeleteParams;
use serde_json::json;
use zohorelay_cluster::shared;
use zohorelay_tests::objects::{api, install_crds, namespace_named};

use super::life::{assert_works, install, scope_namespaces};
use super::stage::{condition, until};

#[tokio::test]
async fn in_scope_namespaces_one_that_lacks_its_role_is_named_and_the_others_go_on() {
    let cluster = shared().await.unwrap();
    let client = cluster.client().unwrap();
    install_crds(&client).await.unwrap();
    let other = format!("rights-other-{:08x}", fastrand::u32(..));
    namespace_named(&client, &other, &json!({})).await.unwrap();
    let stage = install(cluster, |stage| scope_namespaces(&[&stage.shop, &other])).await;
    let role = stage.release.deployment();
    let bindings = api::<RoleBinding>(&client, &other);
    let binding = bindings.get(&role).await.unwrap();
    bindings
        .delete(&role, &DeleteParams::default())
        .await
        .unwrap();
    stage.declare("billing").await;
    let there = stage.in_namespace(&other);
    there.declare("billing").await;

    let mut operator = stage.operator("operator").await;
    assert_works(&stage, &operator).await;
    for what in ["mailidentities", "secrets", "pods"] {
        let words = format!("cannot list resource \"{what}\"");
        let named = |line: &serde_json::Value| {
            let line = line.to_string().replace('\\', "");
            line.contains(&words) && line.contains(&format!("in the namespace \"{other}\""))
        };
        operator.logged(named).await.unwrap();
    }
    assert_eq!(
        condition(&there.identity("billing").await, "Ready"),
        "Unknown/Pending"
    );
    stage
        .put_identity("billing", "Billing of Example", false)
        .await;
    stage.until_ready("billing", "True/Published").await;

    // Given what it lacked, it needs no restart.
    let mut again = binding;
    again.metadata.resource_version = None;
    bindings
        .create(&kube::api::PostParams::default(), &again)
        .await
        .unwrap();
    there.until_ready("billing", "True/Published").await;
    until("its document is there", async || {
        !there.document().await.is_null()
    })
    .await;
}
