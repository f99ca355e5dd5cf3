//! What only the leader does. It ends when leadership is lost and begins again with it; what was
//! learned of logins stays.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use kube::runtime::reflector::ObjectRef;
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use zohorelay_crds::MailIdentity;

use crate::identity::Controller;
use crate::leadership::Leadership;

/// Every part ends at its token. One that does not is cut off after so long: whoever leads next begins
/// later than that.
const END: Duration = Duration::from_secs(3);
/// Identities that wait to be looked at again.
const CHANGED: usize = 256;

const RECONCILING: &str = "reconciling identities";
const WATCHING: &str = "watching pods";
const ASKING: &str = "asking the sidecars";
const TRYING: &str = "trying logins";

/// Leads whenever it is this replica's turn, until `stop`. An error names a part that ended though
/// nobody asked it to.
pub(super) async fn lead(
    controller: Arc<Controller>,
    mut leadership: Leadership,
    stop: CancellationToken,
) -> Result<(), String> {
    loop {
        // In this order, both times: at `stop` the lease is still held, and the parts end by themselves.
        tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(()),
            () = leadership.acquired() => {}
        }
        let term = stop.child_token();
        let mut parts = begin(&controller, &leadership, &term);
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = leadership.lost() => {}
            Some(ended) = parts.join_next() => return Err(unexpected(ended)),
        }
        term.cancel();
        end(parts).await;
        controller.metrics.forget_all();
    }
}

async fn end(mut parts: JoinSet<&'static str>) {
    let mut late = vec![RECONCILING, WATCHING, ASKING, TRYING];
    let all = async {
        while let Some(ended) = parts.join_next().await {
            late.retain(|part| ended.as_ref().ok() != Some(part));
        }
    };
    if timeout(END, all).await.is_err() {
        tracing::debug!(parts = late.join(", "), "cut off what did not end");
        parts.shutdown().await;
    }
}

fn begin(
    controller: &Arc<Controller>,
    leadership: &Leadership,
    term: &CancellationToken,
) -> JoinSet<&'static str> {
    // What was queued in an earlier term may not be wanted any more: who still wants it asks again.
    controller.verifier.withdraw_all();
    let (changed, news) = mpsc::channel::<ObjectRef<MailIdentity>>(CHANGED);
    let mut parts = JoinSet::new();
    let (identities, token) = (controller.clone(), term.clone());
    parts.spawn(async move {
        identities.run(news, token).await;
        RECONCILING
    });
    let (pods, token) = (controller.pods.clone(), term.clone());
    let (client, scope) = (controller.client.clone(), controller.scope.clone());
    let pods_changed = changed.clone();
    parts.spawn(async move {
        pods.watch(client, scope, pods_changed, token).await;
        WATCHING
    });
    let (pods, token, leads) = (controller.pods.clone(), term.clone(), leadership.clone());
    parts.spawn(async move {
        pods.read_summaries(leads, token).await;
        ASKING
    });
    let (verifier, token, leads) = (
        controller.verifier.clone(),
        term.clone(),
        leadership.clone(),
    );
    parts.spawn(async move {
        verifier.run(&leads, &changed, &token).await;
        TRYING
    });
    parts
}

fn unexpected(ended: Result<&'static str, JoinError>) -> String {
    match ended {
        Ok(part) => format!("{part} ended unexpectedly"),
        Err(error) => format!("a part of the operator broke: {error}"),
    }
}
