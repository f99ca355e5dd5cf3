//! docs/proof.md O15: what is deleted while it is worked on goes at once, and leaves nothing behind.

use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::Api;
use kube::api::DeleteParams;
use serde_json::{Value, json};
use zoho_simulator::{Action, Fault as Misbehave, Stage};
use zohorelay_cluster::Fault;
use zohorelay_cluster::proxy::Request;
use zohorelay_crds::MailIdentity;
use zohorelay_tests::objects::{api, disappears, namespace};

use super::scene::{FLAGS, behind_proxy, leading_behind_proxy, until_it_logs_in, until_it_watches};
use crate::identity::world::GOOD;

/// So long the verdict on a login lets wait for itself.
const SLOW: u64 = 2000;

fn slow_login() -> Misbehave {
    Misbehave::new(Stage::Auth, Action::Delay { ms: SLOW }).times(1)
}

fn is_login(line: &Value) -> bool {
    line["message"] == "login"
}

#[tokio::test]
async fn o15_an_identity_is_deleted_while_its_login_is_under_way() {
    let (mut world, proxy) = leading_behind_proxy().await;
    world.zoho.fault(slow_login()).unwrap();
    world.put_password("billing", GOOD).await;
    world.apply(&world.identity("billing")).await;
    until_it_logs_in(&world, 1).await;

    world.delete("billing").await;
    disappears(&world.identities(), "billing").await.unwrap();
    let verdict = world.operator_mut().logged(is_login).await.unwrap();
    assert_eq!(verdict["result"], "ok");
    assert_eq!(verdict["identities"], "", "nobody is told");

    // The others go on; and it was the only document that was written.
    world.published("alerts").await;
    assert_eq!(proxy.count("create", "secrets"), 1);
    assert_eq!(world.logins().total, 2);
}

#[tokio::test]
async fn o15_a_namespace_is_deleted_while_a_login_is_under_way() {
    let (mut world, proxy) = behind_proxy().await;
    let other = namespace(&world.client).await.unwrap();
    let flags = [&FLAGS[..], &["--watch-namespace", &other]].concat();
    world.start_operator(&flags).await;
    until_it_watches(&proxy).await;
    world.zoho.fault(slow_login()).unwrap();

    let mut identity = world.identity("billing");
    identity["metadata"]["namespace"] = json!(other);
    let mut password =
        json!({"apiVersion": "v1", "kind": "Secret", "stringData": {"password": GOOD}});
    password["metadata"] = json!({"name": "billing-zoho", "namespace": other});
    world.apply(&password).await;
    world.apply(&identity).await;
    until_it_logs_in(&world, 1).await;

    let namespaces: Api<Namespace> = Api::all(world.client.clone());
    let params = DeleteParams::default();
    namespaces.delete(&other, &params).await.unwrap();
    disappears(&namespaces, &other).await.unwrap();
    let left = api::<MailIdentity>(&world.client, &other);
    assert!(left.get_opt("billing").await.unwrap().is_none());

    world.published("alerts").await;
    assert_eq!(world.operator().get("/live").await.unwrap().0, 200);
}

/// The API server takes nothing new into it: that is no reason to try again for ever.
#[tokio::test]
async fn o15_a_namespace_is_deleted_while_a_document_is_on_its_way_into_it() {
    let (mut world, proxy) = behind_proxy().await;
    let other = namespace(&world.client).await.unwrap();
    let flags = [&FLAGS[..], &["--watch-namespace", &other]].concat();
    world.start_operator(&flags).await;
    until_it_watches(&proxy).await;

    let here = other.clone();
    let create = move |it: &Request| it.is("create", "secrets") && it.namespace == here;
    let held = proxy.add(Fault::Hold.when(create));
    // Somebody else's finaliser keeps the namespace for a while.
    let kept = json!({
        "apiVersion": "v1", "kind": "Secret", "stringData": {"password": GOOD},
        "metadata": {
            "name": "billing-zoho", "namespace": other, "finalizers": ["example.com/kept"],
        },
    });
    world.apply(&kept).await;
    let mut identity = world.identity("billing");
    identity["metadata"]["namespace"] = json!(other);
    world.apply(&identity).await;
    held.held(1).await;

    let namespaces: Api<Namespace> = Api::all(world.client.clone());
    let params = DeleteParams::default();
    namespaces.delete(&other, &params).await.unwrap();
    let identities = api::<MailIdentity>(&world.client, &other);
    disappears(&identities, "billing").await.unwrap();
    held.release();

    world.published("alerts").await;
    let secrets = api::<Secret>(&world.client, &other);
    assert!(
        secrets
            .get_opt("zohorelay-billing")
            .await
            .unwrap()
            .is_none()
    );
    assert_eq!(held.hits(), 1, "it is not tried again");
    let unkept = json!({
        "apiVersion": "v1", "kind": "Secret", "stringData": {"password": GOOD},
        "metadata": {"name": "billing-zoho", "namespace": other},
    });
    world.apply(&unkept).await;
    disappears(&namespaces, &other).await.unwrap();
}
