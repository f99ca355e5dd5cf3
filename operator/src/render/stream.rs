//! From YAML text to objects.

use std::path::Path;

use serde_json::Value;

use super::object::{self, Object};
use super::{Mistake, Place};

/// Every object of a stream of YAML documents; a `List` is opened.
pub(super) fn objects(file: &Path, text: &str) -> Vec<Result<Object, Mistake>> {
    let mut reader = text.as_bytes();
    let documents = serde_saphyr::read::<_, Value>(&mut reader);
    let mut objects = Vec::new();
    for (index, document) in documents.enumerate() {
        let place = Place {
            file: file.to_owned(),
            document: index + 1,
        };
        match document {
            Ok(value) => open(value, &place, &mut objects),
            Err(error) => objects.push(Err(Mistake {
                place,
                object: None,
                problem: not_yaml(&error),
            })),
        }
    }
    objects
}

/// A list becomes its items, which may be lists.
fn open(mut value: Value, place: &Place, objects: &mut Vec<Result<Object, Mistake>>) {
    let is_list = value["kind"]
        .as_str()
        .is_some_and(|kind| kind.ends_with("List"));
    match value.get_mut("items") {
        Some(Value::Array(items)) if is_list => {
            for item in items.drain(..) {
                open(item, place, objects);
            }
        }
        _ => objects.push(object::parse(value, place)),
    }
}

/// The place alone: the parser's own words may quote the text, with a password in it.
fn not_yaml(error: &serde_saphyr::Error) -> String {
    let place = error.location().map_or_else(String::new, |at| {
        format!(" at line {} column {}", at.line(), at.column())
    });
    if let serde_saphyr::Error::Budget { .. } = error {
        return format!(
            "this document is larger, or nested more deeply, than is read, as seen{place}; divide it"
        );
    }
    format!(
        "this is not YAML{place}; look at the indentation, at quotes that are open, and at keys that \
         stand twice"
    )
}
