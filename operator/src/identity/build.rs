//! The rendered Secret of an identity, made and read back.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::Resource;
use thiserror::Error;
use zohorelay_config::{Document, DocumentError};
use zohorelay_crds::MailIdentity;
use zohorelay_crds::keys;

use crate::identity::decide::{Publication, Published, Rendered, Trial};

/// Why no Secret can be made.
#[derive(Debug, Error)]
pub enum BuildError {
    /// The identity is not one that an API server returned.
    #[error("rendering the document: the identity has no {0}")]
    NotStored(&'static str),
    /// The document breaks a rule.
    #[error("rendering the document")]
    Document(#[from] DocumentError),
}

/// Name of the rendered Secret of an identity.
pub fn secret_name(identity: &str) -> String {
    format!("{}{identity}", keys::SECRET_PREFIX)
}

/// The Secret to apply: all of it is the operator's. With the resourceVersion that was observed, a
/// Secret that changed meanwhile is not written over; without one it must be created, not applied,
/// so that a Secret of somebody else is not either.
pub fn rendered_secret(
    identity: &MailIdentity,
    publication: &Publication,
    observed_resource_version: Option<&str>,
) -> Result<Secret, BuildError> {
    let meta = &identity.metadata;
    let name = meta.name.clone().ok_or(BuildError::NotStored("name"))?;
    let uid = meta.uid.clone().ok_or(BuildError::NotStored("uid"))?;
    let generation = meta.generation.ok_or(BuildError::NotStored("generation"))?;
    let json = publication.document.to_json()?;
    let labels = [
        (keys::MANAGED_BY_LABEL, keys::MANAGED_BY.to_owned()),
        (keys::IDENTITY_LABEL, name.clone()),
    ];
    let trial = &publication.trial;
    let mut annotations = owned([
        (keys::VERIFIED, publication.verified.to_string()),
        (keys::GENERATION, generation.to_string()),
    ]);
    let since = trial.since.map(|revision| revision.to_string());
    annotations.extend(since.map(|since| (keys::LOGIN_SINCE.to_owned(), since)));
    let released = trial.released.clone();
    annotations.extend(released.map(|value| (keys::RELEASED.to_owned(), value)));
    Ok(Secret {
        metadata: ObjectMeta {
            name: Some(secret_name(&name)),
            namespace: meta.namespace.clone(),
            labels: Some(owned(labels)),
            annotations: Some(annotations),
            owner_references: Some(vec![OwnerReference {
                api_version: MailIdentity::api_version(&()).into_owned(),
                kind: MailIdentity::kind(&()).into_owned(),
                name,
                uid,
                controller: Some(true),
                block_owner_deletion: None,
            }]),
            resource_version: observed_resource_version.map(str::to_owned),
            ..ObjectMeta::default()
        },
        type_: Some("Opaque".to_owned()),
        data: Some(BTreeMap::from([(
            keys::DOCUMENT_KEY.to_owned(),
            ByteString(json.to_vec()),
        )])),
        ..Secret::default()
    })
}

fn owned<const N: usize>(pairs: [(&str, String); N]) -> BTreeMap<String, String> {
    pairs
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

/// What a Secret of the rendered name is.
pub fn read_rendered(identity: &MailIdentity, secret: &Secret) -> Rendered {
    let resource_version = secret.metadata.resource_version.clone().unwrap_or_default();
    let Some(owner) = owner_of_that_name(identity, secret) else {
        return Rendered::Foreign {
            has_maker: has_maker(identity, secret),
        };
    };
    if Some(&owner.uid) != identity.metadata.uid.as_ref() {
        return Rendered::Left { resource_version };
    }
    let json = secret
        .data
        .as_ref()
        .and_then(|data| data.get(keys::DOCUMENT_KEY));
    let loaded = json.map(|json| Document::load(&json.0));
    let Some(Ok(loaded)) = loaded else {
        return Rendered::OursUnreadable { resource_version };
    };
    let annotation = |key: &str| secret.metadata.annotations.as_ref()?.get(key);
    Rendered::Ours(Box::new(Published {
        document: loaded.document,
        verified: annotation(keys::VERIFIED).is_some_and(|value| value == "true"),
        generation: annotation(keys::GENERATION)
            .and_then(|value| value.parse().ok())
            .unwrap_or_default(),
        trial: Trial {
            since: annotation(keys::LOGIN_SINCE).and_then(|value| value.parse().ok()),
            released: annotation(keys::RELEASED).cloned(),
        },
        resource_version,
    }))
}

/// Whether owners or labels tell that somebody keeps it, as the operator does the webhook's certificate.
/// The label of this identity is on a document of its own that lost its owner.
fn has_maker(identity: &MailIdentity, secret: &Secret) -> bool {
    let meta = &secret.metadata;
    let label = |key| meta.labels.as_ref().and_then(|labels| labels.get(key));
    let was_ours = label(keys::IDENTITY_LABEL) == identity.metadata.name.as_ref();
    let is_managed = label(keys::MANAGED_BY_LABEL).is_some() && !was_ours;
    is_managed || meta.owner_references.iter().flatten().next().is_some()
}

/// The owner of this kind and name: this identity, or an earlier one of its name.
fn owner_of_that_name<'a>(
    identity: &MailIdentity,
    secret: &'a Secret,
) -> Option<&'a OwnerReference> {
    let group = MailIdentity::group(&());
    let mut owners = secret.metadata.owner_references.iter().flatten();
    owners.find(|owner| {
        owner.kind == MailIdentity::kind(&())
            && owner.api_version.split('/').next() == Some(&*group)
            && Some(&owner.name) == identity.metadata.name.as_ref()
    })
}
