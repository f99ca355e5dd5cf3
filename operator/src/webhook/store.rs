//! The webhook's Secret: what stands in it, and what is written. Pure.
//!
//! | key | what |
//! |---|---|
//! | `ca.crt` `tls.crt` `tls.key` | what is served, and the CA that signed it |
//! | `next-ca.crt` `next-tls.crt` `next-tls.key` | while a renewal is announced: what will be served |
//! | `previous-ca.crt` | while a renewal settles: the CA of what was served before |

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use zeroize::Zeroizing;
use zohorelay_crds::keys::{DOCUMENT_KEY, MANAGED_BY, MANAGED_BY_LABEL};

use super::certificate::Issue;
use super::rotation::{Kept, Rotation};

/// Annotation of the webhook's Secret: when the step of a renewal that it shows was seen to be taken.
pub const ROTATION_SINCE: &str = "zohorelay.dev/rotation-since";

/// The chain and the key that are served: of our own making or of somebody else's.
pub fn serving(secret: &Secret) -> Option<(&[u8], &[u8])> {
    let data = secret.data.as_ref()?;
    Some((&data.get("tls.crt")?.0, &data.get("tls.key")?.0))
}

/// Whether the operator may write it: it made it for this, or there is nothing in it. It has the same
/// label on the document of an identity, which may have the same name: `zohorelay-webhook`.
pub fn is_ours(secret: &Secret) -> bool {
    let Some(data) = secret.data.as_ref().filter(|data| !data.is_empty()) else {
        return true;
    };
    let labels = secret.metadata.labels.as_ref();
    let manager = labels.and_then(|labels| labels.get(MANAGED_BY_LABEL));
    manager.is_some_and(|by| by == MANAGED_BY) && !data.contains_key(DOCUMENT_KEY)
}

/// What it keeps; None where a part of what is served is missing or is not text.
pub fn read(secret: &Secret) -> Option<Kept> {
    let data = secret.data.as_ref()?;
    let rotation = match (
        read_issue(data, "next-"),
        read_text(data, "previous-ca.crt"),
    ) {
        (Some(next), _) => Rotation::Announced {
            next,
            since: read_since(secret),
        },
        (None, Some(previous)) => Rotation::Promoted {
            previous,
            since: read_since(secret),
        },
        (None, None) => Rotation::Idle,
    };
    Some(Kept {
        current: read_issue(data, "")?,
        rotation,
    })
}

fn read_issue(data: &BTreeMap<String, ByteString>, prefix: &str) -> Option<Issue> {
    Some(Issue {
        authority: read_text(data, &format!("{prefix}ca.crt"))?,
        certificate: read_text(data, &format!("{prefix}tls.crt"))?,
        key: Zeroizing::new(read_text(data, &format!("{prefix}tls.key"))?),
    })
}

fn read_text(data: &BTreeMap<String, ByteString>, key: &str) -> Option<String> {
    String::from_utf8(data.get(key)?.0.clone()).ok()
}

fn read_since(secret: &Secret) -> Option<Timestamp> {
    let annotations = secret.metadata.annotations.as_ref()?;
    annotations.get(ROTATION_SINCE)?.parse().ok()
}

/// The Secret that keeps this. `before` is the one that was observed, if any: its other labels,
/// annotations and owners stay, and its resource version makes a write on top of another's fail.
pub fn write(kept: &Kept, before: Option<&Secret>, owner: Option<OwnerReference>) -> Secret {
    let mut secret = Secret {
        type_: Some("Opaque".to_owned()),
        ..before.cloned().unwrap_or_default()
    };
    let mut data = issue_data(&kept.current, "");
    let since = match &kept.rotation {
        Rotation::Idle => None,
        Rotation::Announced { next, since } => {
            data.extend(issue_data(next, "next-"));
            *since
        }
        Rotation::Promoted { previous, since } => {
            data.insert("previous-ca.crt".to_owned(), bytes(previous));
            *since
        }
    };
    secret.data = Some(data);
    let annotations = secret.metadata.annotations.get_or_insert_default();
    match since {
        Some(since) => annotations.insert(ROTATION_SINCE.to_owned(), since.to_string()),
        None => annotations.remove(ROTATION_SINCE),
    };
    let labels = secret.metadata.labels.get_or_insert_default();
    labels.insert(MANAGED_BY_LABEL.to_owned(), MANAGED_BY.to_owned());
    if let Some(owner) = owner {
        let owners = secret.metadata.owner_references.get_or_insert_default();
        owners.retain(|other| other.uid != owner.uid);
        owners.push(owner);
    }
    secret
}

fn issue_data(issue: &Issue, prefix: &str) -> BTreeMap<String, ByteString> {
    BTreeMap::from([
        (format!("{prefix}ca.crt"), bytes(&issue.authority)),
        (format!("{prefix}tls.crt"), bytes(&issue.certificate)),
        (format!("{prefix}tls.key"), bytes(&issue.key)),
    ])
}

fn bytes(text: &str) -> ByteString {
    ByteString(text.as_bytes().to_vec())
}

#[cfg(test)]
mod tests;
