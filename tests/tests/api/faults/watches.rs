//! docs/proof.md O2: watches that end badly. They are taken up again without a storm of lists.

use std::time::Duration;

use tokio::time::Instant;
use zoho_simulator::AccountUpdate;
use zohorelay_cluster::proxy::Request;
use zohorelay_cluster::{Fault, FaultProxy};

use super::scene::{assert_renamed, is_of_identities, leading_behind_proxy, rename};
use crate::identity::world::{ADDRESS, World};

/// What the operator watches for identities.
const KINDS: [&str; 3] = ["mailidentities", "secrets", "pods"];

fn lists(proxy: &FaultProxy) -> [usize; 3] {
    let seen = proxy.requests();
    KINDS.map(|kind| {
        seen.iter()
            .filter(|it| is_of_identities(it, "list", kind))
            .count()
    })
}

/// Changes what each of two watches must tell of.
async fn change(world: &World<'_>, to: &str) {
    let password = format!("canary-{to}");
    let update = AccountUpdate {
        app_password: Some(password.clone()),
        ..AccountUpdate::default()
    };
    world.zoho.put_account(ADDRESS, update);
    world.put_password("billing", &password).await;
    rename(world, "billing", to).await;
}

/// Each watch once meets the fault; what changed meanwhile is applied, after so many lists of each kind.
async fn each_watch_once(row: &str, fault: Fault, expected: usize) {
    let (world, proxy) = leading_behind_proxy().await;
    world.published("billing").await;
    let before = lists(&proxy);
    let rules = KINDS.map(|kind| {
        let rule = fault
            .clone()
            .when(move |request| is_of_identities(request, "watch", kind));
        proxy.add(rule.times(1))
    });
    proxy.cut_all();
    for rule in &rules {
        rule.met(1).await;
    }
    change(&world, "next").await;
    if matches!(fault, Fault::Drop(_)) {
        // Such a watch tells nothing for as long as it lives.
        proxy.cut_all();
    }
    assert_renamed(&world, "billing", "next").await;
    for (kind, (before, after)) in KINDS.iter().zip(before.into_iter().zip(lists(&proxy))) {
        assert!(
            after - before <= expected,
            "{row}: {} lists of {kind}",
            after - before
        );
    }
    world.assert_logins(2, 0);
}

#[tokio::test]
async fn o2_a_watch_that_ends_with_410_is_listed_again_once() {
    each_watch_once("410 as an event", Fault::watch_gone(0), 1).await;
}

#[tokio::test]
async fn o2_a_watch_that_is_answered_410_is_listed_again_once() {
    each_watch_once("410 as the answer", Fault::gone(), 1).await;
}

#[tokio::test]
async fn o2_a_watch_that_brings_bookmarks_only_goes_on_where_it_was() {
    each_watch_once("bookmarks", Fault::bookmarks_only(), 0).await;
}

#[tokio::test]
async fn o2_a_watch_that_is_cut_within_an_event_goes_on_where_it_was() {
    each_watch_once("half an event", Fault::CutWatch { after: 0 }, 0).await;
}

/// Lists that doubling delays from 1 s on allow for in that time, each up to a fifth shorter.
fn allowed(time: Duration) -> usize {
    let mut lists = 1;
    let mut next = Duration::from_millis(800);
    while next <= time {
        lists += 1;
        next += Duration::from_millis(800) * (1 << (lists - 1)).min(20);
    }
    lists
}

#[tokio::test]
async fn o2_a_watch_that_ends_with_410_each_time_is_listed_ever_less_often() {
    let (world, proxy) = leading_behind_proxy().await;
    world.published("billing").await;
    let gone =
        Fault::watch_gone(0).when(|request| KINDS.iter().any(|kind| request.is("watch", kind)));
    let rule = proxy.add(gone);
    let (began, before) = (Instant::now(), lists(&proxy));
    proxy.cut_all();
    rule.met(2 * KINDS.len()).await;
    change(&world, "next").await;
    // By the lists alone.
    assert_renamed(&world, "billing", "next").await;
    change(&world, "last").await;
    assert_renamed(&world, "billing", "last").await;
    let most = allowed(began.elapsed());
    for (kind, (before, after)) in KINDS.iter().zip(before.into_iter().zip(lists(&proxy))) {
        assert!(
            after - before <= most,
            "{} lists of {kind}, {most} allowed",
            after - before
        );
    }
    world.assert_logins(3, 0);
}

/// A version that is too old stays too old: whoever asks for it again is told the same for ever.
#[tokio::test]
async fn o2_a_version_that_stays_too_old_is_not_asked_for_for_ever() {
    let (world, proxy) = leading_behind_proxy().await;
    let billing = world.published("billing").await;
    let old = billing
        .metadata
        .resource_version
        .unwrap()
        .parse::<u64>()
        .unwrap();
    let is_old = move |request: &Request| {
        let version = request.path.split("resourceVersion=").nth(1);
        let version = version.and_then(|rest| rest.split('&').next()?.parse::<u64>().ok());
        request.verb == "watch" && version.is_some_and(|version| version <= old)
    };
    // What the watches saw last is no newer than the identity.
    proxy.add(Fault::gone().when(is_old));
    proxy.cut_all();
    change(&world, "next").await;
    assert_renamed(&world, "billing", "next").await;
    world.assert_logins(2, 0);
}
