//! A shop with an identity for each fault, and what Prometheus says of it.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Mutex;

use tokio::time::Instant;
use zohorelay_tests::ground::monitoring::Monitoring;
use zohorelay_tests::ground::monitoring::quick::Alert;
use zohorelay_tests::ground::shop::Shop;
use zohorelay_tests::ground::workload::Workload;

/// One fault from its beginning to its end, or a part of it.
pub(super) type Part<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

pub(super) struct Scene {
    pub(super) shop: Shop,
    pub(super) monitoring: Monitoring,
    /// The alerts that fired and were over.
    played: Mutex<BTreeSet<String>>,
}

impl Scene {
    pub(super) fn new(shop: Shop, monitoring: Monitoring) -> Self {
        let played = Mutex::default();
        Self {
            shop,
            monitoring,
            played,
        }
    }

    pub(super) fn played(&self) -> BTreeSet<String> {
        self.played.lock().unwrap().clone()
    }

    /// An app that sends a mail each half second as an identity of the same name.
    pub(super) fn app(&self, identity: &str) -> Workload {
        let from = format!("--from={}", self.shop.address_of(identity));
        let run = format!("--run={identity}");
        let sends = [&*from, &run, "--count=0", "--every-ms=500"];
        Workload::deployment(identity, identity).flags(&sends)
    }

    /// Starts it, and waits until Prometheus has seen mails of each replica.
    pub(super) async fn start(&self, identity: &str, replicas: u32) {
        let app = self.app(identity).replicas(replicas);
        self.shop.start(&app).await.unwrap();
        let taken = format!(
            "count(zohorelay_sidecar_mails_total{{namespace=\"{}\",identity=\"{identity}\",outcome=\"accepted\"}} > 0) == {replicas}",
            self.shop.namespace
        );
        self.monitoring.until_answered(&taken).await.unwrap();
    }

    /// From now on a fault is there. None of its alerts may fire yet.
    pub(super) async fn strike<'a>(
        &'a self,
        alerts: &'a [&'a str],
        labels: &[(&'a str, &'a str)],
    ) -> Struck<'a> {
        let struck = Struck {
            scene: self,
            alerts,
            labels: labels.to_vec(),
            at: Instant::now(),
        };
        for alert in struck.alerts() {
            let is_firing = self.monitoring.is_firing(alert).await.unwrap();
            assert!(!is_firing, "{alert:?} fires before its fault");
        }
        struck
    }

    /// The same for alerts about an identity of the shop.
    pub(super) async fn strike_identity<'a>(
        &'a self,
        alerts: &'a [&'a str],
        identity: &'a str,
    ) -> Struck<'a> {
        let labels = [
            ("namespace", self.shop.namespace.as_str()),
            ("identity", identity),
        ];
        self.strike(alerts, &labels).await
    }
}

/// A fault that is about to be played.
pub(super) struct Struck<'a> {
    scene: &'a Scene,
    alerts: &'a [&'a str],
    labels: Vec<(&'a str, &'a str)>,
    at: Instant,
}

impl<'a> Struck<'a> {
    fn alerts(&self) -> impl Iterator<Item = Alert<'_>> {
        let labels = &self.labels;
        self.alerts.iter().map(|name| Alert { name, labels })
    }

    /// Waits until its alerts fire; it is to be mended then.
    pub(super) async fn fires(self) -> Mended<'a> {
        let mut fired = Vec::new();
        for alert in self.alerts() {
            let monitoring = &self.scene.monitoring;
            monitoring.until_firing(alert, true).await.unwrap();
            fired.push(self.at.elapsed().as_secs_f32());
        }
        let since = Instant::now();
        Mended {
            struck: self,
            fired,
            since,
        }
    }
}

/// A fault whose alerts fire, and that is mended.
pub(super) struct Mended<'a> {
    struck: Struck<'a>,
    /// Seconds from the fault on.
    fired: Vec<f32>,
    since: Instant,
}

impl Mended<'_> {
    /// Waits until its alerts are over, and prints how long all took.
    pub(super) async fn resolves(self) {
        let scene = self.struck.scene;
        for (alert, fired) in self.struck.alerts().zip(&self.fired) {
            scene.monitoring.until_firing(alert, false).await.unwrap();
            let over = self.since.elapsed().as_secs_f32();
            let name = alert.name;
            println!(
                "cluster: {name} fires after {fired:.0} s, is over {over:.0} s after the repair"
            );
            scene.played.lock().unwrap().insert(name.to_owned());
        }
    }

    /// The same where mail must go again.
    pub(super) async fn resolves_and_mail_goes(self, identity: &str) {
        let shop = &self.struck.scene.shop;
        let address = shop.address_of(identity);
        let before = shop.zoho.count_from(&address).await.unwrap();
        self.resolves().await;
        shop.zoho.until_mails(&address, before + 2).await.unwrap();
    }
}
