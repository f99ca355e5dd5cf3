//! What makes pods: the label and the annotation, judged as admission would, and pods that were refused.
//! PURE.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;
use zohorelay_crds::keys;
use zohorelay_process::checkup::{Finding, Verdict};

use super::check::WORKLOAD;
use super::near::nearest;
use super::pods::{Shape, concerns};
use super::rights::Unread;
use super::scene::{Refused, Scene, Workload};
use super::{identity, skipped};
use crate::inject::decide::{Decision, decide};

type Marks = BTreeMap<String, String>;

/// What is wrong with templates, and who could not make a pod.
pub fn judge(scene: &Scene) -> Vec<Finding> {
    if scene.subject.pod.is_some() {
        return Vec::new();
    }
    let mut findings: Vec<Finding> = Vec::new();
    let mut well = 0_usize;
    for workload in scene.workloads.iter().flatten().flatten() {
        match one(scene, workload) {
            Some(finding) if finding.verdict == Verdict::Ok => well += 1,
            Some(finding) => findings.push(finding),
            None => {}
        }
    }
    findings.extend(refused(scene));
    if well > 0 {
        let found = format!("{well} of the namespace ask for the sidecar as they should");
        findings.push(Finding::ok(WORKLOAD, "", found));
    }
    findings.extend(unread(scene));
    findings
}

/// One line for all that may not be read.
fn unread(scene: &Scene) -> Option<Finding> {
    let of_kinds = scene
        .workloads
        .iter()
        .filter_map(|kind| kind.as_ref().err());
    let unread: Vec<&Unread> = of_kinds.chain(scene.refused.as_ref().err()).collect();
    let first = unread.first()?;
    let mut finding = skipped(WORKLOAD, "", first);
    for other in &unread[1..] {
        finding.found = format!("{}; {}", other.why(), finding.found);
    }
    Some(finding)
}

/// None: it has nothing to do with what is asked about.
fn one(scene: &Scene, workload: &Workload) -> Option<Finding> {
    let subject = format!("{} {}", workload.kind, workload.name);
    let template = workload.template.metadata.clone().unwrap_or_default();
    let has = |key: &str, marks: Option<&Marks>| marks.is_some_and(|it| it.contains_key(key));
    let label = has(keys::INJECT, template.labels.as_ref());
    let annotation = has(keys::IDENTITIES, template.annotations.as_ref());
    let outside = [&workload.labels, &workload.annotations]
        .into_iter()
        .any(|it| it.contains_key(keys::INJECT) || it.contains_key(keys::IDENTITIES));
    if !label && !annotation {
        return outside.then(|| misplaced(subject, workload));
    }
    let named = template
        .annotations
        .as_ref()
        .and_then(|it| it.get(keys::IDENTITIES));
    if !concerns(named.map(String::as_str), &scene.subject) {
        return None;
    }
    Some(asks(scene, workload, &template, subject, outside))
}

fn asks(
    scene: &Scene,
    workload: &Workload,
    template: &ObjectMeta,
    subject: String,
    outside: bool,
) -> Finding {
    let failed =
        |found: String, remedy: String| Finding::failed(WORKLOAD, subject.clone(), found, remedy);
    let well = || Finding::ok(WORKLOAD, subject.clone(), "it asks for the sidecar");
    let label = template.labels.as_ref().and_then(|it| it.get(keys::INJECT));
    if label.is_none() {
        let path = workload.path;
        return failed(
            format!(
                "its pods have the annotation {}, but not the label that asks for the sidecar",
                keys::IDENTITIES
            ),
            format!("add {}: \"true\" to {path}.labels", keys::INJECT),
        );
    }
    let raw = serde_json::to_value(&workload.template).unwrap_or(Value::Null);
    let request = match decide(&raw) {
        Ok(Decision::Untouched) => return well(),
        Ok(Decision::Inject(request)) => request,
        // The annotation is there, one level too high.
        Err(_) if outside && !has_identities(template) => return misplaced(subject, workload),
        Err(refusal) => {
            return failed(
                format!("its pods are refused: {refusal}"),
                format!(
                    "correct it at {}; its controller then tries again",
                    workload.path
                ),
            );
        }
    };
    match strangers(scene, request.identities.iter().map(String::as_str)) {
        Some((found, remedy)) => failed(found, remedy),
        None => well(),
    }
}

fn has_identities(template: &ObjectMeta) -> bool {
    template
        .annotations
        .as_ref()
        .is_some_and(|it| it.contains_key(keys::IDENTITIES))
}

fn misplaced(subject: String, workload: &Workload) -> Finding {
    Finding::failed(
        WORKLOAD,
        subject,
        format!(
            "label or annotation are on the {} itself, where they do nothing",
            workload.kind
        ),
        format!(
            "move the label {} to {}.labels and the annotation {} to {}.annotations",
            keys::INJECT,
            workload.path,
            keys::IDENTITIES,
            workload.path
        ),
    )
}

/// Names of identities that are not there, with the one that was probably meant.
pub fn strangers<'a>(
    scene: &Scene,
    named: impl IntoIterator<Item = &'a str>,
) -> Option<(String, String)> {
    let known = identity::names(scene)?;
    let stranger = named.into_iter().find(|name| !known.contains(name))?;
    let found = format!("it names the identity {stranger}, which is not there: its mail gets 451");
    let remedy = match nearest(stranger, known) {
        Some(near) => format!(
            "did you mean {near}? Correct {} in the pod template",
            keys::IDENTITIES
        ),
        None => format!(
            "declare {stranger}, or correct {} in the pod template",
            keys::IDENTITIES
        ),
    };
    Some((found, remedy))
}

/// Who could not make a pod and has none since.
fn refused(scene: &Scene) -> Vec<Finding> {
    let shapes: Vec<Shape> = scene.pods.iter().flatten().map(Shape::of).collect();
    let has_pods = |by: &&Refused| {
        let owned = |shape: &Shape| shape.owner_uid.as_deref() == Some(&*by.uid);
        !shapes.iter().any(owned)
    };
    let refused = scene.refused.iter().flatten().filter(has_pods);
    refused
        .map(|by| {
            Finding::failed(
                WORKLOAD,
                format!("{} {}", by.kind, by.name),
                format!("its pods are refused: {}", by.message),
                "do as the message says; its controller then tries again",
            )
        })
        .collect()
}

#[cfg(test)]
mod tests;
