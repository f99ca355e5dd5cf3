//! docs/proof.md O10: a leader loses its lease at a bad time, and for a while two believe to lead.
//!
//! Others take a silent lease over after 15 s, which these tests wait out.

use std::time::Duration;

use serde_json::Value;
use zoho_simulator::{Action, Fault as Misbehave, Stage};
use zohorelay_cluster::{Fault, FaultProxy};
use zohorelay_tests::operator::Operator;
use zohorelay_tests::program::PATIENCE;

use super::scene::{
    assert_renamed, assert_settled, is_for_identities, leading_behind_proxy, rename,
    until_it_logs_in,
};
use crate::identity::world::{GOOD, World};

/// Another replica, which waits for the lease.
async fn second(world: &World<'_>) -> Operator {
    let mut options = world.options();
    for flag in &mut options.flags {
        if flag == "one" {
            "two".clone_into(flag);
        }
    }
    options.access = world.cluster.admin().clone();
    Operator::start(world.cluster, options).await.unwrap()
}

fn leads(line: &Value) -> bool {
    line["message"] == "this replica leads now"
}

fn leads_no_longer(line: &Value) -> bool {
    line["message"] == "this replica leads no longer"
}

fn writes(proxy: &FaultProxy) -> usize {
    let seen = proxy.requests();
    seen.iter().filter(|it| is_for_identities(it)).count()
}

#[tokio::test]
async fn o10_a_login_that_is_under_way_is_given_up_before_the_next_leader_begins() {
    let (mut world, proxy) = leading_behind_proxy().await;
    let mut second = second(&world).await;
    let silent = Misbehave::new(Stage::Auth, Action::Stall).times(1);
    world.zoho.fault(silent).unwrap();
    world.put_password("billing", GOOD).await;
    world.apply(&world.identity("billing")).await;
    until_it_logs_in(&world, 1).await;

    let refused = Fault::internal_error().when(|request| request.resource == "leases");
    let refused = proxy.add(refused);
    world.operator_mut().logged(leads_no_longer).await.unwrap();
    let written = writes(&proxy);
    // At once, long before the server's silence would have ended it.
    let given_up = world
        .zoho
        .wait_until(|zoho| zoho.connections()[0].ended.is_some());
    let given_up = tokio::time::timeout(Duration::from_secs(3), given_up).await;
    given_up.expect("the login ends with the lease");
    assert_eq!(world.zoho.connections().len(), 1);
    let next = world.zoho.wait_until(|zoho| zoho.connections().len() == 2);
    let next = tokio::time::timeout(PATIENCE, next).await;
    next.expect("the second tries the login");
    assert!(
        second
            .log()
            .iter()
            .any(|line| line.contains("this replica leads now"))
    );
    assert_settled(&world, "billing").await;
    // Nobody heard the verdict of the first.
    let logins = world.logins();
    assert_eq!((logins.total, logins.ok), (2, 1), "{logins:?}");

    // The first is no leader any more, and becomes one when the second leaves.
    refused.remove();
    assert_eq!(writes(&proxy), written);
    second.signal("TERM").unwrap();
    second.ended().await.unwrap();
    world.keep_log(second.log());
    rename(&world, "billing", "First again").await;
    assert_renamed(&world, "billing", "First again").await;
    assert_eq!(world.logins().total, 2);
}

#[tokio::test]
async fn o10_a_write_of_a_leader_that_was_is_refused() {
    let (mut world, proxy) = leading_behind_proxy().await;
    world.published("billing").await;
    let mut second = second(&world).await;
    let held = proxy.add(
        Fault::Hold
            .when(|request| request.is("patch", "secrets"))
            .times(1),
    );
    rename(&world, "billing", "First").await;
    held.held(1).await;
    world.operator().signal("STOP").unwrap();

    second.logged(leads).await.unwrap();
    rename(&world, "billing", "Second").await;
    assert_renamed(&world, "billing", "Second").await;
    let revision = world.document("billing").await["revision"].clone();
    // Its write arrives now, and it wakes up as one who was leader a moment ago.
    held.release();
    world.operator().signal("CONT").unwrap();
    world.operator_mut().logged(leads_no_longer).await.unwrap();
    assert_renamed(&world, "billing", "Second").await;
    assert_eq!(world.document("billing").await["revision"], revision);

    rename(&world, "billing", "Third").await;
    assert_renamed(&world, "billing", "Third").await;
    world.assert_logins(1, 0);
    world.keep_log(second.log());
}
