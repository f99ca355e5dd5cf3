//! docs/proof.md O13: a start with many identities. (How long a thousand take is in docs/bench.md.)

use futures_util::stream::{self, StreamExt as _};
use serde_json::json;
use zoho_simulator::AccountUpdate;
use zohorelay_cluster::proxy::Request;
use zohorelay_tests::metrics::Metrics;

use super::scene::{FLAGS, behind_proxy, is_for_identities, is_of_identities};
use crate::identity::world::{GOOD, World};

const MANY: usize = 200;
/// Requests of the test itself at a time.
const AT_ONCE: usize = 16;

async fn declare(world: &World<'_>, number: usize) {
    let address = format!("user-{number}@example.com");
    let app_password = Some(GOOD.to_owned());
    world.zoho.put_account(
        &address,
        AccountUpdate {
            app_password,
            ..AccountUpdate::default()
        },
    );
    let mut identity = world.identity(&format!("user-{number}"));
    identity["spec"]["address"] = json!(address);
    identity["spec"]["aliases"] = json!([]);
    identity["spec"]["credentials"]["passwordSecretRef"]["name"] = json!("all-zoho");
    world.apply(&identity).await;
}

fn ready(metrics: &Metrics) -> f64 {
    metrics.value("zohorelay_operator_identity_ready", &[])
}

fn logins(world: &World<'_>) -> u64 {
    world.zoho.all_logins().values().map(|it| it.total).sum()
}

#[tokio::test]
async fn o13_a_start_with_many_identities_tries_no_login_that_was_taken_and_writes_nothing() {
    let (mut world, proxy) = behind_proxy().await;
    world.put_password("all", GOOD).await;
    stream::iter(0..MANY)
        .map(|number| declare(&world, number))
        .buffer_unordered(AT_ONCE)
        .collect::<()>()
        .await;
    world.start_operator(&FLAGS).await;
    #[expect(clippy::cast_precision_loss, reason = "a small count")]
    let all = MANY as f64;
    world
        .operator()
        .metrics_when(|metrics| ready(metrics) == all)
        .await
        .unwrap();
    assert_eq!(logins(&world), MANY as u64);
    // The last that is written of each are its two events.
    let is_event = |request: &&Request| request.is("create", "events");
    proxy
        .requests_when(|seen| seen.iter().filter(is_event).count() >= 2 * MANY)
        .await;

    world.kill_operator().await;
    let before = proxy.requests().len();
    world.start_operator(&[]).await;
    world
        .operator()
        .metrics_when(|metrics| ready(metrics) == all)
        .await
        .unwrap();
    assert_eq!(logins(&world), MANY as u64);
    let seen = proxy.requests();
    let seen = &seen[before..];
    let writes: Vec<_> = seen.iter().filter(|it| is_for_identities(it)).collect();
    assert!(writes.is_empty(), "{writes:?}");
    // One list of each kind; a further page of it is none.
    for kind in ["mailidentities", "secrets", "pods"] {
        let lists = seen
            .iter()
            .filter(|it| is_of_identities(it, "list", kind) && !it.path.contains("continue="))
            .count();
        assert_eq!(lists, 1, "lists of {kind}");
    }
}
