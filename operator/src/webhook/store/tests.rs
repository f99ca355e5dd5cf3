use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use super::{ROTATION_SINCE, is_ours, read, serving, write};
use crate::webhook::certificate::{Issue, Names};
use crate::webhook::rotation::{Kept, Rotation};

fn now() -> Timestamp {
    "2026-11-23T10:00:00Z".parse().unwrap()
}

fn issue() -> Issue {
    let names = Names::new("webhook", "mail", &[]).unwrap();
    Issue::new(&names, now(), Duration::from_secs(3600)).unwrap()
}

fn rotations() -> Vec<Rotation> {
    let previous = issue().authority;
    let mut rotations = vec![Rotation::Idle];
    for since in [None, Some(now())] {
        rotations.push(Rotation::Announced {
            next: issue(),
            since,
        });
        let previous = previous.clone();
        rotations.push(Rotation::Promoted { previous, since });
    }
    rotations
}

#[test]
fn what_is_written_is_what_is_read_whatever_stood_there_before() {
    for before in rotations() {
        for after in rotations() {
            let [before, after] = [&before, &after].map(|rotation| Kept {
                current: issue(),
                rotation: rotation.clone(),
            });
            let secret = write(&before, None, None);
            assert_eq!(read(&secret).as_ref(), Some(&before));
            let secret = write(&after, Some(&secret), None);
            assert_eq!(read(&secret).as_ref(), Some(&after));
            let (chain, key) = serving(&secret).unwrap();
            assert_eq!(chain, after.current.certificate.as_bytes());
            assert_eq!(key, after.current.key.as_bytes());
        }
    }
}

#[test]
fn a_write_keeps_what_others_put_on_the_secret_and_its_resource_version() {
    let kept = Kept {
        current: issue(),
        rotation: Rotation::Idle,
    };
    let owner = |uid: &str| OwnerReference {
        uid: uid.to_owned(),
        ..OwnerReference::default()
    };
    let text = |text: &str| text.to_owned();
    let before = Secret {
        metadata: ObjectMeta {
            resource_version: Some(text("7")),
            labels: Some(BTreeMap::from([(text("team"), text("mail"))])),
            annotations: Some(BTreeMap::from([
                (text("note"), text("kept")),
                (text(ROTATION_SINCE), now().to_string()),
            ])),
            owner_references: Some(vec![owner("other"), owner("ours")]),
            ..ObjectMeta::default()
        },
        ..Secret::default()
    };
    let secret = write(&kept, Some(&before), Some(owner("ours")));
    assert_eq!(secret.metadata.resource_version.as_deref(), Some("7"));
    assert_eq!(secret.metadata.labels.unwrap()["team"], "mail");
    let annotations = secret.metadata.annotations.unwrap();
    assert_eq!(annotations, BTreeMap::from([(text("note"), text("kept"))]));
    let owners = secret.metadata.owner_references.unwrap();
    assert_eq!(owners, [owner("other"), owner("ours")]);
}

#[test]
fn a_secret_of_somebody_else_is_not_ours_unless_it_is_empty() {
    let kept = Kept {
        current: issue(),
        rotation: Rotation::Idle,
    };
    let mut secret = write(&kept, None, None);
    assert!(is_ours(&secret));
    secret.metadata.labels = None;
    assert!(!is_ours(&secret));
    secret.data = None;
    assert!(is_ours(&secret));
}

#[test]
fn the_document_of_an_identity_called_webhook_is_not_written_over() {
    let kept = Kept {
        current: issue(),
        rotation: Rotation::Idle,
    };
    let mut secret = write(&kept, None, None);
    let document = BTreeMap::from([("identity.json".to_owned(), ByteString(b"{}".to_vec()))]);
    secret.data = Some(document);
    assert!(!is_ours(&secret));
}

#[test]
fn a_secret_that_lacks_a_part_of_what_is_served_keeps_nothing() {
    let kept = Kept {
        current: issue(),
        rotation: Rotation::Idle,
    };
    for key in ["ca.crt", "tls.crt", "tls.key"] {
        let mut secret = write(&kept, None, None);
        secret.data.as_mut().unwrap().remove(key);
        assert_eq!(read(&secret), None, "{key}");
        let data = secret.data.as_mut().unwrap();
        data.insert(key.to_owned(), ByteString(vec![0xff]));
        assert_eq!(read(&secret), None, "{key}");
    }
}

#[test]
fn a_next_issue_that_lacks_a_part_is_no_announcement() {
    let kept = Kept {
        current: issue(),
        rotation: Rotation::Announced {
            next: issue(),
            since: None,
        },
    };
    let mut secret = write(&kept, None, None);
    secret.data.as_mut().unwrap().remove("next-tls.key");
    assert_eq!(read(&secret).unwrap().rotation, Rotation::Idle);
}
