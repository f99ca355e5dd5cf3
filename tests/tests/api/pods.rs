//! Pods as the operator sees them: objects at the API server, and a real sidecar process behind each
//! that is asked.
//!
//! - [`rollout`]: what becomes of it in the status of an identity

mod rollout;

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::events::v1::Event;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::runtime::reflector::ObjectRef;
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use zohorelay_cluster::shared;
use zohorelay_crds::v1alpha1::MailIdentity;
use zohorelay_operator::leadership::Leadership;
use zohorelay_operator::pods::{PodTally, Pods};
use zohorelay_operator::scope::Scope;
use zohorelay_tests::document;
use zohorelay_tests::objects::{api, apply, apply_object, namespace};
use zohorelay_tests::program::PATIENCE;
use zohorelay_tests::sidecar::{Options, Sidecar};

const VERSION: &str = "1.0.0";
const UID: &str = "5d1f0a52-6c0e-4c3b-9d5b-0a3a5d6c9c11";

/// The part under test, at work.
struct Operator {
    pods: Pods,
    changed: mpsc::Receiver<ObjectRef<MailIdentity>>,
    watching: JoinHandle<()>,
    _leads: watch::Sender<bool>,
    stop: DropGuard,
}

impl Operator {
    fn start(client: &Client, namespaces: &[&str]) -> Self {
        Self::start_again(Pods::new(VERSION), client, namespaces)
    }

    /// With what another one knew.
    fn start_again(pods: Pods, client: &Client, namespaces: &[&str]) -> Self {
        let scope = Scope::from_names(namespaces.iter().map(ToString::to_string).collect());
        let (sender, changed) = mpsc::channel(1);
        let (leads, leadership) = watch::channel(true);
        let stop = CancellationToken::new();
        let watching = pods.clone();
        let watching = watching.watch(client.clone(), scope, sender, stop.clone());
        let watching = tokio::spawn(watching);
        let reading = pods.clone();
        tokio::spawn(reading.read_summaries(Leadership::new(leadership), stop.clone()));
        Self {
            pods,
            changed,
            watching,
            _leads: leads,
            stop: stop.drop_guard(),
        }
    }

    fn tally(&self, namespace: &str) -> PodTally {
        self.pods.tally(namespace, "billing", UID, Some(7))
    }

    /// Waits until the tally of billing fits, looking again only when it is told to.
    async fn until(&mut self, namespace: &str, fits: impl Fn(&PodTally) -> bool) -> PodTally {
        loop {
            let tally = self.tally(namespace);
            if fits(&tally) {
                return tally;
            }
            let told = timeout(PATIENCE, self.changed.recv()).await;
            assert!(told.is_ok(), "nothing changes any more: {tally:?}");
        }
    }
}

fn pod(name: &str, init_containers: &Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "labels": {"zohorelay.dev/inject": "true"},
            "annotations": {
                "zohorelay.dev/identities": "billing",
                "zohorelay.dev/injected": VERSION,
            },
        },
        "spec": {
            "initContainers": init_containers,
            "containers": [{"name": "app", "image": "localhost/app"}],
        },
    })
}

/// A pod whose sidecar is a process on this machine.
async fn attached(client: &Client, namespace: &str, name: &str, sidecar: &Sidecar) {
    let containers = json!([{
        "name": "zohorelay", "image": "localhost/sidecar", "restartPolicy": "Always",
        "ports": [{"name": "zohorelay-admin", "containerPort": sidecar.admin.port()}],
    }]);
    apply_object(client, namespace, &pod(name, &containers))
        .await
        .unwrap();
    let status = json!({"status": {"phase": "Running", "podIP": sidecar.admin.ip()}});
    api::<Pod>(client, namespace)
        .patch_status(name, &PatchParams::default(), &Patch::Merge(&status))
        .await
        .unwrap();
}

async fn bare(client: &Client, namespace: &str, name: &str) {
    apply_object(client, namespace, &pod(name, &json!([])))
        .await
        .unwrap();
}

/// The document of billing in `namespace`; its server is never asked.
fn billing(namespace: &str, revision: u64) -> Value {
    let ca = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let mut document = document::at(
        "billing",
        "billing@example.com",
        "secret",
        465,
        &ca.cert.pem(),
    );
    document["namespace"] = json!(namespace);
    document["uid"] = json!(UID);
    document["revision"] = json!(revision);
    document
}

async fn sidecar(namespace: &str, revision: u64) -> Sidecar {
    let options = Options::with(vec![billing(namespace, revision)]);
    Sidecar::start(options).await.unwrap()
}

#[tokio::test]
async fn a_pod_counts_by_what_its_sidecar_reports() {
    let client = shared().await.unwrap().client().unwrap();
    let here = namespace(&client).await.unwrap();
    let mut operator = Operator::start(&client, &[&here]);
    let tally = operator.until(&here, |tally| tally.listed).await;
    assert_eq!(tally.attached, 0);

    let mut new = sidecar(&here, 7).await;
    attached(&client, &here, "new", &new).await;
    operator.until(&here, |tally| tally.current == 1).await;

    let old = sidecar(&here, 6).await;
    attached(&client, &here, "old", &old).await;
    let tally = operator.until(&here, |tally| tally.behind == 1).await;
    assert_eq!((tally.attached, tally.current), (2, 1));
    assert_eq!(tally.examples.behind, ["old"]);

    old.write(&billing(&here, 7)).unwrap();
    operator.until(&here, |tally| tally.current == 2).await;

    new.kill().unwrap();
    let tally = operator.until(&here, |tally| tally.silent == 1).await;
    assert_eq!((tally.attached, tally.current, tally.outdated), (2, 1, 0));
    assert_eq!(tally.examples.silent, ["new"]);
    new.ended().await.unwrap();

    let at_once = DeleteParams::default().grace_period(0);
    api::<Pod>(&client, &here)
        .delete("new", &at_once)
        .await
        .unwrap();
    let tally = operator.until(&here, |tally| tally.attached == 1).await;
    assert_eq!((tally.current, tally.silent), (1, 0));
}

#[tokio::test]
async fn whoever_watches_anew_begins_with_no_pods() {
    let client = shared().await.unwrap().client().unwrap();
    let here = namespace(&client).await.unwrap();
    bare(&client, &here, "gone").await;
    bare(&client, &here, "stays").await;
    let mut operator = Operator::start(&client, &[&here]);
    operator.until(&here, |tally| tally.missing == 2).await;
    drop(operator.stop);
    operator.watching.await.unwrap();

    let at_once = DeleteParams::default().grace_period(0);
    let pods = api::<Pod>(&client, &here);
    pods.delete("gone", &at_once).await.unwrap();
    let mut operator = Operator::start_again(operator.pods, &client, &[&here]);
    tokio::task::yield_now().await;
    assert_eq!(operator.tally(&here), PodTally::default());
    let tally = operator.until(&here, |tally| tally.listed).await;
    assert_eq!(tally.examples.missing, ["stays"]);
}

#[tokio::test]
async fn a_pod_does_not_speak_for_identities_of_other_namespaces() {
    let client = shared().await.unwrap().client().unwrap();
    let here = namespace(&client).await.unwrap();
    let mut operator = Operator::start(&client, &[&here]);
    let stranger = sidecar("another-namespace", 7).await;
    attached(&client, &here, "web", &stranger).await;
    let tally = operator.until(&here, |tally| tally.behind == 1).await;
    assert_eq!(tally.current, 0);
}

#[tokio::test]
async fn a_pod_that_asked_and_did_not_get_has_one_event_with_the_remedy_whoever_leads() {
    let client = shared().await.unwrap().client().unwrap();
    let here = namespace(&client).await.unwrap();
    bare(&client, &here, "before").await;
    let mut operator = Operator::start(&client, &[&here]);
    let tally = operator.until(&here, |tally| tally.missing == 1).await;
    assert_eq!(tally.examples.missing, ["before"]);
    bare(&client, &here, "after").await;
    operator.until(&here, |tally| tally.missing == 2).await;
    let relabelled = json!({"metadata": {"labels": {"again": "true"}}});
    let pods = api::<Pod>(&client, &here);
    for name in ["before", "after"] {
        let change = Patch::Merge(&relabelled);
        pods.patch(name, &PatchParams::default(), &change)
            .await
            .unwrap();
    }
    // Events are written in order: with the last one, all before it are there.
    bare(&client, &here, "term").await;
    wait_for_event_on(&client, &here, "term").await;
    drop(operator);
    let _next_leader = Operator::start(&client, &[&here]);
    bare(&client, &here, "last").await;

    let events = wait_for_event_on(&client, &here, "last").await;
    for name in ["before", "after", "term", "last"] {
        let uid = pods.get(name).await.unwrap().uid();
        let of_pod: Vec<&Event> = (events.iter())
            .filter(|event| {
                event
                    .regarding
                    .as_ref()
                    .is_some_and(|about| about.uid == uid)
            })
            .collect();
        let [event] = of_pod[..] else {
            panic!("{name} has {} events", of_pod.len());
        };
        assert_eq!(event.type_.as_deref(), Some("Warning"));
        assert_eq!(event.reason.as_deref(), Some("SidecarMissing"));
        assert!(event.series.is_none(), "{event:?}");
        assert!(
            event
                .note
                .as_ref()
                .unwrap()
                .contains("kubectl rollout restart")
        );
    }
}

async fn wait_for_event_on(client: &Client, namespace: &str, pod: &str) -> Vec<Event> {
    use futures_util::StreamExt;
    use kube::api::WatchParams;

    let events = api::<Event>(client, namespace);
    let mut new = events
        .watch(&WatchParams::default(), "0")
        .await
        .unwrap()
        .boxed();
    let seen = async {
        while let Some(event) = new.next().await {
            if let kube::api::WatchEvent::Added(event) = event.unwrap()
                && event.regarding.and_then(|about| about.name).as_deref() == Some(pod)
            {
                return;
            }
        }
    };
    timeout(PATIENCE, seen).await.unwrap();
    events.list(&ListParams::default()).await.unwrap().items
}

#[tokio::test]
async fn a_namespace_without_rights_leaves_the_others_alone_and_is_told_apart_from_an_empty_one() {
    let cluster = shared().await.unwrap();
    let admin = cluster.client().unwrap();
    let (open, closed) = (
        namespace(&admin).await.unwrap(),
        namespace(&admin).await.unwrap(),
    );
    let rights = format!(
        "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: pods}}
rules: [{{apiGroups: [''], resources: [pods], verbs: [list, watch]}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: pods}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: pods}}
subjects: [{{kind: ServiceAccount, name: default, namespace: {open}}}]
"
    );
    apply(&admin, &open, &rights).await.unwrap();
    let client = cluster
        .client_as_service_account(&open, "default")
        .await
        .unwrap();
    for namespace in [&open, &closed] {
        bare(&admin, namespace, "web").await;
    }
    let mut operator = Operator::start(&client, &[&closed, &open]);
    operator.until(&open, |tally| tally.missing == 1).await;
    // No pod is known there, which is not the same as none being there.
    assert_eq!(operator.tally(&closed), PodTally::default());
    assert!(!operator.tally(&closed).listed);
    let quiet = timeout(Duration::from_millis(1), operator.changed.recv()).await;
    assert!(quiet.is_err(), "{quiet:?}");
}
