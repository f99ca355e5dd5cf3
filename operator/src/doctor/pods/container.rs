//! The sidecar's container: does it start, did it end, and how. PURE.

use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus, Pod};
use zohorelay_crds::keys;
use zohorelay_process::checkup::Finding;

use super::super::check::POD;
use super::Shape;

/// So much of its last words is shown, in characters.
const WORDS_MAX: usize = 300;

/// What is wrong with the container of a pod that has it.
pub fn judge(pod: &Pod, shape: &Shape, namespace: &str) -> Option<Finding> {
    let statuses = pod
        .status
        .iter()
        .flat_map(|it| it.init_container_statuses.iter().flatten());
    let Some(status) = { statuses }.find(|status| status.name == keys::CONTAINER) else {
        return Some(unscheduled(pod, shape, namespace));
    };
    let state = status.state.as_ref();
    let last = status
        .last_state
        .as_ref()
        .and_then(|it| it.terminated.as_ref());
    if let Some(waiting) = state.and_then(|it| it.waiting.as_ref()) {
        let reason = waiting.reason.as_deref().unwrap_or("Waiting");
        let message = waiting.message.as_deref().unwrap_or_default();
        return Some(waits(status, reason, message, last, namespace));
    }
    if let Some(ended) = state.and_then(|it| it.terminated.as_ref()) {
        return Some(ends(status, ended));
    }
    if status.started == Some(false) {
        return Some(Finding::warning(
            POD,
            "",
            "its sidecar runs, and its postStart hook has not ended yet",
            "wait; if this stays, look at the events of the pod",
        ));
    }
    last.filter(|_| status.restart_count > 0)
        .map(|last| ended_before(status, last))
}

fn unscheduled(pod: &Pod, shape: &Shape, namespace: &str) -> Finding {
    let conditions = pod
        .status
        .iter()
        .flat_map(|it| it.conditions.iter().flatten());
    let why = { conditions }
        .find(|it| it.type_ == "PodScheduled" && it.status != "True")
        .and_then(|it| it.message.clone());
    let found = match why {
        Some(why) => format!("it is not scheduled: {why}"),
        None => "its containers were not started yet".to_owned(),
    };
    let remedy = format!(
        "wait; if this stays: kubectl -n {namespace} describe pod {}",
        shape.name
    );
    Finding::warning(POD, "", found, remedy)
}

fn waits(
    status: &ContainerStatus,
    reason: &str,
    message: &str,
    last: Option<&ContainerStateTerminated>,
    namespace: &str,
) -> Finding {
    match (reason, last) {
        ("PodInitializing" | "ContainerCreating", _) => Finding::warning(
            POD,
            "",
            "its sidecar is being started",
            "wait; if this stays, look at the events of the pod",
        ),
        ("ImagePullBackOff" | "ErrImagePull" | "InvalidImageName" | "ErrImageNeverPull", _) => {
            let found = format!(
                "the sidecar's image {} cannot be had: {message}",
                status.image
            );
            let remedy = format!(
                "set sidecar.image in the chart's values to where the image is, and \
                 sidecar.imagePullSecrets if it needs a login (the pull secret must be in namespace \
                 {namespace}); then make the pods anew"
            );
            Finding::failed(POD, "", found, remedy)
        }
        ("CrashLoopBackOff", Some(last)) => ends(status, last),
        _ => Finding::failed(
            POD,
            "",
            format!("its sidecar does not start: {reason}: {message}"),
            "look at the events of the pod",
        ),
    }
}

/// It does not run.
fn ends(status: &ContainerStatus, ended: &ContainerStateTerminated) -> Finding {
    let found = format!(
        "its sidecar does not run: {}; it was started {} times",
        how(ended),
        status.restart_count.saturating_add(1)
    );
    with_words(Finding::failed(POD, "", found, remedy(ended)), ended)
}

/// It runs again.
fn ended_before(status: &ContainerStatus, last: &ContainerStateTerminated) -> Finding {
    let at = last.finished_at.as_ref().map_or_else(String::new, |at| {
        format!(" at {}", at.0.strftime("%Y-%m-%d %H:%M UTC"))
    });
    let found = format!(
        "its sidecar was started anew {} times; the last time{at} {}",
        status.restart_count,
        how(last)
    );
    with_words(Finding::warning(POD, "", found, remedy(last)), last)
}

fn is_out_of_memory(ended: &ContainerStateTerminated) -> bool {
    ended.reason.as_deref() == Some("OOMKilled")
}

fn how(ended: &ContainerStateTerminated) -> String {
    if is_out_of_memory(ended) {
        return "it was killed for lack of memory".to_owned();
    }
    match ended.exit_code {
        0 => "it ended in order".to_owned(),
        64 => "it ended with 64, wrong flags".to_owned(),
        69 => "it ended with 69, a port cannot be had".to_owned(),
        137 => "it was killed".to_owned(),
        code => format!("it ended with {code}"),
    }
}

fn remedy(ended: &ContainerStateTerminated) -> String {
    if is_out_of_memory(ended) {
        return format!(
            "raise its limit by the annotation {}, as 128Mi, or for all pods by sidecar.resources in \
             the chart's values",
            keys::MEMORY_LIMIT
        );
    }
    if ended.exit_code == 69 {
        return format!(
            "another container of the pod listens there: change its port, or the sidecar's by the \
             annotation {}",
            keys::PORT
        );
    }
    "its log says why: kubectl logs POD -c zohorelay --previous".to_owned()
}

/// What the sidecar wrote before it ended: counts and classes, or why it did not run.
fn with_words(finding: Finding, ended: &ContainerStateTerminated) -> Finding {
    match ended.message.as_deref().map(str::trim) {
        None | Some("") => finding,
        Some(words) => {
            let words: String = words.chars().take(WORDS_MAX).collect();
            finding.detail("lastWords", words)
        }
    }
}
