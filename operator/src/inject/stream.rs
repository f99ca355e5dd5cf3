//! The same without a webhook: a YAML stream in, a YAML stream out.
//!
//! A document that is not injected is given back byte for byte. One that is injected is written anew:
//! comments inside it are lost and its keys are sorted, as `kubectl get -o yaml` does it.

use serde_json::Value;
use thiserror::Error;
use zohorelay_crds::keys;

use super::pod;
use super::settings::Settings;
use super::{Plan, plan};

/// What a document begins with.
const MARKER: &str = "---";

/// Why a stream cannot be injected.
#[derive(Debug, Error)]
pub enum InjectError {
    /// A document cannot be read.
    #[error("reading the document at line {line}: {reason}")]
    Read {
        /// Where it begins, from 1.
        line: usize,
        /// Why, with the line inside the document.
        reason: String,
    },
    /// Workloads ask for the sidecar and cannot have it. One line each, all of them.
    #[error("{}", .0.join("\n"))]
    Refused(Vec<String>),
    /// A fault of ours: the patch does not fit the document it was made for.
    #[error("patching {0}")]
    Patch(String, #[source] json_patch::PatchError),
    /// A fault of ours: the result is not YAML.
    #[error("writing {0} as YAML")]
    Write(String, #[source] serde_saphyr::ser::Error),
}

/// A stream with the sidecar in it.
#[derive(Clone, Debug)]
pub struct Injected {
    /// The YAML.
    pub yaml: String,
    /// What was done and what to know, one line each, for stderr.
    pub notes: Vec<String>,
}

/// Injects every workload of a YAML (or JSON) stream whose pod template asks for it.
pub fn inject_stream(input: &str, settings: &Settings) -> Result<Injected, InjectError> {
    let mut stream = Stream {
        settings,
        notes: Vec::new(),
        refusals: Vec::new(),
    };
    let mut yaml = String::with_capacity(input.len());
    for document in documents(input) {
        yaml.push_str(document.marker);
        match stream.inject(&document)? {
            Some(injected) => {
                // What stood behind the marker goes with the comments.
                if !document.marker.is_empty() {
                    yaml.push('\n');
                }
                yaml.push_str(&injected);
            }
            None => yaml.push_str(document.text),
        }
    }
    if !stream.refusals.is_empty() {
        return Err(InjectError::Refused(stream.refusals));
    }
    let notes = stream.notes;
    Ok(Injected { yaml, notes })
}

/// A document of a stream.
struct Document<'a> {
    /// `---`, or nothing before the first.
    marker: &'a str,
    /// All behind the marker.
    text: &'a str,
    /// Line on which the text begins, from 1.
    line: usize,
}

/// Cuts at the lines that begin with `---`, which nothing inside a document may (YAML 1.2.2, 9.1.2).
fn documents(input: &str) -> Vec<Document<'_>> {
    // Where its marker begins, where its text begins, and on which line.
    let mut starts = vec![(0, 0, 1)];
    let mut at = 0;
    for (index, line) in input.split_inclusive('\n').enumerate() {
        let rest = line.strip_prefix(MARKER);
        if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace)) {
            starts.push((at, at + MARKER.len(), index + 1));
        }
        at += line.len();
    }
    let ends = starts.iter().skip(1).map(|(marker, ..)| *marker);
    let ends = ends.chain([input.len()]);
    starts
        .iter()
        .zip(ends)
        .map(|(&(marker, text, line), end)| Document {
            marker: &input[marker..text],
            text: &input[text..end],
            line,
        })
        .collect()
}

struct Stream<'a> {
    settings: &'a Settings,
    notes: Vec<String>,
    refusals: Vec<String>,
}

impl Stream<'_> {
    /// The document anew, or nothing where it stays as it is.
    fn inject(&mut self, document: &Document<'_>) -> Result<Option<String>, InjectError> {
        if is_blank(document.text) {
            return Ok(None);
        }
        let mut object = parse(document)?;
        if !self.inject_object(&mut object)? {
            return Ok(None);
        }
        let yaml = serde_saphyr::to_string_with_options(&object, layout())
            .map_err(|error| InjectError::Write(title(&object), error))?;
        Ok(Some(head(document.text) + &yaml))
    }

    /// Whether it was changed.
    fn inject_object(&mut self, object: &mut Value) -> Result<bool, InjectError> {
        if object["kind"] == "List" && object["apiVersion"] == "v1" {
            let mut changed = false;
            let items = object.get_mut("items").and_then(Value::as_array_mut);
            for item in items.into_iter().flatten() {
                changed |= self.inject_object(item)?;
            }
            return Ok(changed);
        }
        let title = title(object);
        let Some(path) = template_path(object) else {
            self.note_unknown(&title, object);
            return Ok(false);
        };
        match object.pointer_mut(path) {
            Some(template) => self.inject_template(&title, template),
            None => Ok(false),
        }
    }

    fn inject_template(&mut self, title: &str, template: &mut Value) -> Result<bool, InjectError> {
        match plan(template, self.settings) {
            Err(refusal) => {
                self.refusals.push(format!("{title}: {refusal}"));
                Ok(false)
            }
            Ok(Plan::Untouched) => {
                self.note_forgotten_label(title, template);
                Ok(false)
            }
            Ok(Plan::Patch { patch, warnings }) => {
                let warnings = warnings.into_iter().map(|text| format!("{title}: {text}"));
                self.notes.extend(warnings);
                if patch.is_empty() {
                    self.notes.push(format!("{title}: has the sidecar already"));
                    return Ok(false);
                }
                self.note_pull_secrets(title, template);
                json_patch::patch(template, &patch)
                    .map_err(|error| InjectError::Patch(title.to_owned(), error))?;
                self.notes.push(format!("{title}: injected"));
                Ok(true)
            }
        }
    }

    fn note_forgotten_label(&mut self, title: &str, template: &Value) {
        let annotations = pod::annotations(template).ok().flatten();
        let label = pod::labels(template).ok().flatten();
        let label = label.and_then(|labels| labels.get(keys::INJECT));
        if label.is_none() && annotations.is_some_and(|a| a.contains_key(keys::IDENTITIES)) {
            self.notes.push(format!(
                "{title}: left alone: its template has the annotation {} but not the label {}: \
                 \"true\"",
                keys::IDENTITIES,
                keys::INJECT
            ));
        }
    }

    /// A service account's pull secrets come into a pod only where the pod has none.
    fn note_pull_secrets(&mut self, title: &str, template: &Value) {
        let theirs = template["spec"]["imagePullSecrets"].as_array();
        if !self.settings.image_pull_secrets.is_empty() && theirs.is_none_or(Vec::is_empty) {
            self.notes.push(format!(
                "{title}: has imagePullSecrets now, so those of its service account no longer \
                 apply; name them in the template if it needs them"
            ));
        }
    }

    /// A kind that we do not know, with a template that asks.
    fn note_unknown(&mut self, title: &str, object: &Value) {
        let labels = &object["spec"]["template"]["metadata"]["labels"];
        if labels[keys::INJECT] == "true" {
            self.notes.push(format!(
                "{title}: left alone, since inject does not know this kind; the webhook injects \
                 its pods"
            ));
        }
    }
}

fn is_blank(text: &str) -> bool {
    text.lines().all(|line| {
        let line = line.trim();
        line.is_empty() || line.starts_with('#') || line == "..."
    })
}

/// The comments above a document.
fn head(text: &str) -> String {
    let is_head = |line: &&str| line.trim().is_empty() || line.trim_start().starts_with('#');
    let comments = text.lines().take_while(is_head);
    comments
        .filter(|line| !line.trim().is_empty())
        .flat_map(|line| [line.trim(), "\n"])
        .collect()
}

fn parse(document: &Document<'_>) -> Result<Value, InjectError> {
    // As kubectl reads it: YAML 1.1, in which 0444 is octal.
    let options = serde_saphyr::options! { legacy_octal_numbers: true };
    serde_saphyr::from_str_with_options(document.text, options).map_err(|error| {
        // A snippet might show a Secret.
        InjectError::Read {
            line: document.line,
            reason: error.without_snippet().to_string(),
        }
    })
}

fn layout() -> serde_saphyr::SerializerOptions {
    // A long line stays one line.
    serde_saphyr::ser_options! { folded_wrap_chars: 1_000_000 }
}

/// Where the pod, or the template of one, is in a workload.
fn template_path(object: &Value) -> Option<&'static str> {
    let version = object["apiVersion"].as_str()?;
    let group = version.split_once('/').map_or("", |(group, _)| group);
    match (group, object["kind"].as_str()?) {
        ("", "Pod") => Some(""),
        ("apps", "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet") | ("batch", "Job") => {
            Some("/spec/template")
        }
        ("batch", "CronJob") => Some("/spec/jobTemplate/spec/template"),
        _ => None,
    }
}

/// `Deployment shop/web`.
fn title(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let kind = text(&object["kind"]);
    let metadata = &object["metadata"];
    let name = match text(&metadata["name"]) {
        name if name.is_empty() => text(&metadata["generateName"]),
        name => name,
    };
    match text(&metadata["namespace"]) {
        namespace if namespace.is_empty() => format!("{kind} {name}"),
        namespace => format!("{kind} {namespace}/{name}"),
    }
}

#[cfg(test)]
#[path = "stream/tests.rs"]
mod tests;
