//! Puts the sidecar into the pod, as a JSON Patch (RFC 6902).
//!
//! The operations are made by hand: a computed difference would rewrite every init container behind
//! ours. Each adds, the value of one sysctl apart; what is addressed by its place in a list is tested
//! by its name first.

use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, Patch, PatchOperation, ReplaceOperation, TestOperation};
use serde_json::{Value, json};
use zohorelay_crds::keys;

use super::container::{container, variables, volumes};
use super::decide::Request;
use super::pod::{List, Pod, items, name_of};
use super::settings::Settings;

/// Init containers of service meshes that come before ours: what sets the network up, and the proxy
/// that mail goes through. As sidecars end in reverse order, the proxy also outlives ours.
pub const MESH: [&str; 6] = [
    "istio-init",
    "istio-validation",
    "istio-proxy",
    "linkerd-init",
    "linkerd-network-validator",
    "linkerd-proxy",
];

/// The cluster autoscaler keeps a node that a pod with emptyDir volumes runs on, unless they are named here.
const SAFE_TO_EVICT: &str = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes";
/// Lets a process without rights listen from this port on.
const PORT_START: &str = "net.ipv4.ip_unprivileged_port_start";
const FIRST_UNPRIVILEGED: u16 = 1024;

/// The operations that make the pod what it asked for; none where nothing is missing.
///
/// A sidecar that is there already is left as it is, whatever others made of it, and gets back the
/// volumes that it lacks.
pub fn patch(pod: &Pod<'_>, request: &Request, settings: &Settings) -> Patch {
    let mut writer = Writer::default();
    if request.present {
        add_volumes(&mut writer, pod, request);
        return Patch(writer.operations);
    }
    annotate(&mut writer, pod);
    let place = place(pod);
    if request.env {
        add_variables(&mut writer, pod, request, place);
    }
    insert(&mut writer, pod, place, container(pod, request, settings));
    add_volumes(&mut writer, pod, request);
    add_pull_secrets(&mut writer, pod, settings);
    if request.port < FIRST_UNPRIVILEGED {
        open_port(&mut writer, pod, request.port);
    }
    Patch(writer.operations)
}

fn annotate(writer: &mut Writer, pod: &Pod<'_>) {
    let annotations = ["metadata", "annotations"];
    let ours = [keys::SPOOL_VOLUME, keys::NO_TOKEN_VOLUME];
    let theirs = pod.annotation(SAFE_TO_EVICT).ok().flatten();
    let mut names: Vec<&str> = theirs.unwrap_or_default().split(',').collect();
    names.retain(|name| !name.is_empty() && !ours.contains(&name.trim()));
    names.extend(ours);
    writer.add(
        annotations,
        keys::INJECTED,
        json!(env!("CARGO_PKG_VERSION")),
    );
    writer.add(annotations, SAFE_TO_EVICT, json!(names.join(",")));
}

/// First of the init containers, but after those of a mesh.
fn place(pod: &Pod<'_>) -> usize {
    items(pod.init_containers)
        .rposition(|container| MESH.contains(&name_of(container)))
        .map_or(0, |last| last + 1)
}

fn insert(writer: &mut Writer, pod: &Pod<'_>, place: usize, container: Value) {
    let Some(before) = pod.init_containers else {
        return writer.add(["spec"], "initContainers", json!([container]));
    };
    if let Some(neighbour) = place.checked_sub(1).and_then(|index| before.get(index)) {
        let index = (place - 1).to_string();
        writer.test(
            ["spec", "initContainers", &index, "name"],
            name_of(neighbour),
        );
    }
    writer.add(["spec", "initContainers"], &place.to_string(), container);
}

fn add_volumes(writer: &mut Writer, pod: &Pod<'_>, request: &Request) {
    let missing = volumes(request)
        .into_iter()
        .filter(|volume| !items(pod.volumes).any(|v| name_of(v) == name_of(volume)))
        .collect();
    writer.append(["spec"], "volumes", pod.volumes, missing);
}

fn add_pull_secrets(writer: &mut Writer, pod: &Pod<'_>, settings: &Settings) {
    let missing = settings
        .image_pull_secrets
        .iter()
        .filter(|name| !items(pod.image_pull_secrets).any(|secret| name_of(secret) == *name))
        .map(|name| json!({"name": name}))
        .collect();
    writer.append(
        ["spec"],
        "imagePullSecrets",
        pod.image_pull_secrets,
        missing,
    );
}

/// A safe sysctl, allowed by Pod Security *restricted*. It is the pod's own, and a value that is low
/// enough stays.
fn open_port(writer: &mut Writer, pod: &Pod<'_>, port: u16) {
    let sysctl = json!({"name": PORT_START, "value": port.to_string()});
    if pod.security_context.is_none() {
        return writer.add(["spec"], "securityContext", json!({"sysctls": [sysctl]}));
    }
    let context = ["spec", "securityContext"];
    let mut sysctls = items(pod.sysctls).enumerate();
    let Some((index, theirs)) = sysctls.find(|(_, sysctl)| name_of(sysctl) == PORT_START) else {
        return writer.append(context, "sysctls", pod.sysctls, vec![sysctl]);
    };
    let value = theirs.get("value").and_then(Value::as_str);
    // What is no number is for the API server to refuse.
    if value
        .and_then(|value| value.parse::<u16>().ok())
        .is_some_and(|start| start > port)
    {
        let index = index.to_string();
        let path = |field| ["spec", "securityContext", "sysctls", &index, field];
        writer.test(path("name"), PORT_START);
        writer.replace(path("value"), json!(port.to_string()));
    }
}

/// Where the app's mailer looks for its server. Init containers behind ours may send as well. They go
/// first, so that the container's own variables can refer to them: `smtp://$(SMTP_HOST):$(SMTP_PORT)`.
fn add_variables(writer: &mut Writer, pod: &Pod<'_>, request: &Request, place: usize) {
    let init = items(pod.init_containers).enumerate().skip(place);
    let app = items(pod.containers).enumerate();
    let both = init
        .map(|found| ("initContainers", found))
        .chain(app.map(|found| ("containers", found)));
    for (list, (index, container)) in both {
        let variables = variables(request);
        let env = container.get("env").and_then(Value::as_array);
        let env = env.map(Vec::as_slice);
        // Half of the pair would be worse than none: their host with our port.
        let has_own = items(env).any(|v| {
            variables
                .iter()
                .any(|ours| v.get("name") == ours.get("name"))
        });
        if has_own || MESH.contains(&name_of(container)) {
            continue;
        }
        let index = index.to_string();
        writer.test(["spec", list, &index, "name"], name_of(container));
        let parent = ["spec", list, &index];
        match env {
            None => writer.add(parent, "env", json!(variables)),
            Some(_) => {
                for (at, variable) in variables.into_iter().enumerate() {
                    writer.add(
                        ["spec", list, &index, "env"],
                        &at.to_string(),
                        json!(variable),
                    );
                }
            }
        }
    }
}

/// Operations in the making.
#[derive(Default)]
struct Writer {
    operations: Vec<PatchOperation>,
}

impl Writer {
    fn add<const N: usize>(&mut self, parent: [&str; N], key: &str, value: Value) {
        let path = PointerBuf::from_tokens(parent.into_iter().chain([key]));
        self.operations
            .push(PatchOperation::Add(AddOperation { path, value }));
    }

    /// Adds to a list, which may be absent.
    fn append<const N: usize>(
        &mut self,
        parent: [&str; N],
        key: &str,
        list: List<'_>,
        values: Vec<Value>,
    ) {
        if list.is_none() {
            if !values.is_empty() {
                self.add(parent, key, Value::Array(values));
            }
            return;
        }
        for value in values {
            let path = PointerBuf::from_tokens(parent.into_iter().chain([key, "-"]));
            self.operations
                .push(PatchOperation::Add(AddOperation { path, value }));
        }
    }

    fn test<const N: usize>(&mut self, path: [&str; N], value: &str) {
        let path = PointerBuf::from_tokens(path);
        let value = json!(value);
        self.operations
            .push(PatchOperation::Test(TestOperation { path, value }));
    }

    fn replace<const N: usize>(&mut self, path: [&str; N], value: Value) {
        let path = PointerBuf::from_tokens(path);
        self.operations
            .push(PatchOperation::Replace(ReplaceOperation { path, value }));
    }
}
