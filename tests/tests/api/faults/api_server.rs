//! docs/proof.md O1, O15: the API server, or the definition of the kind, is away for a while. Each test
//! has a control plane of its own.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::DeleteParams;
use zohorelay_cluster::{Options, Running};
use zohorelay_tests::objects::{disappears, install_crds};

use super::scene::{FLAGS, assert_renamed, assert_settled, rename};
use crate::identity::world::World;

async fn assert_it_lives(world: &World<'_>) {
    let (code, body) = world.operator().get("/live").await.unwrap();
    assert_eq!((code, body.trim()), (200, "ok"));
}

/// Away for as long as it takes until the operator gives its lease up, 10 s, and some more: longer would
/// show nothing else.
#[tokio::test]
async fn o1_the_api_server_stops_and_starts_again() {
    let cluster = Running::start(Options::default()).await.unwrap();
    let mut world = World::at(&cluster).await;
    world.start_operator(&FLAGS).await;
    world.published("billing").await;
    let pid = world.operator().pid();

    cluster.stop_api_server();
    assert_it_lives(&world).await;
    let gives_up = |line: &serde_json::Value| line["message"] == "this replica leads no longer";
    world.operator_mut().logged(gives_up).await.unwrap();
    assert_it_lives(&world).await;
    cluster.start_api_server().await.unwrap();

    rename(&world, "billing", "After").await;
    assert_renamed(&world, "billing", "After").await;
    assert_it_lives(&world).await;
    assert_eq!(world.operator().pid(), pid);
    world.assert_logins(1, 0);
}

#[tokio::test]
async fn o15_the_definition_is_deleted_and_comes_back() {
    let cluster = Running::start(Options::default()).await.unwrap();
    let mut world = World::at(&cluster).await;
    world.start_operator(&FLAGS).await;
    world.published("billing").await;

    let definitions: Api<CustomResourceDefinition> = Api::all(world.client.clone());
    let name = "mailidentities.zohorelay.dev";
    let params = DeleteParams::default();
    definitions.delete(name, &params).await.unwrap();
    // Nothing blocks it: there is no finaliser of ours. (The document goes with its owner or, where the
    // garbage collector has lost sight of the kind, is written over by the next identity of its name.)
    disappears(&definitions, name).await.unwrap();
    let says_so = |line: &serde_json::Value| {
        let message = line["message"].as_str().unwrap_or_default();
        message.contains("install the CustomResourceDefinition")
    };
    world.operator_mut().logged(says_so).await.unwrap();
    assert_it_lives(&world).await;

    install_crds(&world.client).await.unwrap();
    world.apply(&world.identity("billing")).await;
    assert_settled(&world, "billing").await;
    // One for each life at most.
    let logins = world.logins();
    assert!(logins.total <= 2, "{logins:?}");
}
