//! kubectl and helm as people use them, at a real API server.

use std::collections::BTreeSet;
use std::ops::Deref;
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};
use zohorelay_cluster::binaries::Program;
use zohorelay_cluster::{Options, Running};

use crate::helm::NAMESPACE;
use crate::objects::{items, title};

/// Server-side apply of what is on stdin.
pub(crate) const APPLY: &str = "apply --server-side -f -";
/// Patience with controllers; a loaded machine takes a few seconds.
const PATIENCE: Duration = Duration::from_secs(60);
/// Patience with what goes. An API server whose look at the instances of a definition was too early ("storage is
/// (re)initializing") and whose next write crossed its own cache looks again when its cache is told all anew: 5 min.
const PATIENCE_WITH_ENDS: Duration = Duration::from_secs(6 * 60);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);

/// What `kubectl` prints; it must succeed. The words of `command` are its arguments.
pub(crate) async fn kubectl(running: &Running, command: &str, stdin: &str) -> String {
    let output = attempt(running, command, stdin).await;
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "kubectl {command}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

/// What `kubectl` complains of; it must fail.
pub(crate) async fn refused(running: &Running, command: &str, stdin: &str) -> String {
    let output = attempt(running, command, stdin).await;
    assert!(!output.status.success(), "kubectl {command} was taken");
    String::from_utf8(output.stderr).unwrap()
}

/// `kubectl`, whatever comes of it.
pub(crate) async fn attempt(running: &Running, command: &str, stdin: &str) -> Output {
    let arguments: Vec<&str> = command.split_whitespace().collect();
    running.kubectl_with(&arguments, stdin).await.unwrap()
}

/// What `helm` prints; it must succeed.
pub(crate) async fn helm(running: &Running, arguments: &[&str]) -> String {
    let mut command = running.command(Program::Helm).unwrap();
    command.args(arguments);
    let output = output(command).await;
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "helm {arguments:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

/// What a program printed, without blocking the runtime.
async fn output(mut command: Command) -> Output {
    let run = tokio::task::spawn_blocking(move || command.output());
    run.await.unwrap().unwrap()
}

/// A control plane for one test at a time: those that change what belongs to the whole cluster. The next
/// test gets it too, but not from one that failed and may have left something.
pub(crate) struct Alone {
    running: Option<Running>,
    home: MutexGuard<'static, Option<Running>>,
}

/// Waits for its turn.
pub(crate) async fn alone() -> Alone {
    static HOME: Mutex<Option<Running>> = Mutex::const_new(None);
    let mut home = HOME.lock().await;
    let running = match home.take() {
        Some(running) => running,
        None => Running::start(Options::default()).await.unwrap(),
    };
    Alone {
        running: Some(running),
        home,
    }
}

impl Deref for Alone {
    type Target = Running;

    fn deref(&self) -> &Running {
        self.running.as_ref().unwrap()
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        if !thread::panicking() {
            *self.home = self.running.take();
        }
    }
}

/// Sees to it that namespaces are there, with what Kubernetes puts into each.
pub(crate) async fn make_namespaces(running: &Running, names: &[&str]) {
    for name in names {
        let namespace =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        kubectl(running, APPLY, &namespace.to_string()).await;
        for own in ["serviceaccount/default", "configmap/kube-root-ca.crt"] {
            kubectl(running, &format!("wait --for=create {own} -n {name}"), "").await;
        }
    }
}

/// Titles of all objects in the cluster, but for those that come and go by themselves.
pub(crate) async fn inventory(running: &Running) -> BTreeSet<String> {
    loop {
        // A definition may go between the question for kinds and that for objects.
        if let Some(titles) = try_inventory(running).await {
            return titles;
        }
    }
}

async fn try_inventory(running: &Running) -> Option<BTreeSet<String>> {
    let kinds = kubectl(running, "api-resources --verbs=list -o name", "").await;
    let lasting = kinds.lines().filter(|kind| {
        let passing = [
            "events",
            "events.events.k8s.io",
            "leases.coordination.k8s.io",
        ];
        !passing.contains(kind)
    });
    let lasting = lasting.collect::<Vec<_>>().join(",");
    // The Leases of the control plane come late; those of a release are in its namespace.
    let questions = [
        format!("get {lasting} --all-namespaces --ignore-not-found -o json"),
        format!("get leases --namespace={NAMESPACE} --ignore-not-found -o json"),
    ];
    let mut titles = BTreeSet::new();
    for question in questions {
        let output = attempt(running, &question, "").await;
        if !output.status.success() {
            return None;
        }
        let list: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        titles.extend(items(&list["items"]).iter().map(title));
    }
    Some(titles)
}

/// Waits until exactly these objects are there beside those of `before`.
pub(crate) async fn until_left(running: &Running, before: &BTreeSet<String>, left: &[&str]) {
    let left: BTreeSet<String> = left.iter().map(|title| (*title).to_owned()).collect();
    let mut now = BTreeSet::new();
    let deadline = Instant::now() + PATIENCE_WITH_ENDS;
    while Instant::now() < deadline {
        now = inventory(running).await;
        let more: BTreeSet<String> = now.difference(before).cloned().collect();
        if more == left && before.is_subset(&now) {
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
    let more: Vec<&String> = now.difference(before).collect();
    let gone: Vec<&String> = before.difference(&now).collect();
    let definitions = "get customresourcedefinitions -o jsonpath={.items[*].status.conditions}";
    let conditions = attempt(running, definitions, "").await.stdout;
    let conditions = String::from_utf8_lossy(&conditions);
    panic!("left: {more:#?}\ngone: {gone:#?}\ndefinitions: {conditions}");
}

/// Looks again and again until something is so.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "{what}: not within a minute");
        tokio::time::sleep(LOOK).await;
    }
}
