//! The apps' containers, as the status of their pods tells of them.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::ResourceExt as _;

/// A container that was started, once: one that is started again is another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Container {
    /// What the runtime calls it.
    pub(super) id: String,
    /// The pod's name.
    pub(super) pod: String,
    /// Its name in the pod.
    pub(super) name: String,
    /// Another one is in its place already.
    pub(super) previous: bool,
    has_ended: bool,
    pod_uid: String,
}

impl Container {
    /// Those of a pod whose log can be read.
    pub(super) fn of_pod(pod: &Pod) -> Vec<Self> {
        let status = pod.status.as_ref();
        let statuses = status.and_then(|status| status.container_statuses.as_ref());
        let apps = statuses
            .into_iter()
            .flatten()
            .filter(|status| status.name.starts_with("app"));
        apps.flat_map(|status| Self::of_status(pod, status))
            .collect()
    }

    fn of_status(pod: &Pod, status: &ContainerStatus) -> Vec<Self> {
        let make = |id: &Option<String>, previous, has_ended| Self {
            id: id.clone().unwrap_or_default(),
            pod: pod.name_any(),
            name: status.name.clone(),
            previous,
            has_ended,
            pod_uid: pod.uid().unwrap_or_default(),
        };
        let mut found = Vec::new();
        let last = status.last_state.as_ref();
        if let Some(ended) = last.and_then(|state| state.terminated.as_ref()) {
            found.push(make(&ended.container_id, true, true));
        }
        let state = status.state.as_ref();
        if let Some(ended) = state.and_then(|state| state.terminated.as_ref()) {
            found.push(make(&ended.container_id, false, true));
        } else if state.is_some_and(|state| state.running.is_some()) {
            found.push(make(&status.container_id, false, false));
        }
        found.retain(|container| !container.id.is_empty());
        found
    }
}

#[derive(Debug)]
struct Known {
    container: Container,
    is_gone: bool,
    was_read: bool,
    /// Its pod was in the list that is coming in.
    was_listed: bool,
}

/// All that were seen, by their ids.
#[derive(Debug, Default)]
pub(super) struct Containers(BTreeMap<String, Known>);

impl Containers {
    /// Takes the news of a pod; gives the containers whose logs are to be read.
    pub(super) fn see(&mut self, pod: &Pod) -> Vec<Container> {
        let now = Container::of_pod(pod);
        let uid = pod.uid().unwrap_or_default();
        for known in self.of(&uid) {
            known.was_listed = true;
            // What stands nowhere any more was replaced twice.
            let found = now.iter().find(|now| now.id == known.container.id);
            known.container.has_ended |= found.is_none_or(|now| now.has_ended);
        }
        let is_new = |container: &Container| !self.0.contains_key(&container.id);
        let new: Vec<Container> = now.into_iter().filter(is_new).collect();
        for container in &new {
            let known = Known {
                container: container.clone(),
                is_gone: false,
                was_read: false,
                was_listed: true,
            };
            self.0.insert(container.id.clone(), known);
        }
        new
    }

    /// The pod is gone.
    pub(super) fn gone(&mut self, pod: &Pod) {
        let uid = pod.uid().unwrap_or_default();
        self.of(&uid).for_each(Known::goes);
    }

    /// A list of all pods follows.
    pub(super) fn list_begins(&mut self) {
        for known in self.0.values_mut() {
            known.was_listed = false;
        }
    }

    /// That was all: the others are gone.
    pub(super) fn list_ends(&mut self) {
        let gone = self.0.values_mut().filter(|known| !known.was_listed);
        gone.for_each(Known::goes);
    }

    pub(super) fn was_read(&mut self, id: &str) {
        if let Some(known) = self.0.get_mut(id) {
            known.was_read = true;
        }
    }

    pub(super) fn has_ended(&self, id: &str) -> bool {
        self.0
            .get(id)
            .is_some_and(|known| known.container.has_ended)
    }

    pub(super) fn is_gone(&self, id: &str) -> bool {
        self.0.get(id).is_some_and(|known| known.is_gone)
    }

    /// Those that have not ended or not been read to the end, and those of `there` that nobody saw yet.
    pub(super) fn open(&self, there: &[Container]) -> Vec<Container> {
        let unread = self.0.values().filter(|known| !known.was_read);
        let unread = unread.map(|known| known.container.clone());
        let unseen = there.iter().filter(|there| !self.0.contains_key(&there.id));
        unread.chain(unseen.cloned()).collect()
    }

    fn of(&mut self, pod_uid: &str) -> impl Iterator<Item = &mut Known> {
        let known = self.0.values_mut();
        known.filter(move |known| known.container.pod_uid == pod_uid)
    }
}

impl Known {
    fn goes(&mut self) {
        self.is_gone = true;
        self.container.has_ended = true;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(uid: &str, statuses: &[Value]) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": "shop", "uid": uid},
            "status": {"containerStatuses": statuses},
        }))
        .unwrap()
    }

    fn status(name: &str, state: &Value, last: &Value) -> Value {
        json!({
            "name": name, "image": "i", "imageID": "i", "ready": true, "restartCount": 0,
            "containerID": "c://now", "state": state, "lastState": last,
        })
    }

    fn running() -> Value {
        json!({"running": {}})
    }

    fn ended(id: &str) -> Value {
        json!({"terminated": {"exitCode": 0, "containerID": id}})
    }

    #[test]
    fn a_container_that_waits_or_is_no_app_is_not_read() {
        let waiting = status("app", &json!({"waiting": {}}), &json!({}));
        let other = status("zohorelay", &running(), &json!({}));
        let mut containers = Containers::default();
        assert_eq!(containers.see(&pod("1", &[waiting, other])), []);
        let news = containers.see(&pod("1", &[status("app", &running(), &json!({}))]));
        assert_eq!(news.len(), 1);
        assert!(!news[0].previous);
        let news = containers.see(&pod("1", &[status("app", &running(), &json!({}))]));
        assert_eq!(news, [], "once");
    }

    #[test]
    fn one_that_ended_before_it_was_seen_is_read_as_the_previous_one() {
        let mut containers = Containers::default();
        let both = status("app-2", &running(), &ended("c://before"));
        let news = containers.see(&pod("1", &[both]));
        assert_eq!(
            (news[0].id.as_str(), news[0].previous),
            ("c://before", true)
        );
        assert_eq!((news[1].id.as_str(), news[1].previous), ("c://now", false));
        assert!(containers.has_ended("c://before"));
        assert!(!containers.has_ended("c://now"));
    }

    #[test]
    fn it_is_open_until_it_was_read_and_gone_with_its_pod() {
        let mut containers = Containers::default();
        let pod = pod("1", &[status("app", &running(), &json!({}))]);
        let there = Container::of_pod(&pod);
        assert_eq!(containers.open(&there).len(), 1, "nobody saw it yet");
        containers.see(&pod);
        containers.list_begins();
        containers.list_ends();
        assert!(containers.is_gone("c://now") && containers.has_ended("c://now"));
        assert_eq!(containers.open(&[]).len(), 1, "not read yet");
        containers.was_read("c://now");
        assert_eq!(containers.open(&there), []);
    }
}
