//! Is the way out blocked? Clusters and clouds drop SMTP ports (docs/zoho.md R23). After a connect
//! that timed out the other port is tried in the background, once in five minutes.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use zohorelay_upstream::dial;
use zohorelay_upstream::failure::Stage;

use crate::identity::Active;
use crate::outcome::{Origin, Outcome};
use crate::sidecar::Sidecar;

const INTERVAL: Duration = Duration::from_secs(5 * 60);

/// When the other port was last tried.
#[derive(Debug, Default)]
pub struct Egress {
    tried: Mutex<Option<Instant>>,
}

impl Egress {
    /// Learns from how a mail ended.
    pub fn note(&self, outcome: &Outcome, active: Option<&Active>, sidecar: &Sidecar) {
        let connected = match outcome {
            Outcome::Accepted(_) => true,
            Outcome::Upstream(failure) if failure.egress_suspected => {
                if let Some(active) = active.filter(|_| self.is_due()) {
                    try_other_port(active, sidecar);
                }
                false
            }
            Outcome::Upstream(failure) => {
                failure.stage != Stage::Connect && outcome.origin() == Origin::Upstream
            }
            Outcome::Local(_) | Outcome::Suspended => false,
        };
        if connected {
            sidecar.metrics.egress_blocked.set(0);
        }
    }

    fn is_due(&self) -> bool {
        let mut tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        let due = tried.is_none_or(|tried| tried.elapsed() >= INTERVAL);
        if due {
            *tried = Some(Instant::now());
        }
        due
    }
}

fn try_other_port(active: &Active, sidecar: &Sidecar) {
    let upstream = &active.document.upstream;
    let host = upstream.host.clone();
    let other = if upstream.port == 465 { 587 } else { 465 };
    let resolver = sidecar.network.resolver.clone();
    let gauge = sidecar.metrics.egress_blocked.clone();
    let token = sidecar.shutdown.token().clone();
    sidecar.tasks.spawn(async move {
        let probe = dial::probe(&resolver, &host, other);
        let Some(result) = token.run_until_cancelled(probe).await else { return };
        let is_blocked = result.is_err_and(|error| error.is_egress_suspected());
        gauge.set(i64::from(is_blocked));
        if is_blocked {
            tracing::warn!(
                host,
                "connections time out on 465 and on 587: the cluster or the cloud may block mail ports"
            );
        }
    });
}
