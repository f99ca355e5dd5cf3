//! Tells the controller whose pods changed, and people which pods miss their sidecar or cannot send.

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

use super::index::{FirstFailure, NamespacedName};
use super::kind;
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

/// Writes an event on every pod without the sidecar that it asked for, once. Never returns.
pub(super) async fn report_missing(shared: &Shared, client: &Client) {
    loop {
        while let Some((pod, uid)) = shared.next_missing() {
            let reason = Reason::SidecarMissing;
            write(client, event(&pod, &uid, reason, MISSING, Timestamp::now())).await;
        }
        shared.missing.notified().await;
    }
}

/// Writes an event on every pod for the first failure of each kind. Never returns.
pub(super) async fn report_failures(shared: &Shared, client: &Client) {
    loop {
        while let Some(first) = shared.next_first_failure() {
            if let Some(reason) = kind::reason(first.failure.class) {
                let note = note(&first);
                let event = event(&first.pod, &first.uid, reason, &note, Timestamp::now());
                write(client, event).await;
            }
        }
        shared.failed.notified().await;
    }
}

/// Once: a leader after this one gives it the same name, and finds it there.
async fn write(client: &Client, event: Event) {
    let namespace = event.metadata.namespace.clone().unwrap_or_default();
    let events = Api::<Event>::namespaced(client.clone(), &namespace);
    match events.create(&PostParams::default(), &event).await {
        Ok(_) => {}
        Err(kube::Error::Api(status)) if status.is_already_exists() => {}
        Err(error) => {
            let error = chain(&error);
            let pod = event.regarding.and_then(|pod| pod.name);
            let reason = event.reason;
            tracing::warn!(namespace, pod, reason, error, "cannot write an event");
        }
    }
}

fn note(first: &FirstFailure) -> String {
    let FirstFailure {
        identity, failure, ..
    } = first;
    format!(
        "a mail of the identity {identity} failed: {failure}. {} This is told once a pod and kind; see \
         kubectl describe mid {identity}",
        failure.class.remedy()
    )
}

fn event(pod: &NamespacedName, uid: &str, reason: Reason, note: &str, now: Timestamp) -> Event {
    let NamespacedName {
        namespace,
        name: pod,
    } = pod;
    let action = match reason {
        Reason::SidecarMissing => "Inject",
        _ => "Send",
    };
    Event {
        metadata: ObjectMeta {
            name: Some(name(pod, uid, reason.as_str())),
            namespace: Some(namespace.to_string()),
            ..ObjectMeta::default()
        },
        event_time: Some(MicroTime(now)),
        type_: Some("Warning".to_owned()),
        reason: Some(reason.as_str().to_owned()),
        note: Some(note.to_owned()),
        action: Some(action.to_owned()),
        regarding: Some(ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Pod".to_owned()),
            namespace: Some(namespace.to_string()),
            name: Some(pod.to_string()),
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
    use zohorelay_upstream::failure::Stage;

    use super::*;
    use crate::pods::account::Failure;

    const UID: &str = "5d1f0a52-6c0e-4c3b-9d5b-0a3a5d6c9c11";

    #[test]
    fn an_event_has_the_name_that_every_leader_gives_it() {
        let named = |pod, uid| {
            let pod = NamespacedName::new("shop", pod);
            let event = event(&pod, uid, Reason::SidecarMissing, MISSING, Timestamp::now());
            event.metadata.name.unwrap()
        };
        assert_eq!(named("web-0", UID), "web-0.5d1f0a52.sidecarmissing");
        assert_ne!(named("web-0", UID), named("web-0", "6e1f0a52-6c0e"));
    }

    #[test]
    fn a_first_failure_says_what_to_do_within_the_length_of_a_note() {
        for class in kind::RANKED {
            let first = FirstFailure {
                pod: NamespacedName::new("shop", "web-0"),
                uid: UID.into(),
                identity: "x".repeat(63).into(),
                failure: Failure {
                    class,
                    stage: Some(Stage::EndOfData),
                    code: Some(553),
                    at: Timestamp::UNIX_EPOCH,
                },
            };
            let note = note(&first);
            assert!(note.len() <= 1024, "{note}");
            let what = format!("{class} at end_of_data, the server said 553");
            assert!(note.contains(&what), "{note}");
        }
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
