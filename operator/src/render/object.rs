//! The objects that `render` knows: identities and Secrets.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use kube::Resource;
use serde_json::Value;
use zeroize::Zeroizing;
use zohorelay_crds::MailIdentity;

use super::{Mistake, Place};

/// An object of the input.
pub(super) enum Object {
    Identity(Box<Identity>),
    Secret(Secret),
    /// What it is, for the summary.
    Other {
        what: String,
        place: Place,
    },
}

/// An identity and where it stands.
pub(super) struct Identity {
    pub(super) object: MailIdentity,
    pub(super) place: Place,
}

/// A Secret and where it stands.
pub(super) struct Secret {
    name: String,
    namespace: Option<String>,
    pub(super) data: BTreeMap<String, Zeroizing<Vec<u8>>>,
    pub(super) place: Place,
}

impl Identity {
    pub(super) fn name(&self) -> &str {
        self.object.metadata.name.as_deref().unwrap_or_default()
    }

    /// Namespace and name of the Secret that it names.
    pub(super) fn secret_key(&self) -> (Option<&str>, &str) {
        let reference = &self.object.spec.credentials.password_secret_ref;
        (self.object.metadata.namespace.as_deref(), &reference.name)
    }

    pub(super) fn mistake(&self, problem: String) -> Mistake {
        mistake(&self.place, "MailIdentity", Some(self.name()), problem)
    }
}

impl Secret {
    pub(super) fn key(&self) -> (Option<&str>, &str) {
        (self.namespace.as_deref(), &self.name)
    }

    pub(super) fn mistake(&self, problem: String) -> Mistake {
        mistake(&self.place, "Secret", Some(&self.name), problem)
    }
}

/// Reads one object.
pub(super) fn parse(mut value: Value, place: &Place) -> Result<Object, Mistake> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let (version, kind) = (text(&value["apiVersion"]), text(&value["kind"]));
    let name = text(&value["metadata"]["name"]);
    let (Some(version), Some(kind)) = (version, kind) else {
        return Err(Mistake {
            place: place.clone(),
            object: None,
            problem: "this is no Kubernetes object: it needs apiVersion, kind and metadata.name"
                .to_owned(),
        });
    };
    let refuse = |problem: String| mistake(place, &kind, name.as_deref(), problem);
    let is_ours = version.split('/').next() == Some(&*MailIdentity::group(&()));
    match (kind.as_str(), &name) {
        ("MailIdentity", _) if is_ours && version != MailIdentity::api_version(&()) => {
            Err(refuse(format!(
                "apiVersion {version} is not known; set {}",
                MailIdentity::api_version(&())
            )))
        }
        ("MailIdentity", None) if is_ours => {
            Err(refuse("metadata.name is missing; set it".to_owned()))
        }
        ("MailIdentity", Some(_)) if is_ours => identity(value, place).map_err(refuse),
        ("Secret", Some(name)) if version == "v1" => {
            let data = data(&mut value).map_err(refuse)?;
            Ok(Object::Secret(Secret {
                name: name.clone(),
                namespace: text(&value["metadata"]["namespace"]),
                data,
                place: place.clone(),
            }))
        }
        _ => Ok(Object::Other {
            what: object(&kind, name.as_deref()),
            place: place.clone(),
        }),
    }
}

/// The spec is read strictly: a field that is not known is a slip of the pen.
fn identity(value: Value, place: &Place) -> Result<Object, String> {
    let mut unknown = Vec::new();
    let mut note = |path: serde_ignored::Path<'_>| {
        // The type stands for these two.
        let path = path.to_string();
        if path != "apiVersion" && path != "kind" {
            unknown.push(path);
        }
    };
    let read = serde_path_to_error::deserialize(serde_ignored::Deserializer::new(value, &mut note));
    let mut object: MailIdentity = read.map_err(|error| explain(&error))?;
    if let Some(path) = unknown.first() {
        return Err(format!(
            "{path}: there is no such field; see the reference, and mind the case"
        ));
    }
    // Of a cluster; a folder has neither.
    object.metadata.uid = None;
    object.status = None;
    Ok(Object::Identity(Box::new(Identity {
        object,
        place: place.clone(),
    })))
}

/// Says what is wrong without quoting the value, which may be a password in the wrong place: of
/// serde's text only what follows the last "expected".
fn explain(error: &serde_path_to_error::Error<serde_json::Error>) -> String {
    let path = error.path().to_string();
    let text = error.inner().to_string();
    if let Some(field) = text.strip_prefix("missing field ") {
        let path = if path == "." {
            String::new()
        } else {
            path + "."
        };
        return format!(
            "{path}{}: this field is missing; set it",
            field.trim_matches('`')
        );
    }
    match text.rsplit_once("expected ") {
        Some((_, expected)) => format!("{path}: the value does not fit; expected {expected}"),
        None => format!("{path}: {text}"),
    }
}

/// `data` in base64, then `stringData` over it, as the API server does.
fn data(value: &mut Value) -> Result<BTreeMap<String, Zeroizing<Vec<u8>>>, String> {
    let mut data = BTreeMap::new();
    for (key, text) in texts(value, "data")? {
        let plain: Zeroizing<String> =
            Zeroizing::new(text.chars().filter(|c| !c.is_ascii_whitespace()).collect());
        let bytes = BASE64_STANDARD.decode(plain.as_bytes()).map_err(|_| {
            format!("data.{key}: this is not base64; encode it, or put the text into stringData")
        })?;
        data.insert(key, Zeroizing::new(bytes));
    }
    for (key, text) in texts(value, "stringData")? {
        data.insert(key, Zeroizing::new(text.as_bytes().to_vec()));
    }
    Ok(data)
}

fn texts(value: &mut Value, field: &str) -> Result<Vec<(String, Zeroizing<String>)>, String> {
    let entries = match value[field].take() {
        Value::Null => return Ok(Vec::new()),
        Value::Object(entries) => entries,
        _ => return Err(format!("{field}: keys with their values are needed here")),
    };
    // Not quoted: without its colon, `key: value` is one key that holds the password.
    if !entries.keys().all(|key| is_key(key)) {
        return Err(format!(
            "{field}: a key has letters, digits, -, _ and . only; look for a colon that is missing"
        ));
    }
    let entries = entries.into_iter().map(|(key, value)| match value {
        Value::String(text) => Ok((key, Zeroizing::new(text))),
        Value::Null => Ok((key, Zeroizing::new(String::new()))),
        _ => Err(format!(
            "{field}.{key}: text is needed here, and this reads as something else; put it in quotes"
        )),
    });
    entries.collect()
}

/// A key of a Secret, as the API server takes it.
fn is_key(key: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=253).contains(&key.len()) && key.bytes().all(fits)
}

fn object(kind: &str, name: Option<&str>) -> String {
    match name {
        Some(name) => format!("{kind} {name}"),
        None => kind.to_owned(),
    }
}

fn mistake(place: &Place, kind: &str, name: Option<&str>, problem: String) -> Mistake {
    Mistake {
        place: place.clone(),
        object: Some(object(kind, name)),
        problem,
    }
}
