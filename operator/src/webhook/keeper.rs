//! Keeps the webhook's certificate: every replica loads what stands in the Secret; of a certificate
//! of our own making the leader also writes the Secret and the configuration's caBundle.

use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt as _;
use jiff::Timestamp;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Secret;
use kube::runtime::watcher::{self, watch_object};
use thiserror::Error;
use tokio::select;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::certificate::{CertificateError, Names, Validity, certified_key, is_trusted};
use super::cluster::{Cluster, WriteError};
use super::due::{Due, Observed, Obstacle, due};
use super::readiness::Readiness;
use super::rotation::Lifetimes;
use super::slot::Slot;
use super::{configuration, store};
use crate::args::CertSource;
use crate::backoff;
use crate::leadership::Leadership;
use crate::metrics::Metrics;
use crate::run::chain;

/// Clocks are looked at this often, since they may jump.
const LOOK: Duration = Duration::from_secs(60);
/// The least time between two repairs of the caBundle, should somebody else keep on changing it.
const REPAIR: Duration = Duration::from_secs(1);
/// The longest pause after writes that failed one after another.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Why the leader could not go on.
#[derive(Debug, Error)]
enum LeadError {
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

/// What the keeper is told once.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Who makes the certificate.
    pub source: CertSource,
    /// The names that it is for.
    pub names: Names,
    /// How long it and the steps of its renewal last.
    pub lifetimes: Lifetimes,
}

/// One replica's keeper.
pub struct Keeper {
    cluster: Cluster,
    setting: Setting,
    leadership: Leadership,
    slot: Slot,
    readiness: Readiness,
    metrics: Metrics,
    secret: Observed<Secret>,
    configuration: Observed<MutatingWebhookConfiguration>,
    /// What is served, as PEM.
    chain: String,
    failures: u32,
    resume_at: Instant,
    said: Option<Obstacle>,
}

impl Keeper {
    /// A keeper that has seen nothing yet.
    pub fn new(
        cluster: Cluster,
        setting: Setting,
        leadership: Leadership,
        slot: Slot,
        readiness: Readiness,
        metrics: Metrics,
    ) -> Self {
        Self {
            cluster,
            setting,
            leadership,
            slot,
            readiness,
            metrics,
            secret: Observed::Unknown,
            configuration: Observed::Unknown,
            chain: String::new(),
            failures: 0,
            resume_at: Instant::now(),
            said: None,
        }
    }

    /// Watches and acts until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let (secrets, configurations) = (self.cluster.secrets(), self.cluster.configurations());
        let secret = self.cluster.secret_name().to_owned();
        let configuration = self.cluster.configuration_name().to_owned();
        let mut secrets = pin!(backoff::of_watch(|| watch_object(secrets.clone(), &secret)));
        let mut configurations = pin!(backoff::of_watch(|| {
            watch_object(configurations.clone(), &configuration)
        }));
        let is_internal = self.is_internal();
        let mut wake = Instant::now();
        loop {
            select! {
                () = stop.cancelled() => return,
                Some(event) = secrets.next() => self.note_secret(event),
                Some(event) = configurations.next(), if is_internal => {
                    self.note_configuration(event);
                }
                _ = self.leadership.changed(), if is_internal => {}
                () = sleep_until(wake) => {}
            }
            wake = self.act().await;
        }
    }

    fn is_internal(&self) -> bool {
        self.setting.source == CertSource::Internal
    }

    fn note_secret(&mut self, event: watcher::Result<Option<Secret>>) {
        match event {
            Ok(secret) => {
                self.secret = secret.into();
                self.load();
            }
            Err(error) => {
                let secret = self.cluster.secret_name();
                tracing::warn!(
                    error = chain(&error),
                    secret,
                    "watching the webhook's Secret"
                );
            }
        }
    }

    fn note_configuration(&mut self, event: watcher::Result<Option<MutatingWebhookConfiguration>>) {
        match event {
            Ok(configuration) => self.configuration = configuration.into(),
            Err(error) => {
                let configuration = self.cluster.configuration_name();
                tracing::warn!(
                    error = chain(&error),
                    configuration,
                    "watching the webhook's configuration"
                );
            }
        }
    }

    /// Serves what stands in the Secret, if it can be; else what was served before.
    fn load(&mut self) {
        let Some((chain, key)) = self.secret.present().and_then(store::serving) else {
            return;
        };
        let text = String::from_utf8_lossy(chain);
        if text == self.chain {
            return;
        }
        let loaded = certified_key(chain, key).and_then(|key| Ok((key, Validity::of(chain)?)));
        match loaded {
            Ok((key, validity)) => {
                tracing::info!(not_after = %validity.not_after, "webhook certificate loaded");
                let gauge = &self.metrics.webhook_certificate_not_after;
                gauge.set(validity.not_after.as_second());
                self.chain = text.into_owned();
                self.slot.load(key);
            }
            Err(error) => {
                let secret = self.cluster.secret_name();
                tracing::warn!(%error, secret, "the webhook's certificate cannot be served");
            }
        }
    }

    /// Does what is due; returns when to look again at the latest.
    async fn act(&mut self) -> Instant {
        self.judge_readiness();
        let latest = Instant::now() + LOOK;
        if !self.is_internal() || !self.leadership.is_leader() {
            return latest;
        }
        if Instant::now() < self.resume_at {
            return self.resume_at;
        }
        match self.lead(Timestamp::now()).await {
            Ok(next) => {
                self.failures = 0;
                self.judge_readiness();
                next.min(latest)
            }
            Err(error) => {
                let pause = pause(self.failures);
                self.failures += 1;
                self.resume_at = Instant::now() + pause;
                tracing::warn!(
                    error = chain(&error),
                    ?pause,
                    "keeping the webhook's certificate: trying again"
                );
                self.resume_at
            }
        }
    }

    /// One write, if one is due; returns when to look again.
    async fn lead(&mut self, now: Timestamp) -> Result<Instant, LeadError> {
        self.cluster.find_owner().await;
        let Setting {
            names, lifetimes, ..
        } = &self.setting;
        match due(&self.secret, &self.configuration, names, *lifetimes, now)? {
            Due::Write { step, kept } => {
                let before = self.secret.present();
                let written = self.cluster.write_secret(&kept, before).await?;
                tracing::info!(?step, "webhook certificate: a step is taken");
                self.secret = Observed::Present(written);
                self.load();
                Ok(Instant::now())
            }
            Due::Publish { entry, bundle } => {
                let patched = self.cluster.patch_bundle(&entry, &bundle).await?;
                tracing::info!("webhook certificate: its CA is published in the caBundle");
                self.configuration = Observed::Present(patched);
                self.resume_at = Instant::now() + REPAIR;
                Ok(self.resume_at)
            }
            Due::Stuck(obstacle) => {
                self.say(obstacle);
                Ok(Instant::now() + LOOK)
            }
            Due::Nothing(until) => {
                self.said = None;
                let wait =
                    until.and_then(|until| Duration::try_from(until.duration_since(now)).ok());
                Ok(Instant::now() + wait.unwrap_or(LOOK).min(LOOK))
            }
        }
    }

    /// Says it once, until all is well again or something else is in the way.
    fn say(&mut self, obstacle: Obstacle) {
        if self.said.replace(obstacle) != Some(obstacle) {
            let secret = self.cluster.secret_name();
            let configuration = self.cluster.configuration_name();
            tracing::warn!(secret, configuration, "{obstacle}");
        }
    }

    /// Ready is who serves what the API server trusts.
    fn judge_readiness(&self) {
        let validity = Validity::of(self.chain.as_bytes()).ok();
        let is_fit = !self.is_internal() || self.is_trusted(Timestamp::now());
        self.readiness.set(validity.filter(|_| is_fit));
    }

    fn is_trusted(&self, now: Timestamp) -> bool {
        let entry = self.configuration.present().and_then(configuration::find);
        let name = self.setting.names.service();
        entry.is_some_and(|entry| is_trusted(&self.chain, &entry.bundle, name, now))
    }
}

fn pause(failures: u32) -> Duration {
    let longest = Duration::from_secs(1 << failures.min(5)).min(LONGEST_PAUSE);
    longest.mul_f64(0.5 + fastrand::f64() / 2.0)
}
