//! What a test takes away for a while, and what comes back however the test ends.

use std::panic::{AssertUnwindSafe, resume_unwind};

use anyhow::Result;
use futures_util::FutureExt as _;
use zohorelay_cluster::Node;

use super::{Ground, RELEASE, SYSTEM};

impl Ground {
    /// The node, for a test that cannot do without one. A person's own cluster has none: the test is left
    /// out, and says so. Where `CI` is set it is never left out.
    pub fn own_node(&self, test: &str) -> Option<&Node> {
        let node = self.node();
        if node.is_none() {
            assert!(std::env::var_os("CI").is_none(), "{test} needs a node");
            println!("left out: {test} needs a node of its own");
        }
        node
    }

    /// Waits until the operator has so many replicas; with none there is no webhook either.
    pub async fn scale_operator(&self, replicas: u32) -> Result<()> {
        let name = format!("deployment/{RELEASE}-operator -n {SYSTEM}");
        self.kubectl(&format!("scale {name} --replicas={replicas}"))
            .await?;
        if replicas > 0 {
            let status = format!("rollout status {name} --timeout=60s");
            return self.kubectl(&status).await.map(drop);
        }
        let pods = format!("pod -n {SYSTEM} -l app.kubernetes.io/component=operator");
        self.kubectl(&format!("wait {pods} --for=delete --timeout=60s"))
            .await
            .map(drop)
    }
}

/// Runs a test's part, and then what puts back what it took away, though it panicked.
pub async fn and_then_always<T>(
    part: impl Future<Output = T>,
    put_back: impl Future<Output = Result<()>>,
) -> Result<T> {
    let ended = AssertUnwindSafe(part).catch_unwind().await;
    let is_back = put_back.await;
    match ended {
        Ok(value) => is_back.map(|()| value),
        Err(panic) => resume_unwind(panic),
    }
}
