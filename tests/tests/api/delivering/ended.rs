//! Pods that live shorter than a scrape: what their sidecars left behind in the status of the container.

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use zohorelay_tests::metrics::Metrics;

use crate::identity::world::{ADDRESS, World, find, message};

use super::{UNKNOWN_ALIAS, send};

const FAILURES: &str = "zohorelay_operator_ended_pod_failures_total";
const MAILS: &str = "zohorelay_operator_ended_pod_mails_total";
const MALFORMED: &str = "zohorelay_operator_malformed_last_words_total";

/// How `state` or `lastState` tells of an end.
fn terminated(finished: Timestamp, message: &str) -> Value {
    json!({"terminated": {
        "exitCode": 0, "reason": "Completed", "message": message, "containerID": "containerd://1",
        "startedAt": "2026-01-01T00:00:00Z", "finishedAt": whole_seconds(finished),
    }})
}

fn whole_seconds(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second()).unwrap().to_string()
}

fn status(phase: &str, restarts: u32, state: &Value, last_state: &Value) -> Value {
    json!({"phase": phase, "initContainerStatuses": [{
        "name": "zohorelay", "image": "localhost/sidecar", "imageID": "", "ready": false,
        "restartCount": restarts, "state": state, "lastState": last_state,
    }]})
}

fn succeeded(finished: Timestamp, message: &str) -> Value {
    status("Succeeded", 0, &terminated(finished, message), &json!({}))
}

fn now() -> Timestamp {
    Timestamp::now()
}

/// Counted failures of a class of billing.
fn failures(metrics: &Metrics, namespace: &str, class: &str) -> f64 {
    let labels = [
        ("namespace", namespace),
        ("identity", "billing"),
        ("class", class),
    ];
    metrics.value(FAILURES, &labels)
}

impl World<'_> {
    /// The last words of a sidecar whose application sent one mail as itself and one that Zoho denied.
    async fn last_words(&self) -> String {
        let mut sidecar = self.sidecar().await;
        assert_eq!(send(&sidecar, ADDRESS).await, 250);
        assert_eq!(send(&sidecar, UNKNOWN_ALIAS).await, 553);
        sidecar.signal("TERM").unwrap();
        assert!(sidecar.ended().await.unwrap().success());
        std::fs::read_to_string(sidecar.folder().join("termination-log")).unwrap()
    }

    async fn counted(&self, class: &str, times: f64) -> Metrics {
        let fits = |metrics: &Metrics| failures(metrics, &self.namespace, class) >= times;
        let metrics = self.operator().metrics_when(fits).await.unwrap();
        assert_eq!(failures(&metrics, &self.namespace, class), times);
        metrics
    }
}

/// Series of a metric, with 0 too.
async fn series(world: &World<'_>, metric: &str) -> Vec<String> {
    let (_, page) = world.operator().get("/metrics").await.unwrap();
    let lines = page.lines().filter(|line| line.starts_with(metric));
    lines.map(str::to_owned).collect()
}

#[tokio::test]
async fn a_job_of_three_seconds_is_counted_once_and_told_and_nobody_counts_it_again() {
    let mut world = World::start().await;
    world.billing().await;
    let zeros = series(&world, FAILURES).await;
    assert_eq!(zeros.len(), 22, "{zeros:?}");
    assert!(zeros.iter().all(|line| line.ends_with(" 0")), "{zeros:?}");
    assert_eq!(series(&world, MAILS).await.len(), 2);

    let words = world.last_words().await;
    // A node that tells late.
    let first = now() - SignedDuration::from_secs(60);
    let after = |seconds| first + SignedDuration::from_secs(seconds);
    world
        .pod("job", "billing", 9465, &succeeded(first, &words))
        .await;
    let metrics = world.counted("relay_denied", 1.0).await;
    let accepted = [("identity", "billing"), ("outcome", "accepted")];
    assert_eq!(metrics.value(MAILS, &accepted), 1.0);
    let identity = world
        .until("billing", "Delivering", "False", "RelayDenied")
        .await;
    let said = message(&identity, "Delivering");
    assert!(
        said.contains("the server said 553, last in pod job at "),
        "{said}"
    );
    world.event_of_pod("job", "RelayDenied").await;
    world.event("billing", "RelayDenied").await;

    // Another sight of the same end, and another pod after it.
    let mut again = succeeded(first, &words);
    again["message"] = json!("seen again");
    world.put_status("job", &again).await;
    world
        .pod("job-2", "billing", 9465, &succeeded(after(1), &words))
        .await;
    world.counted("relay_denied", 2.0).await;
    let second = whole_seconds(after(1));
    world
        .until_fits("billing", "the second end was counted", |it| {
            let ended = it.status.as_ref().and_then(|it| it.ended_through.as_ref());
            ended.is_some_and(|ended| ended.0.to_string() == second)
        })
        .await;

    // The next leader finds all of them, and goes on where this one ended.
    world.kill_operator().await;
    world
        .pod("job-3", "billing", 9465, &succeeded(after(2), &words))
        .await;
    world.start_operator(&[]).await;
    world.counted("relay_denied", 1.0).await;
    let identity = world
        .until("billing", "Delivering", "False", "RelayDenied")
        .await;
    assert_eq!(find(&identity, "Ready").unwrap().status, "True");
}

#[tokio::test]
async fn a_sidecar_that_was_down_is_counted_by_its_last_state_once() {
    let world = World::start().await;
    world.billing().await;
    assert!(!series(&world, FAILURES).await.is_empty());
    let words = world.last_words().await;
    let ended = terminated(now(), &words);
    let running = json!({"running": {"startedAt": "2026-01-01T00:00:00Z"}});
    world
        .pod(
            "web",
            "billing",
            9465,
            &status("Pending", 1, &running, &ended),
        )
        .await;
    world.counted("relay_denied", 1.0).await;
    // It goes down once more: both ends stand in the status, of which one is known.
    let both = status("Failed", 1, &terminated(now(), &words), &ended);
    world.put_status("web", &both).await;
    world.counted("relay_denied", 2.0).await;
}

#[tokio::test]
async fn words_that_are_odd_or_about_others_make_no_series_and_stop_nothing() {
    let world = World::start().await;
    world.billing().await;
    let before = series(&world, FAILURES).await;
    let foreign = json!({"version": 1, "identities": {
        "payroll": {"sent": 0, "failed": {"auth_failed": 9}},
    }});
    for (pod, names, words) in [
        ("liar", "billing", foreign.to_string()),
        ("stranger", "payroll", foreign.to_string()),
        ("babbler", "billing", "not JSON".to_owned()),
        ("flood", "billing", "[".repeat(100_000)),
    ] {
        world.pod(pod, names, 9465, &succeeded(now(), &words)).await;
    }
    let fits = |metrics: &Metrics| metrics.value(MALFORMED, &[]) >= 2.0;
    let metrics = world.operator().metrics_when(fits).await.unwrap();
    assert_eq!(metrics.value(MALFORMED, &[]), 2.0);
    assert_eq!(series(&world, FAILURES).await, before);
    let words = world.last_words().await;
    world
        .pod("job", "billing", 9465, &succeeded(now(), &words))
        .await;
    world.counted("relay_denied", 1.0).await;
}

#[tokio::test]
async fn what_ended_long_before_this_leader_is_told_and_not_counted() {
    let mut world = World::start().await;
    world.billing().await;
    let words = world.last_words().await;
    world.kill_operator().await;
    let long_ago = now() - SignedDuration::from_mins(11);
    world
        .pod("job", "billing", 9465, &succeeded(long_ago, &words))
        .await;
    world.start_operator(&[]).await;
    world
        .until("billing", "Delivering", "False", "RelayDenied")
        .await;
    assert!(!series(&world, FAILURES).await.is_empty());
    world
        .pod("job-2", "billing", 9465, &succeeded(now(), &words))
        .await;
    world.counted("relay_denied", 1.0).await;
}
