//! Pods: who asks for the sidecar, who has it, and how it runs. PURE.

pub mod container;
mod shape;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use zohorelay_config::is_dns_label;
use zohorelay_crds::keys;
use zohorelay_process::checkup::{Finding, Verdict};

use super::check::POD;
use super::near::nearest;
use super::scene::{Scene, Subject};
use super::workload::strangers;
use super::{skipped, webhook};

pub use shape::Shape;

/// So many different troubles are told, the pods with the same one together.
const TROUBLES_MAX: usize = 12;

/// Whether a pod has to do with what is asked about.
pub fn matters(pod: &Pod, subject: &Subject) -> bool {
    if let Some(name) = &subject.pod {
        return pod.name_any() == *name;
    }
    let shape = Shape::of(pod);
    let ours = shape.label.is_some() || shape.named.is_some() || shape.has_sidecar;
    shape.lives && ours && concerns(shape.named.as_deref(), subject)
}

/// Whether an annotation names the identity that is asked about, or one that was probably meant for it; or
/// none, so that nobody knows.
pub fn concerns(annotation: Option<&str>, subject: &Subject) -> bool {
    let Some(asked) = subject.identity.as_deref() else {
        return true;
    };
    let names = annotation.unwrap_or_default().split(',').map(str::trim);
    let mut valid = names.filter(|name| is_dns_label(name)).peekable();
    valid.peek().is_none() || valid.any(|name| nearest(name, [asked]).is_some())
}

/// Whether any pod of the namespace has the sidecar.
pub fn any_sidecar(scene: &Scene) -> bool {
    let mut shapes = scene.pods.iter().flatten().map(Shape::of);
    shapes.any(|shape| shape.lives && shape.has_sidecar)
}

/// The pods that matter.
pub fn judge(scene: &Scene, program: &str) -> Vec<Finding> {
    let pods = match &scene.pods {
        Ok(pods) => pods,
        Err(unread) => return vec![skipped(POD, "", unread)],
    };
    let matter: Vec<&Pod> = { pods.iter() }
        .filter(|pod| matters(pod, &scene.subject))
        .collect();
    if matter.is_empty() {
        return vec![nobody(scene, pods)];
    }
    let mut well: Vec<String> = Vec::new();
    let mut troubles: Vec<(Finding, Vec<String>)> = Vec::new();
    for pod in matter {
        let name = pod.name_any();
        let found = one(scene, pod, program);
        if found.is_empty() {
            well.push(name.clone());
        }
        for finding in found {
            match troubles.iter_mut().find(|(known, _)| *known == finding) {
                Some((_, names)) => names.push(name.clone()),
                None => troubles.push((finding, vec![name.clone()])),
            }
        }
    }
    // What fails goes before what is only worth a look.
    troubles.sort_by_key(|(finding, _)| finding.verdict != Verdict::Failed);
    let told = troubles.into_iter().take(TROUBLES_MAX);
    let told = told.map(|(finding, names)| Finding {
        subject: together(&names),
        ..finding
    });
    let mut findings: Vec<Finding> = told.collect();
    if !well.is_empty() {
        findings.push(Finding::ok(
            POD,
            together(&well),
            "the sidecar is there and runs",
        ));
    }
    findings
}

/// `web-1`, or `web-1 and 3 more`.
fn together(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first, rest @ ..] => format!("{first} and {} more", rest.len()),
    }
}

fn nobody(scene: &Scene, pods: &[Pod]) -> Finding {
    let here = &scene.subject.namespace;
    if let Some(name) = &scene.subject.pod {
        let names: Vec<String> = pods.iter().map(Pod::name_any).collect();
        let remedy = match nearest(name, names.iter().map(String::as_str)) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("kubectl -n {here} get pods"),
        };
        let found = format!("there is no such pod in namespace {here}");
        return Finding::failed(POD, name, found, remedy);
    }
    let (whom, identity) = match &scene.subject.identity {
        Some(identity) => (format!(" as {identity}"), identity.as_str()),
        None => (String::new(), "NAME"),
    };
    Finding::warning(
        POD,
        "",
        format!("no pod of namespace {here} asks to send{whom}"),
        format!(
            "put the label {}: \"true\" and the annotation {}: {identity} into the template of the \
             pods that shall (docs/attach.md)",
            keys::INJECT,
            keys::IDENTITIES
        ),
    )
}

/// What is wrong with one; its name is put in later, so that those with the same trouble are one finding.
fn one(scene: &Scene, pod: &Pod, program: &str) -> Vec<Finding> {
    let shape = Shape::of(pod);
    if !shape.lives {
        let why = "it ended or is being deleted, so nothing of it is looked at";
        return vec![Finding::skipped(POD, "", why)];
    }
    if !shape.has_sidecar {
        return without_sidecar(scene, &shape).into_iter().collect();
    }
    let missing = strangers(scene, shape.identities.iter().map(|name| &**name));
    let missing = missing.map(|(found, remedy)| Finding::failed(POD, "", found, remedy));
    [
        missing,
        carries_others(scene, &shape),
        container::judge(pod, &shape, &scene.subject.namespace),
        is_outdated(scene, &shape, program),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Why it has none.
fn without_sidecar(scene: &Scene, shape: &Shape) -> Option<Finding> {
    let here = &scene.subject.namespace;
    let source = shape.source();
    let failed = |found: &str, remedy: String| Some(Finding::failed(POD, "", found, remedy));
    match (shape.label.as_deref(), &shape.named) {
        (Some("false"), _) if scene.subject.pod.is_none() => return None,
        (Some("false"), _) => {
            return failed(
                "its label zohorelay.dev/inject is \"false\", so it has no sidecar",
                format!("set it to \"true\" in {source}, if it shall send"),
            );
        }
        (None, Some(_)) => {
            return failed(
                "it names identities, but lacks the label that asks for the sidecar",
                format!("add {}: \"true\" to the labels in {source}", keys::INJECT),
            );
        }
        (None, None) => {
            return failed(
                "it does not ask for the sidecar",
                format!(
                    "put the label {}: \"true\" and the annotation {} into {source}",
                    keys::INJECT,
                    keys::IDENTITIES
                ),
            );
        }
        (Some(_), None) => {
            return failed(
                "it asks for the sidecar and names no identity, and was made while nobody looked",
                format!("add the annotation {} to {source}", keys::IDENTITIES),
            );
        }
        (Some("true"), Some(_)) => {}
        (Some(_), Some(_)) => {
            return failed(
                "its label zohorelay.dev/inject is neither \"true\" nor \"false\"",
                format!("set it to \"true\" in {source}"),
            );
        }
    }
    let restart = shape.restart(here);
    let Some(hook) = webhook::of(scene) else {
        let remedy = format!("see the webhook above; then {restart}");
        return failed("it asks for the sidecar and has none", remedy);
    };
    if shape.created < hook.created {
        return failed(
            "it is older than the webhook, so it has no sidecar",
            restart,
        );
    }
    failed(
        "it asks for the sidecar and has none: it was made while the webhook did not answer or did not \
         look after this namespace, or something took the container away",
        format!("see that the webhook is well; then {restart}"),
    )
}

/// The documents that it mounts are not those of its annotation.
fn carries_others(scene: &Scene, shape: &Shape) -> Option<Finding> {
    let mounted: Vec<&str> = shape.mounted.iter().map(|name| &**name).collect();
    let named: Vec<&str> = shape.identities.iter().map(|name| &**name).collect();
    (mounted != named).then(|| {
        Finding::failed(
            POD,
            "",
            format!(
                "it carries the documents of {}, and its annotation names {}",
                or_none(&mounted),
                or_none(&named)
            ),
            format!(
                "the annotation counts when a pod is made: {}",
                shape.restart(&scene.subject.namespace)
            ),
        )
    })
}

fn or_none(names: &[&str]) -> String {
    if names.is_empty() {
        "nobody".to_owned()
    } else {
        names.join(", ")
    }
}

fn is_outdated(scene: &Scene, shape: &Shape, program: &str) -> Option<Finding> {
    let of_chart = || scene.deployment.as_ref().ok()?.as_ref()?.version.as_deref();
    let current = of_chart().unwrap_or(program);
    let injected = shape.injected_by.as_deref()?;
    (injected != current).then(|| {
        Finding::warning(
            POD,
            "",
            format!("its sidecar is of version {injected}, and the operator of {current}"),
            shape.restart(&scene.subject.namespace),
        )
    })
}

#[cfg(test)]
mod tests;
