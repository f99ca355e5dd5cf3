//! `RolledOut` of an identity: an operator process, a published document, and what pods make of it.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use zoho_simulator::{Account, Options as Zoho, Simulator};
use zohorelay_cluster::shared;
use zohorelay_crds::MailIdentity;
use zohorelay_tests::objects::{self, api, apply_object, install_crds, namespace};
use zohorelay_tests::operator::{Operator, Options};
use zohorelay_tests::sidecar::{self, Sidecar};

use super::{attached, bare};

const ADDRESS: &str = "billing@example.com";
const PASSWORD: &str = "canary-rolled-out";

/// An identity that is published.
struct Published {
    client: Client,
    namespace: String,
    operator: Operator,
    _zoho: zoho_simulator::Running,
}

impl Published {
    async fn start() -> Self {
        let cluster = shared().await.unwrap();
        let client = cluster.client().unwrap();
        install_crds(&client).await.unwrap();
        let namespace = namespace(&client).await.unwrap();
        let account = Account::new(ADDRESS, PASSWORD);
        let zoho = Simulator::start(Zoho::with_account(account)).await.unwrap();
        let options = Options::in_namespace(cluster, &namespace).flags(&[
            "--allowed-upstream-host",
            "localhost",
            "--login-interval",
            "0ms",
            "--webhook-configuration",
            &namespace,
        ]);
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "zoho"},
            "data": {"password": BASE64_STANDARD.encode(PASSWORD)},
        });
        let identity = json!({
            "apiVersion": "zohorelay.dev/v1alpha1", "kind": "MailIdentity",
            "metadata": {"name": "billing"},
            "spec": {
                "address": ADDRESS,
                "server": {
                    "host": "localhost", "port": zoho.implicit_tls().unwrap().port(),
                    "security": "ImplicitTls", "caBundle": zoho.ca_pem(),
                },
                "credentials": {"passwordSecretRef": {"name": "zoho", "key": "password"}},
            },
        });
        for object in [secret, identity] {
            apply_object(&client, &namespace, &object).await.unwrap();
        }
        let operator = Operator::start(cluster, options).await.unwrap();
        Self {
            client,
            namespace,
            operator,
            _zoho: zoho,
        }
    }

    /// Waits until `RolledOut` stands so, and gives the identity with its message.
    async fn until(&self, status: &str, reason: &str, says: &str) -> MailIdentity {
        let identities: Api<MailIdentity> = api(&self.client, &self.namespace);
        let fits = |identity: Option<&MailIdentity>| {
            let of = identity.and_then(|identity| identity.status.as_ref());
            of.is_some_and(|of| {
                of.conditions.iter().any(|it| {
                    it.type_ == "RolledOut"
                        && (&*it.status, &*it.reason) == (status, reason)
                        && it.message.contains(says)
                })
            })
        };
        let what = format!("RolledOut={status}/{reason} ({says})");
        match objects::until(&identities, "billing", &what, fits).await {
            Ok(found) => found.unwrap(),
            Err(error) => panic!("{error}\nthe operator:\n{}", self.operator.log().join("\n")),
        }
    }

    async fn document(&self) -> Value {
        let secrets: Api<Secret> = api(&self.client, &self.namespace);
        let rendered = secrets.get("zohorelay-billing").await.unwrap();
        serde_json::from_slice(&rendered.data.unwrap()["identity.json"].0).unwrap()
    }

    /// A pod with a sidecar process that has this document.
    async fn attach(&self, name: &str, document: Value) -> Sidecar {
        let options = sidecar::Options::with(vec![document]);
        let sidecar = Sidecar::start(options).await.unwrap();
        attached(&self.client, &self.namespace, name, &sidecar).await;
        sidecar
    }
}

#[tokio::test]
async fn it_is_true_when_every_pod_reports_the_published_revision() {
    let world = Published::start().await;
    world.until("True", "NoPods", "no pod").await;
    let first = world.document().await;
    let one = world.attach("one", first.clone()).await;
    let two = world.attach("two", first).await;
    world.until("True", "AllPodsCurrent", "2 pods").await;

    let change = json!({"spec": {"displayName": "Example Billing"}});
    let identities: Api<MailIdentity> = api(&world.client, &world.namespace);
    identities
        .patch("billing", &PatchParams::default(), &Patch::Merge(&change))
        .await
        .unwrap();
    world.until("False", "PodsOutdated", "one, two").await;
    let second = world.document().await;
    one.write(&second).unwrap();
    let seen = world.until("False", "PodsOutdated", "(two)").await;
    let counts = seen.status.unwrap().pods.unwrap();
    assert_eq!((counts.attached, counts.current), (2, 1));
    two.write(&second).unwrap();
    world.until("True", "AllPodsCurrent", "2 pods").await;
}

#[tokio::test]
async fn it_is_unknown_while_a_pod_does_not_answer() {
    let world = Published::start().await;
    world.until("True", "NoPods", "no pod").await;
    let mut sidecar = world.attach("web", world.document().await).await;
    world.until("True", "AllPodsCurrent", "1 pod").await;
    sidecar.kill().unwrap();
    world.until("Unknown", "PodsUnreachable", "web").await;
    sidecar.ended().await.unwrap();
}

#[tokio::test]
async fn it_is_false_while_a_pod_misses_its_sidecar() {
    let world = Published::start().await;
    bare(&world.client, &world.namespace, "web").await;
    let seen = world.until("False", "SidecarMissing", "web").await;
    let counts = seen.status.unwrap().pods.unwrap();
    assert_eq!((counts.attached, counts.missing), (0, 1));
}
