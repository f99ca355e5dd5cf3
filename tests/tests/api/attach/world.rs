//! What each test has: a release of the chart with names of its own, an operator with the rights that
//! the chart gives it, and a namespace for pods that enforces Pod Security *restricted*.
//!
//! All that is applied is what helm renders. One thing is changed: the webhook is reached on loopback,
//! since the API server of the tests has no Services.

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::api::{ListParams, PostParams};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::time::timeout;
use zohorelay_cluster::binaries::Program;
use zohorelay_cluster::{Running, shared};
use zohorelay_tests::objects::{self, api, apply_object};
use zohorelay_tests::operator::{Operator, Options};
use zohorelay_tests::program::PATIENCE;
use zohorelay_tests::webhook::on_loopback;

use super::service::Service;

/// Between two looks at what cannot be watched.
const LOOK: Duration = Duration::from_millis(50);
/// Flags for which the actor has values of its own.
const OWN_FLAGS: [&str; 5] = [
    "--operator-namespace",
    "--admin",
    "--page",
    "--webhook",
    "--sidecar-image",
];

/// See the module.
pub(super) struct World {
    pub(super) cluster: &'static Running,
    pub(super) client: Client,
    /// Where pods are made.
    pub(super) namespace: String,
    /// Where the operator would run.
    pub(super) home: String,
    /// Name of the release, and of the webhook's configuration.
    pub(super) release: String,
    pub(super) service: Service,
    options: Options,
}

impl World {
    /// One operator that is ready, and an API server that calls it.
    pub(super) async fn start() -> (Self, Operator) {
        let world = Self::without_operator(&[]).await;
        let operator = world.operator(&[]).await;
        world.until_attached().await;
        (world, operator)
    }

    /// All but the operator; `values` are set for helm.
    pub(super) async fn without_operator(values: &[&str]) -> Self {
        let cluster = shared().await.unwrap();
        let client = cluster.client().unwrap();
        objects::install_crds(&client).await.unwrap();
        let id = fastrand::u32(..);
        let home = format!("home-{id:08x}");
        let namespace = format!("apps-{id:08x}");
        let release = format!("zohorelay-{id:08x}");
        let restricted = json!({"pod-security.kubernetes.io/enforce": "restricted"});
        for (name, labels) in [(&home, json!({})), (&namespace, restricted)] {
            let made = objects::namespace_named(&client, name, &labels).await;
            made.unwrap();
        }
        let service = Service::start().await;
        let chart = render(cluster, &release, &home, &namespace, values).await;
        for object in &chart {
            apply_rendered(&client, object, &release, &service, &namespace).await;
        }
        let account = format!("{release}-operator");
        let options = Options {
            namespace: home.clone(),
            access: cluster.service_account(&home, &account).await.unwrap(),
            flags: flags(&chart),
        };
        Self {
            cluster,
            client,
            namespace,
            home,
            release,
            service,
            options,
        }
    }

    /// A replica of the operator that is ready, behind the Service.
    pub(super) async fn operator(&self, flags: &[&str]) -> Operator {
        let operator = self.unready_operator(flags).await;
        until_ready(&operator).await;
        self.service.add(operator.webhook);
        operator
    }

    /// A replica of the operator as it starts.
    pub(super) async fn unready_operator(&self, flags: &[&str]) -> Operator {
        let mut options = self.options.clone().flags(flags);
        // A kubelet would put the pod's own name there.
        let pod = format!("{}-operator-{:08x}", self.release, fastrand::u32(..));
        for flag in &mut options.flags {
            *flag = flag.replace("$(POD_NAME)", &pod);
        }
        Operator::start(self.cluster, options).await.unwrap()
    }

    /// Waits until the API server calls the webhook and trusts it: it learns of both by a watch.
    pub(super) async fn until_attached(&self) {
        let pod = pod("probe", &asking("billing"), &json!({}));
        let mut last = String::new();
        let attached = async {
            loop {
                match self.try_pod(&pod).await {
                    Ok(pod) if sidecar(&pod).is_some() => return,
                    Ok(_) => "a pod without sidecar".clone_into(&mut last),
                    Err(error) => last = error.to_string(),
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        let attached = timeout(PATIENCE, attached).await;
        assert!(attached.is_ok(), "no pod gets the sidecar: {last}");
    }

    /// What would become of a pod; nothing is stored.
    pub(super) async fn try_pod(&self, pod: &Value) -> kube::Result<Value> {
        let params = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        self.post_pod(&params, pod).await
    }

    /// Creates a pod.
    pub(super) async fn create_pod(&self, pod: &Value) -> kube::Result<Value> {
        self.post_pod(&PostParams::default(), pod).await
    }

    async fn post_pod(&self, params: &PostParams, pod: &Value) -> kube::Result<Value> {
        let pod = serde_json::from_value(pod.clone()).unwrap();
        let created = self.pods().create(params, &pod).await?;
        Ok(serde_json::to_value(created).unwrap())
    }

    pub(super) fn pods(&self) -> Api<Pod> {
        api(&self.client, &self.namespace)
    }

    pub(super) async fn apply(&self, object: &Value) {
        let applied = apply_object(&self.client, &self.namespace, object).await;
        applied.unwrap();
    }

    /// Waits for a pod with the label `app`; whoever makes it says in an event why there is none.
    pub(super) async fn pod_of(&self, app: &str) -> Value {
        let config = watcher::Config::default().labels(&format!("app={app}"));
        let pods = watcher(self.pods(), config).default_backoff();
        let mut pods = std::pin::pin!(pods.applied_objects());
        match timeout(PATIENCE, pods.try_next()).await {
            Ok(Ok(Some(pod))) => serde_json::to_value(pod).unwrap(),
            _ => panic!("no pod of {app}: {:#?}", self.notes().await),
        }
    }

    /// What events in the namespace say.
    pub(super) async fn notes(&self) -> Vec<String> {
        let events: Api<Event> = api(&self.client, &self.namespace);
        let events = events.list(&ListParams::default()).await.unwrap();
        let notes = events.items.into_iter();
        notes.filter_map(|event| event.message).collect()
    }

    /// Waits for an event that says this.
    pub(super) async fn note(&self, part: &str) -> String {
        let mut found = None;
        until(part, async || {
            let notes = self.notes().await;
            found = notes.into_iter().find(|note| note.contains(part));
            found.is_some()
        })
        .await;
        found.unwrap()
    }

    /// What `kubectl` prints in the namespace of the pods; it must succeed.
    pub(super) async fn kubectl(&self, command: &str, stdin: &Value) -> String {
        let output = self.run_kubectl(command, stdin).await;
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "kubectl {command}: {stderr}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// `kubectl` in the namespace of the pods, whatever comes of it.
    pub(super) async fn run_kubectl(&self, command: &str, stdin: &Value) -> Output {
        let mut arguments = vec!["--namespace", &self.namespace];
        arguments.extend(command.split_whitespace());
        let stdin = stdin.to_string();
        let output = self.cluster.kubectl_with(&arguments, &stdin).await;
        output.unwrap()
    }
}

/// Looks again and again until something is so.
pub(super) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let holds = async {
        while !holds().await {
            tokio::time::sleep(LOOK).await;
        }
    };
    assert!(timeout(PATIENCE, holds).await.is_ok(), "{what}: never");
}

/// Waits until a replica says that it is ready.
pub(super) async fn until_ready(operator: &Operator) {
    let mut last = String::new();
    let ready = async {
        loop {
            let (code, text) = operator.get("/ready").await.unwrap();
            if code == 200 {
                return;
            }
            last = text;
            tokio::time::sleep(LOOK).await;
        }
    };
    let is_ready = timeout(PATIENCE, ready).await.is_ok();
    let log = operator.log().join("\n");
    assert!(is_ready, "not ready: {last}; its log:\n{log}");
}

/// What helm makes of the chart.
async fn render(
    cluster: &Running,
    release: &str,
    home: &str,
    namespace: &str,
    values: &[&str],
) -> Vec<Value> {
    let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/zohorelay");
    let namespaces = format!("rbac.namespaces={{{namespace}}}");
    let own = [
        "crds.enabled=false",
        "rbac.scope=Namespaces",
        "rbac.aggregateClusterRoles=false",
        "allowedUpstreamHosts={localhost}",
        "logins.interval=0s",
        "logins.domainInterval=0s",
        &namespaces,
    ];
    let mut command = cluster.command(Program::Helm).unwrap();
    command.args(["template", release]).arg(chart);
    command.args(["--namespace", home]);
    command.args(own.iter().chain(values).flat_map(|value| ["--set", value]));
    let run = tokio::task::spawn_blocking(move || command.output());
    let output = run.await.unwrap().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "helm: {stderr}");
    let yaml = String::from_utf8(output.stdout).unwrap();
    let objects: Vec<Value> = serde_saphyr::from_multiple(&yaml).unwrap();
    objects.into_iter().filter(|one| !one.is_null()).collect()
}

async fn apply_rendered(
    client: &Client,
    object: &Value,
    release: &str,
    service: &Service,
    namespace: &str,
) {
    let kind = object["kind"].as_str().unwrap();
    let mut object = object.clone();
    if kind == "MutatingWebhookConfiguration" {
        let webhook = serde_json::from_value(object).unwrap();
        let webhook = on_loopback(webhook, release, service.address, &[namespace]);
        object = serde_json::to_value(webhook).unwrap();
    }
    apply_object(client, namespace, &object).await.unwrap();
}

/// The command line of the chart's Deployment, but for what the actor says itself.
fn flags(chart: &[Value]) -> Vec<String> {
    let mut deployments = chart.iter().filter(|one| one["kind"] == "Deployment");
    let deployment = deployments.next().unwrap();
    let arguments = &deployment["spec"]["template"]["spec"]["containers"][0]["args"];
    let arguments = arguments.as_array().unwrap().iter();
    let flags = arguments.map(|it| it.as_str().unwrap()).filter(|flag| {
        let name = flag.split('=').next().unwrap();
        *flag != "run" && !OWN_FLAGS.contains(&name)
    });
    flags.map(str::to_owned).collect()
}

/// Label and annotation of a pod, or the template of one, that asks for identities.
pub(super) fn asking(identities: &str) -> Value {
    json!({
        "labels": {"zohorelay.dev/inject": "true"},
        "annotations": {"zohorelay.dev/identities": identities},
    })
}

/// A pod of one app, with what it says of itself beside its name, and with more in its spec.
pub(super) fn pod(name: &str, metadata: &Value, spec: &Value) -> Value {
    let mut pod = template(name, metadata, spec);
    pod["apiVersion"] = json!("v1");
    pod["kind"] = json!("Pod");
    pod["metadata"]["name"] = json!(name);
    pod
}

/// The template of such a pod, with the label `app`. It passes Pod Security *restricted*.
pub(super) fn template(app: &str, metadata: &Value, spec: &Value) -> Value {
    let mut template = json!({
        "metadata": metadata,
        "spec": {"containers": [container("app")]},
    });
    template["metadata"]["labels"]["app"] = json!(app);
    for (key, value) in spec.as_object().unwrap() {
        template["spec"][key] = value.clone();
    }
    template
}

/// A container of an app that passes Pod Security *restricted*.
pub(super) fn container(name: &str) -> Value {
    json!({
        "name": name,
        "image": "localhost/app",
        "securityContext": {
            "runAsNonRoot": true,
            "allowPrivilegeEscalation": false,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    })
}

/// Our container of a pod.
pub(super) fn sidecar(pod: &Value) -> Option<&Value> {
    let containers = pod["spec"]["initContainers"].as_array()?;
    containers.iter().find(|it| it["name"] == "zohorelay")
}
