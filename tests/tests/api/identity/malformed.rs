//! Objects that got past validation, as an older and laxer definition let them. docs/proof.md O11.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use zohorelay_cluster::{Options, Running};
use zohorelay_tests::objects::{FIELD_MANAGER, apply_object, install_crds};

use super::world::{GOOD, World, conditions, message};

/// The definition without its rules.
fn lax() -> Value {
    let mut definition = zohorelay_crds::manifest::mail_identity().unwrap();
    let anything = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let version = &mut definition["spec"]["versions"][0];
    version["schema"]["openAPIV3Schema"] = json!({
        "type": "object", "properties": {"spec": anything, "status": anything},
    });
    version["additionalPrinterColumns"] = json!([]);
    definition
}

/// A control plane of its own, since the definition is everybody's.
#[tokio::test]
async fn an_object_that_cannot_be_read_is_passed_over_and_counted_and_the_others_go_on() {
    let cluster = Running::start(Options::default()).await.unwrap();
    let mut world = World::at(&cluster).await;
    let definitions: Api<CustomResourceDefinition> = Api::all(world.client.clone());
    let params = PatchParams::apply(FIELD_MANAGER).force();
    let name = "mailidentities.zohorelay.dev";
    definitions
        .patch(name, &params, &Patch::Apply(lax()))
        .await
        .unwrap();

    // Of another shape; and of the right shape, with a value that no rule would let pass.
    let mut mistyped = world.identity("mistyped");
    mistyped["spec"]["address"] = json!(7);
    let mut invalid = world.identity("invalid");
    invalid["spec"]["address"] = json!("billing");
    stored(&world, &mistyped).await;
    stored(&world, &invalid).await;
    install_crds(&world.client).await.unwrap();
    for name in ["mistyped", "invalid"] {
        world.put_password(name, GOOD).await;
    }

    world
        .start_operator(&["--allowed-upstream-host", "localhost"])
        .await;
    world.published("billing").await;
    let malformed = "zohorelay_operator_malformed_objects_total";
    let metrics = world.operator().metrics().await.unwrap();
    assert!(metrics.value(malformed, &[]) >= 1.0);
    let warning = world
        .operator_mut()
        .logged(|line| line["identity"] == "mistyped")
        .await
        .unwrap();
    assert!(
        warning["message"]
            .as_str()
            .unwrap()
            .contains("passed over; correct or delete it")
    );

    let identity = world
        .until("invalid", "Stalled", "True", "InvalidSpec")
        .await;
    let said = message(&identity, "Ready");
    assert!(
        said.starts_with("spec.address: ") && said.contains("set one full address"),
        "{said}"
    );
    assert!(conditions(&identity).contains(&"Published=False/InvalidSpec".to_owned()));
    world.assert_logins(1, 0);

    // Mended, it is like any other. Server-side apply cannot mend what is of another shape.
    for name in ["mistyped", "invalid"] {
        let arguments = ["-n", &*world.namespace, "replace", "-f", "-"];
        let mended = world.identity(name).to_string();
        let output = cluster.kubectl_with(&arguments, &mended).await.unwrap();
        assert!(output.status.success(), "{output:?}");
        world.until(name, "Ready", "True", "Published").await;
    }
}

/// The API server takes a moment until it goes by another definition.
async fn stored(world: &World<'_>, object: &Value) {
    let store = async {
        while let Err(error) = apply_object(&world.client, &world.namespace, object).await {
            let text = format!("{error:#}");
            assert!(
                text.contains("invalid") || text.contains("expected"),
                "{text}"
            );
            tokio::task::yield_now().await;
        }
    };
    let patience = zohorelay_tests::program::PATIENCE;
    tokio::time::timeout(patience, store).await.unwrap();
}
