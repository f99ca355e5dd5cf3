//! The support bundle: what the doctor found and saw, without secrets. PURE.
//!
//! Only what is listed here goes in. Of a pod that is our own container and our own annotations: what the
//! rest of it holds is nobody's business.

use k8s_openapi::api::core::v1::{Container, Pod};
use kube::ResourceExt as _;
use serde_json::{Value, json};
use zohorelay_crds::MailIdentity;
use zohorelay_crds::keys;
use zohorelay_process::checkup::Checkup;

use super::pods::{Shape, matters};
use super::scene::{Scene, Workload};

/// As indented JSON with a line end.
pub fn text(scene: &Scene, checkup: &Checkup) -> String {
    let text = serde_json::to_string_pretty(&mask(value(scene, checkup))).unwrap_or_default();
    format!("{text}\n")
}

/// Of each mail address the domain only.
fn mask(value: Value) -> Value {
    match value {
        Value::String(text) => mask_addresses(&text).into(),
        Value::Array(all) => all.into_iter().map(mask).collect(),
        Value::Object(fields) => {
            let masked = fields.into_iter().map(|(name, value)| (name, mask(value)));
            masked.collect()
        }
        other => other,
    }
}

fn mask_addresses(text: &str) -> String {
    let is_of_address = |c: char| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c);
    let mut parts = text.split('@').peekable();
    let mut masked = String::new();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            masked.push_str(part);
        } else {
            masked.push_str(part.trim_end_matches(is_of_address));
            masked.push_str("…@");
        }
    }
    masked
}

fn value(scene: &Scene, checkup: &Checkup) -> Value {
    let subject = &scene.subject;
    let identities = scene.identities.iter().flatten();
    let identities = identities.filter(|it| {
        let asked = subject.identity.as_deref();
        asked.is_none_or(|asked| it.metadata.name.as_deref() == Some(asked))
    });
    let pods = scene
        .pods
        .iter()
        .flatten()
        .filter(|pod| matters(pod, subject));
    let lease = scene.lease.as_ref().ok().and_then(Option::as_ref);
    let deployment = scene.deployment.as_ref().ok().and_then(Option::as_ref);
    json!({
        "bundle": 1,
        "version": env!("CARGO_PKG_VERSION"),
        "at": scene.now.to_string(),
        "namespace": subject.namespace,
        "kubernetes": scene.server.as_ref().ok(),
        "operator": {
            "namespace": scene.operator_namespace,
            "leader": lease.and_then(|lease| lease.holder.as_deref()),
            "version": deployment.and_then(|it| it.version.as_deref()),
        },
        "webhook": super::webhook::of(scene).map(|hook| json!({
            "configuration": hook.configuration,
            "failurePolicy": hook.webhook.failure_policy,
            "namespaceSelector": hook.webhook.namespace_selector,
        })),
        "identities": identities.map(identity).collect::<Vec<_>>(),
        "events": scene.events,
        "workloads": scene.workloads.iter().flatten().flatten().filter_map(workload)
            .collect::<Vec<_>>(),
        "pods": pods.map(pod).collect::<Vec<_>>(),
        "checkup": checkup,
    })
}

fn identity(identity: &MailIdentity) -> Value {
    let mut spec = serde_json::to_value(&identity.spec).unwrap_or_default();
    for field in ["/server/caBundle", "/credentials/username", "/displayName"] {
        if let Some(value) = spec.pointer_mut(field) {
            *value = json!("left out");
        }
    }
    json!({
        "name": identity.metadata.name,
        "generation": identity.metadata.generation,
        "spec": spec,
        "status": identity.status,
    })
}

fn workload(workload: &Workload) -> Option<Value> {
    let template = workload.template.metadata.as_ref()?;
    let marks = ours(
        template
            .labels
            .iter()
            .chain(&template.annotations)
            .flatten(),
    );
    (marks != json!({}))
        .then(|| json!({"kind": workload.kind, "name": workload.name, "marks": marks}))
}

fn pod(pod: &Pod) -> Value {
    let shape = Shape::of(pod);
    let spec = pod.spec.as_ref();
    let containers = spec
        .into_iter()
        .flat_map(|spec| spec.init_containers.iter().flatten());
    let container = { containers }.find(|container| container.name == keys::CONTAINER);
    let statuses = pod
        .status
        .iter()
        .flat_map(|it| it.init_container_statuses.iter().flatten());
    let status = { statuses }.find(|status| status.name == keys::CONTAINER);
    json!({
        "name": shape.name,
        "source": shape.source(),
        "phase": pod.status.as_ref().and_then(|status| status.phase.as_deref()),
        "marks": ours(pod.labels().iter().chain(pod.annotations())),
        "documents": shape.mounted,
        "container": container.map(sidecar),
        "status": status,
    })
}

/// Labels and annotations of ours.
fn ours<'a>(marks: impl Iterator<Item = (&'a String, &'a String)>) -> Value {
    let ours = marks.filter(|(key, _)| key.starts_with(keys::PREFIX));
    ours.map(|(key, value)| (key.clone(), json!(value)))
        .collect()
}

/// Our container sets no variables: what there is others put in, so that their values are left out.
fn sidecar(container: &Container) -> Value {
    let mut container = container.clone();
    for variable in container.env.iter_mut().flatten() {
        variable.value = variable.value.take().map(|_| "left out".to_owned());
    }
    serde_json::to_value(container).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::EnvVar;
    use zohorelay_process::checkup::Checkup;

    use super::super::fixtures::{pod, scene};
    use super::*;

    #[test]
    fn the_rest_of_a_pod_and_the_values_of_variables_are_left_out() {
        let mut scene = scene();
        let mut web = pod("web");
        let spec = web.spec.as_mut().unwrap();
        let secret = |name: &str| EnvVar {
            name: name.to_owned(),
            value: Some("canary".to_owned()),
            ..EnvVar::default()
        };
        spec.containers[0].env = Some(vec![secret("PASSWORD")]);
        spec.init_containers.as_mut().unwrap()[0].env = Some(vec![secret("PROXY")]);
        web.annotations_mut()
            .insert("team/token".to_owned(), "canary".to_owned());
        scene.pods = Ok(vec![web]);
        let text = text(&scene, &Checkup::new("doctor", "1"));
        assert!(!text.contains("canary"), "{text}");
        let bundle: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(bundle["pods"][0]["container"]["env"][0]["name"], "PROXY");
        assert_eq!(bundle["pods"][0]["marks"][keys::IDENTITIES], "billing");
        assert_eq!(bundle["identities"][0]["spec"]["address"], "…@example.com");
        assert_eq!(bundle["checkup"]["program"], "doctor");
    }
}
