//! Pods that ask for the sidecar, made one after another all the time.

use serde_json::json;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use zohorelay_tests::objects::api;

use k8s_openapi::api::core::v1::Pod;
use kube::api::PostParams;

use super::world::{World, asking, pod, sidecar};

/// See the module.
pub(super) struct Making {
    task: JoinHandle<(usize, Vec<String>)>,
    stop: CancellationToken,
}

impl Making {
    pub(super) fn start(world: &World) -> Self {
        let stop = CancellationToken::new();
        let pods = api::<Pod>(&world.client, &world.namespace);
        let asked = pod("steady", &asking("billing"), &json!({}));
        let asked: Pod = serde_json::from_value(asked).unwrap();
        let params = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        let token = stop.clone();
        let task = tokio::spawn(async move {
            let (mut made, mut failures) = (0, Vec::new());
            while !token.is_cancelled() {
                match pods.create(&params, &asked).await {
                    Ok(pod) if sidecar(&serde_json::to_value(&pod).unwrap()).is_some() => made += 1,
                    Ok(_) => failures.push("a pod without sidecar".to_owned()),
                    Err(error) => failures.push(error.to_string()),
                }
            }
            (made, failures)
        });
        Self { task, stop }
    }

    /// Each had to be made, with the sidecar, but for this many.
    pub(super) async fn end(self, lost: usize) {
        self.stop.cancel();
        let (made, failures) = self.task.await.unwrap();
        assert!(
            failures.len() <= lost,
            "{made} were made, but: {failures:#?}"
        );
        assert!(made > 10, "only {made} were made");
    }
}
