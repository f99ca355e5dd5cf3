//! Every metric of the sidecar. Label values are closed sets: never an address, a host or a text.
//! All series of an identity exist with 0 from the start, so that `increase()` sees the first
//! failure; only `_failure_replies_total` appears on use.

use std::time::Duration;

use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry,
};
use zohorelay_upstream::failure::{Class, Failure};

use crate::breaker::Reason;
use crate::outcome::{Origin, Outcome};

/// The label `reason` of `_breaker_open` for a hold of the operator.
pub const HOLD: &str = "hold";

/// The metrics of the process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    series: Series,
    /// When the process started, in Unix seconds: a counter of a young process counts news only.
    pub start_time: IntGauge,
    /// 1 while connections time out on both ports of an upstream.
    pub egress_blocked: IntGauge,
    /// Sessions of apps at the moment.
    pub sessions: IntGauge,
    /// Sizes of mails that ended their DATA.
    pub message_bytes: Histogram,
}

/// What is counted for each identity.
#[derive(Debug)]
struct Series {
    mails: IntCounterVec,
    failures: IntCounterVec,
    failure_replies: IntCounterVec,
    relay_duration: HistogramVec,
    logins: IntCounterVec,
    breaker_open: IntGaugeVec,
    upstream_connections: IntGaugeVec,
    late_replies: IntCounterVec,
    config_revision: IntGaugeVec,
    config_stale: IntGaugeVec,
    config_unknown_fields: IntGaugeVec,
    config_reloads: IntCounterVec,
    eight_bit_mails: IntCounterVec,
    normalised_mails: IntCounterVec,
}

/// What became of the reply to our dot after the app had left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LateReply {
    /// The upstream took the mail.
    Accepted,
    /// The upstream refused it.
    Refused,
    /// No reply came.
    Lost,
}

impl LateReply {
    const ALL: [Self; 3] = [Self::Accepted, Self::Refused, Self::Lost];

    /// What an outcome means for a person who asks whether the app's retry made a second mail.
    pub const fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Accepted(_) => Self::Accepted,
            Outcome::Upstream(Failure {
                class: Class::UnknownOutcome,
                ..
            }) => Self::Lost,
            _ => Self::Refused,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Refused => "refused",
            Self::Lost => "lost",
        }
    }
}

/// What a look at a document led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// Taken.
    Applied,
    /// The same as before.
    Unchanged,
    /// An older revision than the one in use.
    Stale,
    /// Not readable or not valid; the old one stays.
    Rejected,
}

impl Reload {
    const ALL: [Self; 4] = [Self::Applied, Self::Unchanged, Self::Stale, Self::Rejected];

    /// The label value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Unchanged => "unchanged",
            Self::Stale => "stale",
            Self::Rejected => "rejected",
        }
    }
}

/// The result of one login at the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginResult {
    /// 235.
    Ok,
    /// The server refused it.
    Refused,
    /// No verdict: the connection or the protocol failed.
    Error,
}

impl LoginResult {
    const ALL: [Self; 3] = [Self::Ok, Self::Refused, Self::Error];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::Error => "error",
        }
    }
}

impl Metrics {
    /// Makes and registers everything.
    pub fn new(version: &str) -> prometheus::Result<Self> {
        let registry = Registry::new();
        let r = &registry;
        let build = gauges(
            r,
            "zohorelay_build_info",
            "The version that runs",
            &["version"],
        )?;
        build.with_label_values(&[version]).set(1);
        Ok(Self {
            series: Series::new(r)?,
            start_time: gauge(
                r,
                "zohorelay_sidecar_start_time_seconds",
                "When the process started, in Unix seconds",
            )?,
            egress_blocked: gauge(
                r,
                "zohorelay_sidecar_egress_blocked",
                "1 while connections time out on 465 and on 587",
            )?,
            sessions: gauge(r, "zohorelay_sidecar_sessions", "Sessions of apps")?,
            message_bytes: sizes(
                r,
                "zohorelay_sidecar_message_bytes",
                "Sizes of mails as the apps sent them",
            )?,
            registry,
        })
    }

    /// For `/metrics`.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The series of one identity, all at 0.
    pub fn identity(&self, name: &str) -> IdentityMetrics {
        let series = &self.series;
        for class in Class::ALL {
            for origin in Origin::ALL {
                series
                    .failures
                    .with_label_values(&[name, class.as_str(), origin.as_str()]);
            }
        }
        IdentityMetrics {
            name: name.to_owned(),
            failures: series.failures.clone(),
            failure_replies: series.failure_replies.clone(),
            mails: Outcome::LABELS.map(|label| series.mails.with_label_values(&[name, label])),
            relay_duration: series.relay_duration.with_label_values(&[name]),
            logins: LoginResult::ALL.map(|r| series.logins.with_label_values(&[name, r.as_str()])),
            breaker_open: Reason::ALL
                .map(|r| series.breaker_open.with_label_values(&[name, r.as_str()])),
            hold: series.breaker_open.with_label_values(&[name, HOLD]),
            connections_idle: series
                .upstream_connections
                .with_label_values(&[name, "idle"]),
            connections_busy: series
                .upstream_connections
                .with_label_values(&[name, "busy"]),
            late_replies: LateReply::ALL
                .map(|r| series.late_replies.with_label_values(&[name, r.as_str()])),
            config_revision: series.config_revision.with_label_values(&[name]),
            config_stale: series.config_stale.with_label_values(&[name]),
            config_unknown_fields: series.config_unknown_fields.with_label_values(&[name]),
            config_reloads: Reload::ALL
                .map(|r| series.config_reloads.with_label_values(&[name, r.as_str()])),
            eight_bit_mails: series.eight_bit_mails.with_label_values(&[name]),
            normalised_mails: series.normalised_mails.with_label_values(&[name]),
        }
    }
}

impl Series {
    fn new(r: &Registry) -> prometheus::Result<Self> {
        Ok(Self {
            mails: counters(
                r,
                "zohorelay_sidecar_mails_total",
                "Mails that ended, by how the app was answered",
                &["identity", "outcome"],
            )?,
            failures: counters(
                r,
                "zohorelay_sidecar_failures_total",
                "Mails that failed, by class and by who decided it",
                &["identity", "class", "origin"],
            )?,
            failure_replies: counters(
                r,
                "zohorelay_sidecar_failure_replies_total",
                "Mails that failed upstream, by stage and reply code (none: no reply came)",
                &["identity", "class", "stage", "code"],
            )?,
            relay_duration: durations(
                r,
                "zohorelay_sidecar_relay_duration_seconds",
                "From the app's dot to its answer",
                &["identity"],
            )?,
            logins: counters(
                r,
                "zohorelay_sidecar_logins_total",
                "Logins at the upstream",
                &["identity", "result"],
            )?,
            breaker_open: gauges(
                r,
                "zohorelay_sidecar_breaker_open",
                "1 while nothing is sent for this reason",
                &["identity", "reason"],
            )?,
            upstream_connections: gauges(
                r,
                "zohorelay_sidecar_upstream_connections",
                "Connections to the upstream",
                &["identity", "state"],
            )?,
            late_replies: counters(
                r,
                "zohorelay_sidecar_late_replies_total",
                "What the upstream answered after the app had hung up",
                &["identity", "result"],
            )?,
            config_revision: gauges(
                r,
                "zohorelay_sidecar_config_revision",
                "Revision of the document in use",
                &["identity"],
            )?,
            config_stale: gauges(
                r,
                "zohorelay_sidecar_config_stale",
                "1 while the document on disk cannot be used; the last good one serves, if there was one",
                &["identity"],
            )?,
            config_unknown_fields: gauges(
                r,
                "zohorelay_sidecar_config_unknown_fields",
                "Fields of the document in use that this version does not know",
                &["identity"],
            )?,
            config_reloads: counters(
                r,
                "zohorelay_sidecar_config_reloads_total",
                "Looks at a changed document, by what came of it",
                &["identity", "result"],
            )?,
            eight_bit_mails: counters(
                r,
                "zohorelay_sidecar_eight_bit_mails_total",
                "Mails with 8-bit content, which is passed on unchanged",
                &["identity"],
            )?,
            normalised_mails: counters(
                r,
                "zohorelay_sidecar_normalised_mails_total",
                "Mails in which bare LF became CRLF",
                &["identity"],
            )?,
        })
    }
}

/// The series of one identity, looked up once.
#[derive(Debug)]
pub struct IdentityMetrics {
    name: String,
    mails: [IntCounter; Outcome::LABELS.len()],
    failures: IntCounterVec,
    failure_replies: IntCounterVec,
    relay_duration: Histogram,
    logins: [IntCounter; 3],
    breaker_open: [IntGauge; 3],
    hold: IntGauge,
    /// Connections that wait for a mail.
    pub connections_idle: IntGauge,
    /// Connections with a mail.
    pub connections_busy: IntGauge,
    late_replies: [IntCounter; 3],
    /// Revision in use.
    pub config_revision: IntGauge,
    /// 1 while the file cannot be used.
    pub config_stale: IntGauge,
    /// Unknown fields of the document in use.
    pub config_unknown_fields: IntGauge,
    config_reloads: [IntCounter; 4],
    /// Mails with 8-bit content.
    pub eight_bit_mails: IntCounter,
    /// Mails with bare LF.
    pub normalised_mails: IntCounter,
}

impl IdentityMetrics {
    /// Counts how one mail ended, given the reply code that the app got.
    pub fn ended(&self, outcome: &Outcome, reply_code: u16) {
        self.count_mail(outcome.label(reply_code));
        self.count_failure(outcome);
    }

    /// Notes the time from the app's dot to its answer.
    pub fn took(&self, span: Duration) {
        self.relay_duration.observe(span.as_secs_f64());
    }

    /// Counts the failure that an outcome is, if it is one.
    pub fn count_failure(&self, outcome: &Outcome) {
        let Some(class) = outcome.class() else { return };
        let origin = outcome.origin();
        self.failures
            .with_label_values(&[&self.name, class.as_str(), origin.as_str()])
            .inc();
        if let (Outcome::Upstream(failure), Origin::Upstream) = (outcome, origin) {
            self.count_reply(failure);
        }
    }

    /// Counts a mail by its label.
    pub fn count_mail(&self, label: &str) {
        if let Some(at) = Outcome::LABELS.iter().position(|known| *known == label) {
            self.mails[at].inc();
        }
    }

    fn count_reply(&self, failure: &Failure) {
        let labels = [
            &self.name,
            failure.class.as_str(),
            failure.stage.as_str(),
            failure.code_label(),
        ];
        self.failure_replies.with_label_values(&labels).inc();
    }

    /// Counts a login.
    pub fn login(&self, result: LoginResult) {
        self.logins[result as usize].inc();
    }

    /// Counts a reply that came when the app was gone.
    pub fn late_reply(&self, result: LateReply) {
        self.late_replies[result as usize].inc();
    }

    /// Counts a look at a document.
    pub fn reload(&self, result: Reload) {
        self.config_reloads[result as usize].inc();
    }

    /// Shows the breaker and the operator's hold.
    pub fn show_breaker(&self, open: Option<Reason>, held: bool) {
        for reason in Reason::ALL {
            self.breaker_open[reason as usize].set(i64::from(open == Some(reason)));
        }
        self.hold.set(i64::from(held));
    }
}

fn counters(r: &Registry, name: &str, help: &str, labels: &[&str]) -> Made<IntCounterVec> {
    let made = IntCounterVec::new(Opts::new(name, help), labels)?;
    r.register(Box::new(made.clone()))?;
    Ok(made)
}

fn gauges(r: &Registry, name: &str, help: &str, labels: &[&str]) -> Made<IntGaugeVec> {
    let made = IntGaugeVec::new(Opts::new(name, help), labels)?;
    r.register(Box::new(made.clone()))?;
    Ok(made)
}

fn gauge(r: &Registry, name: &str, help: &str) -> Made<IntGauge> {
    let made = IntGauge::new(name, help)?;
    r.register(Box::new(made.clone()))?;
    Ok(made)
}

fn durations(r: &Registry, name: &str, help: &str, labels: &[&str]) -> Made<HistogramVec> {
    let buckets = vec![
        0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0,
    ];
    let made = HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets), labels)?;
    r.register(Box::new(made.clone()))?;
    Ok(made)
}

fn sizes(r: &Registry, name: &str, help: &str) -> Made<Histogram> {
    let buckets = prometheus::exponential_buckets(1024.0, 4.0, 9)?;
    let made = Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets))?;
    r.register(Box::new(made.clone()))?;
    Ok(made)
}

type Made<T> = prometheus::Result<T>;

#[cfg(test)]
mod tests;
