//! JSON by serde, with errors that name a path and never quote a value.

use std::fmt::{self, Display};
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_path_to_error::Segment;

use crate::error::DocumentError;

/// How long the path of an unknown field may be.
const UNKNOWN_FIELD_CHARS_MAX: usize = 200;

/// Reads JSON, and tells `ignored` the path of each field that `T` does not know.
pub(crate) fn parse<'a, T: Deserialize<'a>>(
    json: &'a [u8],
    ignored: &mut dyn FnMut(&serde_ignored::Path<'_>),
) -> Result<T, DocumentError> {
    let mut input = serde_json::Deserializer::from_slice(json);
    let mut ignore = |path: serde_ignored::Path<'_>| ignored(&path);
    let value =
        serde_path_to_error::deserialize(serde_ignored::Deserializer::new(&mut input, &mut ignore))
            .map_err(|error| explain(&error))?;
    input.end().map_err(|error| syntax(&error))?;
    Ok(value)
}

/// Says what is wrong without quoting the value, which may be a secret in the wrong place: of
/// serde's text only what follows the last "expected", which never comes from the document.
fn explain(error: &serde_path_to_error::Error<serde_json::Error>) -> DocumentError {
    if !error.inner().is_data() {
        return syntax(error.inner());
    }
    let mut path = field_path(error.path());
    let text = error.inner().to_string();
    let text = text
        .rsplit_once(" at line ")
        .map_or(text.as_str(), |(text, _)| text);
    if let Some(field) = text.strip_prefix("missing field ") {
        let field = field.trim_matches('`');
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(field);
        return DocumentError::field(path, "this field is missing; set it");
    }
    if let Some(field) = text.strip_prefix("duplicate field ") {
        let problem = format!("the field {field} stands here twice; keep one of them");
        return DocumentError::field(or_root(path), problem);
    }
    let problem = match text.rsplit_once(", expected ") {
        Some((_, expected)) => {
            format!(
                "{} is needed here{}; set one",
                plainly(expected),
                found(text)
            )
        }
        None => "the value has the wrong form".to_owned(),
    };
    DocumentError::field(or_root(path), problem)
}

/// The kind of value that stands there: serde's first word for it, never the value.
fn found(text: &str) -> &'static str {
    let kind = text.strip_prefix("invalid type: ").unwrap_or_default();
    let word = kind.split([' ', ',', '`']).next().unwrap_or_default();
    match word {
        "string" => ", not a string",
        "integer" | "floating" => ", not such a number",
        "boolean" => ", not true or false",
        "null" => ", not null",
        "sequence" => ", not a list",
        "map" => ", not an object",
        _ => "",
    }
}

/// What serde calls a type, in words of JSON.
fn plainly(expected: &str) -> &str {
    match expected {
        "u64" => "a whole number, 0 or more,",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "unit" => "one name as text",
        other => other,
    }
}

/// `$` is the whole document, as in JSON Path (RFC 9535).
fn or_root(path: String) -> String {
    if path.is_empty() {
        "$".to_owned()
    } else {
        path
    }
}

pub(crate) fn syntax(error: &serde_json::Error) -> DocumentError {
    let text = error.to_string();
    let problem = text
        .rsplit_once(" at line ")
        .map_or(text.as_str(), |(text, _)| text)
        .to_owned();
    DocumentError::Syntax {
        problem,
        line: error.line(),
        column: error.column(),
    }
}

/// The path in the form `addresses.aliases[2]`. The variant of an enum is a value: left out.
fn field_path(path: &serde_path_to_error::Path) -> String {
    let mut text = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => push_index(&mut text, index),
            Segment::Map { key } => push_key(&mut text, key),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    text
}

/// The path of an unknown field, on one line and shortened: the key is anybody's text.
pub(crate) fn ignored_path(path: &serde_ignored::Path<'_>) -> String {
    fn render(path: &serde_ignored::Path<'_>, text: &mut String) {
        use serde_ignored::Path;
        match path {
            Path::Root => {}
            Path::Seq { parent, index } => {
                render(parent, text);
                push_index(text, index);
            }
            Path::Map { parent, key } => {
                render(parent, text);
                push_key(text, key);
            }
            Path::Some { parent }
            | Path::NewtypeStruct { parent }
            | Path::NewtypeVariant { parent } => render(parent, text),
        }
    }
    let mut text = String::new();
    render(path, &mut text);
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(UNKNOWN_FIELD_CHARS_MAX)
        .collect()
}

fn push_index(text: &mut String, index: impl Display) {
    text.push('[');
    text.push_str(&index.to_string());
    text.push(']');
}

fn push_key(text: &mut String, key: &str) {
    if !text.is_empty() {
        text.push('.');
    }
    text.push_str(key);
}

/// A struct that is read from a JSON object only: serde alone takes a list of its fields as well.
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}

/// For a required field whose value is an object.
pub(crate) fn object<'de, D, T>(input: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Object::deserialize(input).map(|Object(value)| value)
}

/// For an optional field whose value is an object; null is absent.
pub(crate) fn optional_object<'de, D, T>(input: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let value: Option<Object<T>> = Option::deserialize(input)?;
    Ok(value.map(|Object(value)| value))
}
