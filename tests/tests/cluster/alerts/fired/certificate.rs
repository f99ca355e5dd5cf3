//! The webhook's certificate is near its end, and nobody renews it in time.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use zohorelay_operator::webhook::certificate::{Issue, Names};
use zohorelay_tests::ground::SYSTEM;
use zohorelay_tests::objects::api;

use super::scene::Scene;

/// Name of the Service and of the Secret.
const WEBHOOK: &str = "zohorelay-webhook";
/// Less than the seven days of the rule.
const LEFT: Duration = Duration::from_secs(3 * 24 * 60 * 60);

/// What the Secret keeps.
pub(super) type Kept = BTreeMap<String, ByteString>;

fn secrets(scene: &Scene) -> Api<Secret> {
    api(&scene.shop.client, SYSTEM)
}

pub(super) async fn read(scene: &Scene) -> Kept {
    let secret = secrets(scene).get(WEBHOOK).await.unwrap();
    secret.data.unwrap()
}

/// A certificate with three days left, made as the operator makes its own, and served by every replica. The
/// operator begins to renew it at once, but the first five minutes are for announcing the next: until then
/// the alert sees what it sees when the renewal has failed for weeks.
pub(super) async fn ends(scene: &Scene, kept: &Kept) {
    let names = Names::new(WEBHOOK, SYSTEM, &[]).unwrap();
    let issue = Issue::new(&names, Timestamp::now(), LEFT).unwrap();
    let short = BTreeMap::from([
        ("ca.crt", &issue.authority),
        ("tls.crt", &issue.certificate),
        ("tls.key", &*issue.key),
    ]);
    let short = short.into_iter().map(|(key, pem)| {
        let pem = ByteString(pem.clone().into_bytes());
        (key.to_owned(), pem)
    });
    let struck = scene
        .strike(&["ZohoRelayWebhookCertificateEnds"], &[])
        .await;
    write(scene, &short.collect()).await.unwrap();
    let mended = struck.fires().await;
    restore(scene, kept).await.unwrap();
    mended.resolves().await;
}

/// Renewed: the one of before, which has months.
pub(super) async fn restore(scene: &Scene, kept: &Kept) -> Result<()> {
    write(scene, kept).await?;
    scene.shop.ground.until_webhook().await
}

async fn write(scene: &Scene, data: &Kept) -> Result<()> {
    let replace = json!([{"op": "replace", "path": "/data", "value": data}]);
    let replace = Patch::Json::<()>(serde_json::from_value(replace)?);
    let params = PatchParams::default();
    secrets(scene).patch(WEBHOOK, &params, &replace).await?;
    Ok(())
}
