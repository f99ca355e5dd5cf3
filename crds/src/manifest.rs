//! The `CustomResourceDefinition` as YAML.

use kube::CustomResourceExt;
use serde_json::{Number, Value};
use thiserror::Error;

use crate::MailIdentity;

/// Stands above the YAML.
const HEADER: &str = "# Made from crds/src by `make crds`; a change here is lost.\n";

/// Why a manifest cannot be rendered: a fault of the types.
#[derive(Debug, Error)]
pub enum ManifestError {
    /// The definition is not JSON.
    #[error("rendering the CustomResourceDefinition as JSON")]
    Json(#[from] serde_json::Error),
    /// The definition is not YAML.
    #[error("rendering the CustomResourceDefinition as YAML")]
    Yaml(#[from] serde_saphyr::ser::Error),
}

/// The definition of `MailIdentity`, without `nullable`: so a null is pruned and defaults apply.
pub fn mail_identity() -> Result<Value, ManifestError> {
    let mut definition = serde_json::to_value(MailIdentity::crd())?;
    tidy(&mut definition);
    Ok(definition)
}

/// The same as YAML, as it stands in `crds/manifests/`.
pub fn mail_identity_yaml() -> Result<String, ManifestError> {
    let yaml = serde_saphyr::to_string(&mail_identity()?)?;
    Ok(format!("{HEADER}{yaml}"))
}

fn tidy(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.remove("nullable");
            if let Some(Value::String(text)) = fields.get_mut("description") {
                *text = unwrap_lines(text);
            }
            fields.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        Value::Number(number) => *number = whole(number),
        _ => {}
    }
}

/// A comment in the source ends its lines where the source does; `kubectl explain` wraps by itself.
fn unwrap_lines(text: &str) -> String {
    let paragraphs = text
        .split("\n\n")
        .map(|paragraph| paragraph.lines().collect::<Vec<_>>().join(" "));
    paragraphs.collect::<Vec<_>>().join("\n\n")
}

/// Bounds are floats in the types of the schema; 1000.0 reads better as 1000.
fn whole(number: &Number) -> Number {
    let text = number.to_string();
    text.strip_suffix(".0")
        .and_then(|digits| digits.parse::<i64>().ok())
        .map_or_else(|| number.clone(), Number::from)
}
