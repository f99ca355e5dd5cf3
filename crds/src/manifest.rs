//! The `CustomResourceDefinition` as YAML.

use kube::CustomResourceExt;
use serde_json::Value;
use thiserror::Error;

use crate::MailIdentity;

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
    strip_nullable(&mut definition);
    Ok(definition)
}

/// The same as YAML.
pub fn mail_identity_yaml() -> Result<String, ManifestError> {
    Ok(serde_saphyr::to_string(&mail_identity()?)?)
}

fn strip_nullable(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.remove("nullable");
            fields.values_mut().for_each(strip_nullable);
        }
        Value::Array(items) => items.iter_mut().for_each(strip_nullable),
        _ => {}
    }
}
