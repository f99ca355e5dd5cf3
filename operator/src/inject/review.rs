//! `AdmissionReview` (`admission.k8s.io/v1`): review in, review out.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::settings::Settings;
use super::{Plan, plan};

/// What became of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It gets the sidecar, or what its sidecar lacked.
    Injected,
    /// It is let through as it is.
    Untouched,
    /// It asked and cannot have it.
    Refused,
    /// The request is no review of a pod.
    Malformed,
}

/// The answer to a review.
#[derive(Clone, Debug)]
pub struct Answer {
    /// `AdmissionReview` as JSON.
    pub body: Vec<u8>,
    /// What was done.
    pub result: Admission,
    /// `namespace/name` of the pod, as far as the review tells, for the log.
    pub pod: String,
    /// Why it was refused or called malformed.
    pub reason: Option<String>,
}

/// Answers a review. Nothing else happens, so a dry run gets the same answer. No input panics.
pub fn admit(body: &[u8], settings: &Settings) -> Answer {
    let review: Value = match serde_json::from_slice(body) {
        Ok(review) => review,
        Err(error) => return malformed("", format!("reading the review: {error}")),
    };
    let request = &review["request"];
    let Some(uid) = request["uid"].as_str().filter(|uid| !uid.is_empty()) else {
        let reason = "reading the review: request.uid is not there; send an AdmissionReview of \
                      admission.k8s.io/v1";
        return malformed("", reason.to_owned());
    };
    if !concerns(request) {
        return untouched(uid, subject(request));
    }
    let pod = &request["object"];
    if !pod.is_object() {
        return malformed(
            uid,
            "reading the review: request.object is no pod".to_owned(),
        );
    }
    let subject = subject(request);
    match plan(pod, settings) {
        Ok(Plan::Untouched) => untouched(uid, subject),
        Ok(Plan::Patch { patch, warnings }) => {
            let result = if patch.is_empty() {
                Admission::Untouched
            } else {
                Admission::Injected
            };
            let response = allowed(uid, &patch, &warnings);
            answer(result, subject, None, &response)
        }
        Err(refusal) => {
            let reason = refusal.to_string();
            let response = denied(uid, 403, "Forbidden", &reason);
            answer(Admission::Refused, subject, Some(reason), &response)
        }
    }
}

/// A pod that is being made. What a webhook is sent beyond that is let through.
fn concerns(request: &Value) -> bool {
    let kind = &request["kind"];
    let is_pod = kind["kind"] == "Pod" && kind["group"].as_str().unwrap_or_default().is_empty();
    is_pod && request["operation"] == "CREATE"
}

/// A pod that is being made may have no namespace, and a prefix for a name.
fn subject(request: &Value) -> String {
    let metadata = &request["object"]["metadata"];
    let text = |value: &Value| value.as_str().filter(|t| !t.is_empty()).map(str::to_owned);
    let namespace = text(&request["namespace"]).or_else(|| text(&metadata["namespace"]));
    let name = text(&request["name"])
        .or_else(|| text(&metadata["name"]))
        .or_else(|| text(&metadata["generateName"]).map(|prefix| format!("{prefix}…")));
    match (namespace, name.unwrap_or_default()) {
        (Some(namespace), name) => format!("{namespace}/{name}"),
        (None, name) => name,
    }
}

fn untouched(uid: &str, pod: String) -> Answer {
    let response = json!({"uid": uid, "allowed": true});
    answer(Admission::Untouched, pod, None, &response)
}

fn malformed(uid: &str, reason: String) -> Answer {
    let response = denied(uid, 400, "BadRequest", &reason);
    answer(Admission::Malformed, String::new(), Some(reason), &response)
}

fn allowed(uid: &str, patch: &json_patch::Patch, warnings: &[String]) -> Value {
    let mut response = json!({"uid": uid, "allowed": true});
    if !patch.is_empty() {
        response["patchType"] = json!("JSONPatch");
        response["patch"] = json!(STANDARD.encode(json!(patch).to_string()));
    }
    if !warnings.is_empty() {
        response["warnings"] = json!(warnings);
    }
    response
}

fn denied(uid: &str, code: u16, reason: &str, message: &str) -> Value {
    json!({
        "uid": uid,
        "allowed": false,
        "status": {"code": code, "reason": reason, "message": message},
    })
}

fn answer(result: Admission, pod: String, reason: Option<String>, response: &Value) -> Answer {
    let review = json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "response": response,
    });
    Answer {
        body: review.to_string().into_bytes(),
        result,
        pod,
        reason,
    }
}

#[cfg(test)]
#[path = "review/tests.rs"]
mod tests;
