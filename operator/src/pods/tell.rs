//! Tells the controller whose pods changed, and people which pods miss their sidecar.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::PostParams;
use kube::runtime::reflector::ObjectRef;
use kube::{Api, Client};
use tokio::sync::mpsc;
use zohorelay_crds::keys;
use zohorelay_crds::v1alpha1::{MailIdentity, Reason};

use super::index::NamespacedName;
use super::shared::Shared;
use crate::run::chain;

/// Characters of a name at most (RFC 1123 subdomain).
const NAME_MAX: usize = 253;

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

/// Writes an event on every pod without the sidecar that it asked for, once: a leader after this one
/// gives it the same name, and finds it there. Never returns.
pub(super) async fn report_missing(shared: &Shared, client: &Client) {
    loop {
        while let Some((key, uid)) = shared.next_missing() {
            let (namespace, pod) = (&*key.namespace, &*key.name);
            let events = Api::<Event>::namespaced(client.clone(), namespace);
            let event = missing(namespace, pod, &uid, Timestamp::now());
            match events.create(&PostParams::default(), &event).await {
                Ok(_) => {}
                Err(kube::Error::Api(status)) if status.is_already_exists() => {}
                Err(error) => {
                    let error = chain(&error);
                    tracing::warn!(
                        namespace,
                        pod,
                        error,
                        "cannot write the event SidecarMissing"
                    );
                }
            }
        }
        shared.missing.notified().await;
    }
}

fn missing(namespace: &str, pod: &str, uid: &str, now: Timestamp) -> Event {
    let reason = Reason::SidecarMissing.as_str();
    Event {
        metadata: ObjectMeta {
            name: Some(name(pod, uid, reason)),
            namespace: Some(namespace.to_owned()),
            ..ObjectMeta::default()
        },
        event_time: Some(MicroTime(now)),
        type_: Some("Warning".to_owned()),
        reason: Some(reason.to_owned()),
        note: Some(MISSING.to_owned()),
        action: Some("Inject".to_owned()),
        regarding: Some(ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Pod".to_owned()),
            namespace: Some(namespace.to_owned()),
            name: Some(pod.to_owned()),
            uid: Some(uid.to_owned()),
            ..ObjectReference::default()
        }),
        reporting_controller: Some(keys::REPORTER.to_owned()),
        reporting_instance: Some(keys::REPORTER.to_owned()),
        ..Event::default()
    }
}

/// One name for one reason on one pod: that of the pod, the beginning of its uid, and the reason.
fn name(pod: &str, uid: &str, reason: &str) -> String {
    let uid: String = uid.chars().take(8).collect();
    let end = format!(".{uid}.{}", reason.to_ascii_lowercase());
    let pod: String = pod.chars().take(NAME_MAX - end.len()).collect();
    format!("{}{end}", pod.trim_end_matches(['.', '-']))
}

#[cfg(test)]
mod tests {
    use super::*;

    const UID: &str = "5d1f0a52-6c0e-4c3b-9d5b-0a3a5d6c9c11";

    #[test]
    fn an_event_has_the_name_that_every_leader_gives_it() {
        let named = |pod, uid| {
            let event = missing("shop", pod, uid, Timestamp::now());
            event.metadata.name.unwrap()
        };
        assert_eq!(named("web-0", UID), "web-0.5d1f0a52.sidecarmissing");
        assert_ne!(named("web-0", UID), named("web-0", "6e1f0a52-6c0e"));
    }

    #[test]
    fn the_name_of_an_event_is_legal_however_long_that_of_the_pod_is() {
        for pod in [
            "x".repeat(253),
            "x.".repeat(126) + "x",
            "x-".repeat(126) + "x",
        ] {
            let name = name(&pod, UID, "SidecarMissing");
            assert!(name.len() <= 253, "{name}");
            let is_legal = |label: &str| {
                let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
                label.starts_with(edge) && label.ends_with(edge)
            };
            assert!(name.split('.').all(is_legal), "{name}");
        }
    }
}
