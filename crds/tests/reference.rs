//! `docs/reference/identity.md` is complete and true: every field, default, bound, condition type and
//! reason, in both directions.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use zohorelay_crds::v1alpha1::{ConditionType, Reason};
use zohorelay_crds::{keys, manifest};

const REFERENCE: &str = include_str!("../../docs/reference/identity.md");

/// The cells of each table row whose first cell is one `code` word, by that word.
fn rows(text: &str) -> BTreeMap<&str, Vec<&str>> {
    let cells = text.lines().filter_map(|line| line.strip_prefix("| `"));
    cells
        .filter_map(|row| {
            let (name, rest) = row.split_once("` |")?;
            Some((name, rest.split('|').map(str::trim).collect()))
        })
        .collect()
}

fn section(heading: &str) -> &'static str {
    let start = REFERENCE.find(&format!("\n## {heading}\n")).unwrap() + 1;
    let end = REFERENCE[start..]
        .find("\n## ")
        .unwrap_or(REFERENCE.len() - start);
    &REFERENCE[start..start + end]
}

fn fields() -> BTreeMap<String, Value> {
    fn walk(path: &str, schema: &Value, fields: &mut BTreeMap<String, Value>) {
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}{name}");
            walk(&format!("{path}."), field, fields);
            walk(&format!("{path}[]."), &field["items"], fields);
            fields.insert(path, field.clone());
        }
    }
    let definition = manifest::mail_identity().unwrap();
    let mut fields = BTreeMap::new();
    let root = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    walk("", root, &mut fields);
    fields.remove("status");
    fields
}

#[test]
fn every_field_is_described_and_no_other() {
    let text = format!("{}{}", section("Spec"), section("Status"));
    let described: BTreeSet<&str> = rows(&text).into_keys().collect();
    let fields = fields();
    let known = fields.keys().map(String::as_str);
    let known: BTreeSet<&str> = known.filter(|path| *path != "spec").collect();
    assert_eq!(described, known);
}

#[test]
fn every_default_bound_and_choice_is_that_of_the_schema() {
    let rows = rows(section("Spec"));
    for (path, field) in fields()
        .iter()
        .filter(|(path, _)| path.starts_with("spec."))
    {
        let [kind, default, bounds, ..] = rows[path.as_str()][..] else {
            unreachable!("a row of the table has five cells");
        };
        match field.get("default") {
            Some(Value::String(text)) => assert_eq!(default, format!("`{text}`"), "{path}"),
            Some(Value::Bool(truth)) => assert_eq!(default, format!("`{truth}`"), "{path}"),
            _ => assert!(!default.starts_with('`'), "{path} has no default {default}"),
        }
        let limits = ["minimum", "maximum", "maxLength", "maxItems"];
        // The length of a size or a duration says nothing beside its range.
        let has_range = ["duration", "size"].contains(&kind);
        for limit in limits.iter().filter_map(|limit| field.get(*limit)) {
            let wanted = limit.to_string();
            let mut named = bounds.split(|c: char| !c.is_ascii_digit());
            let is_named = named.any(|number| number == wanted);
            assert!(
                is_named || has_range,
                "{path}: {limit} is not in {bounds:?}"
            );
        }
        for choice in field["enum"].as_array().into_iter().flatten() {
            let choice = choice.as_str().unwrap();
            assert!(bounds.contains(&format!("`{choice}`")), "{path}: {choice}");
        }
    }
}

#[test]
fn required_fields_are_called_so() {
    let rows = rows(section("Spec"));
    let required: BTreeSet<&str> = rows
        .iter()
        .filter(|(_, cells)| cells[1] == "**required**")
        .map(|(path, _)| *path)
        .collect();
    let fields = fields();
    let of_schema: BTreeSet<String> = fields
        .iter()
        .filter(|(path, _)| path.starts_with("spec"))
        .flat_map(|(path, field)| {
            let names = field["required"].as_array().into_iter().flatten();
            names.map(move |name| format!("{path}.{}", name.as_str().unwrap()))
        })
        .collect();
    assert_eq!(required, of_schema.iter().map(String::as_str).collect());
}

#[test]
fn the_annotation_of_an_identity_is_described() {
    let described: BTreeSet<&str> = rows(section("Annotations")).into_keys().collect();
    assert_eq!(described, BTreeSet::from([keys::RELEASE_HOLD]));
}

#[test]
fn every_condition_type_and_reason_is_described_and_no_other() {
    let described: BTreeSet<&str> = rows(section("Conditions")).into_keys().collect();
    let known: BTreeSet<&str> = ConditionType::ALL.iter().map(|it| it.as_str()).collect();
    assert_eq!(described, known);
    let described: BTreeSet<&str> = rows(section("Reasons")).into_keys().collect();
    let known: BTreeSet<&str> = Reason::ALL.iter().map(|it| it.as_str()).collect();
    assert_eq!(described, known);
}
