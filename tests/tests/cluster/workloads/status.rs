//! What the status of a pod says of its containers.

use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus, Pod};
use zohorelay_tests::ground::told::Entry;

/// Of a container of the pod, ours among them.
pub(super) fn container<'a>(pod: &'a Pod, name: &str) -> &'a ContainerStatus {
    let status = pod.status.as_ref().expect("a status");
    let lists = [&status.init_container_statuses, &status.container_statuses];
    let mut all = lists.into_iter().flatten().flatten();
    let found = all.find(|container| container.name == name);
    found.unwrap_or_else(|| panic!("no container {name}: {status:#?}"))
}

/// How a container ended.
pub(super) fn end_of<'a>(pod: &'a Pod, name: &str) -> &'a ContainerStateTerminated {
    let state = container(pod, name).state.as_ref();
    let end = state.and_then(|state| state.terminated.as_ref());
    end.unwrap_or_else(|| panic!("{name} has not ended: {:#?}", pod.status))
}

/// Whether the condition `Ready` holds.
pub(super) fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| &status.conditions);
    let mut conditions = conditions.flatten();
    conditions.any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// What the apps of a pod were told.
pub(super) fn of_pod<'a>(entries: &'a [Entry], pod: &'a str) -> impl Iterator<Item = &'a Entry> {
    entries.iter().filter(move |entry| entry.pod == pod)
}
