//! docs/proof.md O6, O7: SIGKILL before and after each write of a reconciliation.
//!
//! Each row is run once without a fault, which counts its writes, and then twice for each of them: the
//! operator is killed while the write waits before the API server, and while its answer waits behind.

use futures_util::stream::{self, StreamExt as _};
use kube::ResourceExt as _;
use zoho_simulator::AccountUpdate;
use zohorelay_cluster::{Fault, FaultProxy};

use super::scene::{assert_settled, is_for_identities, leading_behind_proxy, until_it_rests};
use crate::identity::world::{ADDRESS, GOOD, WRONG, World};

const NEXT: &str = "canary-next-77ab01";

/// The write, from 0, that keeps what the login told: before it is done, another process cannot know.
const REMEMBERS: usize = 1;

/// Runs at a time: each has an operator of its own.
const AT_ONCE: usize = 4;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Work {
    /// A new identity is published.
    First,
    /// A published identity gets another password, which is right.
    Rotation,
    /// A published identity gets a wrong password.
    Refusal,
}

impl Work {
    /// Every write that it takes, in order.
    fn writes(self) -> &'static [&'static str] {
        match self {
            Self::First => &[
                "patch mailidentities/status",
                "create secrets",
                "patch mailidentities/status",
                "create events",
                "create events",
            ],
            Self::Rotation => &[
                "patch mailidentities/status",
                "patch secrets",
                "patch mailidentities/status",
                "patch events",
                "patch events",
            ],
            Self::Refusal => &[
                "patch mailidentities/status",
                "patch mailidentities/status",
                "create events",
            ],
        }
    }

    /// What is there before.
    async fn prepare(self, world: &World<'_>, proxy: &FaultProxy) {
        if self != Self::First {
            world.published("billing").await;
            until_it_rests(proxy, "billing").await;
        }
    }

    async fn begin(self, world: &World<'_>) {
        match self {
            Self::First => {
                world.put_password("billing", GOOD).await;
                world.apply(&world.identity("billing")).await;
            }
            Self::Rotation => {
                let app_password = Some(NEXT.to_owned());
                let update = AccountUpdate {
                    app_password,
                    ..AccountUpdate::default()
                };
                world.zoho.put_account(ADDRESS, update);
                world.put_password("billing", NEXT).await;
            }
            Self::Refusal => {
                world.put_password("billing", WRONG).await;
            }
        }
    }

    /// Waits for the end state, and checks it.
    async fn end(self, world: &World<'_>) {
        let serving = match self {
            Self::First => GOOD,
            Self::Rotation => NEXT,
            Self::Refusal => {
                let refused = world
                    .until("billing", "Stalled", "True", "LoginRefused")
                    .await;
                let revision = refused.status.unwrap().revision;
                let document = world.document("billing").await;
                assert_eq!(document["revision"].as_i64(), revision);
                assert_eq!(document["login"]["password"], GOOD);
                return;
            }
        };
        assert_settled(world, "billing").await;
        assert_eq!(
            world.document("billing").await["login"]["password"],
            serving
        );
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Moment {
    Before,
    After,
}

/// The writes after so many requests.
fn writes(proxy: &FaultProxy, before: usize) -> Vec<String> {
    let seen = proxy.requests();
    let writes = seen[before..].iter().filter(|it| is_for_identities(it));
    writes
        .map(|it| format!("{} {}", it.verb, it.resource))
        .collect()
}

async fn without_a_fault(work: Work) {
    let (world, proxy) = leading_behind_proxy().await;
    work.prepare(&world, &proxy).await;
    let before = proxy.requests().len();
    work.begin(&world).await;
    work.end(&world).await;
    until_it_rests(&proxy, "billing").await;
    assert_eq!(writes(&proxy, before), work.writes(), "{work:?}");
}

async fn killed(work: Work, nth: usize, moment: Moment) {
    let (mut world, proxy) = leading_behind_proxy().await;
    work.prepare(&world, &proxy).await;
    let rendered = world.secrets().get_opt("zohorelay-billing").await.unwrap();
    let before = world.logins();
    let fault = match moment {
        Moment::Before => Fault::Hold,
        Moment::After => Fault::HoldAnswer,
    };
    let held = proxy.add(fault.when(is_for_identities).skip(nth).times(1));
    work.begin(&world).await;
    held.held(1).await;
    world.kill_operator().await;

    world.start_operator(&[]).await;
    work.end(&world).await;
    let row = format!("{work:?}, killed {moment:?} write {nth}");
    let logins = world.logins().total - before.total;
    let remembered = nth > REMEMBERS || (nth == REMEMBERS && moment == Moment::After);
    let most = if remembered { 1 } else { 2 };
    assert!((1..=most).contains(&logins), "{row}: {logins} logins");
    if let Some(rendered) = rendered {
        let now = world.secrets().get("zohorelay-billing").await.unwrap();
        assert_eq!(now.uid(), rendered.uid(), "{row}: the document was away");
    }
}

async fn every_kill(work: Work) {
    without_a_fault(work).await;
    let rows =
        (0..work.writes().len()).flat_map(|nth| [(nth, Moment::Before), (nth, Moment::After)]);
    stream::iter(rows)
        .map(|(nth, moment)| killed(work, nth, moment))
        .buffer_unordered(AT_ONCE)
        .collect::<()>()
        .await;
}

#[tokio::test]
async fn o6_killed_at_any_write_of_a_first_publication() {
    every_kill(Work::First).await;
}

#[tokio::test]
async fn o6_killed_at_any_write_of_a_rotation() {
    every_kill(Work::Rotation).await;
}

#[tokio::test]
async fn o6_killed_at_any_write_about_a_refused_login() {
    every_kill(Work::Refusal).await;
}
