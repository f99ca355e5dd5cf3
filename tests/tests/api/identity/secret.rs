//! What may be wrong with the Secret of a password, and what is said then. docs/proof.md O12.

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use super::world::{GOOD, World, conditions, message};

/// A Secret's `password`, and what is said of it.
struct Row {
    what: &'static str,
    data: Option<Vec<(&'static str, Vec<u8>)>>,
    reason: &'static str,
    /// Whether it may still come right by itself.
    waits: bool,
    words: &'static [&'static str],
}

fn rows() -> Vec<Row> {
    let password = |bytes: &[u8]| Some(vec![("password", bytes.to_vec())]);
    let invalid = |what, data, words| Row {
        what,
        data,
        reason: "SecretInvalid",
        waits: false,
        words,
    };
    vec![
        Row {
            what: "missing",
            data: None,
            reason: "SecretNotFound",
            waits: true,
            words: &[
                "no Secret billing-zoho",
                "kubectl create secret generic billing-zoho",
            ],
        },
        Row {
            what: "key missing",
            data: Some(vec![("pass", b"x".to_vec()), ("user", b"y".to_vec())]),
            reason: "SecretKeyNotFound",
            waits: true,
            words: &[
                "no key password",
                "it has the keys pass, user",
                "spec.credentials.passwordSecretRef.key",
            ],
        },
        Row {
            what: "no key at all",
            data: Some(Vec::new()),
            reason: "SecretKeyNotFound",
            waits: true,
            words: &["it has no key at all", "add password to the Secret"],
        },
        invalid(
            "empty",
            password(b""),
            &["is empty", "put the app password there"],
        ),
        invalid(
            "not UTF-8",
            password(b"\xff\xfe"),
            &["is not UTF-8", "base64 once"],
        ),
        invalid(
            "a line end after it",
            password(b"canary-right-5f1d7a\n"),
            &[
                "ends with a line end",
                "kubectl create secret generic billing-zoho",
                "printf %s",
            ],
        ),
        invalid(
            "a line end in it",
            password(b"canary\r\nQUIT"),
            &[
                "has a control character",
                "kubectl create secret generic billing-zoho",
            ],
        ),
        invalid(
            "1 MiB",
            password(&vec![b'x'; 1 << 20]),
            &["has 1048576 bytes", "at most 4096"],
        ),
    ]
}

async fn put(world: &World<'_>, data: Option<&[(&str, Vec<u8>)]>) {
    let Some(data) = data else {
        let params = DeleteParams::default();
        world
            .secrets()
            .delete("billing-zoho", &params)
            .await
            .unwrap();
        return;
    };
    let data: Vec<_> = data
        .iter()
        .map(|(key, value)| (*key, value.as_slice()))
        .collect();
    world.put_secret("billing", &data).await;
}

#[tokio::test]
async fn a_bad_secret_is_named_with_its_remedy_while_the_last_good_document_serves() {
    let world = World::start().await;
    world.published("billing").await;
    let good = world.document("billing").await;
    for row in rows() {
        put(&world, row.data.as_deref()).await;
        let identity = world.until("billing", "Ready", "False", row.reason).await;
        let marker = if row.waits { "Reconciling" } else { "Stalled" };
        assert_eq!(
            conditions(&identity),
            [
                format!("Ready=False/{}", row.reason),
                format!("CredentialsVerified=Unknown/{}", row.reason),
                "Published=True/Published".to_owned(),
                "RolledOut=True/NoPods".to_owned(),
                format!("{marker}=True/{}", row.reason),
            ],
            "{}",
            row.what
        );
        let said = message(&identity, "Ready");
        for word in row.words {
            assert!(said.contains(word), "{}: {said}", row.what);
        }
        assert!(message(&identity, "Published").contains("still serves"));
        assert_eq!(world.document("billing").await, good, "{}", row.what);

        world.put_password("billing", GOOD).await;
        let mended = world.until("billing", "Ready", "True", "Published").await;
        assert_eq!(conditions(&mended).len(), 4, "{}", row.what);
    }
    // The same document all the time, and the login of the beginning.
    assert_eq!(world.document("billing").await, good);
    world.assert_logins(1, 0);
}

#[tokio::test]
async fn an_identity_without_its_secret_publishes_nothing_until_it_comes() {
    let world = World::start().await;
    world.apply(&world.identity("billing")).await;
    let identity = world
        .until("billing", "Ready", "False", "SecretNotFound")
        .await;
    assert_eq!(
        conditions(&identity),
        [
            "Ready=False/SecretNotFound",
            "CredentialsVerified=Unknown/SecretNotFound",
            "Published=False/SecretNotFound",
            "RolledOut=False/Pending",
            "Reconciling=True/SecretNotFound",
        ]
    );
    let rendered = world.secrets().get_opt("zohorelay-billing").await.unwrap();
    assert!(rendered.is_none());
    world.put_password("billing", GOOD).await;
    world.until("billing", "Ready", "True", "Published").await;
    world.assert_logins(1, 0);
}

/// The five minutes are not waited out: the status is put back by six.
#[tokio::test]
async fn a_secret_that_does_not_come_for_five_minutes_is_a_persons_business() {
    let world = World::start().await;
    world.apply(&world.identity("billing")).await;
    let identity = world
        .until("billing", "Ready", "False", "SecretNotFound")
        .await;
    let mut status: Value = serde_json::to_value(&identity.status).unwrap();
    let long_ago = Timestamp::now() - SignedDuration::from_mins(6);
    for condition in status["conditions"].as_array_mut().unwrap() {
        condition["lastTransitionTime"] =
            json!(long_ago.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    }
    let patch = Patch::Merge(json!({ "status": status }));
    let identities = world.identities();
    identities
        .patch_status("billing", &PatchParams::default(), &patch)
        .await
        .unwrap();

    let identity = world
        .until("billing", "Stalled", "True", "SecretNotFound")
        .await;
    assert!(
        !conditions(&identity)
            .iter()
            .any(|it| it.starts_with("Reconciling"))
    );
    assert!(message(&identity, "Stalled").contains("kubectl create secret generic"));
    // A person's business, and yet nothing but the Secret is needed.
    world.put_password("billing", GOOD).await;
    let identity = world.until("billing", "Ready", "True", "Published").await;
    assert_eq!(conditions(&identity).len(), 4);
}

#[tokio::test]
async fn secrets_that_no_identity_names_wake_nobody() {
    let world = World::start().await;
    let before = world.published("billing").await;
    world.put_password("somebody-else", "x").await;
    let identity = world.published("alerts").await;
    assert_eq!(identity.name_any(), "alerts");
    let after = world.identities().get("billing").await.unwrap();
    assert_eq!(before.resource_version(), after.resource_version());
}
