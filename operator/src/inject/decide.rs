//! What a pod asks for, and whether it can have it.

use serde_json::{Map, Value};
use zohorelay_config::is_dns_label;
use zohorelay_crds::keys;
use zohorelay_process::telemetry;

use super::pod::{self, List, Pod, items, name_of};
use super::quantity::Quantity;
use super::refusal::Refusal;

/// The most identities of one pod: each is a folder, a volume source and a set of metrics.
pub const MAX_IDENTITIES: usize = 16;
/// The longest log filter, in bytes.
pub const MAX_LOG_BYTES: usize = 256;
/// The annotations that a pod may have from its owner.
pub const ANNOTATIONS: [&str; 9] = [
    keys::IDENTITIES,
    keys::PORT,
    keys::ENV,
    keys::ACCEPT_ANY_LOGIN,
    keys::LOG,
    keys::CPU_REQUEST,
    keys::CPU_LIMIT,
    keys::MEMORY_REQUEST,
    keys::MEMORY_LIMIT,
];
/// Least amounts that an annotation may ask for. Below 16Mi a runtime cannot start a container.
pub const LEAST: [(&str, &str); 4] = [
    (keys::CPU_REQUEST, "1m"),
    (keys::CPU_LIMIT, "10m"),
    (keys::MEMORY_REQUEST, "4Mi"),
    (keys::MEMORY_LIMIT, "16Mi"),
];

/// The kubelet puts this on what it runs from files; the API server refuses any change to it.
const MIRROR: &str = "kubernetes.io/config.mirror";

/// What is to be done with a pod.
#[derive(Clone, Debug)]
pub enum Decision {
    /// Nothing: it did not ask, or it is a mirror pod.
    Untouched,
    /// It gets the sidecar.
    Inject(Box<Request>),
}

/// What a pod asks for.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// At least one; the first is the default.
    pub identities: Vec<String>,
    /// SMTP port on loopback.
    pub port: u16,
    /// Whether the app's containers get `SMTP_HOST` and `SMTP_PORT`.
    pub env: bool,
    /// Whether the sidecar offers AUTH.
    pub accept_any_login: bool,
    /// Log filter, where it is not that of the settings.
    pub log: Option<String>,
    /// CPU request.
    pub cpu_request: Option<Quantity>,
    /// CPU limit.
    pub cpu_limit: Option<Quantity>,
    /// Memory request.
    pub memory_request: Option<Quantity>,
    /// Memory limit.
    pub memory_limit: Option<Quantity>,
    /// Whether our container is there already.
    pub present: bool,
    /// What the owner should know although it works.
    pub warnings: Vec<String>,
}

/// Decides for a pod, or the template of one.
pub fn decide(raw: &Value) -> Result<Decision, Refusal> {
    if is_mirror(raw) || !asks(raw)? {
        return Ok(Decision::Untouched);
    }
    let pod = Pod::read(raw)?;
    check_known(&pod)?;
    let request = Request {
        identities: identities(&pod)?,
        port: port(&pod)?,
        env: flag(&pod, keys::ENV)?,
        accept_any_login: flag(&pod, keys::ACCEPT_ANY_LOGIN)?,
        log: log(&pod)?,
        cpu_request: quantity(&pod, keys::CPU_REQUEST)?,
        cpu_limit: quantity(&pod, keys::CPU_LIMIT)?,
        memory_request: quantity(&pod, keys::MEMORY_REQUEST)?,
        memory_limit: quantity(&pod, keys::MEMORY_LIMIT)?,
        present: pod.has_sidecar(),
        warnings: Vec::new(),
    };
    let (cpu, memory) = (&request.cpu_request, &request.memory_request);
    check_order(keys::CPU_REQUEST, cpu.as_ref(), request.cpu_limit.as_ref())?;
    check_order(
        keys::MEMORY_REQUEST,
        memory.as_ref(),
        request.memory_limit.as_ref(),
    )?;
    check_place(&pod)?;
    check_names(&pod)?;
    check_ports(&pod, request.port)?;
    let warnings = warnings(&pod, &request);
    Ok(Decision::Inject(Box::new(Request {
        warnings,
        ..request
    })))
}

fn is_mirror(raw: &Value) -> bool {
    matches!(pod::annotations(raw), Ok(Some(annotations)) if annotations.contains_key(MIRROR))
}

fn asks(raw: &Value) -> Result<bool, Refusal> {
    match pod::labels(raw)?.and_then(|labels| labels.get(keys::INJECT)) {
        None => Ok(false),
        Some(Value::String(value)) if value == "true" => Ok(true),
        Some(Value::String(value)) if value == "false" => Ok(false),
        Some(Value::String(value)) => Err(Refusal::Label(format!("{value:?}"))),
        Some(other) => Err(Refusal::Label(other.to_string())),
    }
}

fn check_known(pod: &Pod<'_>) -> Result<(), Refusal> {
    let stranger = pod
        .annotations
        .into_iter()
        .flat_map(Map::keys)
        .filter(|key| key.starts_with(keys::PREFIX))
        .find(|key| **key != keys::INJECTED && !ANNOTATIONS.contains(&key.as_str()));
    match stranger {
        Some(key) => Err(Refusal::UnknownAnnotation(key.clone())),
        None => Ok(()),
    }
}

fn identities(pod: &Pod<'_>) -> Result<Vec<String>, Refusal> {
    let text = pod.annotation(keys::IDENTITIES)?.unwrap_or_default().trim();
    if text.is_empty() {
        return Err(Refusal::NoIdentities);
    }
    let mut names: Vec<String> = Vec::new();
    for name in text.split(',').map(str::trim) {
        if !is_dns_label(name) {
            return Err(Refusal::IdentityName(name.to_owned()));
        }
        if names.iter().any(|known| known == name) {
            return Err(Refusal::IdentityTwice(name.to_owned()));
        }
        names.push(name.to_owned());
    }
    if names.len() > MAX_IDENTITIES {
        return Err(Refusal::TooManyIdentities(names.len()));
    }
    Ok(names)
}

fn port(pod: &Pod<'_>) -> Result<u16, Refusal> {
    let Some(text) = pod.annotation(keys::PORT)? else {
        return Ok(keys::SMTP_PORT);
    };
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    match text.parse() {
        Ok(port) if port > 0 && digits => match port {
            keys::ADMIN_PORT | keys::PAGE_PORT => Err(Refusal::PortOfOurs(port)),
            port => Ok(port),
        },
        _ => Err(Refusal::Port(text.to_owned())),
    }
}

fn flag(pod: &Pod<'_>, annotation: &'static str) -> Result<bool, Refusal> {
    match pod.annotation(annotation)? {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(value) => Err(Refusal::Flag {
            annotation,
            value: value.to_owned(),
        }),
    }
}

fn log(pod: &Pod<'_>) -> Result<Option<String>, Refusal> {
    let Some(filter) = pod.annotation(keys::LOG)? else {
        return Ok(None);
    };
    if filter.len() > MAX_LOG_BYTES {
        return Err(Refusal::LogTooLong(filter.len()));
    }
    telemetry::parse_filter(filter).map_err(Refusal::Log)?;
    Ok(Some(filter.to_owned()))
}

fn quantity(pod: &Pod<'_>, annotation: &'static str) -> Result<Option<Quantity>, Refusal> {
    let Some(text) = pod.annotation(annotation)? else {
        return Ok(None);
    };
    let read = |text: &str| {
        text.parse::<Quantity>()
            .map_err(|problem| Refusal::Quantity {
                annotation,
                problem,
            })
    };
    let value = read(text)?;
    let bounds = LEAST.iter().filter(|(bounded, _)| *bounded == annotation);
    for (_, least) in bounds {
        if value < read(least)? {
            return Err(Refusal::TooLittle {
                annotation,
                value,
                least,
            });
        }
    }
    Ok(Some(value))
}

fn check_order(
    annotation: &'static str,
    request: Option<&Quantity>,
    limit: Option<&Quantity>,
) -> Result<(), Refusal> {
    match (request, limit) {
        (Some(request), Some(limit)) if request > limit => Err(Refusal::AboveLimit {
            annotation,
            request: request.clone(),
            limit: limit.clone(),
        }),
        _ => Ok(()),
    }
}

/// Where loopback is not the pod's own, or the image cannot run.
fn check_place(pod: &Pod<'_>) -> Result<(), Refusal> {
    if is_true(pod, "hostNetwork") {
        return Err(Refusal::HostNetwork);
    }
    let os = pod.spec.get("os").and_then(|os| os.get("name"));
    let node = pod.spec.get("nodeSelector");
    let node = node.and_then(|labels| labels.get("kubernetes.io/os"));
    if [os, node].into_iter().flatten().any(|os| os == "windows") {
        return Err(Refusal::Windows);
    }
    Ok(())
}

/// Our names must be free, unless the annotation says that what has them is ours.
fn check_names(pod: &Pod<'_>) -> Result<(), Refusal> {
    if items(pod.containers).any(|container| name_of(container) == keys::CONTAINER) {
        return Err(Refusal::ContainerTaken("containers"));
    }
    if pod.annotation(keys::INJECTED)?.is_some() {
        return Ok(());
    }
    if pod.has_sidecar() {
        return Err(Refusal::ContainerTaken("initContainers"));
    }
    let ours = [
        keys::IDENTITIES_VOLUME,
        keys::SPOOL_VOLUME,
        keys::NO_TOKEN_VOLUME,
    ];
    match items(pod.volumes)
        .map(name_of)
        .find(|name| ours.contains(name))
    {
        Some(name) => Err(Refusal::VolumeTaken(name.to_owned())),
        None => Ok(()),
    }
}

fn check_ports(pod: &Pod<'_>, smtp: u16) -> Result<(), Refusal> {
    for container in pod.all_containers() {
        if name_of(container) == keys::CONTAINER {
            continue;
        }
        let takes = |port| items(ports(container)).any(|declared| is_tcp(declared, port));
        let owner = || name_of(container).to_owned();
        if takes(smtp) {
            return Err(Refusal::PortTaken {
                port: smtp,
                container: owner(),
            });
        }
        let fixed = [keys::ADMIN_PORT, keys::PAGE_PORT];
        if let Some(port) = fixed.into_iter().find(|port| takes(*port)) {
            return Err(Refusal::FixedPortTaken {
                port,
                container: owner(),
            });
        }
    }
    Ok(())
}

fn ports(container: &Value) -> List<'_> {
    let ports = container.get("ports").and_then(Value::as_array);
    ports.map(Vec::as_slice)
}

fn is_tcp(declared: &Value, port: u16) -> bool {
    let number = declared.get("containerPort").and_then(Value::as_u64);
    let protocol = declared.get("protocol").and_then(Value::as_str);
    number == Some(port.into()) && protocol.unwrap_or("TCP") == "TCP"
}

fn is_true(pod: &Pod<'_>, field: &str) -> bool {
    pod.spec.get(field) == Some(&Value::Bool(true))
}

fn warnings(pod: &Pod<'_>, request: &Request) -> Vec<String> {
    let mut warnings = Vec::new();
    for field in ["shareProcessNamespace", "hostPID"] {
        if is_true(pod, field) {
            warnings.push(format!(
                "{field}: other containers see the sidecar's process, and one that runs as root or \
                 as the same user may read the mail password"
            ));
        }
    }
    if let Some(names) = stale_identities(pod, request) {
        warnings.push(format!(
            "the container zohorelay has the identities {names}, not those of the annotation {}: \
             it is left as it is; inject the source again",
            keys::IDENTITIES
        ));
    }
    warnings
}

/// The identities of a container that is there already, where the annotation names others.
fn stale_identities(pod: &Pod<'_>, request: &Request) -> Option<String> {
    let sidecar = items(pod.init_containers).find(|c| name_of(c) == keys::CONTAINER)?;
    let names: Vec<&str> = sidecar
        .get("args")?
        .as_array()?
        .iter()
        .filter_map(|arg| arg.as_str()?.strip_prefix("--identity="))
        .collect();
    (names != request.identities).then(|| names.join(", "))
}

#[cfg(test)]
#[path = "decide/tests.rs"]
mod tests;
