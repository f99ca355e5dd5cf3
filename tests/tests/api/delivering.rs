//! `Delivering`, the numbers beside it, and events: a real operator, real sidecars that send mail to a
//! simulated Zoho, and pods whose status the test writes as the kubelet does.
//!
//! - [`ended`]: pods that live shorter than a scrape

mod ended;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::events::v1::Event;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use zohorelay_tests::app;
use zohorelay_tests::objects::{api, appears};
use zohorelay_tests::sidecar::{Options, Sidecar};

use crate::identity::kubectl::flat;
use crate::identity::world::{ADDRESS, World, find, message};

/// Listed in the identity, and unknown at Zoho.
const UNKNOWN_ALIAS: &str = "sales@example.com";

impl World<'_> {
    /// An identity that lists one alias that Zoho does not know.
    pub(crate) async fn billing(&self) {
        let mut identity = self.identity("billing");
        identity["spec"]["aliases"] = json!([UNKNOWN_ALIAS]);
        self.put_password("billing", crate::identity::world::GOOD)
            .await;
        self.apply(&identity).await;
        self.until("billing", "Ready", "True", "Published").await;
    }

    /// A sidecar with the document that pods have.
    pub(crate) async fn sidecar(&self) -> Sidecar {
        let options = Options::with(vec![self.document("billing").await]);
        Sidecar::start(options).await.unwrap()
    }

    /// A pod that asks for these identities, with this status.
    async fn pod(&self, name: &str, identities: &str, admin: u16, status: &Value) {
        self.apply(&json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": name, "labels": {"zohorelay.dev/inject": "true"},
                "annotations": {
                    "zohorelay.dev/identities": identities, "zohorelay.dev/injected": env!("CARGO_PKG_VERSION"),
                },
            },
            "spec": {
                "initContainers": [{
                    "name": "zohorelay", "image": "localhost/sidecar", "restartPolicy": "Always",
                    "ports": [{"name": "zohorelay-admin", "containerPort": admin}],
                }],
                "containers": [{"name": "app", "image": "localhost/app"}],
            },
        }))
        .await;
        self.put_status(name, status).await;
    }

    /// What the kubelet does.
    async fn put_status(&self, pod: &str, status: &Value) {
        let patch = Patch::Merge(json!({"status": status}));
        api::<Pod>(&self.client, &self.namespace)
            .patch_status(pod, &PatchParams::default(), &patch)
            .await
            .unwrap();
    }

    /// A pod that runs this sidecar.
    pub(crate) async fn running(&self, name: &str, sidecar: &Sidecar) {
        let status = json!({"phase": "Running", "podIP": sidecar.admin.ip()});
        self.pod(name, "billing", sidecar.admin.port(), &status)
            .await;
    }

    /// The one event of that reason on a pod.
    async fn event_of_pod(&self, pod: &str, reason: &str) -> Event {
        let pods = api::<Pod>(&self.client, &self.namespace);
        let uid = pods.get(pod).await.unwrap().metadata.uid.unwrap();
        let name = format!("{pod}.{}.{}", &uid[..8], reason.to_lowercase());
        let events = api::<Event>(&self.client, &self.namespace);
        appears(&events, &name).await.unwrap()
    }
}

/// Sends a mail of billing under this From, and gives the code of the answer.
pub(crate) async fn send(sidecar: &Sidecar, from: &str) -> u16 {
    let header = format!("From: {from}\r\nSubject: hello\r\n");
    let to = ["ann@example.org"];
    let reply = app::send(sidecar.smtp, ADDRESS, &to, &header).await;
    reply.unwrap().code
}

#[tokio::test]
async fn a_denied_mail_is_told_with_its_remedy_in_condition_events_and_kubectl() {
    let world = World::start().await;
    world.billing().await;
    world
        .until("billing", "Delivering", "Unknown", "NoMail")
        .await;
    let sidecar = world.sidecar().await;
    world.running("web", &sidecar).await;
    assert_eq!(send(&sidecar, ADDRESS).await, 250);
    let identity = world
        .until("billing", "Delivering", "True", "Delivering")
        .await;
    let delivery = identity.status.unwrap().delivery.unwrap();
    assert!(delivery.last_success.is_some() && delivery.last_failure.is_none());

    assert_eq!(send(&sidecar, UNKNOWN_ALIAS).await, 553);
    assert_eq!(send(&sidecar, ADDRESS).await, 250);
    let identity = world
        .until("billing", "Delivering", "False", "RelayDenied")
        .await;
    assert_eq!(find(&identity, "Ready").unwrap().status, "True");
    let said = message(&identity, "Delivering");
    assert!(
        said.starts_with(
            "mails fail: relay_denied at end_of_data, the server said 553, last in pod web at "
        ),
        "{said}"
    );
    let delivery = identity.status.unwrap().delivery.unwrap();
    let failed = delivery.last_failure.unwrap();
    assert_eq!((&*failed.class, &*failed.pod), ("relay_denied", "web"));
    assert_eq!(
        (failed.stage.as_deref(), failed.code),
        (Some("end_of_data"), Some(553))
    );

    let event = world.event_of_pod("web", "RelayDenied").await;
    let note = event.note.unwrap();
    assert!(
        note.contains("identity billing") && note.contains("Send Mail As"),
        "{note}"
    );
    world.event("billing", "RelayDenied").await;
    let told = flat(&world.shown(&["describe", "mid", "billing"]).await);
    for words in [
        "Type: Delivering",
        "Zoho does not let this mailbox send as the address in From. Add that address in Zoho",
        "Warning RelayDenied",
        "Last Failure:",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    let row = world
        .shown(&["get", "mid", "billing", "--no-headers"])
        .await;
    let row: Vec<_> = row.split_whitespace().collect();
    assert_eq!(row[..6], ["billing", ADDRESS, "True", "True", "False", "1"]);

    // More of the same is told nobody.
    assert_eq!(send(&sidecar, UNKNOWN_ALIAS).await, 553);
    let counts = |status: &Value| status["identities"][0]["failed"]["relay_denied"] == json!(2);
    assert!(counts(&sidecar.status().await.unwrap()));
    let again = world.event_of_pod("web", "RelayDenied").await;
    assert_eq!(
        again.metadata.resource_version,
        event.metadata.resource_version
    );
}

#[tokio::test]
async fn a_sidecar_that_does_not_answer_makes_it_unknown_and_never_false() {
    let world = World::start().await;
    world.billing().await;
    let mut sidecar = world.sidecar().await;
    world.running("web", &sidecar).await;
    assert_eq!(send(&sidecar, ADDRESS).await, 250);
    world
        .until("billing", "Delivering", "True", "Delivering")
        .await;
    sidecar.kill().unwrap();
    sidecar.ended().await.unwrap();
    let identity = world
        .until("billing", "Delivering", "Unknown", "SidecarsUnreachable")
        .await;
    let said = message(&identity, "Delivering");
    assert!(said.contains("see RolledOut"), "{said}");
    assert_eq!(
        find(&identity, "RolledOut").unwrap().reason,
        "PodsUnreachable"
    );
    assert_eq!(find(&identity, "Ready").unwrap().status, "True");
}
