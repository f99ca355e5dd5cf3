//! A replica's name is its pod's, so a container that is restarted has its Lease back at once. docs/proof.md O10

use std::time::Instant;

use zohorelay_cluster::shared;
use zohorelay_operator::lease::election;
use zohorelay_tests::objects::install_crds;

use super::life::{assert_never_refused, install, scope_namespaces};
use super::stage::until;

#[tokio::test]
async fn a_container_that_is_killed_leads_again_at_once_when_its_pod_restarts_it() {
    let cluster = shared().await.unwrap();
    install_crds(&cluster.client().unwrap()).await.unwrap();
    let stage = install(cluster, |stage| scope_namespaces(&[&stage.shop])).await;
    let mut first = stage.operator("operator-a").await;
    until("it leads", async || stage.leader().await == "operator-a").await;
    let other = stage.operator("operator-b").await;
    let before = stage.lease().await.unwrap().spec.unwrap();

    first.kill().unwrap();
    first.ended().await.unwrap();
    let began = Instant::now();
    let again = stage.operator("operator-a").await;
    let leads = |metrics: &zohorelay_tests::metrics::Metrics| {
        metrics.value("zohorelay_operator_leader", &[]) > 0.0
    };
    again.metrics_when(leads).await.unwrap();
    assert!(
        began.elapsed() < election::DURATION,
        "{:?}",
        began.elapsed()
    );
    let after = stage.lease().await.unwrap().spec.unwrap();
    assert_eq!(after.holder_identity.as_deref(), Some("operator-a"));
    assert_eq!(after.lease_transitions, before.lease_transitions);
    assert!(!leads(&other.metrics().await.unwrap()));
    for operator in [&again, &other] {
        assert_never_refused(operator);
    }
}
