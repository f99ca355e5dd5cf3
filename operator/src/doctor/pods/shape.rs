//! What counts of a pod.

use std::net::SocketAddr;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, Volume};
use kube::ResourceExt as _;
use zohorelay_crds::keys;

use crate::pods::pod::SlimPod;

/// What counts of a pod.
#[derive(Clone, Debug, Default)]
pub struct Shape {
    /// Its name.
    pub name: String,
    /// Whether it neither ended nor is being deleted.
    pub lives: bool,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// The value of the label that asks for the sidecar.
    pub label: Option<String>,
    /// The annotation with the identities, where it names any.
    pub named: Option<String>,
    /// The identities in it.
    pub identities: Box<[Box<str>]>,
    /// The identities whose documents it mounts, in order.
    pub mounted: Vec<String>,
    /// Whether our container is there.
    pub has_sidecar: bool,
    /// Whether our container runs, at an address of its own.
    pub sidecar_runs: bool,
    /// Where it answers.
    pub admin: Option<SocketAddr>,
    /// The version that put it there.
    pub injected_by: Option<String>,
    /// Uid of what made the pod.
    pub owner_uid: Option<String>,
    owner: Option<(String, String)>,
}

impl Shape {
    /// Looks at a pod.
    pub fn of(pod: &Pod) -> Self {
        let slim = serde_json::to_value(pod).and_then(serde_json::from_value::<SlimPod>);
        let slim = slim.unwrap_or_default();
        let sighting = slim.sighting();
        let sidecar = sighting.as_ref().and_then(|seen| seen.sidecar.clone());
        let admin = sidecar.as_ref().and_then(|it| it.admin);
        let named = pod.annotations().get(keys::IDENTITIES);
        let controller = { pod.owner_references().iter() }.find(|it| it.controller == Some(true));
        Self {
            name: pod.name_any(),
            lives: sighting.is_some(),
            created: pod.creation_timestamp().map(|time| time.0),
            label: pod.labels().get(keys::INJECT).cloned(),
            named: named.filter(|text| !text.trim().is_empty()).cloned(),
            identities: slim.identities(),
            mounted: mounted(pod),
            has_sidecar: sidecar.is_some(),
            sidecar_runs: admin.is_some(),
            admin,
            injected_by: sidecar.and_then(|it| it.injected_by).map(Into::into),
            owner_uid: controller.map(|it| it.uid.clone()),
            owner: controller.map(|it| owner(pod, &it.kind, &it.name)),
        }
    }

    /// Where label and annotation are to be changed.
    pub fn source(&self) -> String {
        match &self.owner {
            Some((kind, name)) => format!("the pod template of {kind} {name}"),
            None => "the pod".to_owned(),
        }
    }

    /// How its pods are made anew.
    pub fn restart(&self, namespace: &str) -> String {
        match &self.owner {
            Some((kind, name)) if matches!(&**kind, "Deployment" | "StatefulSet" | "DaemonSet") => {
                let kind = kind.to_lowercase();
                format!("kubectl -n {namespace} rollout restart {kind}/{name}")
            }
            Some((kind, name)) => format!("let {kind} {name} make it anew"),
            None => "delete the pod and make it anew".to_owned(),
        }
    }
}

/// Of a `ReplicaSet` the Deployment that made it: its name ends with the hash that pods have as a label.
fn owner(pod: &Pod, kind: &str, name: &str) -> (String, String) {
    let hash = pod.labels().get("pod-template-hash");
    let deployment = hash.and_then(|hash| name.strip_suffix(hash)?.strip_suffix('-'));
    match deployment {
        Some(deployment) if kind == "ReplicaSet" => {
            ("Deployment".to_owned(), deployment.to_owned())
        }
        _ => (kind.to_owned(), name.to_owned()),
    }
}

fn mounted(pod: &Pod) -> Vec<String> {
    let volumes = pod
        .spec
        .iter()
        .flat_map(|spec| spec.volumes.iter().flatten());
    let ours = volumes.filter(|volume| volume.name == keys::IDENTITIES_VOLUME);
    ours.flat_map(secrets).collect()
}

fn secrets(volume: &Volume) -> Vec<String> {
    let sources = volume
        .projected
        .iter()
        .flat_map(|it| it.sources.iter().flatten());
    let names = sources.filter_map(|source| {
        let name = &source.secret.as_ref()?.name;
        name.strip_prefix(keys::SECRET_PREFIX).map(str::to_owned)
    });
    names.collect()
}
