//! Faults of what stands in the cluster: documents, identities, pods, the operator.

use k8s_openapi::api::core::v1::Secret;
use serde_json::{Value, json};
use zohorelay_crds::keys::{DOCUMENT_KEY, INJECT, SECRET_PREFIX};
use zohorelay_tests::document;
use zohorelay_tests::ground::SYSTEM;
use zohorelay_tests::ground::shop::ask;
use zohorelay_tests::objects::appears;

use super::scene::Scene;

/// A document that somebody wrote by hand, with a mistake.
pub(super) async fn by_hand(scene: &Scene) {
    let (shop, identity) = (&scene.shop, "by-hand");
    let address = shop.mailbox(identity).await.unwrap();
    let authority = shop.zoho.ca_pem().await.unwrap();
    let mut right = document::at(identity, &address, &shop.password, 465, &authority);
    right["upstream"]["host"] = json!("smtppro.zoho.com");
    let mut wrong = right.clone();
    wrong["upstream"]["port"] = json!("465a");

    let alerts = &["ZohoRelayConfigStale"];
    let struck = scene.strike_identity(alerts, identity).await;
    write(scene, identity, &wrong).await;
    shop.start(&scene.app(identity)).await.unwrap();
    let mended = struck.fires().await;
    write(scene, identity, &right).await;
    mended.resolves_and_mail_goes(identity).await;
}

async fn write(scene: &Scene, identity: &str, document: &Value) {
    let secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": format!("{SECRET_PREFIX}{identity}")},
        "stringData": {(DOCUMENT_KEY): document.to_string()},
    });
    scene.shop.apply(&secret).await.unwrap();
}

/// The Secret with the password is missing.
pub(super) async fn unready(scene: &Scene) {
    let (shop, identity) = (&scene.shop, "unready");
    shop.mailbox(identity).await.unwrap();
    let alerts = &["ZohoRelayIdentityNotReady"];
    let struck = scene.strike_identity(alerts, identity).await;
    let object = shop.identity(identity).await.unwrap();
    shop.apply(&object).await.unwrap();
    let mended = struck.fires().await;
    shop.set_password(identity, &shop.password).await.unwrap();
    mended.resolves().await;
    appears(&shop.api::<Secret>(), "zohorelay-unready")
        .await
        .unwrap();
}

/// A pod is labelled when it runs already.
pub(super) async fn unattended(scene: &Scene) {
    let (shop, identity) = (&scene.shop, "unattended");
    shop.declare(identity).await.unwrap();
    let stranger = scene.app(identity).stranger();
    shop.start(&stranger).await.unwrap();
    let pod = ask::name(&shop.pod_of(identity).await.unwrap());
    let alerts = &["ZohoRelayPodsWithoutSidecar"];
    let struck = scene.strike_identity(alerts, identity).await;
    let label = format!("label pod {pod} {INJECT}=true");
    shop.kubectl(&label).await.unwrap();
    let mended = struck.fires().await;
    shop.start(&scene.app(identity)).await.unwrap();
    mended.resolves_and_mail_goes(identity).await;
}

/// Nobody leads. Who calls this scales the operator up again, however it ends.
pub(super) async fn operator_down(scene: &Scene) {
    let ground = scene.shop.ground;
    let leads = format!("zohorelay_operator_leader{{namespace=\"{SYSTEM}\"}} == 1");
    scene.monitoring.until_answered(&leads).await.unwrap();
    let struck = scene.strike(&["ZohoRelayOperatorDown"], &[]).await;
    ground.scale_operator(0).await.unwrap();
    let mended = struck.fires().await;
    ground.scale_operator(2).await.unwrap();
    mended.resolves().await;
}
