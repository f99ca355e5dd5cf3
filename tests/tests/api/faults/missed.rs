//! docs/proof.md O8, O9: events that never come, that come together, and lists that are old.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kube::api::ListParams;
use serde_json::{json, to_value};
use zoho_simulator::AccountUpdate;
use zohorelay_cluster::Fault;
use zohorelay_cluster::proxy::Request;

use super::scene::{
    FLAGS, assert_renamed, assert_settled, behind_proxy, is_for_identities, is_of_identities,
    leading_behind_proxy, rename, until_it_rests, until_it_watches,
};
use crate::identity::world::{ADDRESS, GOOD, WRONG, World};

const NEXT: &str = "canary-next-77ab01";

/// Another password is right from now on.
fn change_password(world: &World<'_>, password: &str) {
    let app_password = Some(password.to_owned());
    let update = AccountUpdate {
        app_password,
        ..AccountUpdate::default()
    };
    world.zoho.put_account(ADDRESS, update);
}

#[tokio::test]
async fn o8_a_secret_that_changes_twice_at_once_is_tried_once_for_each_value_at_most() {
    let (world, _proxy) = leading_behind_proxy().await;
    world.published("billing").await;
    change_password(&world, NEXT);
    world.put_password("billing", WRONG).await;
    world.put_password("billing", NEXT).await;
    assert_settled(&world, "billing").await;
    let logins = world.logins();
    assert!(logins.ok == 2 && logins.refused <= 1, "{logins:?}");
}

#[tokio::test]
async fn o8_what_changed_while_the_operator_was_down_is_done_when_it_is_back() {
    let (mut world, proxy) = leading_behind_proxy().await;
    world.published("billing").await;
    world.kill_operator().await;
    world.put_password("billing", WRONG).await;
    change_password(&world, NEXT);
    world.put_password("billing", NEXT).await;
    rename(&world, "billing", "Meanwhile").await;
    world.start_operator(&[]).await;
    assert_renamed(&world, "billing", "Meanwhile").await;
    world.assert_logins(2, 0);
    assert_eq!(
        proxy.count("create", "secrets"),
        1,
        "the document was never away"
    );
}

#[tokio::test]
async fn o8_an_event_that_is_lost_does_no_harm_and_its_change_comes_with_the_next_list() {
    let (mut world, proxy) = behind_proxy().await;
    let lossy = Arc::new(AtomicBool::new(false));
    let loses = lossy.clone();
    let drop = Fault::drop_events(move |event| {
        loses.load(Ordering::Relaxed) && event["object"]["metadata"]["name"] == "billing-zoho"
    });
    proxy.add(drop.when(|request| request.is("watch", "secrets")));
    world.start_operator(&FLAGS).await;
    world.published("billing").await;

    // A value that nobody heard of, and then another one.
    until_it_rests(&proxy, "billing").await;
    lossy.store(true, Ordering::Relaxed);
    world.put_password("billing", WRONG).await;
    world.put_password("alerts", WRONG).await;
    let mut alerts = world.identity("alerts");
    alerts["spec"]["address"] = json!("alerts@example.com");
    world.apply(&alerts).await;
    world
        .until("alerts", "Ready", "False", "LoginRefused")
        .await;
    lossy.store(false, Ordering::Relaxed);
    change_password(&world, NEXT);
    world.put_password("billing", NEXT).await;
    assert_settled(&world, "billing").await;
    let logins = world.logins();
    assert!(logins.ok == 2 && logins.refused <= 1, "{logins:?}");

    // A value that nobody heard of, and a list.
    until_it_rests(&proxy, "billing").await;
    lossy.store(true, Ordering::Relaxed);
    let last = "canary-last-1f";
    change_password(&world, last);
    world.put_password("billing", last).await;
    let lists = |seen: &[Request]| {
        let is_list = |it: &&Request| is_of_identities(it, "list", "secrets");
        seen.iter().filter(is_list).count()
    };
    let before = lists(&proxy.requests());
    let gone = Fault::watch_gone(0).when(|request| is_of_identities(request, "watch", "secrets"));
    proxy.add(gone.times(1));
    proxy.cut_all();
    proxy.requests_when(|seen| lists(seen) > before).await;
    assert_settled(&world, "billing").await;
    assert_eq!(world.logins().ok, 3);
    assert_eq!(lists(&proxy.requests()), before + 1);
}

#[tokio::test]
async fn o9_a_list_that_is_older_than_what_was_published_rolls_nothing_back() {
    let (world, proxy) = leading_behind_proxy().await;
    rename(&world, "billing", "Old").await;
    world.put_password("billing", GOOD).await;
    assert_renamed(&world, "billing", "Old").await;
    let old = world
        .identities()
        .list(&ListParams::default())
        .await
        .unwrap();
    let mut old = to_value(old).unwrap();
    old["apiVersion"] = "zohorelay.dev/v1alpha1".into();
    old["kind"] = "MailIdentityList".into();
    rename(&world, "billing", "New").await;
    assert_renamed(&world, "billing", "New").await;
    let revision = world.document("billing").await["revision"].clone();

    let of_identities = |verb| move |request: &Request| request.is(verb, "mailidentities");
    let stale = proxy.add(
        Fault::rewrite(move |_| old.clone())
            .when(of_identities("list"))
            .times(1),
    );
    let next = proxy.add(Fault::Hold.when(of_identities("watch")));
    proxy.add(Fault::watch_gone(0).when(of_identities("watch")).times(1));
    until_it_rests(&proxy, "billing").await;
    proxy.cut_all();
    stale.met(1).await;
    next.held(1).await;
    let before = proxy.requests().len();
    // Looked at, and once more: the first look had its time to do harm.
    let is_look = |it: &&Request| it.is("get", "secrets") && it.name == "zohorelay-billing";
    let seen = proxy
        .requests_when(|seen| seen[before..].iter().filter(is_look).count() >= 2)
        .await;
    let writes: Vec<_> = seen[before..]
        .iter()
        .filter(|it| is_for_identities(it))
        .collect();
    assert!(writes.is_empty(), "{writes:?}");
    assert_eq!(world.document("billing").await["revision"], revision);

    next.release();
    rename(&world, "billing", "Newer").await;
    assert_renamed(&world, "billing", "Newer").await;
    until_it_watches(&proxy).await;
    world.assert_logins(1, 0);
}
