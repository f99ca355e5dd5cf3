//! Tells the controller whose pods changed, and people which pods miss their sidecar.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType, Recorder};
use kube::runtime::reflector::ObjectRef;
use tokio::sync::mpsc;
use zohorelay_crds::v1alpha1::{MailIdentity, Reason};

use super::index::NamespacedName;
use super::shared::Shared;
use crate::run::chain;

const MISSING: &str = "this pod asks for the zohorelay sidecar and did not get it: it was created \
    without the annotation zohorelay.dev/identities, or while the webhook was not there, or the \
    label was put on the running pod. A sidecar cannot be added later: label and annotate the pod \
    template, then delete this pod or run `kubectl rollout restart` on its owner";

/// Passes on every identity that changed, until nobody listens. One that changes often while the
/// other side is busy is passed on once.
pub(super) async fn forward(shared: &Shared, changed: mpsc::Sender<ObjectRef<MailIdentity>>) {
    loop {
        while let Some(NamespacedName { namespace, name }) = shared.next_changed() {
            let identity = ObjectRef::new(&name).within(&namespace);
            if changed.send(identity).await.is_err() {
                return;
            }
        }
        shared.changed.notified().await;
    }
}

/// Writes an event on every pod without the sidecar that it asked for, once. Never returns.
pub(super) async fn report_missing(shared: &Shared, recorder: &Recorder) {
    loop {
        while let Some((key, uid)) = shared.next_missing() {
            let (namespace, pod) = (key.namespace.to_string(), key.name.to_string());
            let regarding = ObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("Pod".to_owned()),
                namespace: Some(namespace.clone()),
                name: Some(pod.clone()),
                uid: Some(uid),
                ..ObjectReference::default()
            };
            if let Err(error) = recorder.publish(&missing(), &regarding).await {
                let error = chain(&error);
                tracing::warn!(
                    namespace,
                    pod,
                    error,
                    "cannot write the event SidecarMissing"
                );
            }
        }
        shared.missing.notified().await;
    }
}

fn missing() -> Event {
    Event {
        type_: EventType::Warning,
        reason: Reason::SidecarMissing.as_str().to_owned(),
        note: Some(MISSING.to_owned()),
        action: "Inject".to_owned(),
        secondary: None,
    }
}
