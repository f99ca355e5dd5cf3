//! An identity and its Secret, for tests.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use zeroize::Zeroizing;
use zohorelay_crds::MailIdentity;

use super::{Draft, Problem, SecretFact, validate};
use crate::host::AllowedHosts;

/// Stands wherever a password is; no message may hold it.
pub(crate) const PASSWORD: &str = "canary-8f3a";

/// `billing` in `shop`, generation 3, with other fields merged in (RFC 7396).
pub(crate) fn identity(patch: &Value) -> MailIdentity {
    let mut object = json!({
        "apiVersion": "zohorelay.dev/v1alpha1",
        "kind": "MailIdentity",
        "metadata": {
            "name": "billing", "namespace": "shop", "generation": 3,
            "uid": "5d1f0c52-3a53-4a7e-9a0e-6d1f6a0f2c11"
        },
        "spec": {
            "address": "billing@example.com",
            "credentials": {"passwordSecretRef": {"name": "billing-zoho", "key": "password"}}
        }
    });
    json_patch::merge(&mut object, patch);
    serde_json::from_value(object).unwrap()
}

/// A Secret with one key `password`.
pub(crate) fn secret(password: impl AsRef<[u8]>) -> SecretFact {
    with_keys("41", &[("password", password.as_ref())])
}

/// A Secret with any keys.
pub(crate) fn with_keys(resource_version: &str, keys: &[(&str, &[u8])]) -> SecretFact {
    let data = keys
        .iter()
        .map(|(key, value)| ((*key).to_owned(), Zeroizing::new(value.to_vec())));
    SecretFact::Found {
        resource_version: resource_version.to_owned(),
        data: data.collect::<BTreeMap<_, _>>(),
    }
}

/// Validates with no host allowed but Zoho's and `*.gateway.example.com`.
pub(crate) fn check(identity: &MailIdentity, secret: &SecretFact) -> Result<Draft, Problem> {
    let allowed = AllowedHosts::parse(&["*.gateway.example.com".to_owned()]).unwrap();
    validate(identity, secret, &allowed)
}

/// The draft of an identity that has one.
pub(crate) fn draft(patch: &Value) -> Draft {
    check(&identity(patch), &secret(PASSWORD)).unwrap()
}
