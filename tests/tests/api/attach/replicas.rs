//! Replicas that come and go: who leads, and what becomes of pods meanwhile.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use zohorelay_tests::metrics::Metrics;
use zohorelay_tests::operator::Operator;

use super::made::Making;
use super::world::{World, asking, pod, sidecar, template};

/// What the chart's operator has in its Lease.
const LEASE: Duration = Duration::from_secs(15);
/// Between two looks at the Lease, with some patience for a loaded machine.
const RETRY: Duration = Duration::from_secs(4);

fn leads(metrics: &Metrics) -> bool {
    metrics.value("zohorelay_operator_leader", &[]) > 0.5
}

fn injected(metrics: &Metrics) -> f64 {
    metrics.value(
        "zohorelay_operator_admissions_total",
        &[("result", "injected")],
    )
}

/// The one that leads first.
async fn leader_and_other(world: &World) -> (Operator, Operator) {
    let leader = world.operator(&[]).await;
    leader.metrics_when(leads).await.unwrap();
    let other = world.operator(&[]).await;
    world.until_attached().await;
    (leader, other)
}

/// On a listener of their own: the pod's address tells nobody which identities there are.
async fn pages_say_who_leads(leader: &Operator, other: &Operator) {
    let sees = async {
        leader.page_says("<form role=\"search\">").await.unwrap();
        let page = other.page_says("Another replica leads.").await.unwrap();
        assert!(
            !page.contains("<form") && page.contains("port-forward pod/"),
            "{page}"
        );
    };
    tokio::time::timeout(LEASE, sees).await.unwrap();
    for operator in [leader, other] {
        assert_eq!(operator.get("/").await.unwrap().0, 404);
    }
}

#[tokio::test]
async fn when_the_leader_is_killed_the_other_leads_within_the_lease_and_no_pod_waits() {
    let world = World::without_operator(&[]).await;
    let (mut leader, other) = leader_and_other(&world).await;
    assert!(
        !leads(&other.metrics().await.unwrap()),
        "two lead: {:#?} {:#?}",
        leader.log(),
        other.log()
    );
    pages_say_who_leads(&leader, &other).await;
    let making = Making::start(&world);
    leader.kill().unwrap();
    leader.ended().await.unwrap();
    let killed = Instant::now();
    other.metrics_when(leads).await.unwrap();
    assert!(killed.elapsed() < LEASE + RETRY, "{:?}", killed.elapsed());
    // Nothing saves the call that the killed process was answering; there is never more than one.
    making.end(1).await;
    assert!(injected(&other.metrics().await.unwrap()) > 10.0);
}

#[tokio::test]
async fn when_the_leader_is_told_to_end_the_other_leads_at_once_and_no_pod_waits() {
    let world = World::without_operator(&[]).await;
    let (mut leader, other) = leader_and_other(&world).await;
    let making = Making::start(&world);
    let told = Instant::now();
    leader.signal("TERM").unwrap();
    other.metrics_when(leads).await.unwrap();
    assert!(told.elapsed().as_secs() < 10, "{:?}", told.elapsed());
    // It serves on for as long as the API server may not know.
    world.service.remove(leader.webhook);
    assert!(leader.ended().await.unwrap().success());
    making.end(0).await;
}

#[tokio::test]
async fn while_no_replica_runs_pods_that_ask_wait_for_it_and_strangers_do_not() {
    let (world, operator) = World::start().await;
    world.service.remove(operator.webhook);
    assert!(operator.stop().await.unwrap().success());

    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": template("web", &asking("billing"), &json!({})),
        },
    });
    world.kubectl("apply -f -", &deployment).await;
    let note = world.note("inject.zohorelay.dev").await;
    assert!(
        note.starts_with(
            "Error creating: Internal error occurred: failed calling webhook \"inject.zohorelay.dev\""
        ),
        "{note}"
    );
    let asks = pod("bare", &asking("billing"), &json!({}));
    let output = world.run_kubectl("apply -f -", &asks).await;
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("failed calling webhook \"inject.zohorelay.dev\""),
        "{said}"
    );

    // The webhook's timeout is five seconds; a stranger never meets it.
    let asked = Instant::now();
    let stranger = pod("stranger", &json!({}), &json!({}));
    world.create_pod(&stranger).await.unwrap();
    assert!(asked.elapsed().as_secs() < 2, "{:?}", asked.elapsed());
    let there = world.kubectl("get pods -o name", &Value::Null).await;
    assert_eq!(there, "pod/stranger\n");

    let _operator = world.operator(&[]).await;
    assert!(sidecar(&world.pod_of("web").await).is_some());
}
