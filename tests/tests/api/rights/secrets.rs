//! The policy on the operator's Secrets never refuses what the operator does in the whole life of one.

use std::process::Command;

use kube::Api;
use kube::api::DeleteParams;
use serde_json::Value;
use zohorelay_cluster::Running;
use zohorelay_crds::MailIdentity;
use zohorelay_tests::objects::disappears;

use super::stage::{PASSWORD, Stage, until};

/// The controllers do nothing while this lives: so what an identity leaves is not collected.
struct Frozen(u32);

impl Frozen {
    fn controllers(cluster: &Running) -> Self {
        let pid = cluster.pids()[2];
        signal(pid, "STOP");
        Self(pid)
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        signal(self.0, "CONT");
    }
}

fn signal(pid: u32, name: &str) {
    let pid = pid.to_string();
    let kill = ["-c", "kill -s \"$1\" \"$2\"", "sh", name, &pid];
    assert!(Command::new("sh").args(kill).status().unwrap().success());
}

/// Changed, suspended, deleted, declared again, and declared again while the Secret of the earlier
/// identity is still there. Whoever calls sees in the log that nothing was refused.
pub(super) async fn live_through_everything(stage: &Stage<'_>) {
    stage.put_password("second", "canary-wrong").await;
    stage.until_ready("billing", "False/LoginRefused").await;
    stage.put_password("third", PASSWORD).await;
    stage.put_identity("billing", "Billing", true).await;
    stage.until_ready("billing", "True/Suspended").await;
    stage.put_identity("billing", "Billing", false).await;
    stage.until_ready("billing", "True/Published").await;

    delete(stage).await;
    until("its Secret is collected", async || {
        stage.document().await.is_null()
    })
    .await;
    stage.put_identity("billing", "Billing", false).await;
    stage.until_ready("billing", "True/Published").await;

    let left = rendered(stage).await;
    let frozen = Frozen::controllers(stage.cluster);
    delete(stage).await;
    stage.put_identity("billing", "Billing again", false).await;
    stage.until_ready("billing", "True/Published").await;
    let taken = rendered(stage).await;
    assert_eq!(taken["metadata"]["uid"], left["metadata"]["uid"]);
    let owners = &taken["metadata"]["ownerReferences"];
    let identity = stage.identity("billing").await;
    assert_eq!(owners.as_array().unwrap().len(), 1, "{owners}");
    assert_eq!(owners[0]["uid"], identity["metadata"]["uid"]);
    drop(frozen);
}

async fn delete(stage: &Stage<'_>) {
    let identities: Api<MailIdentity> = stage.identities();
    let params = DeleteParams::background();
    identities.delete("billing", &params).await.unwrap();
    disappears(&identities, "billing").await.unwrap();
}

async fn rendered(stage: &Stage<'_>) -> Value {
    let secret = stage.secrets().get("zohorelay-billing").await.unwrap();
    serde_json::to_value(secret).unwrap()
}
