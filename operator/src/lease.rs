//! The Lease that elects the one replica that writes.
//!
//! Every write carries the version that was read, so of two replicas that try at once one is
//! refused. A holder that cannot renew stops leading well before the others may begin
//! ([`election`]). A Lease that was deleted is made again.

pub mod election;

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::core::PartialObjectMeta;
use kube::{Api, Client, Resource, ResourceExt};
use prometheus::IntGauge;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use zohorelay_crds::keys;

use self::election::{Observation, RENEW_DEADLINE, RETRY, Step, held, holder, released};
use crate::leadership::Leadership;

/// Patience for one look at the Lease, its renewal included.
const TURN: Duration = Duration::from_secs(5);
/// Patience for giving it up.
const RELEASE: Duration = Duration::from_secs(2);

/// One replica, and the Lease that it wants to hold.
pub struct Candidate {
    leases: Api<Lease>,
    deployments: Api<PartialObjectMeta<Deployment>>,
    name: String,
    replica: String,
    deployment: Option<String>,
    owner: Option<OwnerReference>,
    seen: Observation,
    /// As it was written last, while it is ours: the next renewal needs no reading.
    mine: Option<Lease>,
    /// Who else held it when it was looked at last.
    other: Option<Arc<str>>,
}

/// Where it is told whether this replica leads.
pub struct Seat {
    leads: watch::Sender<bool>,
    until: watch::Sender<Option<Instant>>,
    other: watch::Sender<Option<Arc<str>>>,
    gauge: IntGauge,
}

impl Seat {
    /// An empty seat, and how others look at it.
    pub fn new(gauge: IntGauge) -> (Self, Leadership) {
        let (leads, led) = watch::channel(false);
        let (until, ends) = watch::channel(None);
        let (other, named) = watch::channel(None);
        let seat = Self {
            leads,
            until,
            other,
            gauge,
        };
        (seat, Leadership::bounded(led, ends).naming(named))
    }

    fn take(&self, until: Instant) {
        self.until.send_replace(Some(until));
        self.gauge.set(1);
        self.other.send_replace(None);
        if !self.leads.send_replace(true) {
            tracing::info!("this replica leads now");
        }
    }

    fn leave(&self) {
        self.gauge.set(0);
        if self.leads.send_replace(false) {
            tracing::info!("this replica leads no longer");
        }
    }
}

impl Candidate {
    /// `name` is that of the Lease in `namespace`; `deployment`, which is there too, becomes its
    /// owner.
    pub fn new(
        client: &Client,
        namespace: &str,
        name: &str,
        replica: String,
        deployment: Option<String>,
    ) -> Self {
        Self {
            leases: Api::namespaced(client.clone(), namespace),
            deployments: Api::namespaced(client.clone(), namespace),
            name: name.to_owned(),
            replica,
            deployment,
            owner: None,
            seen: Observation::default(),
            mine: None,
            other: None,
        }
    }

    /// Tries to get the Lease and to keep it, until `give_up`; then leaves it to the others.
    pub async fn campaign(mut self, seat: Seat, give_up: CancellationToken) {
        tokio::select! {
            () = self.go_on(&seat) => {}
            () = give_up.cancelled() => {}
        }
        seat.leave();
        match timeout(RELEASE, self.release()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(error = crate::run::chain(&error), "giving the lease up");
            }
            Err(_) => tracing::warn!("giving the lease up: the API server does not answer"),
        }
    }

    async fn go_on(&mut self, seat: &Seat) {
        let mut until: Option<Instant> = None;
        let mut failures = 0_u32;
        loop {
            let began = Instant::now();
            let patience = until.map_or(began + TURN, |end| end.min(began + TURN));
            let turn = timeout_at(patience, self.turn(began)).await;
            match turn.unwrap_or(Err(TurnError::NoAnswer)) {
                Ok(true) => {
                    until = Some(began + RENEW_DEADLINE);
                    seat.take(began + RENEW_DEADLINE);
                    failures = 0;
                }
                Ok(false) => {
                    until = None;
                    seat.leave();
                    seat.other.send_replace(self.other.clone());
                    failures = 0;
                }
                Err(error) => {
                    self.mine = None;
                    failures = failures.saturating_add(1);
                    report(&error, failures);
                }
            }
            let next = Instant::now() + RETRY;
            sleep_until(until.map_or(next, |end| end.min(next))).await;
            if until.is_some_and(|end| Instant::now() >= end) {
                until = None;
                seat.leave();
            }
        }
    }

    /// Whether the Lease is ours now.
    async fn turn(&mut self, now: Instant) -> Result<bool, TurnError> {
        self.find_owner().await?;
        let lease = match self.mine.take() {
            Some(lease) => Some(lease),
            None => self.leases.get_opt(&self.name).await?,
        };
        let Some(lease) = lease else {
            return self.write(Lease::default()).await;
        };
        match self.seen.step(&lease, &self.replica, now) {
            Step::Wait => {
                self.other = holder(&lease).map(Arc::from);
                Ok(false)
            }
            Step::Hold => self.write(lease).await,
        }
    }

    /// Writes ourselves into `lease`; false when somebody else was faster.
    async fn write(&mut self, mut lease: Lease) -> Result<bool, TurnError> {
        lease.metadata.name = Some(self.name.clone());
        if let Some(owner) = &self.owner
            && !lease.owner_references().contains(owner)
        {
            lease.owner_references_mut().push(owner.clone());
        }
        lease.spec = Some(held(lease.spec.as_ref(), &self.replica, Timestamp::now()));
        let is_new = lease.metadata.resource_version.is_none();
        match self.put(&lease).await {
            Ok(written) => {
                self.mine = Some(written);
                Ok(true)
            }
            // Nothing can be created where there is no namespace.
            Err(kube::Error::Api(status)) if is_new && status.is_not_found() => {
                Err(TurnError::NoNamespace(status.message))
            }
            // Read again before anything is believed: it may have been our own retried request.
            Err(kube::Error::Api(status))
                if status.is_conflict() || status.is_already_exists() || status.is_not_found() =>
            {
                let now = self.leases.get_opt(&self.name).await?;
                Ok(now.as_ref().and_then(holder) == Some(&self.replica))
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn put(&self, lease: &Lease) -> kube::Result<Lease> {
        let params = PostParams {
            field_manager: Some(keys::FIELD_MANAGER.to_owned()),
            ..PostParams::default()
        };
        if lease.metadata.resource_version.is_some() {
            self.leases.replace(&self.name, &params, lease).await
        } else {
            self.leases.create(&params, lease).await
        }
    }

    /// The reference to the Deployment, looked for once. Without the right to, or without such a
    /// Deployment, the Lease just stays behind when the operator is removed.
    async fn find_owner(&mut self) -> Result<(), TurnError> {
        let Some(name) = &self.deployment else {
            return Ok(());
        };
        match self.deployments.get(name).await {
            Ok(meta) => {
                self.owner = Deployment {
                    metadata: meta.metadata,
                    ..Deployment::default()
                }
                .owner_ref(&());
            }
            Err(kube::Error::Api(status)) if status.is_not_found() || status.is_forbidden() => {
                tracing::warn!(deployment = %name, error = %status.message, "the lease has no owner");
            }
            Err(error) => return Err(error.into()),
        }
        self.deployment = None;
        Ok(())
    }

    async fn release(&mut self) -> kube::Result<()> {
        let lease = self.leases.get_opt(&self.name).await?;
        let Some(mut lease) = lease.filter(|lease| holder(lease) == Some(&self.replica)) else {
            return Ok(());
        };
        lease.spec = lease.spec.map(|spec| released(&spec, Timestamp::now()));
        self.put(&lease).await.map(drop)
    }
}

/// Why a look at the Lease told nothing.
#[derive(Debug, thiserror::Error)]
enum TurnError {
    /// The API server refused, or cannot be reached.
    #[error("asking the API server for the lease")]
    Api(#[from] kube::Error),
    /// The operator's namespace is not there.
    #[error("creating the lease: {0}; see that --operator-namespace is the operator's own")]
    NoNamespace(String),
    /// It did not answer in time.
    #[error("asking the API server for the lease: no answer in time")]
    NoAnswer,
}

/// The first failure in a row is worth a warning; the others are the same again.
fn report(error: &TurnError, failures: u32) {
    let error = crate::run::chain(error);
    if failures == 1 {
        tracing::warn!(error, "the lease cannot be looked at");
    } else {
        tracing::debug!(error, failures, "the lease cannot be looked at");
    }
}

/// The name of this replica: the host's, which is the pod's, and something that a restart changes.
pub fn replica_name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = host.trim();
    let host = if host.is_empty() { "operator" } else { host };
    let suffix: String = std::iter::repeat_with(fastrand::lowercase)
        .take(5)
        .collect();
    format!("{host}-{suffix}")
}
