use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use zohorelay_config::Hold;

use super::*;
use crate::host::AllowedHosts;
use crate::identity::validate::fixtures::{PASSWORD, draft, identity, with_keys};
use crate::identity::validate::{SecretFact, validate};

/// The golden documents, which the tests of the sidecar load.
fn goldens() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sidecar/config/fixtures");
    let paths = fs::read_dir(folder).unwrap().map(|it| it.unwrap().path());
    let mut yaml: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|it| it == "yaml"))
        .collect();
    yaml.sort();
    yaml
}

fn read(yaml: &Path) -> (MailIdentity, SecretFact) {
    let text = fs::read_to_string(yaml).unwrap();
    let objects: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
    let of = |kind: &str| objects.iter().find(|it| it["kind"] == kind).unwrap();
    let password = of("Secret")["stringData"]["password"].as_str().unwrap();
    let identity = serde_json::from_value(of("MailIdentity").clone()).unwrap();
    (
        identity,
        with_keys("1", &[("password", password.as_bytes())]),
    )
}

fn published(verified: bool) -> (MailIdentity, Publication) {
    let mut document = draft(&json!({})).document;
    document.revision = Some(1_795_424_607);
    let trial = Trial {
        since: Some(1_795_424_600),
        released: Some("ü = 1".to_owned()),
    };
    let publication = Publication {
        document,
        verified,
        trial,
    };
    (identity(&json!({})), publication)
}

#[test]
fn each_golden_identity_renders_as_the_golden_document_beside_it() {
    let paths = goldens();
    assert_eq!(paths.len(), 5, "{paths:?}");
    for yaml in paths {
        let (identity, secret) = read(&yaml);
        let draft = validate(&identity, &secret, &AllowedHosts::default()).unwrap();
        let golden = Document::load_file(&yaml.with_extension("json")).unwrap();
        let mut golden = golden.document;
        (golden.revision, golden.hold, golden.retry) = (None, None, 0);
        assert_eq!(draft.document, golden, "{}", yaml.display());
    }
}

#[test]
fn the_rendered_secret_holds_all_of_it_and_belongs_to_the_identity() {
    let (identity, publication) = published(true);
    let secret = rendered_secret(&identity, &publication, Some("77")).unwrap();
    let mut found = serde_json::to_value(&secret).unwrap();
    let data = found["data"].take();
    assert_eq!(
        found,
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": "zohorelay-billing",
                "namespace": "shop",
                "resourceVersion": "77",
                "labels": {
                    "app.kubernetes.io/managed-by": "zohorelay",
                    "zohorelay.dev/identity": "billing"
                },
                "annotations": {
                    "zohorelay.dev/verified": "true",
                    "zohorelay.dev/generation": "3",
                    "zohorelay.dev/login-since": "1795424600",
                    "zohorelay.dev/released": "ü = 1"
                },
                "ownerReferences": [{
                    "apiVersion": "zohorelay.dev/v1alpha1", "kind": "MailIdentity",
                    "name": "billing", "uid": "5d1f0c52-3a53-4a7e-9a0e-6d1f6a0f2c11",
                    "controller": true
                }]
            },
            "type": "Opaque",
            "data": null
        })
    );
    let keys: Vec<_> = data.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["identity.json"]);
}

#[test]
fn what_was_rendered_is_read_back_as_it_was() {
    for verified in [true, false] {
        let (identity, publication) = published(verified);
        let secret = rendered_secret(&identity, &publication, Some("77")).unwrap();
        let Rendered::Ours(read) = read_rendered(&identity, &secret) else {
            panic!("not ours");
        };
        assert_eq!(read.document, publication.document);
        assert_eq!((read.verified, read.generation), (verified, 3));
        assert_eq!(read.resource_version, "77");
    }
}

#[test]
fn a_document_of_another_release_with_a_hold_is_read() {
    let (identity, mut publication) = published(true);
    publication.document.hold = Some(Hold {
        until: "2026-11-23T10:00:00Z".parse().unwrap(),
        reason: zohorelay_config::HoldReason::AccountBlocked,
    });
    let secret = rendered_secret(&identity, &publication, None).unwrap();
    let read = read_rendered(&identity, &secret);
    assert_eq!(
        read.published().map(|it| it.document.hold),
        Some(publication.document.hold)
    );
}

#[test]
fn a_secret_is_ours_only_by_its_owner() {
    let (identity, publication) = published(true);
    let made = || rendered_secret(&identity, &publication, Some("77")).unwrap();
    let owned = |change: &dyn Fn(&mut OwnerReference)| {
        let mut secret = made();
        change(&mut secret.metadata.owner_references.as_mut().unwrap()[0]);
        read_rendered(&identity, &secret)
    };
    let left = Rendered::Left {
        resource_version: "77".to_owned(),
    };
    assert_eq!(owned(&|owner| owner.uid = "another".to_owned()), left);
    assert!(matches!(
        owned(&|owner| owner.api_version = "zohorelay.dev/v1".to_owned()),
        Rendered::Ours(_)
    ));
    assert_eq!(
        owned(&|owner| owner.name = "another".to_owned()),
        Rendered::Foreign { has_maker: true }
    );
    assert_eq!(
        owned(&|owner| owner.kind = "Deployment".to_owned()),
        Rendered::Foreign { has_maker: true }
    );
    assert_eq!(
        owned(&|owner| owner.api_version = "example.com/v1".to_owned()),
        Rendered::Foreign { has_maker: true }
    );
    let mut nobodys = made();
    nobodys.metadata.owner_references = None;
    let read = |secret: &Secret| read_rendered(&identity, secret);
    let free = Rendered::Foreign { has_maker: false };
    assert_eq!(read(&nobodys), free);
    nobodys.metadata.labels = None;
    assert_eq!(read(&nobodys), free);
    // As on the webhook's certificate.
    let label = (
        keys::MANAGED_BY_LABEL.to_owned(),
        keys::MANAGED_BY.to_owned(),
    );
    nobodys.metadata.labels = Some([label].into());
    assert_eq!(read(&nobodys), Rendered::Foreign { has_maker: true });
}

#[test]
fn what_cannot_be_read_is_written_anew() {
    let (identity, publication) = published(true);
    let unreadable = Rendered::OursUnreadable {
        resource_version: "77".to_owned(),
    };
    for data in [None, Some(b"{}".to_vec()), Some(b"\xff".to_vec())] {
        let mut secret = rendered_secret(&identity, &publication, Some("77")).unwrap();
        secret.data = data.map(|json| [("identity.json".to_owned(), ByteString(json))].into());
        assert_eq!(read_rendered(&identity, &secret), unreadable);
    }
}

#[test]
fn annotations_that_somebody_wrote_over_are_read_with_care() {
    let (identity, publication) = published(true);
    let mut secret = rendered_secret(&identity, &publication, None).unwrap();
    secret.metadata.annotations = Some(owned([
        (keys::VERIFIED, "yes".to_owned()),
        (keys::GENERATION, "many".to_owned()),
    ]));
    let read = read_rendered(&identity, &secret);
    let read = read.published().unwrap();
    assert_eq!((read.verified, read.generation), (false, 0));
}

#[test]
fn an_identity_that_no_server_has_seen_makes_no_secret() {
    let (mut identity, publication) = published(true);
    identity.metadata.uid = None;
    let error = rendered_secret(&identity, &publication, None).unwrap_err();
    assert!(!error.to_string().contains(PASSWORD));
    assert!(matches!(error, BuildError::NotStored("uid")));
}
