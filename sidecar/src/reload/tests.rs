use std::fs;
use std::os::unix::fs::symlink;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::fixtures::{json_of, network, value};
use crate::metrics::Metrics;

/// A volume as the kubelet makes it: `identity.json` → `..data/identity.json`, `..data` → a folder
/// that is swapped by a rename.
struct World {
    volume: TempDir,
    metrics: Metrics,
    identity: Arc<Identity>,
    watch: Watch,
    swaps: u32,
}

impl World {
    fn new() -> Self {
        let volume = tempfile::tempdir().unwrap();
        let folder = volume.path().join("billing");
        fs::create_dir(&folder).unwrap();
        symlink("..data/identity.json", folder.join(FILE_NAME)).unwrap();
        let metrics = Metrics::new("1").unwrap();
        let identity = Arc::new(Identity::new("billing", metrics.identity("billing")));
        Self {
            watch: Watch::new(volume.path(), identity.clone()),
            volume,
            metrics,
            identity,
            swaps: 0,
        }
    }

    fn folder(&self) -> PathBuf {
        self.volume.path().join("billing")
    }

    /// Puts a new file there as the kubelet does, and looks.
    fn swap(&mut self, content: &str) {
        self.swaps += 1;
        let version = format!("..version-{}", self.swaps);
        fs::create_dir(self.folder().join(&version)).unwrap();
        fs::write(self.folder().join(&version).join(FILE_NAME), content).unwrap();
        symlink(&version, self.folder().join("..data_tmp")).unwrap();
        fs::rename(
            self.folder().join("..data_tmp"),
            self.folder().join("..data"),
        )
        .unwrap();
        self.look();
    }

    fn publish(&mut self, changes: &Value) {
        self.swap(&json_of("billing", changes).to_string());
    }

    fn take_away(&mut self) {
        fs::remove_file(self.folder().join("..data")).unwrap();
        self.look();
    }

    fn look(&mut self) {
        self.watch.look(&network());
    }

    async fn look_after(&mut self, seconds: u64) {
        tokio::time::advance(Duration::from_secs(seconds)).await;
        self.look();
    }

    fn reloads(&self, result: Reload) -> f64 {
        let result = result.as_str();
        value(
            &self.metrics,
            &format!(
                "zohorelay_sidecar_config_reloads_total{{identity=\"billing\",result=\"{result}\"}}"
            ),
        )
    }

    fn gauge(&self, name: &str) -> f64 {
        let series = format!("zohorelay_sidecar_config_{name}{{identity=\"billing\"}}");
        value(&self.metrics, &series)
    }

    fn is_suspended(&self) -> bool {
        self.identity.active().unwrap().document.suspend
    }

    fn problem(&self) -> Option<String> {
        self.watch.problem().text()
    }
}

#[tokio::test(start_paused = true)]
async fn a_document_that_comes_late_is_applied_once() {
    let mut world = World::new();
    for _ in 0..20 {
        world.look_after(1).await;
    }
    assert!(matches!(world.identity.state(), State::Awaited));
    world.publish(&json!({"revision": 3}));
    world.look();
    world.look();
    assert_eq!(world.reloads(Reload::Applied), 1.0);
    assert_eq!(world.reloads(Reload::Unchanged), 0.0);
    assert_eq!(world.gauge("revision"), 3.0);
}

#[tokio::test(start_paused = true)]
async fn each_swap_is_counted_by_what_came_of_it() {
    let mut world = World::new();
    world.publish(&json!({"revision": 3}));
    world.publish(&json!({"revision": 3}));
    world.publish(&json!({"revision": 2, "suspend": true}));
    assert!(!world.is_suspended());
    world.publish(&json!({"revision": 4, "suspend": true}));
    assert!(world.is_suspended());
    let counts = [
        Reload::Applied,
        Reload::Unchanged,
        Reload::Stale,
        Reload::Rejected,
    ]
    .map(|result| world.reloads(result));
    assert_eq!(counts, [2.0, 1.0, 1.0, 0.0]);
    assert_eq!(world.gauge("stale"), 0.0);
}

#[tokio::test(start_paused = true)]
async fn a_bad_document_keeps_the_old_one_and_says_so_until_a_good_one_comes() {
    let no_anchors = json!({"upstream": {"host": "localhost", "port": 465, "security": "ImplicitTls", "trustAnchors": "none"}});
    let bad = [
        "{".to_owned(),
        String::new(),
        json_of("billing", &json!({"version": 9})).to_string(),
        json_of("alerts", &json!({})).to_string(),
        json_of("billing", &no_anchors).to_string(),
    ];
    for content in bad {
        let mut world = World::new();
        world.publish(&json!({"suspend": true}));
        world.swap(&content);
        world.look();
        assert!(world.is_suspended(), "{content}");
        assert_eq!(world.reloads(Reload::Rejected), 1.0, "{content}");
        assert_eq!(world.gauge("stale"), 1.0, "{content}");
        let problem = world.problem().unwrap();
        assert!(!problem.contains("app-password"), "{problem}");
        world.publish(&json!({}));
        assert!(!world.is_suspended());
        assert_eq!(world.gauge("stale"), 0.0);
        assert_eq!(world.problem(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_document_for_another_identity_is_rejected_by_both_names() {
    let mut world = World::new();
    world.swap(&json_of("alerts", &json!({})).to_string());
    let problem = world.problem().unwrap();
    assert!(
        problem.contains("\"alerts\"") && problem.contains("\"billing\""),
        "{problem}"
    );
    assert!(matches!(world.identity.state(), State::Awaited));
}

#[tokio::test(start_paused = true)]
async fn a_file_absent_for_less_than_ten_seconds_is_a_swap() {
    let mut world = World::new();
    world.publish(&json!({}));
    for _ in 0..3 {
        world.take_away();
        world.look_after(9).await;
        assert!(world.identity.active().is_some());
        world.publish(&json!({}));
        world.look_after(5).await;
    }
    assert!(world.identity.active().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_file_absent_for_ten_seconds_removes_the_identity_until_it_is_back() {
    let mut world = World::new();
    world.publish(&json!({"revision": 7}));
    world.take_away();
    world.look_after(10).await;
    assert!(matches!(world.identity.state(), State::Removed(_)));
    assert_eq!(world.gauge("revision"), 0.0);
    world.publish(&json!({"revision": 7}));
    assert!(world.identity.active().is_some());
    assert_eq!(world.reloads(Reload::Applied), 2.0);
}

#[tokio::test(start_paused = true)]
async fn a_bad_document_that_is_taken_away_is_a_problem_no_more() {
    let mut world = World::new();
    world.swap("{");
    world.take_away();
    assert_eq!(world.gauge("stale"), 1.0);
    world.look_after(10).await;
    assert_eq!(world.gauge("stale"), 0.0);
    assert_eq!(world.problem(), None);
    assert!(matches!(world.identity.state(), State::Awaited));
}

#[tokio::test(start_paused = true)]
async fn a_file_that_cannot_be_read_for_a_while_removes_nothing_and_is_tried_again() {
    let mut world = World::new();
    world.publish(&json!({}));
    // A link that leads to itself: the file is neither there nor gone.
    fs::remove_file(world.folder().join("..data")).unwrap();
    symlink("..data", world.folder().join("..data")).unwrap();
    for _ in 0..20 {
        world.look_after(1).await;
    }
    assert!(world.identity.active().is_some());
    assert_eq!(world.reloads(Reload::Rejected), 1.0, "said once");
    // A folder in the place of the file: it opens and cannot be read.
    fs::remove_file(world.folder().join("..data")).unwrap();
    fs::create_dir_all(world.folder().join("..data").join(FILE_NAME)).unwrap();
    world.look();
    world.look();
    assert_eq!(world.reloads(Reload::Rejected), 2.0);
    fs::remove_dir_all(world.folder().join("..data")).unwrap();
    world.publish(&json!({"suspend": true}));
    assert!(world.is_suspended());
    assert_eq!(world.gauge("stale"), 0.0);
}

#[tokio::test(start_paused = true)]
async fn unknown_fields_are_counted_and_named_to_nobody_but_the_log() {
    let mut world = World::new();
    world.publish(&json!({"revision": 1, "futureField": 1, "another": {}}));
    assert_eq!(world.gauge("unknown_fields"), 2.0);
    world.publish(&json!({"revision": 1, "another": {}}));
    assert_eq!(world.reloads(Reload::Unchanged), 1.0);
    assert_eq!(world.gauge("unknown_fields"), 1.0);
    world.publish(&json!({"revision": 2}));
    assert_eq!(world.gauge("unknown_fields"), 0.0);
}
