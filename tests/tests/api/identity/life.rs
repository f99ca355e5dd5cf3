//! From creation to deletion, and what a sidecar makes of the document.

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};
use zohorelay_crds::MailIdentity;
use zohorelay_tests::app;
use zohorelay_tests::metrics::Metrics;
use zohorelay_tests::objects::{disappears, until};
use zohorelay_tests::sidecar::{Options, Sidecar};

use super::world::{ADDRESS, ALIAS, GOOD, World, conditions, document};

#[tokio::test]
async fn an_identity_is_tried_once_and_published_and_a_sidecar_sends_with_its_document() {
    let world = World::start().await;
    let identity = world.published("billing").await;

    assert_eq!(
        conditions(&identity),
        [
            "Ready=True/Published",
            "CredentialsVerified=True/LoginAccepted",
            "Published=True/Published",
            "RolledOut=True/NoPods",
        ]
    );
    world.assert_logins(1, 0);
    let server = identity.spec.server.as_ref().unwrap();
    let status = identity.status.as_ref().unwrap();
    let port = server.port.unwrap();
    assert_eq!(
        status.server.as_deref(),
        Some(&*format!("localhost:{port}"))
    );
    assert!(status.credential.as_ref().unwrap().verified_at.is_some());

    let secret = world.secrets().get("zohorelay-billing").await.unwrap();
    assert_eq!(secret.type_.as_deref(), Some("Opaque"));
    assert_eq!(secret.annotations()["zohorelay.dev/verified"], "true");
    assert_eq!(secret.labels()["zohorelay.dev/identity"], "billing");
    let published = document(&secret);
    assert_eq!(
        published,
        json!({
            "version": 1,
            "name": "billing",
            "namespace": world.namespace,
            "uid": identity.uid(),
            "revision": status.revision,
            "addresses": {"primary": ADDRESS, "aliases": [ALIAS]},
            "upstream": {
                "service": "Mail", "host": "localhost", "port": port, "security": "ImplicitTls",
                "trustAnchors": world.zoho.ca_pem(),
            },
            "login": {"username": ADDRESS, "password": GOOD},
            "senderPolicy": {"foreignFrom": "Reject"},
            "delivery": {"deadlineSeconds": 25, "finalReplyTimeoutSeconds": 300, "unknownOutcome": "Retry"},
            "limits": {"burst": 5, "recipientsPerMessage": 100, "messageBytes": 41_943_040, "connections": 2},
            "lineEndings": "Normalise",
            "suspend": false,
            "retry": 0,
        })
    );

    let sidecar = Sidecar::start(Options::with(vec![published]))
        .await
        .unwrap();
    let header =
        format!("From: <{ALIAS}>\r\nTo: <a@example.org>\r\nMessage-ID: <1@app.example>\r\n");
    let reply = app::send(sidecar.smtp, ADDRESS, &["a@example.org"], &header)
        .await
        .unwrap();
    assert_eq!(reply.code, 250, "{reply:?}");
    assert_eq!(world.zoho.mail_count(), 1);
}

#[tokio::test]
async fn a_change_beside_the_login_is_published_without_another_login() {
    let world = World::start().await;
    let before = revision(&world.published("billing").await);

    let mut changed = world.identity("billing");
    changed["spec"]["displayName"] = json!("Example Billing");
    changed["spec"]["limits"] = json!({"messagesPerHour": 45});
    world.apply(&changed).await;
    let after = world.until_fits("billing", "the change is published", |identity| {
        is_true(identity, "Published", "Published") && revision(identity) > before
    });
    let after = after.await;

    assert!(is_true(&after, "CredentialsVerified", "LoginAccepted"));
    let document = world.document("billing").await;
    assert_eq!(document["addresses"]["displayName"], "Example Billing");
    assert_eq!(document["limits"]["messagesPerHour"], 45);
    assert_eq!(document["revision"], revision(&after));
    world.assert_logins(1, 0);
}

#[tokio::test]
async fn suspending_tells_the_pods_and_resuming_too_and_neither_logs_in() {
    let world = World::start().await;
    let first = revision(&world.published("billing").await);

    let mut suspended = world.identity("billing");
    suspended["spec"]["suspend"] = json!(true);
    world.apply(&suspended).await;
    let identity = world.until("billing", "Ready", "True", "Suspended").await;
    assert!(is_true(&identity, "Published", "Suspended"));
    assert!(is_true(&identity, "CredentialsVerified", "LoginAccepted"));
    let second = revision(&identity);
    let document = world.document("billing").await;
    assert_eq!((&document["suspend"], second > first), (&json!(true), true));

    world.apply(&world.identity("billing")).await;
    let identity = world.until("billing", "Ready", "True", "Published").await;
    let document = world.document("billing").await;
    assert_eq!(document["suspend"], false);
    assert!(revision(&identity) > second);
    world.assert_logins(1, 0);
}

#[tokio::test]
async fn an_identity_that_begins_suspended_is_neither_tried_nor_published() {
    let world = World::start().await;
    world.put_password("billing", GOOD).await;
    let mut suspended = world.identity("billing");
    suspended["spec"]["suspend"] = json!(true);
    world.apply(&suspended).await;
    let identity = world.until("billing", "Ready", "True", "Suspended").await;
    assert_eq!(
        conditions(&identity),
        [
            "Ready=True/Suspended",
            "CredentialsVerified=Unknown/Suspended",
            "Published=False/Suspended",
            "RolledOut=False/Pending",
        ]
    );
    let rendered = world.secrets().get_opt("zohorelay-billing").await.unwrap();
    assert!(rendered.is_none());
    world.assert_logins(0, 0);
}

/// docs/proof.md O15 for one identity: nothing blocks, and nothing of it stays.
#[tokio::test]
async fn a_deleted_identity_takes_its_document_along_and_may_come_again() {
    let world = World::start().await;
    let first = world.published("billing").await;
    assert!(first.finalizers().is_empty());
    world.delete("billing").await;
    disappears(&world.secrets(), "zohorelay-billing")
        .await
        .unwrap();
    // The user's own Secret stays.
    world.secrets().get("billing-zoho").await.unwrap();
    let ready = |metrics: &Metrics| metrics.value("zohorelay_operator_identity_ready", &[]);
    let operator = world.operator();
    operator
        .metrics_when(|metrics| ready(metrics) == 0.0)
        .await
        .unwrap();

    world.apply(&world.identity("billing")).await;
    let second = world.until("billing", "Ready", "True", "Published").await;
    assert_ne!(first.uid(), second.uid());
    let document = world.document("billing").await;
    assert_eq!(document["uid"], json!(second.uid()));
    // One for each life at most.
    world.assert_logins(2, 0);
}

/// The document of the first is still there when the second is made.
#[tokio::test]
async fn an_identity_that_is_deleted_and_made_again_at_once_writes_over_its_own_past() {
    let world = World::start().await;
    let first = world.published("billing").await;
    world.delete("billing").await;
    world.apply(&world.identity("billing")).await;
    let second = world.until("billing", "Ready", "True", "Published").await;
    assert_ne!(first.uid(), second.uid());
    let (uid, secrets) = (json!(second.uid()), world.secrets());
    let owned = until(
        &secrets,
        "zohorelay-billing",
        "it is the second's",
        |secret| secret.is_some_and(|secret| document(secret)["uid"] == uid),
    );
    owned.await.unwrap();
    let logins = world.logins();
    assert!(logins.ok <= 2 && logins.refused == 0, "{logins:?}");
}

/// A change by hand, and the loss of the document.
#[tokio::test]
async fn the_document_is_put_back_when_somebody_changes_or_deletes_it() {
    let world = World::start().await;
    let identity = world.published("billing").await;
    let before = world.document("billing").await;

    let broken = Patch::Merge(json!({"data": {"identity.json": "bm9uc2Vuc2U="}}));
    let secrets = world.secrets();
    secrets
        .patch("zohorelay-billing", &PatchParams::default(), &broken)
        .await
        .unwrap();
    let mended = until(
        &secrets,
        "zohorelay-billing",
        "it is whole again",
        |secret| secret.is_some_and(is_json),
    );
    let mended = document(&mended.await.unwrap().unwrap());
    assert!(mended["revision"].as_u64() > before["revision"].as_u64());
    assert_eq!(mended["login"], before["login"]);

    secrets
        .delete("zohorelay-billing", &DeleteParams::default())
        .await
        .unwrap();
    let again = until(&secrets, "zohorelay-billing", "it is back", |secret| {
        secret.is_some_and(|secret| {
            document(secret)["revision"].as_u64() > mended["revision"].as_u64()
        })
    });
    again.await.unwrap();
    let now = world.until("billing", "Ready", "True", "Published").await;
    assert!(revision(&now) > revision(&identity));
    assert_eq!(world.logins().refused, 0);
}

fn is_json(secret: &Secret) -> bool {
    let data = secret
        .data
        .as_ref()
        .and_then(|data| data.get("identity.json"));
    data.is_some_and(|bytes| serde_json::from_slice::<Value>(&bytes.0).is_ok())
}

fn revision(identity: &MailIdentity) -> i64 {
    identity
        .status
        .as_ref()
        .and_then(|status| status.revision)
        .unwrap_or_default()
}

fn is_true(identity: &MailIdentity, kind: &str, reason: &str) -> bool {
    conditions(identity).contains(&format!("{kind}=True/{reason}"))
}
