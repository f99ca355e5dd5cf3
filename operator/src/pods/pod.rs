//! A pod as this operator sees it: of all that the API server tells, only what is needed is parsed.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::Resource;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use zohorelay_config::is_dns_label;
use zohorelay_crds::keys;

/// More identities than this of one pod are not counted: an annotation is a stranger's text.
const IDENTITIES_MAX: usize = 64;

/// The fields of a `Pod` that matter here; the others are skipped while parsing, so that a page of
/// the list takes little memory.
#[derive(Clone, Debug, Default, Deserialize, Resource)]
#[resource(inherit = Pod)]
#[serde(default)]
pub struct SlimPod {
    #[serde(deserialize_with = "slim")]
    metadata: ObjectMeta,
    spec: Spec,
    status: Status,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    host_network: bool,
    init_containers: Vec<Container>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Container {
    name: String,
    restart_policy: Option<String>,
    ports: Vec<Port>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Port {
    name: Option<String>,
    container_port: u16,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    phase: Option<String>,
    #[serde(rename = "podIP")]
    pod_ip: Option<String>,
    init_container_statuses: Vec<ContainerStatus>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ContainerStatus {
    name: String,
    restart_count: i64,
    state: State,
    last_state: State,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct State {
    running: Option<IgnoredAny>,
    terminated: Option<Terminated>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Terminated {
    finished_at: Option<Timestamp>,
    message: String,
}

/// Of metadata, `managedFields` is what takes most time and memory.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    deletion_timestamp: Option<Time>,
    annotations: Option<BTreeMap<String, String>>,
}

fn slim<'de, D: Deserializer<'de>>(input: D) -> Result<ObjectMeta, D::Error> {
    let Metadata {
        name,
        namespace,
        uid,
        resource_version,
        deletion_timestamp,
        annotations,
    } = Metadata::deserialize(input)?;
    Ok(ObjectMeta {
        name,
        namespace,
        uid,
        resource_version,
        deletion_timestamp,
        annotations,
        ..ObjectMeta::default()
    })
}

/// What was seen of a pod that lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// Its uid.
    pub uid: Box<str>,
    /// The identities that it names, each once.
    pub identities: Box<[Box<str>]>,
    /// Its sidecar; none: it asked and did not get one.
    pub sidecar: Option<Sidecar>,
}

/// How one life of a sidecar ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// Which life: 0 is the first.
    pub life: i64,
    /// When, by the node's clock.
    pub finished_at: Timestamp,
    /// Its last words; empty where it said nothing.
    pub message: Box<str>,
}

/// The sidecar of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sidecar {
    /// The version of the operator that put it there.
    pub injected_by: Option<Box<str>>,
    /// Where it answers, from when it runs.
    pub admin: Option<SocketAddr>,
}

impl SlimPod {
    /// Namespace and name.
    pub fn key(&self) -> (&str, &str) {
        let ObjectMeta {
            namespace, name, ..
        } = &self.metadata;
        (
            namespace.as_deref().unwrap_or_default(),
            name.as_deref().unwrap_or_default(),
        )
    }

    /// What counts of it; `None` where it ended or is being deleted.
    pub fn sighting(&self) -> Option<Sighting> {
        let ended = matches!(self.status.phase.as_deref(), Some("Succeeded" | "Failed"));
        if ended || self.metadata.deletion_timestamp.is_some() {
            return None;
        }
        let container = self.sidecar();
        Some(Sighting {
            uid: self.uid().into(),
            identities: self.identities(),
            sidecar: container.map(|container| Sidecar {
                injected_by: self.annotation(keys::INJECTED).map(Into::into),
                admin: self.admin(container),
            }),
        })
    }

    /// How its sidecar ended, the older life first. While a sidecar runs again, its last end is told.
    pub fn ends(&self) -> Vec<End> {
        let status = (self.status.init_container_statuses.iter())
            .find(|status| status.name == keys::CONTAINER && self.sidecar().is_some());
        let Some(status) = status else {
            return Vec::new();
        };
        let lives = [
            (status.restart_count.saturating_sub(1), &status.last_state),
            (status.restart_count, &status.state),
        ];
        let ends = lives.into_iter().filter_map(|(life, state)| {
            let terminated = state.terminated.as_ref()?;
            Some(End {
                life,
                // Without a time the node lost it, and the words are the node's own.
                finished_at: terminated.finished_at?,
                message: terminated.message.as_str().into(),
            })
        });
        ends.collect()
    }

    /// Its uid.
    pub fn uid(&self) -> &str {
        self.metadata.uid.as_deref().unwrap_or_default()
    }

    /// The identities that it names, each once.
    pub fn identities(&self) -> Box<[Box<str>]> {
        identities(self.annotation(keys::IDENTITIES).unwrap_or_default())
    }

    fn sidecar(&self) -> Option<&Container> {
        self.spec.init_containers.iter().find(|container| {
            container.name == keys::CONTAINER
                && container.restart_policy.as_deref() == Some("Always")
        })
    }

    fn annotation(&self, key: &str) -> Option<&str> {
        let annotations = self.metadata.annotations.as_ref()?;
        annotations.get(key).map(String::as_str)
    }

    /// A pod on the node's network is never asked: its address is the node's, and the port is the
    /// word of whoever made the pod. Nor is the unspecified address, which is this very machine.
    fn admin(&self, container: &Container) -> Option<SocketAddr> {
        if self.spec.host_network || !self.runs() {
            return None;
        }
        let ip: IpAddr = self.status.pod_ip.as_deref()?.parse().ok()?;
        if ip.is_unspecified() {
            return None;
        }
        let port = container
            .ports
            .iter()
            .find(|port| port.name.as_deref() == Some(keys::ADMIN_PORT_NAME))
            .map_or(keys::ADMIN_PORT, |port| port.container_port);
        Some(SocketAddr::new(ip, port))
    }

    /// A sidecar runs before its pod does: while other init containers are at work.
    fn runs(&self) -> bool {
        self.status.phase.as_deref() == Some("Running")
            || (self.status.init_container_statuses.iter())
                .any(|status| status.name == keys::CONTAINER && status.state.running.is_some())
    }
}

/// The names in the annotation; what cannot be one is left out, as admission would have refused it.
fn identities(annotation: &str) -> Box<[Box<str>]> {
    let mut names: Vec<Box<str>> = Vec::new();
    let given = annotation.split(',').map(str::trim);
    for name in given.filter(|name| is_dns_label(name)) {
        if names.len() < IDENTITIES_MAX && !names.iter().any(|known| **known == *name) {
            names.push(name.into());
        }
    }
    names.into()
}

#[cfg(test)]
mod tests;
