//! Every metric of the operator.

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};
use zohorelay_crds::v1alpha1::PodCounts;

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
    /// `MailIdentity` objects that could not be read and were passed over.
    pub malformed: IntCounter,
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
        // Every result exists from the start with 0, so that `increase()` sees the first.
        let counters = |name: &str, help: &str, results: &[&str]| {
            let counters = IntCounterVec::new(Opts::new(name, help), &["result"])?;
            registry.register(Box::new(counters.clone()))?;
            for result in results {
                counters.with_label_values(&[result]);
            }
            prometheus::Result::Ok(counters)
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
                &["ok", "refused", "error"],
            )?,
            reconciles: counters(
                "zohorelay_operator_reconciles_total",
                "Reconciliations, by result.",
                &["done", "user_error", "retry"],
            )?,
            malformed: {
                let malformed = IntCounter::new(
                    "zohorelay_operator_malformed_objects_total",
                    "MailIdentity objects that could not be read and were passed over.",
                )?;
                registry.register(Box::new(malformed.clone()))?;
                malformed
            },
            admissions: counters(
                "zohorelay_operator_admissions_total",
                "Pods admitted, by result.",
                &["injected", "untouched", "refused", "malformed"],
            )?,
            webhook_certificate_not_after: gauge(
                "zohorelay_operator_webhook_certificate_not_after_seconds",
                "When the webhook's certificate ends, in Unix seconds.",
            )?,
            leader: gauge("zohorelay_operator_leader", "1 on the replica that leads.")?,
            registry,
        })
    }

    /// Says how an identity stands.
    pub fn identity(&self, namespace: &str, identity: &str, ready: bool, pods: PodCounts) {
        self.identity_ready
            .with_label_values(&[namespace, identity])
            .set(i64::from(ready));
        for (state, count) in states(pods) {
            self.pods
                .with_label_values(&[namespace, identity, state])
                .set(i64::from(count));
        }
    }

    /// An identity is gone, and its series with it.
    pub fn forget(&self, namespace: &str, identity: &str) {
        // One that has no series is no fault.
        let _ = self
            .identity_ready
            .remove_label_values(&[namespace, identity]);
        for (state, _) in states(PodCounts::default()) {
            let _ = self.pods.remove_label_values(&[namespace, identity, state]);
        }
    }

    /// Another replica knows better from now on how identities stand.
    pub fn forget_all(&self) {
        self.identity_ready.reset();
        self.pods.reset();
    }

    /// For `/metrics`.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }
}

fn states(pods: PodCounts) -> [(&'static str, i32); 4] {
    [
        ("attached", pods.attached),
        ("missing", pods.missing),
        ("outdated", pods.outdated),
        ("current", pods.current),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(metrics: &Metrics) -> String {
        let families = metrics.registry().gather();
        prometheus::TextEncoder::new()
            .encode_to_string(&families)
            .unwrap()
    }

    #[test]
    fn results_exist_from_the_start_and_an_identity_that_is_gone_leaves_no_series() {
        let metrics = Metrics::new("1").unwrap();
        let fresh = rendered(&metrics);
        assert!(fresh.contains("zohorelay_operator_logins_total{result=\"refused\"} 0"));
        let pods = PodCounts {
            attached: 3,
            ..PodCounts::default()
        };
        metrics.identity("shop", "billing", true, pods);
        let busy = rendered(&metrics);
        assert!(busy.contains(
            "zohorelay_operator_pods{identity=\"billing\",namespace=\"shop\",state=\"attached\"} 3"
        ));
        metrics.forget("shop", "billing");
        metrics.forget("shop", "billing");
        assert_eq!(rendered(&metrics), fresh);
        metrics.identity("shop", "billing", true, pods);
        metrics.forget_all();
        assert_eq!(rendered(&metrics), fresh);
    }
}
