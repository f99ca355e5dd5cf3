//! Every metric of the operator.

use prometheus::{IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

/// The metrics, registered once.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Registry,
    /// 1 while the identity is Ready, else 0.
    pub identity_ready: IntGaugeVec,
    /// Pods of an identity by state: attached, missing, outdated, current.
    pub pods: IntGaugeVec,
    /// Logins by result: ok, refused, error.
    pub logins: IntCounterVec,
    /// Reconciliations by result: done, `user_error`, retry.
    pub reconciles: IntCounterVec,
    /// Admission answers by result: injected, untouched, refused, malformed.
    pub admissions: IntCounterVec,
    /// When the webhook's certificate ends, in Unix seconds.
    pub webhook_certificate_not_after: IntGauge,
    /// 1 on the replica that leads.
    pub leader: IntGauge,
}

impl Metrics {
    /// Registers every metric in a new registry.
    pub fn new(version: &str) -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let gauges = |name: &str, help: &str, labels: &[&str]| -> prometheus::Result<IntGaugeVec> {
            let gauges = IntGaugeVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(gauges.clone()))?;
            Ok(gauges)
        };
        let counters = |name: &str, help: &str| -> prometheus::Result<IntCounterVec> {
            let counters = IntCounterVec::new(Opts::new(name, help), &["result"])?;
            registry.register(Box::new(counters.clone()))?;
            Ok(counters)
        };
        let gauge = |name: &str, help: &str| -> prometheus::Result<IntGauge> {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let build = gauges("zohorelay_build_info", "Always 1.", &["version"])?;
        build.with_label_values(&[version]).set(1);
        Ok(Self {
            identity_ready: gauges(
                "zohorelay_operator_identity_ready",
                "1 while the identity is Ready, else 0.",
                &["namespace", "identity"],
            )?,
            pods: gauges(
                "zohorelay_operator_pods",
                "Pods of an identity, by state.",
                &["namespace", "identity", "state"],
            )?,
            logins: counters(
                "zohorelay_operator_logins_total",
                "Logins tried, by result.",
            )?,
            reconciles: counters(
                "zohorelay_operator_reconciles_total",
                "Reconciliations, by result.",
            )?,
            admissions: counters(
                "zohorelay_operator_admissions_total",
                "Pods admitted, by result.",
            )?,
            webhook_certificate_not_after: gauge(
                "zohorelay_operator_webhook_certificate_not_after_seconds",
                "When the webhook's certificate ends, in Unix seconds.",
            )?,
            leader: gauge("zohorelay_operator_leader", "1 on the replica that leads.")?,
            registry,
        })
    }

    /// For `/metrics`.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }
}
