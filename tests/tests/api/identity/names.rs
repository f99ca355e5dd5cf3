//! Secrets of others under the name that the operator writes to: they are never written.

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::{DeleteParams, PostParams};
use serde_json::{Value, json};

use super::world::{GOOD, World, conditions, message};

async fn foreign(world: &World<'_>, owner: &Value) -> Secret {
    let secret = json!({
        "metadata": {"name": "zohorelay-billing", "ownerReferences": owner},
        "stringData": {"identity.json": "somebody's own"},
    });
    let secret = serde_json::from_value(secret).unwrap();
    world
        .secrets()
        .create(&PostParams::default(), &secret)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_secret_of_somebody_else_is_never_written_and_the_login_is_not_tried() {
    let world = World::start().await;
    world.put_password("billing", GOOD).await;
    let there = foreign(&world, &json!([])).await;
    world.apply(&world.identity("billing")).await;
    let identity = world.until("billing", "Ready", "False", "NameTaken").await;
    assert_eq!(
        conditions(&identity),
        [
            "Ready=False/NameTaken",
            "CredentialsVerified=Unknown/NameTaken",
            "Published=False/NameTaken",
            "RolledOut=False/Pending",
            "Stalled=True/NameTaken",
        ]
    );
    let said = message(&identity, "Ready");
    let remedy = format!(
        "kubectl delete secret zohorelay-billing -n {}",
        world.namespace
    );
    assert!(said.contains(&remedy), "{said}");
    let secrets = world.secrets();
    let now = secrets.get("zohorelay-billing").await.unwrap();
    assert_eq!(now.resource_version(), there.resource_version());
    world.assert_logins(0, 0);

    // It is taken as soon as it is free.
    secrets
        .delete("zohorelay-billing", &DeleteParams::default())
        .await
        .unwrap();
    world.until("billing", "Ready", "True", "Published").await;
    world.assert_logins(1, 0);
}

#[tokio::test]
async fn a_secret_that_another_identity_owns_is_somebody_elses() {
    let world = World::start().await;
    let other = world.published("alerts").await;
    let owner = json!([{
        "apiVersion": "zohorelay.dev/v1alpha1", "kind": "MailIdentity", "name": "alerts",
        "uid": other.uid(), "controller": true,
    }]);
    let there = foreign(&world, &owner).await;
    world.put_password("billing", GOOD).await;
    world.apply(&world.identity("billing")).await;
    world.until("billing", "Stalled", "True", "NameTaken").await;
    let now = world.secrets().get("zohorelay-billing").await.unwrap();
    assert_eq!(now.resource_version(), there.resource_version());
}

#[tokio::test]
async fn a_password_is_not_looked_for_where_the_document_goes() {
    let world = World::start().await;
    let mut identity = world.identity("billing");
    identity["spec"]["credentials"]["passwordSecretRef"]["name"] = json!("zohorelay-billing");
    let there = foreign(&world, &json!([])).await;
    world.apply(&identity).await;
    let identity = world.until("billing", "Stalled", "True", "NameTaken").await;
    let said = message(&identity, "Ready");
    assert!(
        said.contains("put the password into a Secret of another name"),
        "{said}"
    );
    let now = world.secrets().get("zohorelay-billing").await.unwrap();
    assert_eq!(now.resource_version(), there.resource_version());
    world.assert_logins(0, 0);
}
