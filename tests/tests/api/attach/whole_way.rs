//! The whole way of a mail: what a person applies, a pod that Kubernetes makes of it, a sidecar process
//! with exactly that pod's arguments and Secrets, and an app that sends through it to a simulated Zoho.

use std::path::Path;

use k8s_openapi::api::core::v1::Secret;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use zoho_simulator::{Account, AccountUpdate, Options, Simulator};
use zohorelay_tests::app;
use zohorelay_tests::ledger::{Ledger, Told};
use zohorelay_tests::objects::{self, api};
use zohorelay_tests::program::PATIENCE;

use super::node::Node;
use super::world::{World, sidecar};

const ADDRESS: &str = "billing@example.com";
const OLD: &str = "canary-old-5f1d7a";
const NEW: &str = "canary-new-90b2e4";

/// A file of examples/, as its documents.
fn example(name: &str) -> Vec<Value> {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let text = std::fs::read_to_string(examples.join(name)).unwrap();
    serde_saphyr::from_multiple(&text).unwrap()
}

/// The example's Secret and identity, at the simulator.
fn billing(zoho: &zoho_simulator::Running) -> Value {
    let mut objects = example("billing.yaml");
    objects[0]["stringData"]["password"] = json!(OLD);
    objects[1]["spec"]["server"] = json!({
        "host": "localhost",
        "port": zoho.implicit_tls().unwrap().port(),
        "security": "ImplicitTls",
        "caBundle": zoho.ca_pem(),
    });
    json!({"apiVersion": "v1", "kind": "List", "items": objects})
}

/// An app that sends one mail after another.
struct Sending {
    task: JoinHandle<Ledger>,
    stop: CancellationToken,
}

impl Sending {
    fn start(smtp: std::net::SocketAddr) -> Self {
        let stop = CancellationToken::new();
        let token = stop.clone();
        let task = tokio::spawn(async move {
            let mut ledger = Ledger::default();
            let mut number = 0;
            while !token.is_cancelled() {
                number += 1;
                let id = format!("<{number}@app.example>");
                ledger.note(&id, mail(smtp, &id).await);
            }
            ledger
        });
        Self { task, stop }
    }

    async fn end(self) -> Ledger {
        self.stop.cancel();
        self.task.await.unwrap()
    }
}

async fn mail(smtp: std::net::SocketAddr, id: &str) -> Told {
    let header = format!("From: <{ADDRESS}>\r\nTo: <a@example.org>\r\nMessage-ID: {id}\r\n");
    let reply = app::send(smtp, ADDRESS, &["a@example.org"], &header).await;
    Told::Code(reply.unwrap().code)
}

/// Waits until Zoho took more than so many mails.
async fn until_sent(zoho: &zoho_simulator::Running, count: usize) {
    let sent = zoho.wait_until(|zoho| zoho.mail_count() > count);
    let sent = timeout(PATIENCE, sent).await;
    assert!(sent.is_ok(), "{} mails, not {count}", zoho.mail_count());
}

/// Waits until the published document has this password.
async fn until_published(world: &World, password: &str) -> u64 {
    let document = |secret: &Secret| -> Value {
        let data = secret.data.as_ref().unwrap();
        serde_json::from_slice(&data["identity.json"].0).unwrap()
    };
    let secrets = api::<Secret>(&world.client, &world.namespace);
    let fits = |secret: Option<&Secret>| {
        secret.is_some_and(|secret| document(secret)["login"]["password"] == password)
    };
    let name = "zohorelay-billing";
    let found = objects::until(&secrets, name, "it has the password", fits).await;
    let document = document(&found.unwrap().unwrap());
    document["revision"].as_u64().unwrap()
}

#[tokio::test]
async fn what_a_person_applies_sends_mail_and_goes_on_through_a_change_of_the_password() {
    let (world, _operator) = World::start().await;
    let mut account = Account::new(ADDRESS, OLD);
    account.password = Some(NEW.to_owned());
    let zoho = Simulator::start(Options::with_account(account))
        .await
        .unwrap();

    // The pod comes first, and its sidecar, while nobody has declared the identity.
    for object in example("deployment.yaml") {
        world.kubectl("apply -f -", &object).await;
    }
    let pod = world.pod_of("shop").await;
    assert!(sidecar(&pod).is_some());
    let mut node = Node::run(&world, &pod).await;
    let mut early = app::App::connect(node.smtp).await.unwrap();
    early.say("EHLO app.example").await.unwrap();
    let reply = early.say(&format!("MAIL FROM:<{ADDRESS}>")).await.unwrap();
    assert_eq!(reply.code, 451, "{reply:?}");
    assert!(reply.text.starts_with("4.3.0 "), "{reply:?}");

    world.kubectl("apply -f -", &billing(&zoho)).await;
    world
        .kubectl(
            "wait --for=condition=Ready --timeout=60s mailidentity/billing",
            &Value::Null,
        )
        .await;
    let revision = until_published(&world, OLD).await;
    node.sync(&world).await;
    node.has_revision(revision).await;

    let sending = Sending::start(node.smtp);
    until_sent(&zoho, 5).await;
    let patch = json!({"stringData": {"password": NEW}});
    let command = format!("patch secret billing-zoho --type=merge -p {patch}");
    world.kubectl(&command, &Value::Null).await;
    let next = until_published(&world, NEW).await;
    assert!(next > revision, "{next} > {revision}");
    node.sync(&world).await;
    node.has_revision(next).await;
    // Now the person takes the old password away at Zoho.
    let update = AccountUpdate {
        app_password: Some(NEW.to_owned()),
        ..AccountUpdate::default()
    };
    zoho.put_account(ADDRESS, update);
    until_sent(&zoho, zoho.mail_count() + 5).await;

    let ledger = sending.end().await;
    ledger.judge(&zoho.mails()).assert_sound(0);
    assert_eq!(ledger.accepted(), zoho.mail_count(), "nobody was put off");
    assert_eq!(zoho.logins(ADDRESS).refused, 0);
    // Neither password stands where it should not.
    let seen = world.kubectl("get pods,mailidentities,events -o yaml", &Value::Null);
    let seen = seen.await + &node.log().join("\n");
    for password in [OLD, NEW] {
        assert!(!seen.contains(password));
    }
}
