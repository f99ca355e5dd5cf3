//! Golden documents, and bad ones with the error text that a person sees.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use zohorelay_config::{
    Delivery, Document, ForeignFrom, Hold, HoldReason, Limits, LineEndings, Security, SenderPolicy,
    Service, UnknownOutcome,
};
use zohorelay_smtp::address::Address;

/// Stands in each fixture where a password is, or where a password was put by mistake.
const CANARIES: [&str; 2] = ["canary-8f3a", "80738303"];

fn fixture(name: &str) -> Document {
    let loaded = Document::load_file(&Path::new("fixtures").join(name)).unwrap();
    assert_eq!(loaded.unknown_fields, Vec::<String>::new());
    loaded.document
}

fn files(folder: &str, extension: &str) -> BTreeSet<PathBuf> {
    let paths = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|it| it == extension))
        .collect()
}

#[test]
fn the_minimal_document_has_every_default() {
    let Document {
        name,
        namespace,
        uid,
        revision,
        addresses,
        upstream,
        login,
        sender_policy,
        delivery,
        limits,
        line_endings,
        suspend,
        hold,
        retry,
    } = fixture("minimal.json");
    assert_eq!(
        (name.as_str(), namespace, uid, revision),
        ("billing", None, None, None)
    );
    assert_eq!(addresses.primary.as_str(), "billing@example.com");
    assert_eq!((addresses.display_name, addresses.aliases), (None, vec![]));
    assert_eq!(
        (upstream.service, upstream.security),
        (Service::Mail, Security::ImplicitTls)
    );
    assert_eq!(
        (upstream.host.as_str(), upstream.port),
        ("smtppro.zoho.com", 465)
    );
    assert_eq!(upstream.trust_anchors, None);
    assert_eq!(login.username, "billing@example.com");
    assert_eq!(login.password.expose(), CANARIES[0]);
    let reject = SenderPolicy {
        foreign_from: ForeignFrom::Reject,
        foreign_calendar: None,
    };
    assert_eq!(sender_policy, reject);
    let patience = Delivery {
        deadline: Duration::from_secs(25),
        final_reply_timeout: Duration::from_secs(300),
        unknown_outcome: UnknownOutcome::Retry,
    };
    assert_eq!(delivery, patience);
    let bounds = Limits {
        messages_per_hour: None,
        burst: 5,
        recipients_per_message: 100,
        message_bytes: 41_943_040,
        connections: 2,
    };
    assert_eq!(limits, bounds);
    assert_eq!(
        (line_endings, suspend, hold, retry),
        (LineEndings::Normalise, false, None, 0)
    );
}

#[test]
fn the_full_document_is_read_field_by_field() {
    let document = fixture("full.json");
    assert_eq!(document.namespace.as_deref(), Some("shop"));
    assert_eq!(
        document.uid.as_deref(),
        Some("5d1f0c52-3a53-4a7e-9a0e-6d1f6a0f2c11")
    );
    assert_eq!(document.revision, Some(1_795_424_607));
    assert_eq!(
        document.addresses.display_name.as_deref(),
        Some("Example Billing")
    );
    let all: Vec<&str> = document.addresses.all().map(Address::as_str).collect();
    assert_eq!(
        all,
        [
            "billing@example.com",
            "invoices@example.com",
            "reminders@example.com"
        ]
    );
    assert!(
        document
            .upstream
            .trust_anchors
            .unwrap()
            .starts_with("-----BEGIN CERTIFICATE-----")
    );
    assert_eq!(document.sender_policy.foreign_from, ForeignFrom::Rewrite);
    assert_eq!(
        document.sender_policy.foreign_calendar,
        Some(ForeignFrom::Attach)
    );
    assert_eq!(document.delivery.deadline, Duration::from_secs(20));
    assert_eq!(
        document.delivery.final_reply_timeout,
        Duration::from_secs(600)
    );
    assert_eq!(document.delivery.unknown_outcome, UnknownOutcome::Fail);
    let bounds = Limits {
        messages_per_hour: Some(45),
        burst: 6,
        recipients_per_message: 50,
        message_bytes: 26_214_400,
        connections: 3,
    };
    assert_eq!(document.limits, bounds);
    assert_eq!(document.line_endings, LineEndings::Strict);
    let until = "2026-11-23T10:00:00Z".parse().unwrap();
    assert_eq!(
        document.hold,
        Some(Hold {
            until,
            reason: HoldReason::AccountBlocked
        })
    );
    assert_eq!((document.suspend, document.retry), (true, 7));
}

#[test]
fn each_special_document_says_what_its_name_says() {
    let zeptomail = fixture("zeptomail.json");
    assert_eq!(zeptomail.upstream.service, Service::ZeptoMail);
    assert_eq!(zeptomail.login.username, "emailapikey");
    let start_tls = fixture("startTls.json").upstream;
    assert_eq!(
        (start_tls.port, start_tls.security),
        (587, Security::StartTls)
    );
    assert_eq!(
        fixture("hold.json").hold.unwrap().reason.as_str(),
        "rate_limited"
    );
    assert!(fixture("suspended.json").suspend);
}

#[test]
fn every_golden_document_is_the_same_after_rendering_and_loading() {
    let paths = files("fixtures", "json");
    assert_eq!(paths.len(), 6, "{paths:?}");
    for path in paths {
        let document = Document::load_file(&path).unwrap().document;
        let json = document.to_json().unwrap();
        assert_eq!(
            json.len(),
            json.capacity(),
            "no copy of the password in a grown buffer"
        );
        let again = Document::load(&json).unwrap();
        assert_eq!(again.document, document, "{}", path.display());
        assert!(again.unknown_fields.is_empty());
    }
}

#[test]
fn each_bad_document_is_refused_with_the_text_beside_it() {
    let paths = files("fixtures/bad", "json");
    assert!(paths.len() >= 70, "{}", paths.len());
    let texts = files("fixtures/bad", "txt");
    assert_eq!(
        texts.len(),
        paths.len(),
        "a text for each document and none besides"
    );
    let mut wrong = Vec::new();
    for path in paths {
        let error = Document::load_file(&path)
            .expect_err(&path.display().to_string())
            .to_string();
        let expected = fs::read_to_string(path.with_extension("txt")).unwrap();
        if expected.trim_end() != error {
            wrong.push((path, expected, error));
        }
    }
    assert!(
        wrong.is_empty(),
        "document, expected text, text: {wrong:#?}"
    );
}

#[test]
fn no_error_holds_a_secret_in_display_or_debug() {
    for path in files("fixtures/bad", "json") {
        let error = Document::load_file(&path).expect_err(&path.display().to_string());
        for text in [
            format!("{error}"),
            format!("{error:?}"),
            format!("{error:#?}"),
        ] {
            for canary in CANARIES {
                assert!(!text.contains(canary), "{}: {text}", path.display());
            }
        }
    }
}

#[test]
fn debug_of_a_document_holds_no_secret() {
    let text = format!("{:#?}", fixture("full.json"));
    assert!(
        !text.contains(CANARIES[0]) && text.contains("[redacted]"),
        "{text}"
    );
}
