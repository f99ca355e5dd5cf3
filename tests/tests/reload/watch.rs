//! The watch itself, look by look, in paused time.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::advance;
use zohorelay_sidecar::identity::{Identity, Network, State};
use zohorelay_sidecar::metrics::Metrics as Counters;
use zohorelay_sidecar::reload::Watch;
use zohorelay_tests::kubelet::Volume;
use zohorelay_tests::metrics::Metrics;
use zohorelay_upstream::{Resolver, system_roots};

use super::{reloads, revision};

struct World {
    counters: Counters,
    identity: Arc<Identity>,
    network: Network,
    watch: Watch,
    volume: Volume,
    _folder: TempDir,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let counters = Counters::new("0").unwrap();
        let identity = Arc::new(Identity::new("billing", counters.identity("billing")));
        Self {
            watch: Watch::new(folder.path(), identity.clone()),
            volume: Volume::mount(folder.path(), "billing").unwrap(),
            network: Network {
                resolver: Arc::new(Resolver::from_system()),
                roots: Arc::new(system_roots().unwrap()),
                ehlo_name: "localhost".to_owned(),
            },
            identity,
            counters,
            _folder: folder,
        }
    }

    fn look(&mut self) {
        self.watch.look(&self.network);
    }

    /// After a look each second, for so long.
    async fn look_for(&mut self, seconds: u64) {
        for _ in 0..seconds {
            advance(Duration::from_secs(1)).await;
            self.look();
        }
    }

    fn metrics(&self) -> Metrics {
        Metrics::parse(&render(self.counters.registry()))
    }

    fn is_active(&self) -> bool {
        matches!(self.identity.state(), State::Active(_))
    }
}

fn document(revision: u64) -> Value {
    json!({
        "version": 1, "name": "billing", "uid": "1", "revision": revision,
        "addresses": {"primary": "billing@example.com", "displayName": format!("{revision}")},
        "upstream": {"host": "localhost", "port": 465, "security": "ImplicitTls"},
        "login": {"username": "billing@example.com", "password": format!("password {revision}")},
    })
}

#[tokio::test(start_paused = true)]
async fn each_of_a_hundred_swaps_is_seen_and_taken_once() {
    let mut world = World::new();
    for swap in 1..=100 {
        world.volume.publish(&document(swap)).unwrap();
        world.look();
        world.look();
        let active = world.identity.active().unwrap();
        assert_eq!(active.document.revision, Some(swap));
        let password = format!("password {swap}");
        assert_eq!(active.document.login.password.expose(), password);
    }
    let metrics = world.metrics();
    assert_eq!(reloads(&metrics, "applied"), 100.0);
    for other in ["unchanged", "stale", "rejected"] {
        assert_eq!(reloads(&metrics, other), 0.0, "{other}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_gone_for_nine_seconds_changes_nothing() {
    let mut world = World::new();
    world.volume.publish(&document(1)).unwrap();
    world.look();
    for _ in 0..5 {
        world.volume.withdraw().unwrap();
        world.look();
        world.look_for(9).await;
        assert!(world.is_active(), "nine seconds are a swap");
        world.volume.publish(&document(1)).unwrap();
        world.look_for(1).await;
    }
    let metrics = world.metrics();
    assert_eq!(reloads(&metrics, "applied"), 1.0);
    assert_eq!(reloads(&metrics, "unchanged"), 5.0);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_gone_for_ten_seconds_removes_the_identity_once() {
    let mut world = World::new();
    world.volume.publish(&document(5)).unwrap();
    world.look();
    world.volume.withdraw().unwrap();
    world.look();
    world.look_for(10).await;
    assert!(matches!(world.identity.state(), State::Removed(_)));
    assert_eq!(revision(&world.metrics()), 0.0);
    world.volume.publish(&document(4)).unwrap();
    world.look();
    assert_eq!(
        world.identity.active().unwrap().document.revision,
        Some(4),
        "a removed document is no bar to an older one"
    );
}

#[tokio::test(start_paused = true)]
async fn an_older_revision_among_a_hundred_swaps_is_counted_and_never_used() {
    let mut world = World::new();
    for swap in 1..=100 {
        world.volume.publish(&document(2 * swap)).unwrap();
        world.look();
        world.volume.publish(&document(2 * swap - 1)).unwrap();
        world.look();
        let active = world.identity.active().unwrap();
        assert_eq!(active.document.revision, Some(2 * swap));
    }
    let metrics = world.metrics();
    assert_eq!(reloads(&metrics, "applied"), 100.0);
    assert_eq!(reloads(&metrics, "stale"), 100.0);
}

#[tokio::test(start_paused = true)]
async fn a_bad_document_is_told_once_and_cleared_by_the_next_good_one() {
    let mut world = World::new();
    let problem = world.watch.problem();
    for round in 1..=50 {
        world.volume.publish(&document(2 * round)).unwrap();
        world.look();
        assert_eq!(problem.text(), None);
        let mut bad = document(2 * round + 1);
        bad["login"]["password"] = json!(17);
        world.volume.publish(&bad).unwrap();
        world.look();
        world.look();
        let text = problem.text().unwrap();
        assert!(text.contains("login.password"), "{text}");
    }
    let metrics = world.metrics();
    assert_eq!(reloads(&metrics, "applied"), 50.0);
    assert_eq!(reloads(&metrics, "rejected"), 50.0);
}

fn render(registry: &prometheus::Registry) -> String {
    let encoder = prometheus::TextEncoder::new();
    encoder.encode_to_string(&registry.gather()).unwrap()
}
