//! docs/proof.md O3, O5, O16: requests that are refused, broken or slow, once and for ever. One
//! identity meets them; the others do not notice.

use std::time::Duration;

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use zohorelay_cluster::Fault;
use zohorelay_cluster::proxy::{Request, RuleHandle};

use super::scene::{
    FLAGS, assert_renamed, assert_settled, behind_proxy, is_for_identities, leading_behind_proxy,
    rename,
};
use crate::identity::world::{find, message};

/// What the API server may answer instead of doing what it is asked.
fn faults() -> Vec<(&'static str, Fault)> {
    vec![
        ("conflict", Fault::conflict()),
        ("invalid", Fault::invalid()),
        ("too-many", Fault::too_many(Duration::from_secs(1))),
        ("internal", Fault::internal_error()),
        ("timeout", Fault::timeout()),
        ("cut-before", Fault::CutBefore),
        ("cut-after", Fault::CutAfter),
    ]
}

/// The write of a published document.
fn writes(name: &str) -> impl Fn(&Request) -> bool + Send + Sync + 'static {
    let secret = format!("zohorelay-{name}");
    move |request| request.is("patch", "secrets") && request.name == secret
}

/// The reading of a password.
fn reads(name: &str) -> impl Fn(&Request) -> bool + Send + Sync + 'static {
    let secret = format!("{name}-zoho");
    move |request| request.is("get", "secrets") && request.name == secret
}

#[tokio::test]
async fn o3_o5_a_read_and_a_write_that_fail_once_are_done_again() {
    let (world, proxy) = leading_behind_proxy().await;
    for (name, _) in faults() {
        world.published(name).await;
    }
    let mut rules: Vec<(&str, RuleHandle)> = Vec::new();
    for (name, fault) in faults() {
        rules.push((name, proxy.add(fault.clone().when(writes(name)).times(1))));
        // A password that cannot be read for these reasons is read again.
        if !matches!(name, "conflict" | "invalid") {
            rules.push((name, proxy.add(fault.when(reads(name)).times(1))));
        }
    }
    for (name, _) in faults() {
        rename(&world, name, "After").await;
    }
    for (name, _) in faults() {
        assert_renamed(&world, name, "After").await;
    }
    for (name, rule) in rules {
        assert_eq!(rule.hits(), 1, "{name}");
    }
    // All have one login.
    world.assert_logins(1, 0);
}

/// Tries of one identity in the few seconds that this takes: the first reconciliation writes three
/// times, and kube asks again by itself for 429 and 504; then each try comes later than the last.
const TRIES: usize = 20;

#[tokio::test]
async fn o3_o5_a_write_that_fails_for_ever_keeps_the_last_document_and_nobody_else_waiting() {
    let (world, proxy) = leading_behind_proxy().await;
    world.published("free").await;
    for (name, _) in faults() {
        world.published(name).await;
    }
    // Nothing else would tell the identity that is cut after it was heard.
    let stuck = || {
        faults()
            .into_iter()
            .filter(|(name, _)| *name != "cut-after")
    };
    let rules: Vec<(&str, RuleHandle)> = stuck()
        .map(|(name, fault)| (name, proxy.add(fault.when(writes(name)))))
        .collect();
    for (name, _) in stuck() {
        rename(&world, name, "After").await;
    }
    for (_, rule) in &rules {
        rule.met(2).await;
    }
    for round in 0..3 {
        let round = format!("Round {round}");
        rename(&world, "free", &round).await;
        assert_renamed(&world, "free", &round).await;
    }
    for (name, rule) in &rules {
        assert!(rule.hits() <= TRIES, "{name}: {} tries", rule.hits());
        let document = world.document(name).await;
        assert_eq!(document["addresses"]["displayName"], Value::Null, "{name}");
        rule.remove();
    }
    let refused = world.until("invalid", "Ready", "False", "ApiError").await;
    let said = message(&refused, "Ready");
    assert!(
        said.contains("invalid by a test") && said.contains("tried again"),
        "{said}"
    );
    assert!(find(&refused, "Reconciling").is_some(), "{refused:?}");
    for (name, _) in stuck() {
        assert_renamed(&world, name, "After").await;
    }
    world.assert_logins(1, 0);
}

#[tokio::test]
async fn o3_the_status_is_written_in_the_end_though_it_is_refused_at_first() {
    for fault in [Fault::conflict(), Fault::internal_error(), Fault::CutAfter] {
        let (world, proxy) = leading_behind_proxy().await;
        let row = format!("{fault:?}");
        let status = |request: &Request| request.is("patch", "mailidentities/status");
        let rule = proxy.add(fault.when(status).times(2));
        world.published("billing").await;
        assert_settled(&world, "billing").await;
        assert_eq!(rule.hits(), 2, "{row}");
        world.assert_logins(1, 0);
    }
}

/// Our fields win; what is theirs stays.
#[tokio::test]
async fn o3_another_field_manager_takes_the_document_and_it_is_taken_back() {
    let (world, _proxy) = leading_behind_proxy().await;
    world.published("billing").await;
    let theirs = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "zohorelay-billing", "labels": {"example.com/theirs": "yes"}},
        "data": {"identity.json": "e30="},
    });
    let params = PatchParams::apply("somebody-else").force();
    let secrets = world.secrets();
    secrets
        .patch("zohorelay-billing", &params, &Patch::Apply(&theirs))
        .await
        .unwrap();
    rename(&world, "billing", "Ours").await;
    assert_renamed(&world, "billing", "Ours").await;
    let secret = secrets.get("zohorelay-billing").await.unwrap();
    assert_eq!(secret.metadata.labels.unwrap()["example.com/theirs"], "yes");
    world.assert_logins(1, 0);
}

#[tokio::test]
async fn o5_connections_that_are_no_tls_are_made_again() {
    let (mut world, proxy) = leading_behind_proxy().await;
    world.published("billing").await;
    proxy.break_tls(true);
    proxy.cut_all();
    let troubled = |line: &Value| {
        line["level"] == "WARN"
            && line["message"]
                .as_str()
                .is_some_and(|it| it.starts_with("watching"))
    };
    world.operator_mut().logged(troubled).await.unwrap();
    rename(&world, "billing", "Meanwhile").await;
    assert_eq!(world.operator().get("/live").await.unwrap().0, 200);
    proxy.break_tls(false);
    assert_renamed(&world, "billing", "Meanwhile").await;
    world.assert_logins(1, 0);
}

/// As when etcd is slow: the lease is renewed each 2 s and held for 10.
#[tokio::test]
async fn o16_writes_that_take_two_seconds_each_cost_neither_the_lease_nor_a_login() {
    let (mut world, proxy) = behind_proxy().await;
    let slow = proxy.add(Fault::Delay(Duration::from_secs(2)).when(Request::writes));
    world.start_operator(&FLAGS).await;
    world.published("billing").await;
    rename(&world, "billing", "Slow").await;
    assert_renamed(&world, "billing", "Slow").await;
    assert!(slow.hits() >= 5, "{} writes were slow", slow.hits());
    let renewals = proxy.count("update", "leases");
    assert!(renewals >= 2, "{renewals} renewals");
    let lost = |line: &String| line.contains("this replica leads no longer");
    assert!(!world.operator().log().iter().any(lost));
    world.assert_logins(1, 0);
}

/// Slower than a look at the lease may take: it cannot be kept, and is given up in time.
#[tokio::test]
async fn o16_a_lease_that_cannot_be_renewed_is_given_up_and_the_work_rests_until_it_is_back() {
    let (mut world, proxy) = leading_behind_proxy().await;
    world.published("billing").await;
    let leases = |request: &Request| request.resource == "leases" && request.writes();
    let slow = proxy.add(Fault::Delay(Duration::from_secs(8)).when(leases));
    let lost = |line: &Value| line["message"] == "this replica leads no longer";
    world.operator_mut().logged(lost).await.unwrap();
    assert_eq!(world.operator().get("/live").await.unwrap().0, 200);
    let metrics = world.operator().metrics().await.unwrap();
    assert_eq!(metrics.value("zohorelay_operator_leader", &[]), 0.0);
    let before = proxy.requests().len();
    rename(&world, "billing", "Resting").await;
    slow.remove();
    assert_renamed(&world, "billing", "Resting").await;
    // Nothing was written before the lease was back.
    let seen = proxy.requests();
    let renewed = seen[before..]
        .iter()
        .position(|it| it.resource == "leases")
        .unwrap();
    let written = seen[before..].iter().position(is_for_identities).unwrap();
    assert!(renewed < written);
    world.assert_logins(1, 0);
}
