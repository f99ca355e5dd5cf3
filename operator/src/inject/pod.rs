//! A pod as raw JSON, and the parts of it that injection looks at.

use serde_json::{Map, Value};
use thiserror::Error;
use zohorelay_crds::keys;

/// A part of the pod is not what Kubernetes says it is.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("reading the pod: {path} is not {expected}")]
pub struct ShapeError {
    /// Where, as in `spec.containers`.
    path: String,
    /// What it should be.
    expected: &'static str,
}

fn shape(path: impl Into<String>, expected: &'static str) -> ShapeError {
    let path = path.into();
    ShapeError { path, expected }
}

/// A list inside the pod: absent and null are told from empty, since a patch must know.
pub type List<'a> = Option<&'a [Value]>;

/// A pod whose parts have the types that Kubernetes gives them. What is not named here is not looked at.
#[derive(Clone, Copy, Debug)]
pub struct Pod<'a> {
    /// `metadata.annotations`.
    pub annotations: Option<&'a Map<String, Value>>,
    /// `spec`.
    pub spec: &'a Map<String, Value>,
    /// `spec.initContainers`.
    pub init_containers: List<'a>,
    /// `spec.containers`.
    pub containers: List<'a>,
    /// `spec.volumes`.
    pub volumes: List<'a>,
    /// `spec.imagePullSecrets`.
    pub image_pull_secrets: List<'a>,
    /// `spec.securityContext`.
    pub security_context: Option<&'a Map<String, Value>>,
    /// `spec.securityContext.sysctls`.
    pub sysctls: List<'a>,
}

impl<'a> Pod<'a> {
    /// Looks at a pod, or at the template of one.
    pub fn read(pod: &'a Value) -> Result<Self, ShapeError> {
        let spec = pod
            .get("spec")
            .and_then(Value::as_object)
            .ok_or_else(|| shape("spec", "an object"))?;
        let security_context = object(spec, "spec", "securityContext")?;
        let read = Self {
            annotations: annotations(pod)?,
            spec,
            init_containers: list(spec, "spec", "initContainers")?,
            containers: list(spec, "spec", "containers")?,
            volumes: list(spec, "spec", "volumes")?,
            image_pull_secrets: list(spec, "spec", "imagePullSecrets")?,
            security_context,
            sysctls: match security_context {
                Some(context) => list(context, "spec.securityContext", "sysctls")?,
                None => None,
            },
        };
        for container in read.all_containers() {
            let fields = container
                .as_object()
                .ok_or_else(|| shape("spec.containers[]", "an object"))?;
            list(fields, "spec.containers[]", "env")?;
            list(fields, "spec.containers[]", "ports")?;
        }
        Ok(read)
    }

    /// Init containers, then containers.
    pub fn all_containers(&self) -> impl Iterator<Item = &'a Value> {
        items(self.init_containers).chain(items(self.containers))
    }

    /// Whether our container is among the init containers.
    pub fn has_sidecar(&self) -> bool {
        items(self.init_containers).any(|container| name_of(container) == keys::CONTAINER)
    }

    /// An annotation, which must be a string.
    pub fn annotation(&self, key: &str) -> Result<Option<&'a str>, ShapeError> {
        self.annotations
            .and_then(|annotations| annotations.get(key))
            .map(|value| {
                let path = || format!("annotation {key}");
                value
                    .as_str()
                    .ok_or_else(|| shape(path(), "a string: put it into quotes"))
            })
            .transpose()
    }
}

/// `metadata.labels` or `metadata.annotations` of a pod or its template.
fn metadata<'a>(pod: &'a Value, key: &str) -> Result<Option<&'a Map<String, Value>>, ShapeError> {
    let Some(metadata) = pod.get("metadata").and_then(Value::as_object) else {
        return Ok(None);
    };
    object(metadata, "metadata", key)
}

/// `metadata.labels` of a pod or its template.
pub fn labels(pod: &Value) -> Result<Option<&Map<String, Value>>, ShapeError> {
    metadata(pod, "labels")
}

/// `metadata.annotations` of a pod or its template.
pub fn annotations(pod: &Value) -> Result<Option<&Map<String, Value>>, ShapeError> {
    metadata(pod, "annotations")
}

/// The items of a list that may be absent.
pub fn items(list: List<'_>) -> impl DoubleEndedIterator<Item = &Value> + ExactSizeIterator {
    list.unwrap_or_default().iter()
}

/// The `name` of a container, a volume, a variable or a sysctl; empty where it has none.
pub fn name_of(item: &Value) -> &str {
    item.get("name").and_then(Value::as_str).unwrap_or_default()
}

fn list<'a>(parent: &'a Map<String, Value>, path: &str, key: &str) -> Result<List<'a>, ShapeError> {
    match parent.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(items)) => Ok(Some(items)),
        Some(_) => Err(shape(format!("{path}.{key}"), "a list")),
    }
}

fn object<'a>(
    parent: &'a Map<String, Value>,
    path: &str,
    key: &str,
) -> Result<Option<&'a Map<String, Value>>, ShapeError> {
    match parent.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(fields)) => Ok(Some(fields)),
        Some(_) => Err(shape(format!("{path}.{key}"), "an object")),
    }
}
