//! What the admin listeners tell: `/summary` for the operator (label values and numbers only),
//! `/status` for a person on loopback (addresses and problems, never a secret).

mod page;

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use tokio::time::Instant;
use zohorelay_process::admin::{Response, Routes};
use zohorelay_process::page::POLICY;

use crate::identity::{Identity, State};
use crate::recent::Past;
use crate::reload::Problem;
use crate::sidecar::Sidecar;
use crate::tally::Counts;

/// The listener on the pod's address.
pub fn admin_routes(sidecar: &Arc<Sidecar>) -> Routes {
    let (ready, metrics, brief) = (sidecar.clone(), sidecar.clone(), sidecar.clone());
    Routes::new()
        .get("/live", || Response::text(200, "live"))
        .get("/ready", move || {
            if ready.shutdown.has_begun() {
                Response::text(503, "shutting down")
            } else {
                Response::text(200, "ready")
            }
        })
        .get("/metrics", move || {
            metrics
                .roster
                .iter()
                .for_each(|identity| identity.refresh_gauges());
            Response::metrics(metrics.metrics.registry())
        })
        .get("/summary", move || json(&summary(&brief)))
}

/// The listener on loopback.
pub fn page_routes(sidecar: &Arc<Sidecar>, problems: Vec<Problem>) -> Routes {
    let (sidecar, same) = (sidecar.clone(), sidecar.clone());
    let problems: Arc<[Problem]> = problems.into();
    let known = problems.clone();
    Routes::new()
        .get("/status", move || json(&status(&sidecar, &problems)))
        .get("/", move || {
            Response::html(200, page::render(&status(&same, &known)), POLICY)
        })
}

fn json(value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => Response::json(200, body),
        Err(error) => Response::text(500, format!("rendering this page: {error}")),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary<'a> {
    version: &'static str,
    identities: Vec<Brief<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Brief<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<String>,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    breaker: Option<BreakerView>,
    #[serde(flatten)]
    counts: Counts,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BreakerView {
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusals: Option<u32>,
    again_in_seconds: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Status<'a> {
    version: &'static str,
    at: Timestamp,
    sessions: i64,
    egress_blocked: bool,
    identities: Vec<Full<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Full<'a> {
    #[serde(flatten)]
    brief: Brief<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream: Option<UpstreamView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    addresses: Option<Vec<String>>,
    last_mails: Vec<Past>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UpstreamView {
    host: String,
    port: u16,
    username: String,
    connections_idle: usize,
    connections_busy: usize,
}

fn summary(sidecar: &Sidecar) -> Summary<'_> {
    let identities = sidecar.roster.iter().map(brief).collect();
    Summary {
        version: env!("CARGO_PKG_VERSION"),
        identities,
    }
}

fn status<'a>(sidecar: &'a Sidecar, problems: &[Problem]) -> Status<'a> {
    let identities = sidecar
        .roster
        .iter()
        .zip(problems)
        .map(|(i, p)| full(i, p))
        .collect();
    Status {
        version: env!("CARGO_PKG_VERSION"),
        at: Timestamp::now(),
        sessions: sidecar.metrics.sessions.get(),
        egress_blocked: sidecar.metrics.egress_blocked.get() != 0,
        identities,
    }
}

fn brief(identity: &Arc<Identity>) -> Brief<'_> {
    let state = identity.state();
    let document = match &state {
        State::Active(active) => Some(&active.document),
        State::Awaited | State::Removed(_) => None,
    };
    Brief {
        name: identity.name(),
        namespace: document.and_then(|document| document.namespace.clone()),
        uid: document.and_then(|document| document.uid.clone()),
        state: match &state {
            State::Awaited => "awaited",
            State::Active(active) if active.document.suspend => "suspended",
            State::Active(_) => "active",
            State::Removed(_) => "removed",
        },
        revision: document.and_then(|document| document.revision),
        breaker: breaker(identity, &state),
        counts: identity.tally.counts(),
    }
}

fn breaker(identity: &Identity, state: &State) -> Option<BreakerView> {
    if let State::Active(active) = state
        && let Some((reason, left)) = active.hold()
    {
        return Some(BreakerView {
            reason,
            refusals: None,
            again_in_seconds: left.as_secs(),
        });
    }
    identity.breaker().open().map(|open| BreakerView {
        reason: open.reason.as_str(),
        refusals: Some(open.refusals),
        again_in_seconds: open.until.duration_since(Instant::now()).as_secs(),
    })
}

fn full<'a>(identity: &'a Arc<Identity>, problem: &Problem) -> Full<'a> {
    let active = identity.active();
    let upstream = active.as_ref().map(|active| UpstreamView {
        host: active.document.upstream.host.clone(),
        port: active.document.upstream.port,
        username: active.document.login.username.clone(),
        connections_idle: active.pool.idle(),
        connections_busy: active.pool.busy(),
    });
    let addresses = active.as_ref().map(|active| {
        active
            .document
            .addresses
            .all()
            .map(|address| address.as_str().to_owned())
            .collect()
    });
    Full {
        brief: brief(identity),
        problem: problem.text(),
        upstream,
        addresses,
        last_mails: identity.recent.mails(),
    }
}

#[cfg(test)]
mod tests;
