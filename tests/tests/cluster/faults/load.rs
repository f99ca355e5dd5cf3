//! Apps that send all the time, and what became of their mails.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;
use serde_json::{Value, json};
use zohorelay_cluster::Node;
use zohorelay_tests::ground::shop::{End, Shop};
use zohorelay_tests::ground::told::Entry;
use zohorelay_tests::ground::workload::{Workload, container_security};

const CROWD: &str = "trap exit TERM; while sleep 0.1; do sleep 600 | nc 127.0.0.1 2525 & done";

/// Name of the workload.
pub(crate) const NAME: &str = "shop";

/// A Deployment whose apps send all the time, and each mail again until it is taken.
pub(crate) fn workload(shop: &Shop, replicas: u32) -> Workload {
    let flags = [
        "--count=0",
        "--every-ms=50",
        "--retries=900",
        "--retry-ms=100",
    ];
    shop.deployment(NAME).replicas(replicas).flags(&flags)
}

/// Starts it, and gives its pods once each has sent a few mails.
pub(crate) async fn start(shop: &Shop, workload: &Workload) -> Vec<Pod> {
    shop.start(workload).await.unwrap();
    shop.until_available(NAME).await.unwrap();
    let pods = shop.pods_of(NAME).await.unwrap();
    until_taken_since(shop, &pods, Timestamp::MIN, 5).await;
    pods
}

/// Waits until each of the pods was told, after that time, that so many mails are taken.
pub(crate) async fn until_taken_since(shop: &Shop, pods: &[Pod], since: Timestamp, count: usize) {
    let has_sent = |entries: &[Entry], pod: &Pod| {
        let name = pod.name_any();
        let own = entries.iter().filter(|entry| entry.pod == name);
        own.filter(|entry| is_taken(entry) && at(entry) > since)
            .count()
            >= count
    };
    let what = format!("{count} mails of each pod are taken since {since}");
    let all = |entries: &[Entry]| pods.iter().all(|pod| has_sent(entries, pod));
    shop.told.until(&what, all).await.unwrap();
}

/// Waits until the simulator has so many mails more than now.
pub(crate) async fn until_more(shop: &Shop, count: usize) {
    let now = shop.zoho.count_from(&shop.address()).await.unwrap();
    shop.until_mails(now + count).await.unwrap();
}

/// Waits until a pod's sidecar runs for the second time, and gives how the first ended.
pub(crate) async fn until_restarted(shop: &Shop, pod: &Pod) -> (i32, String) {
    let what = "its sidecar runs again";
    let is_back = |pod: &Pod| {
        let status = sidecar(pod);
        status.is_some_and(|status| status.restart_count == 1 && is_running(status))
    };
    let pod = shop
        .until::<Pod>(&pod.name_any(), what, is_back)
        .await
        .unwrap();
    assert!(
        pod.status
            .iter()
            .flat_map(|status| &status.container_statuses)
            .flatten()
            .all(|app| app.restart_count == 0),
        "the app was ended, too: {:#?}",
        pod.status
    );
    let last = sidecar(&pod).and_then(|status| status.last_state.clone());
    let ended = last.and_then(|state| state.terminated).unwrap();
    (ended.exit_code, ended.reason.unwrap_or_default())
}

/// What the runtime calls a pod's sidecar.
pub(crate) fn sidecar_id(pod: &Pod) -> String {
    let id = sidecar(pod).and_then(|status| status.container_id.as_deref());
    id.unwrap().rsplit('/').next().unwrap().to_owned()
}

/// A container that begins one session after another with the sidecar, and ends none.
pub(crate) fn crowd() -> Value {
    json!({
        "name": "crowd",
        "image": "docker.io/zohorelay/busybox:1",
        "imagePullPolicy": "IfNotPresent",
        "command": ["/bin/busybox", "sh", "-c", CROWD],
        "securityContext": container_security(),
    })
}

/// Lowers the memory limit of a container until the kernel finds nothing more to take from it.
pub(crate) fn squeeze(node: &Node, id: &str) {
    let mut bytes = 8 << 20;
    loop {
        let mut command = Command::new("runc");
        command.args(["--root=/run/containerd/runc/k8s.io", "update", id]);
        command.arg(format!("--memory={bytes}"));
        if !node.inside(&command).output().unwrap().status.success() {
            break;
        }
        bytes -= bytes / 16;
    }
    assert!(bytes < 8 << 20, "not at all");
}

/// The limit that the kernel has for a container's memory, in bytes.
pub(crate) fn memory_limit(id: &str) -> u64 {
    let found = find(Path::new("/sys/fs/cgroup"), id);
    let files = ["memory.limit_in_bytes", "memory.max"].iter();
    let mut limits = found.iter().flat_map(|folder| {
        files
            .clone()
            .filter_map(|file| fs::read_to_string(folder.join(file)).ok())
    });
    limits.next().expect("a limit").trim().parse().unwrap()
}

/// The folders of that name, in each hierarchy one.
fn find(below: &Path, name: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(below) else {
        return Vec::new();
    };
    let folders = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let folders = folders.filter(|path| path.is_dir() && !path.is_symlink());
    folders
        .flat_map(|folder| {
            if folder.ends_with(name) {
                vec![folder]
            } else {
                find(&folder, name)
            }
        })
        .collect()
}

fn is_running(status: &ContainerStatus) -> bool {
    status
        .state
        .as_ref()
        .is_some_and(|state| state.running.is_some())
}

fn sidecar(pod: &Pod) -> Option<&ContainerStatus> {
    let statuses = pod.status.as_ref()?.init_container_statuses.as_ref()?;
    statuses.iter().find(|status| status.name == "zohorelay")
}

/// How long after that time the first mail was taken that came after a failure, for each pod, in
/// milliseconds.
pub(crate) fn gaps(entries: &[Entry], since: Timestamp) -> Vec<i64> {
    let mut pods: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
    for entry in entries
        .iter()
        .filter(|entry| entry.ended && at(entry) > since)
    {
        pods.entry(&entry.pod).or_default().push(entry);
    }
    let gap = |mut entries: Vec<&Entry>| {
        entries.sort_by_key(|entry| at(entry));
        let mut after = entries.into_iter().skip_while(|entry| is_taken(entry));
        let first = after.find(|entry| is_taken(entry))?;
        Some(at(first).as_millisecond() - since.as_millisecond())
    };
    pods.into_values().filter_map(gap).collect()
}

/// Judges, prints what there was, and asserts that no outcome is unknown but those of submissions that
/// broke off after their dot.
pub(crate) fn assert_sound(what: &str, end: &End) {
    let unknown = end.entries.iter();
    let unknown = unknown
        .filter(|entry| entry.begun && entry.code.is_none())
        .count();
    let failed = end.entries.iter().filter(|entry| !is_taken(entry)).count();
    let differing = end.verdict.differing.len();
    println!(
        "cluster: {what}: {} mails, {failed} submissions in vain, {unknown} without a reply to their dot, \
         {differing} of these delivered",
        end.mails.len()
    );
    end.verdict.assert_sound(unknown);
}

/// Asserts that each mail was taken in the end.
pub(crate) fn assert_all_taken(entries: &[Entry]) {
    let mut mails: BTreeMap<&str, bool> = BTreeMap::new();
    for entry in entries {
        *mails.entry(&entry.id).or_default() |= is_taken(entry);
    }
    let left: Vec<_> = mails.iter().filter(|(_, taken)| !**taken).collect();
    assert!(left.is_empty(), "never taken: {left:?}");
}

fn is_taken(entry: &Entry) -> bool {
    matches!(entry.code, Some(200..=299))
}

fn at(entry: &Entry) -> Timestamp {
    entry.at.parse().unwrap_or(Timestamp::MIN)
}

/// How many mails were taken between two times.
pub(crate) fn taken_between(entries: &[Entry], from: Timestamp, to: Timestamp) -> usize {
    let taken = entries.iter().filter(|entry| is_taken(entry));
    taken
        .filter(|entry| (from..to).contains(&at(entry)))
        .count()
}
