//! Kubernetes objects as JSON.

use serde_json::Value;

/// The objects of a YAML stream.
pub(crate) fn parse(yaml: &str) -> Vec<Value> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(yaml).unwrap();
    documents.into_iter().filter(|one| !one.is_null()).collect()
}

/// Those of a kind.
pub(crate) fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    let all = objects.iter();
    all.filter(|object| object["kind"] == kind).collect()
}

/// The one of a kind.
pub(crate) fn only<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    let found = of_kind(objects, kind);
    assert_eq!(found.len(), 1, "{kind}");
    found[0]
}

/// The one of a kind and a name.
pub(crate) fn named<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let found = of_kind(objects, kind).into_iter();
    let mut found = found.filter(|object| object["metadata"]["name"] == name);
    found
        .next()
        .unwrap_or_else(|| panic!("no {kind} {name} is rendered"))
}

/// `Kind namespace/name`, to compare sets of objects.
pub(crate) fn title(object: &Value) -> String {
    let metadata = &object["metadata"];
    let namespace = metadata["namespace"].as_str().unwrap_or_default();
    format!(
        "{} {namespace}/{}",
        text(&object["kind"]),
        text(&metadata["name"])
    )
}

/// The text of a string.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

/// The texts of a list of strings; of none where there is no list.
pub(crate) fn texts(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().map(text).collect()
}

/// The items of a list.
pub(crate) fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
