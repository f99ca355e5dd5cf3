//! A shop with one pod that sends a mail now and then, and filters for its packets.

use anyhow::Result;
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};
use zohorelay_cluster::Node;
use zohorelay_tests::ground::shop::{End, IDENTITY, Shop, ask};
use zohorelay_tests::ground::told::Entry;
use zohorelay_tests::metrics::Metrics;

use super::filter::Filter;

/// The host of all identities.
pub(super) const HOST: &str = "smtppro.zoho.com";

/// The node of the suite; none in a cluster that a person gives, and then the test is left out.
pub(super) fn node_for(test: &str, shop: &Shop) -> Option<&'static Node> {
    let node = shop.ground.node();
    if node.is_none() {
        assert!(std::env::var_os("CI").is_none(), "in CI there is a node");
        println!("left out: {test} needs a node of its own");
    }
    node
}

/// A pod that has sent its first mail.
pub(super) struct Scene {
    pub(super) shop: Shop,
    pub(super) filter: Filter,
    /// The pod's name.
    pub(super) pod: String,
}

impl Scene {
    /// The identity `billing` has these fields in its `delivery`; the app sends for ever, a mail each
    /// `every_ms`.
    pub(super) async fn set(test: &str, delivery: Value, every_ms: u32) -> Result<Option<Self>> {
        let shop = Shop::bare(test).await?;
        let Some(node) = node_for(test, &shop) else {
            return Ok(None);
        };
        declare(&shop, IDENTITY, delivery).await?;
        let every = format!("--every-ms={every_ms}");
        let app = shop.deployment("shop").flags(&["--count=0", &every]);
        shop.start(&app).await?;
        let pod = shop.pod_of("shop").await?;
        let address = ask::address(&pod).unwrap_or_default();
        let filter = Filter::new(node, test, &address).await?;
        let scene = Self {
            shop,
            filter,
            pod: ask::name(&pod),
        };
        scene.until_more("2.0.0").await?;
        Ok(Some(scene))
    }

    /// Waits until the app was told once more (begun after now) what contains `text`; gives that.
    pub(super) async fn until_more(&self, text: &str) -> Result<Entry> {
        let before = self.fitting(text).len();
        let what = format!("the app is told once more {text:?}");
        let fits = |entries: &[Entry]| entries.iter().filter(|e| says(e, text)).count() > before;
        self.shop.told.until(&what, fits).await?;
        let mut now = self.fitting(text);
        now.sort_by(|a, b| a.at.cmp(&b.at));
        Ok(now.swap_remove(before))
    }

    fn fitting(&self, text: &str) -> Vec<Entry> {
        let mut entries = self.shop.told.entries();
        entries.retain(|entry| says(entry, text));
        entries
    }

    pub(super) async fn metrics(&self) -> Result<Metrics> {
        self.shop.metrics_of(&self.pod).await
    }

    /// How many mails of `billing` failed upstream for this reason.
    pub(super) async fn failures(&self, class: &str) -> Result<f64> {
        Ok(failures(&self.metrics().await?, IDENTITY, class))
    }

    /// The lines of the sidecar's log with these words in their message or detail.
    pub(super) async fn logged(&self, words: &str) -> Result<Vec<Value>> {
        let mut lines = self.shop.log_of(&self.pod).await?;
        lines.retain(|line| {
            let texts = [&line["message"], &line["detail"]];
            let mut texts = texts.iter().filter_map(|text| text.as_str());
            texts.any(|text| text.contains(words))
        });
        Ok(lines)
    }

    /// Nothing of the pod was started again.
    pub(super) async fn assert_not_restarted(&self) -> Result<()> {
        let pod: Pod = self.shop.api().get(&self.pod).await?;
        let status = pod.status.unwrap_or_default();
        let lists = [status.init_container_statuses, status.container_statuses];
        for status in lists.into_iter().flatten().flatten() {
            assert_eq!(status.restart_count, 0, "{status:#?}");
        }
        Ok(())
    }

    /// Ends the app, and judges.
    pub(super) async fn close(self) -> Result<End> {
        self.assert_not_restarted().await?;
        self.filter.repair().await?;
        self.shop.close().await
    }
}

/// Makes an identity with these fields in its `delivery`, and waits until it is ready.
pub(super) async fn declare(shop: &Shop, identity: &str, delivery: Value) -> Result<()> {
    shop.mailbox(identity).await?;
    shop.set_password(identity, &shop.password).await?;
    let mut object = shop.identity(identity).await?;
    object["spec"]["delivery"] = delivery;
    object["spec"]["limits"] = json!({"connections": 1});
    shop.apply(&object).await?;
    shop.until_condition(identity, "Ready", "True").await
}

/// How many mails of an identity failed upstream for this reason.
pub(super) fn failures(metrics: &Metrics, identity: &str, class: &str) -> f64 {
    let labels = [
        ("identity", identity),
        ("class", class),
        ("origin", "upstream"),
    ];
    metrics.value("zohorelay_sidecar_failures_total", &labels)
}

/// Whether connections are said to time out on both ports.
pub(super) fn is_egress_blocked(metrics: &Metrics) -> bool {
    metrics.value("zohorelay_sidecar_egress_blocked", &[]) == 1.0
}

fn says(entry: &Entry, text: &str) -> bool {
    entry.ended && entry.text.contains(text)
}
