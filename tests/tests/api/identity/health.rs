//! What Flux (kstatus) and Argo CD make of an identity: of each golden status, and of live ones.

use std::path::PathBuf;

use serde_json::{Value, json};
use zohorelay_tests::judge::{argocd_health, kstatus};

use super::world::{GOOD, WRONG, World};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The two verdicts on each object.
async fn verdicts(objects: &[Value]) -> Vec<(String, String)> {
    let script = root().join("docs/argocd-health.lua");
    let flux = kstatus(objects).await.unwrap();
    let argo = argocd_health(&script, objects).await.unwrap();
    assert_eq!((flux.len(), argo.len()), (objects.len(), objects.len()));
    flux.into_iter()
        .zip(argo)
        .map(|(flux, argo)| (flux.status, argo.status))
        .collect()
}

#[tokio::test]
async fn flux_and_argo_cd_read_every_golden_status_as_it_is_meant() {
    let folder = root().join("operator/fixtures/status");
    let expected = std::fs::read_to_string(folder.join("expected.tsv")).unwrap();
    let rows: Vec<Vec<&str>> = expected
        .lines()
        .skip(1)
        .map(|line| line.split('\t').collect())
        .collect();
    assert!(rows.len() > 20, "{} golden statuses", rows.len());
    let object = |row: &Vec<&str>| -> Value {
        let text = std::fs::read(folder.join(row[0])).unwrap();
        serde_json::from_slice(&text).unwrap()
    };
    let objects: Vec<Value> = rows.iter().map(object).collect();
    for (row, (flux, argo)) in rows.iter().zip(verdicts(&objects).await) {
        assert_eq!([row[0], &flux, &argo], [row[0], row[1], row[2]]);
    }
}

#[tokio::test]
async fn flux_and_argo_cd_follow_a_live_identity() {
    let mut world = World::without_operator().await;
    world.put_password("billing", GOOD).await;
    world.apply(&world.identity("billing")).await;
    let fresh = world.identities().get("billing").await.unwrap();

    world
        .start_operator(&["--allowed-upstream-host", "localhost"])
        .await;
    let ready = world.until("billing", "Ready", "True", "Published").await;
    world.put_password("billing", WRONG).await;
    let refused = world
        .until("billing", "Stalled", "True", "LoginRefused")
        .await;
    world.put_password("billing", GOOD).await;
    world.until("billing", "Ready", "True", "Published").await;
    let mut suspended = world.identity("billing");
    suspended["spec"]["suspend"] = json!(true);
    world.apply(&suspended).await;
    let suspended = world.until("billing", "Ready", "True", "Suspended").await;
    world.apply(&world.identity("later")).await;
    let waiting = world
        .until("later", "Reconciling", "True", "SecretNotFound")
        .await;

    // A spec that nobody has looked at, over a status that was good.
    world.kill_operator().await;
    world.apply(&world.identity("billing")).await;
    let unseen = world.identities().get("billing").await.unwrap();

    let objects = [fresh, ready, refused, suspended, waiting, unseen];
    let objects: Vec<Value> = objects
        .iter()
        .map(|it| serde_json::to_value(it).unwrap())
        .collect();
    let expected = [
        ("InProgress", "Progressing"),
        ("Current", "Healthy"),
        ("Failed", "Degraded"),
        ("Current", "Suspended"),
        ("InProgress", "Progressing"),
        ("InProgress", "Progressing"),
    ];
    for (index, (flux, argo)) in verdicts(&objects).await.iter().enumerate() {
        assert_eq!((flux.as_str(), argo.as_str()), expected[index], "{index}");
    }
}
