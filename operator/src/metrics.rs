//! Every metric of the operator.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};
use zohorelay_crds::v1alpha1::PodCounts;
use zohorelay_upstream::Class;

use crate::pods::ended::Ended;

/// How the mails of containers that ended are counted: their last words tell no more.
const OUTCOMES: [&str; 2] = ["accepted", "failed"];

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
    /// Last words of containers that could not be read.
    pub malformed_last_words: IntCounter,
    ended_mails: IntCounterVec,
    ended_failures: IntCounterVec,
    /// How often somebody read the metrics.
    reads: Arc<AtomicU64>,
    /// The identities with series of ended containers, and the reads before those began.
    begun: Arc<Mutex<HashMap<(String, String), u64>>>,
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
        let ended = |name: &str, help: &str, label: &str| {
            let labels = ["namespace", "identity", label];
            let counters = IntCounterVec::new(Opts::new(name, help), &labels)?;
            registry.register(Box::new(counters.clone()))?;
            prometheus::Result::Ok(counters)
        };
        let counter = |name: &str, help: &str| {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            prometheus::Result::Ok(counter)
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
            malformed: counter(
                "zohorelay_operator_malformed_objects_total",
                "MailIdentity objects that could not be read and were passed over.",
            )?,
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
            malformed_last_words: counter(
                "zohorelay_operator_malformed_last_words_total",
                "Last words of sidecars that ended which could not be read.",
            )?,
            ended_mails: ended(
                "zohorelay_operator_ended_pod_mails_total",
                "Mails of sidecars that ended, by outcome.",
                "outcome",
            )?,
            ended_failures: ended(
                "zohorelay_operator_ended_pod_failures_total",
                "Mails that failed in sidecars that ended, by class.",
                "class",
            )?,
            reads: Arc::default(),
            begun: Arc::default(),
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

    /// All series of ended containers of an identity exist from now on, with 0.
    pub fn begin_ended(&self, namespace: &str, identity: &str) {
        let key = (namespace.to_owned(), identity.to_owned());
        let mut begun = self.begun();
        if begun.contains_key(&key) {
            return;
        }
        begun.insert(key, self.reads.load(Ordering::Relaxed));
        for outcome in OUTCOMES {
            self.ended_mails
                .with_label_values(&[namespace, identity, outcome]);
        }
        for class in Class::ALL {
            self.ended_failures
                .with_label_values(&[namespace, identity, class.as_str()]);
        }
    }

    /// Whether somebody read the series of ended containers of an identity since they exist.
    pub fn is_read(&self, namespace: &str, identity: &str) -> bool {
        let key = (namespace.to_owned(), identity.to_owned());
        let reads = self.reads.load(Ordering::Relaxed);
        self.begun().get(&key).is_some_and(|begun| reads > *begun)
    }

    /// Somebody read the metrics.
    pub fn read(&self) {
        self.reads.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts the last words of a container.
    pub fn ended(&self, namespace: &str, identity: &str, ended: &Ended) {
        let account = &ended.account;
        for (outcome, count) in OUTCOMES.iter().zip([account.accepted, account.failed()]) {
            self.ended_mails
                .with_label_values(&[namespace, identity, outcome])
                .inc_by(count);
        }
        for (class, count) in ended.failures() {
            self.ended_failures
                .with_label_values(&[namespace, identity, class.as_str()])
                .inc_by(count);
        }
    }

    fn begun(&self) -> MutexGuard<'_, HashMap<(String, String), u64>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
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
        let key = (namespace.to_owned(), identity.to_owned());
        self.begun().remove(&key);
        for outcome in OUTCOMES {
            let labels = [namespace, identity, outcome];
            let _ = self.ended_mails.remove_label_values(&labels);
        }
        for class in Class::ALL {
            let labels = [namespace, identity, class.as_str()];
            let _ = self.ended_failures.remove_label_values(&labels);
        }
    }

    /// Another replica knows better from now on how identities stand.
    pub fn forget_all(&self) {
        self.identity_ready.reset();
        self.pods.reset();
        self.begun().clear();
        self.ended_mails.reset();
        self.ended_failures.reset();
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
    use jiff::Timestamp;

    use super::*;
    use crate::pods::account::Account;

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
        metrics.begin_ended("shop", "billing");
        metrics.forget_all();
        assert_eq!(rendered(&metrics), fresh);
    }

    #[test]
    fn series_of_ended_pods_begin_with_zero_and_tell_whether_they_were_read() {
        let metrics = Metrics::new("1").unwrap();
        let fresh = rendered(&metrics);
        metrics.read();
        assert!(!metrics.is_read("shop", "billing"));
        metrics.begin_ended("shop", "billing");
        metrics.begin_ended("shop", "billing");
        assert!(!metrics.is_read("shop", "billing"));
        let zero = |page: &str| {
            let ours = page.lines().filter(|line| line.contains("ended_pod"));
            ours.filter(|line| line.ends_with(" 0")).count()
        };
        assert_eq!(zero(&rendered(&metrics)), Class::ALL.len() + OUTCOMES.len());
        metrics.read();
        assert!(metrics.is_read("shop", "billing"));
        let ended = Ended {
            at: Timestamp::UNIX_EPOCH,
            account: Account {
                accepted: 2,
                failed: [(Class::RelayDenied, 3)].into(),
                ..Account::default()
            },
        };
        metrics.ended("shop", "billing", &ended);
        let page = rendered(&metrics);
        for line in [
            "pod_mails_total{identity=\"billing\",namespace=\"shop\",outcome=\"accepted\"} 2",
            "pod_mails_total{identity=\"billing\",namespace=\"shop\",outcome=\"failed\"} 3",
            "pod_failures_total{class=\"relay_denied\",identity=\"billing\",namespace=\"shop\"} 3",
        ] {
            assert!(page.contains(line), "{line}: {page}");
        }
        metrics.forget("shop", "billing");
        assert_eq!(rendered(&metrics), fresh);
    }
}
