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
    let (host, port) = (upstream.host.clone(), upstream.port);
    let other = if port == 465 { 587 } else { 465 };
    let resolver = sidecar.network.resolver.clone();
    let gauge = sidecar.metrics.egress_blocked.clone();
    let token = sidecar.shutdown.token().clone();
    sidecar.tasks.spawn(async move {
        let probe = dial::probe(&resolver, &host, other);
        let Some(result) = token.run_until_cancelled(probe).await else { return };
        let is_open = result.is_ok();
        let is_blocked = result.is_err_and(|error| error.is_egress_suspected());
        gauge.set(i64::from(is_blocked));
        if is_blocked {
            tracing::warn!(
                host,
                "connections time out on 465 and on 587: the cluster or the cloud may block mail ports"
            );
        } else if is_open {
            tracing::warn!(
                host,
                port,
                open = other,
                "connections time out on this port and are taken on the open one: let the identity use that"
            );
        }
    });
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use zohorelay_smtp::reply::Reply;
    use zohorelay_upstream::failure::{Class, Failure};

    use super::*;
    use crate::fixtures;

    fn failed(class: Class, stage: Stage, egress_suspected: bool) -> Outcome {
        let failure = Failure::new(class, stage, "localhost", "detail");
        Outcome::Upstream(Failure {
            egress_suspected,
            ..failure
        })
    }

    #[tokio::test(start_paused = true)]
    async fn the_other_port_is_tried_once_in_five_minutes_and_only_when_it_is_suspected() {
        let sidecar = fixtures::sidecar(&["billing"]);
        let active = fixtures::active("billing", &json!({}));
        let note = |outcome: &Outcome| {
            let before = sidecar.tasks.len();
            sidecar.egress.note(outcome, Some(&active), &sidecar);
            sidecar.tasks.len() - before
        };
        let suspected = failed(Class::Connect, Stage::Connect, true);
        assert_eq!(note(&failed(Class::Connect, Stage::Connect, false)), 0);
        assert_eq!(note(&suspected), 1);
        assert_eq!(note(&suspected), 0);
        tokio::time::advance(INTERVAL).await;
        assert_eq!(note(&suspected), 1);
        sidecar.shutdown.begin();
        sidecar.tasks.close();
        sidecar.tasks.wait().await;
    }

    #[tokio::test]
    async fn whoever_was_connected_shows_that_the_way_is_open() {
        let sidecar = fixtures::sidecar(&["billing"]);
        let table = [
            (Outcome::Accepted(Reply::new(250, None, "ok")), 0),
            (failed(Class::AuthFailed, Stage::Auth, false), 0),
            (failed(Class::Connect, Stage::Connect, false), 1),
            (failed(Class::Held, Stage::Auth, false), 1),
            (Outcome::Suspended, 1),
        ];
        for (outcome, expected) in table {
            sidecar.metrics.egress_blocked.set(1);
            sidecar.egress.note(&outcome, None, &sidecar);
            assert_eq!(
                sidecar.metrics.egress_blocked.get(),
                expected,
                "{outcome:?}"
            );
        }
    }
}
