//! Rules of the document that no fixture shows.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::time::Duration;

use zohorelay_config::{Document, DocumentError, Password, Security};

const MINIMAL: &str = include_str!("../fixtures/minimal.json");

fn minimal() -> Document {
    Document::load(MINIMAL.as_bytes()).unwrap().document
}

/// The path that the check of a document names, or nothing.
fn refused(change: impl FnOnce(&mut Document)) -> Option<String> {
    let mut document = minimal();
    change(&mut document);
    match document.check() {
        Ok(()) => None,
        Err(DocumentError::Field { path, .. }) => Some(path),
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn unknown_fields_are_ignored_and_named_by_path() {
    let json = MINIMAL
        .replacen('{', r#"{"colour": "red", "hold": {"until": "2026-11-23T10:00:00Z", "reason": "auth_failed", "by": 1},"#, 1)
        .replace(r#""host""#, r#""proxy\n": [{"a": 1}], "host""#);
    let loaded = Document::load(json.as_bytes()).unwrap();
    assert_eq!(
        loaded.unknown_fields,
        ["colour", "hold.by", "upstream.proxy "]
    );
    let with_hold = Document {
        hold: loaded.document.hold,
        ..minimal()
    };
    assert_eq!(loaded.document, with_hold);
}

#[test]
fn unknown_fields_cannot_fill_the_log() {
    let long = "k".repeat(500);
    let many: Vec<String> = (0..300).map(|n| format!(r#""{long}{n}": 1,"#)).collect();
    let json = MINIMAL.replacen('{', &format!("{{{}", many.concat()), 1);
    let names = Document::load(json.as_bytes()).unwrap().unknown_fields;
    assert_eq!(names.len(), 100);
    assert!(names.iter().all(|name| name.chars().count() == 200));
}

#[test]
fn null_is_the_same_as_absent_where_a_field_is_optional() {
    let nulls = [
        "namespace",
        "uid",
        "revision",
        "senderPolicy",
        "delivery",
        "limits",
        "lineEndings",
        "suspend",
        "hold",
        "retry",
    ];
    let nulls: Vec<String> = nulls
        .iter()
        .map(|field| format!(r#""{field}": null,"#))
        .collect();
    let json = MINIMAL
        .replacen('{', &format!("{{{}", nulls.concat()), 1)
        .replace(
            r#""primary""#,
            r#""displayName": null, "aliases": null, "primary""#,
        )
        .replace(
            r#""host""#,
            r#""service": null, "trustAnchors": null, "host""#,
        );
    let loaded = Document::load(json.as_bytes()).unwrap();
    assert_eq!(loaded.document, minimal());
    assert!(loaded.unknown_fields.is_empty());
}

#[test]
fn the_edges_of_every_range_are_allowed() {
    for (burst, bytes, connections, deadline, reply) in
        [(1, 1024, 1, 1, 1), (1000, 53_477_376, 50, 300, 3600)]
    {
        let path = refused(|document| {
            document.limits.messages_per_hour = Some(burst * 100);
            document.limits.burst = burst;
            document.limits.recipients_per_message = burst;
            document.limits.message_bytes = bytes;
            document.limits.connections = connections;
            document.delivery.deadline = Duration::from_secs(deadline);
            document.delivery.final_reply_timeout = Duration::from_secs(reply);
        });
        assert_eq!(path, None);
    }
}

#[test]
fn only_zoho_is_held_to_its_two_ports() {
    let at = |host: &str, port, security| {
        refused(|document| {
            document.upstream.host = host.to_owned();
            document.upstream.port = port;
            document.upstream.security = security;
        })
    };
    let port = Some("upstream.port".to_owned());
    assert_eq!(at("localhost", 40_001, Security::StartTls), None);
    assert_eq!(at("smtp.notzoho.com", 2525, Security::ImplicitTls), None);
    assert_eq!(
        at("zoho.com.example.net", 2525, Security::ImplicitTls),
        None
    );
    assert_eq!(at("SMTP.Zoho.COM", 2525, Security::ImplicitTls), port);
    assert_eq!(at("smtppro.zohocloud.ca", 2587, Security::StartTls), port);
    assert_eq!(at("gateway.example.net", 25, Security::StartTls), port);
}

#[test]
fn hosts_are_dns_names() {
    for host in [
        "a.example",
        "A-1.example",
        "xn--bcher-kva.example",
        "3com.example",
    ] {
        assert_eq!(
            refused(|document| document.upstream.host = host.to_owned()),
            None,
            "{host}"
        );
    }
    for host in [
        "",
        ".",
        "a..b",
        "-a.example",
        "a-.example",
        "a_b.example",
        "bücher.example",
        "::1",
        "1.2",
    ] {
        let path = refused(|document| document.upstream.host = host.to_owned());
        assert_eq!(path.as_deref(), Some("upstream.host"), "{host}");
    }
}

#[test]
fn every_control_character_is_refused_in_every_text_that_reaches_the_wire() {
    for byte in (0..=0x1f).chain([0x7f]) {
        let text = format!("a{}b", char::from(byte));
        let name = refused(|document| document.login.username.clone_from(&text));
        assert_eq!(name.as_deref(), Some("login.username"), "{byte:#x}");
        let word = refused(|document| document.login.password = Password::new(text.clone()));
        assert_eq!(word.as_deref(), Some("login.password"), "{byte:#x}");
        let display = refused(|document| document.addresses.display_name = Some(text.clone()));
        assert_eq!(
            display.as_deref(),
            Some("addresses.displayName"),
            "{byte:#x}"
        );
        let host = refused(|document| document.upstream.host.clone_from(&text));
        assert_eq!(host.as_deref(), Some("upstream.host"), "{byte:#x}");
        assert!(
            format!("{text}@example.com")
                .parse::<zohorelay_smtp::address::Address>()
                .is_err()
        );
    }
}

#[test]
fn a_password_may_hold_quotes_and_all_of_unicode() {
    let password = "pä\"ss\\wörd 🔑 ";
    let mut document = minimal();
    document.login.password = Password::new(password.to_owned());
    let again = Document::load(&document.to_json().unwrap())
        .unwrap()
        .document;
    assert_eq!(again.login.password.expose(), password);
}

#[test]
fn what_would_not_load_is_not_rendered() {
    let mut document = minimal();
    document.upstream.port = 25;
    let refusal = document.to_json().unwrap_err();
    assert_eq!(refusal, document.check().unwrap_err());
    assert!(
        refusal
            .to_string()
            .starts_with("at `upstream.port`: 25 is refused: Zoho takes mail")
    );
    document = minimal();
    document.delivery.deadline = Duration::from_millis(1500);
    assert!(document.to_json().is_err(), "half a second would be lost");
}

#[test]
fn a_document_of_more_than_1_mib_is_refused_unread() {
    let room = 1024 * 1024 - MINIMAL.len();
    let fits = format!("{MINIMAL}{}", " ".repeat(room));
    assert!(Document::load(fits.as_bytes()).is_ok());
    let error = Document::load(format!("{fits} ").as_bytes()).unwrap_err();
    assert_eq!(
        error,
        DocumentError::TooLarge {
            size_bytes: 1024 * 1024 + 1
        }
    );
}

#[test]
fn an_identity_owns_its_addresses_in_any_case_and_no_plus_tag() {
    let mut addresses = minimal().addresses;
    addresses
        .aliases
        .push("invoices@example.com".parse().unwrap());
    for own in [
        "billing@example.com",
        "BILLING@Example.com",
        "Invoices@EXAMPLE.com",
    ] {
        assert!(addresses.owns(&own.parse().unwrap()), "{own}");
    }
    for foreign in [
        "billing+x@example.com",
        "billing@example.org",
        "other@example.com",
    ] {
        assert!(!addresses.owns(&foreign.parse().unwrap()), "{foreign}");
    }
}

#[test]
fn a_name_of_kubernetes_is_told_from_a_path_and_from_other_text() {
    for name in ["a", "0", "shop", "a-b", &"x".repeat(63)] {
        assert!(zohorelay_config::is_dns_label(name), "{name}");
    }
    let long = "x".repeat(64);
    for text in ["", "-a", "a-", "A", "a.b", "a/b", "..", "é", "a b", &long] {
        assert!(!zohorelay_config::is_dns_label(text), "{text}");
    }
}
