//! Workloads whose container `app` is the app, as people write them: opted in by label and annotation, and
//! fit for Pod Security *restricted*.

use serde_json::{Value, json};

/// What *restricted* asks of a pod.
pub fn pod_security() -> Value {
    json!({
        "runAsNonRoot": true,
        "runAsUser": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    })
}

/// What *restricted* asks of a container.
pub fn container_security() -> Value {
    json!({
        "allowPrivilegeEscalation": false,
        "readOnlyRootFilesystem": true,
        "capabilities": {"drop": ["ALL"]},
    })
}

/// A workload that is not applied yet.
#[derive(Clone, Debug)]
pub struct Workload {
    object: Value,
    /// Where the pod is in it.
    pod: &'static str,
}

impl Workload {
    /// A Pod.
    pub fn pod(name: &str, identities: &str) -> Self {
        let mut object = pod(name, identities);
        object["apiVersion"] = json!("v1");
        object["kind"] = json!("Pod");
        object["metadata"]["name"] = json!(name);
        Self { object, pod: "" }
    }

    /// A Deployment of one replica.
    pub fn deployment(name: &str, identities: &str) -> Self {
        Self::replicated("Deployment", name, identities)
    }

    /// A `StatefulSet` of one replica.
    pub fn stateful_set(name: &str, identities: &str) -> Self {
        Self::replicated("StatefulSet", name, identities).set("/spec/serviceName", json!(name))
    }

    fn replicated(kind: &str, name: &str, identities: &str) -> Self {
        let object = json!({
            "apiVersion": "apps/v1",
            "kind": kind,
            "metadata": {"name": name},
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": {"app": name}},
                "template": pod(name, identities),
            },
        });
        let pod = "/spec/template";
        Self { object, pod }
    }

    /// A Job whose pods are not restarted in place.
    pub fn job(name: &str, identities: &str) -> Self {
        let object = json!({
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": name},
            "spec": {"template": pod(name, identities)},
        });
        let pod = "/spec/template";
        Self { object, pod }.restart("Never")
    }

    /// A `CronJob` of such Jobs.
    pub fn cron_job(name: &str, identities: &str, schedule: &str) -> Self {
        let object = json!({
            "apiVersion": "batch/v1",
            "kind": "CronJob",
            "metadata": {"name": name},
            "spec": {
                "schedule": schedule,
                "jobTemplate": {"spec": {"template": pod(name, identities)}},
            },
        });
        let pod = "/spec/jobTemplate/spec/template";
        Self { object, pod }.restart("Never")
    }

    /// Adds flags of the app; a later one wins.
    #[must_use]
    pub fn flags(mut self, flags: &[&str]) -> Self {
        let args = &mut self.pod_mut()["spec"]["containers"][0]["args"];
        let args = args.as_array_mut().expect("a list");
        args.extend(flags.iter().map(|&flag| json!(flag)));
        self
    }

    /// A second app in the pod, the container `app-2`, with these flags only.
    #[must_use]
    pub fn second_app(mut self, flags: &[&str]) -> Self {
        let containers = &mut self.pod_mut()["spec"]["containers"];
        let mut second = containers[0].clone();
        second["name"] = json!("app-2");
        second["args"] = json!(flags);
        containers.as_array_mut().expect("a list").push(second);
        self
    }

    /// A further container.
    #[must_use]
    pub fn container(mut self, container: Value) -> Self {
        let containers = self.pod_mut()["spec"]["containers"].as_array_mut();
        containers.expect("a list").push(container);
        self
    }

    /// So many replicas.
    #[must_use]
    pub fn replicas(self, count: u32) -> Self {
        self.set("/spec/replicas", json!(count))
    }

    /// `Never` or `OnFailure`, for Jobs.
    #[must_use]
    pub fn restart(self, policy: &str) -> Self {
        self.set_pod("/spec/restartPolicy", json!(policy))
    }

    /// A label of the pod.
    #[must_use]
    pub fn label(mut self, key: &str, value: &str) -> Self {
        self.pod_mut()["metadata"]["labels"][key] = json!(value);
        self
    }

    /// Without sidecar.
    #[must_use]
    pub fn stranger(mut self) -> Self {
        let pod = self.pod_mut();
        let labels = pod["metadata"]["labels"].as_object_mut();
        labels.expect("labels").remove("zohorelay.dev/inject");
        self
    }

    /// An annotation of the pod.
    #[must_use]
    pub fn annotation(mut self, key: &str, value: &str) -> Self {
        self.pod_mut()["metadata"]["annotations"][key] = json!(value);
        self
    }

    /// Sets a field of the pod (or of the template), by its path as in `/spec/hostAliases`. Everything on
    /// the way there but the last must be there.
    #[must_use]
    pub fn set_pod(self, path: &str, value: Value) -> Self {
        let path = format!("{}{path}", self.pod);
        self.set(&path, value)
    }

    /// Sets a field of the object, in the same way.
    #[must_use]
    pub fn set(mut self, path: &str, value: Value) -> Self {
        let (parent, field) = path.rsplit_once('/').expect("a path");
        let parent = self.object.pointer_mut(parent);
        parent.expect("all but the last are there")[field] = value;
        self
    }

    /// The object.
    pub fn object(&self) -> &Value {
        &self.object
    }

    fn pod_mut(&mut self) -> &mut Value {
        self.object.pointer_mut(self.pod).expect("a pod")
    }
}

fn pod(name: &str, identities: &str) -> Value {
    json!({
        "metadata": {
            "labels": {"app": name, "zohorelay.dev/inject": "true"},
            "annotations": {"zohorelay.dev/identities": identities},
        },
        "spec": {
            "securityContext": pod_security(),
            "containers": [{
                "name": "app",
                "image": concat!("zohorelay/app:", env!("CARGO_PKG_VERSION")),
                "imagePullPolicy": "IfNotPresent",
                "args": [],
                "securityContext": container_security(),
            }],
        },
    })
}
