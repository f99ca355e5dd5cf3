//! Servers that are not allowed, or not there.

use std::net::TcpListener;

use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::world::{GOOD, World, conditions, message};

#[tokio::test]
async fn a_host_that_is_not_allowed_is_not_dialled_until_it_is() {
    let mut world = World::without_operator().await;
    world.put_password("billing", GOOD).await;
    world.apply(&world.identity("billing")).await;
    world
        .start_operator(&["--allowed-upstream-host", "*.example.com"])
        .await;
    let identity = world
        .until("billing", "Ready", "False", "HostNotAllowed")
        .await;
    assert_eq!(
        conditions(&identity),
        [
            "Ready=False/HostNotAllowed",
            "CredentialsVerified=Unknown/HostNotAllowed",
            "Published=False/HostNotAllowed",
            "RolledOut=False/Pending",
            "Stalled=True/HostNotAllowed",
        ]
    );
    let said = message(&identity, "Ready");
    for words in [
        "localhost",
        "allowedUpstreamHosts",
        "--allowed-upstream-host",
        "remove spec.server",
    ] {
        assert!(said.contains(words), "{said}");
    }
    let rendered = world.secrets().get_opt("zohorelay-billing").await.unwrap();
    assert!(rendered.is_none());

    world.kill_operator().await;
    assert_eq!(world.zoho.connections().len(), 0);
    world
        .start_operator(&["--allowed-upstream-host", "localhost"])
        .await;
    world.until("billing", "Ready", "True", "Published").await;
    world.assert_logins(1, 0);
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_tried_again_and_nothing_is_published_at_first() {
    let world = World::start().await;
    world.put_password("billing", GOOD).await;
    let mut identity = world.identity("billing");
    identity["spec"]["server"]["port"] = json!(closed_port());
    world.apply(&identity).await;
    let identity = world
        .until("billing", "Ready", "False", "UpstreamUnreachable")
        .await;
    assert_eq!(
        conditions(&identity),
        [
            "Ready=False/UpstreamUnreachable",
            "CredentialsVerified=Unknown/UpstreamUnreachable",
            "Published=False/UpstreamUnreachable",
            "RolledOut=False/Pending",
            "Reconciling=True/UpstreamUnreachable",
        ]
    );
    let said = message(&identity, "Ready");
    for words in ["connect", "tried again", "NetworkPolicies", "BestEffort"] {
        assert!(said.contains(words), "{said}");
    }
    let rendered = world.secrets().get_opt("zohorelay-billing").await.unwrap();
    assert!(rendered.is_none());

    // The right port: a new login, and no waiting for the old one's turn.
    world.apply(&world.identity("billing")).await;
    world.until("billing", "Ready", "True", "Published").await;
}

/// A document whose login no operator has seen taken, as one publishes with `BestEffort` after two
/// minutes. They are not waited out: the document is made so by hand.
#[tokio::test]
async fn a_document_that_was_published_untried_serves_and_says_so() {
    let mut world = World::start().await;
    let mut identity = world.identity("billing");
    world.published("billing").await;
    world.kill_operator().await;
    identity["spec"]["server"]["port"] = json!(closed_port());
    world.apply(&identity).await;
    let mut document = world.document("billing").await;
    document["upstream"]["port"] = identity["spec"]["server"]["port"].clone();
    let untried = json!({
        "metadata": {"annotations": {"zohorelay.dev/verified": "false"}},
        "stringData": {"identity.json": document.to_string()},
    });
    let params = PatchParams::default();
    let secrets = world.secrets();
    secrets
        .patch("zohorelay-billing", &params, &Patch::Merge(untried))
        .await
        .unwrap();

    world.start_operator(&[]).await;
    let identity = world
        .until(
            "billing",
            "CredentialsVerified",
            "Unknown",
            "UpstreamUnreachable",
        )
        .await;
    assert_eq!(
        conditions(&identity),
        [
            "Ready=True/PublishedUnverified",
            "CredentialsVerified=Unknown/UpstreamUnreachable",
            "Published=True/PublishedUnverified",
            "RolledOut=True/NoPods",
        ]
    );
    assert_eq!(world.document("billing").await, document);
}

/// A port that nobody listens on.
fn closed_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}
