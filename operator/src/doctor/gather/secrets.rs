//! Secrets: whether they are there, and which keys they have, without their content.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta};
use kube::{Api, Client};
use zohorelay_crds::keys::SECRET_PREFIX;

use super::super::rights::{Asked, Right};
use super::super::scene::{Scene, SecretSeen};
use super::ask;

/// More are not looked at where no identity is named.
const SECRETS_MAX: usize = 40;

/// The Secrets that the identities name and those that were rendered from them.
pub(super) async fn seen(
    client: &Client,
    scene: &Scene,
) -> BTreeMap<String, Asked<Option<SecretSeen>>> {
    let mut names = BTreeSet::new();
    for identity in scene.identities.iter().flatten() {
        let name = identity.metadata.name.as_deref().unwrap_or_default();
        if scene
            .subject
            .identity
            .as_deref()
            .is_none_or(|it| it == name)
        {
            let reference = &identity.spec.credentials.password_secret_ref;
            names.insert(reference.name.clone());
            names.insert(format!("{SECRET_PREFIX}{name}"));
        }
    }
    let secrets = Api::<Secret>::namespaced(client.clone(), &scene.subject.namespace);
    let mut seen = BTreeMap::new();
    for name in names.into_iter().take(SECRETS_MAX) {
        let right = Right::get("secrets", &scene.subject.namespace);
        let found = ask(right, secrets.get_metadata_opt(&name)).await;
        let found = found.map(|found| found.map(|object| shape(&object.metadata)));
        seen.insert(name, found);
    }
    seen
}

/// Only this is kept.
fn shape(metadata: &ObjectMeta) -> SecretSeen {
    let entries = metadata.managed_fields.iter().flatten();
    let keys: BTreeSet<String> = entries.flat_map(keys).collect();
    SecretSeen {
        keys: keys.into_iter().collect(),
    }
}

/// The fields of `data` that somebody set; whoever writes `stringData` by server-side apply leaves none.
fn keys(entry: &ManagedFieldsEntry) -> Vec<String> {
    let fields = entry.fields_v1.as_ref().and_then(|fields| {
        let data = fields.0.get("f:data")?;
        Some(data.as_object()?.keys())
    });
    let names = fields.into_iter().flatten();
    names
        .filter_map(|key| key.strip_prefix("f:"))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_keys_are_known_and_nothing_of_the_annotation_with_the_content_is_kept() {
        let metadata = serde_json::from_value(json!({
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "canary"},
            "managedFields": [
                {"fieldsV1": {"f:data": {".": {}, "f:password": {}}, "f:type": {}}},
                {"fieldsV1": {"f:data": {"f:token": {}}}},
                {},
            ],
        }));
        let seen = shape(&metadata.unwrap());
        assert_eq!(seen.keys, ["password", "token"]);
        assert!(!format!("{seen:?}").contains("canary"));
    }
}
