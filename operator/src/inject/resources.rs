//! CPU, memory and disk of the sidecar, beside what the rest of the pod has.

use serde_json::{Map, Value, json};

use super::decide::Request;
use super::pod::Pod;
use super::quantity::Quantity;
use super::settings::Settings;

/// What the kubelet writes for us beside the spool: logs.
const DISK_REQUEST: &str = "32Mi";
/// [`super::container::SHARED_SPOOL_BYTES`] and 128Mi of logs. A pod's limit is the sum of its
/// containers', and the spool counts against it: without a share of its own a full spool would evict
/// the app.
const DISK_LIMIT: &str = "512Mi";
/// Where a limit must be and nobody says which: at 10m the container runtime alone takes seconds to
/// start us, and the postStart hook waits for ten.
const LEAST_CPU_LIMIT: &str = "100m";

const CPU: &str = "cpu";
const MEMORY: &str = "memory";
const DISK: &str = "ephemeral-storage";

/// A request and a limit.
struct Amounts {
    request: Option<Quantity>,
    limit: Option<Quantity>,
}

/// `resources` of our container. Where every container has a CPU limit ours has one (a quota on limits
/// would refuse the pod), and in a Guaranteed pod requests are limits (or it would be none).
pub fn resources(pod: &Pod<'_>, request: &Request, settings: &Settings) -> Value {
    let guaranteed = is_guaranteed(pod);
    let cpu_limit = settings.cpu_limit.clone().or_else(|| {
        let least = LEAST_CPU_LIMIT.parse().ok()?;
        let wished = request.cpu_request.clone();
        let limit = wished.unwrap_or_else(|| settings.cpu_request.clone().max(least));
        every_container(pod, |c| amount(c, "limits", CPU).is_some()).then_some(limit)
    });
    let cpu = Amounts {
        request: request.cpu_request.clone(),
        limit: request.cpu_limit.clone(),
    };
    let memory = Amounts {
        request: request.memory_request.clone(),
        limit: request.memory_limit.clone(),
    };
    let (cpu, memory) = (
        cpu.fill(pod, CPU, &settings.cpu_request, cpu_limit),
        memory.fill(
            pod,
            MEMORY,
            &settings.memory_request,
            Some(settings.memory_limit.clone()),
        ),
    );
    let mut requests = Map::new();
    let mut limits = Map::new();
    for (name, amounts) in [(CPU, cpu), (MEMORY, memory)] {
        let amounts = if guaranteed { amounts.level() } else { amounts };
        put(&mut requests, name, amounts.request);
        put(&mut limits, name, amounts.limit);
    }
    requests.insert(DISK.to_owned(), json!(DISK_REQUEST));
    if limits_disk(pod) {
        limits.insert(DISK.to_owned(), json!(DISK_LIMIT));
    }
    if limits.is_empty() {
        return json!({"requests": requests});
    }
    json!({"requests": requests, "limits": limits})
}

impl Amounts {
    /// What the pod does not ask for comes from the settings, and gives way where the two disagree. Of
    /// what the pod has a budget for as a whole we take our share and ask for nothing.
    fn fill(self, pod: &Pod<'_>, name: &str, request: &Quantity, limit: Option<Quantity>) -> Self {
        if has_budget(pod, name) {
            return self;
        }
        let (wished_request, wished_limit) = (self.request, self.limit);
        match (wished_request, wished_limit) {
            (Some(request), Some(limit)) => Self {
                request: Some(request),
                limit: Some(limit),
            },
            (Some(request), None) => Self {
                limit: limit.map(|limit| limit.max(request.clone())),
                request: Some(request),
            },
            (None, Some(limit)) => Self {
                request: Some(request.clone().min(limit.clone())),
                limit: Some(limit),
            },
            (None, None) => Self {
                request: Some(request.clone()),
                limit,
            },
        }
    }

    /// Requests the limit.
    fn level(self) -> Self {
        Self {
            request: self.limit.clone().or(self.request),
            limit: self.limit,
        }
    }
}

fn put(map: &mut Map<String, Value>, name: &str, quantity: Option<Quantity>) {
    if let Some(quantity) = quantity {
        map.insert(name.to_owned(), json!(quantity.to_string()));
    }
}

/// Quality of service as the kubelet computes it: every container limits CPU and memory, and requests
/// just that. A request that is absent is the limit.
fn is_guaranteed(pod: &Pod<'_>) -> bool {
    every_container(pod, |container| {
        [CPU, MEMORY].iter().all(|name| {
            let limit = amount(container, "limits", name);
            let requests = amount(container, "requests", name);
            let levels = requests == limit || !has(container, "requests", name);
            limit.is_some() && levels
        })
    })
}

/// Whether the kubelet evicts the pod for what it has on disk.
pub(super) fn limits_disk(pod: &Pod<'_>) -> bool {
    pod.all_containers().any(|c| has(c, "limits", DISK))
}

fn every_container(pod: &Pod<'_>, holds: impl Fn(&Value) -> bool) -> bool {
    let mut containers = pod.all_containers().peekable();
    containers.peek().is_some() && containers.all(holds)
}

/// Whether `spec.resources` (Kubernetes 1.34) has a budget for all containers together.
fn has_budget(pod: &Pod<'_>, name: &str) -> bool {
    let budget = pod.spec.get("resources");
    ["requests", "limits"]
        .iter()
        .any(|list| budget.and_then(|b| b.get(list)?.get(name)).is_some())
}

fn has(container: &Value, list: &str, name: &str) -> bool {
    raw(container, list, name).is_some()
}

/// A quantity above nothing.
fn amount(container: &Value, list: &str, name: &str) -> Option<Quantity> {
    let quantity: Quantity = match raw(container, list, name)? {
        Value::String(text) => text.parse().ok()?,
        Value::Number(number) => number.to_string().parse().ok()?,
        _ => return None,
    };
    (!quantity.is_zero()).then_some(quantity)
}

fn raw<'a>(container: &'a Value, list: &str, name: &str) -> Option<&'a Value> {
    container.get("resources")?.get(list)?.get(name)
}

#[cfg(test)]
#[path = "resources/tests.rs"]
mod tests;
