use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::{Issue, Names, Validity, certified_key, is_trusted};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn names(extra: &[&str]) -> Names {
    let extra: Vec<String> = extra.iter().map(ToString::to_string).collect();
    Names::new("webhook", "mail", &extra).unwrap()
}

fn now() -> Timestamp {
    "2026-11-23T10:00:00Z".parse().unwrap()
}

fn der(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

#[test]
fn a_leaf_is_for_the_names_of_the_service_and_for_the_further_ones() {
    let issue = Issue::new(&names(&["127.0.0.1", "::1", "host.test"]), now(), DAY).unwrap();
    for name in [
        "webhook.mail.svc",
        "webhook.mail.svc.cluster.local",
        "webhook.mail",
        "127.0.0.1",
        "::1",
        "host.test",
    ] {
        assert!(
            is_trusted(&issue.certificate, &issue.authority, name, now()),
            "{name}"
        );
    }
    for name in ["webhook.shop.svc", "mail.svc", "127.0.0.2", "not a name"] {
        assert!(
            !is_trusted(&issue.certificate, &issue.authority, name, now()),
            "{name}"
        );
    }
}

#[test]
fn a_leaf_begins_an_hour_ago_and_ends_when_it_was_asked_to() {
    let issue = Issue::new(&names(&[]), now(), DAY).unwrap();
    for certificate in [&issue.certificate, &issue.authority] {
        let validity = Validity::of(certificate.as_bytes()).unwrap();
        assert_eq!(validity.not_before.to_string(), "2026-11-23T09:00:00Z");
        assert_eq!(validity.not_after.to_string(), "2026-11-24T10:00:00Z");
    }
    let at = |time: &str| {
        let time = time.parse().unwrap();
        is_trusted(
            &issue.certificate,
            &issue.authority,
            "webhook.mail.svc",
            time,
        )
    };
    assert!(at("2026-11-23T09:00:00Z"));
    assert!(at("2026-11-24T10:00:00Z"));
    assert!(!at("2026-11-23T08:59:59Z"));
    assert!(!at("2026-11-24T10:00:01Z"));
}

#[test]
fn a_leaf_serves_only_and_a_ca_signs_leaves_only() {
    let issue = Issue::new(&names(&["127.0.0.1"]), now(), DAY).unwrap();
    let leaf = der(&issue.certificate);
    let (_, leaf) = X509Certificate::from_der(&leaf).unwrap();
    assert!(!leaf.is_ca());
    let usage = leaf.extended_key_usage().unwrap().unwrap().value;
    assert!(usage.server_auth && !usage.client_auth && !usage.any);
    let names: BTreeSet<&str> = leaf
        .subject_alternative_name()
        .unwrap()
        .unwrap()
        .value
        .general_names
        .iter()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(*name),
            _ => None,
        })
        .collect();
    let expected = [
        "webhook.mail",
        "webhook.mail.svc",
        "webhook.mail.svc.cluster.local",
    ];
    assert_eq!(names, BTreeSet::from(expected));

    let authority = der(&issue.authority);
    let (_, authority) = X509Certificate::from_der(&authority).unwrap();
    let constraints = authority.basic_constraints().unwrap().unwrap();
    assert!(constraints.critical && constraints.value.ca);
    assert_eq!(constraints.value.path_len_constraint, Some(0));
    let usage = authority.key_usage().unwrap().unwrap().value;
    assert!(usage.key_cert_sign() && !usage.digital_signature());
    assert_eq!(leaf.issuer(), authority.subject());
}

#[test]
fn a_leaf_is_trusted_by_its_own_ca_alone_also_in_a_bundle() {
    let [one, other] = [(); 2].map(|()| Issue::new(&names(&[]), now(), DAY).unwrap());
    let trusted = |bundle: &str| is_trusted(&one.certificate, bundle, "webhook.mail.svc", now());
    assert!(!trusted(&other.authority));
    assert!(trusted(&format!("{}{}", other.authority, one.authority)));
    assert!(!trusted(""));
    assert!(!trusted("garbage"));
}

#[test]
fn a_key_of_another_leaf_makes_an_issue_unusable() {
    let [one, other] = [(); 2].map(|()| Issue::new(&names(&[]), now(), DAY).unwrap());
    assert!(one.is_usable(&names(&[]), now()));
    assert!(!one.is_usable(&names(&["further.test"]), now()));
    let mixed = Issue {
        key: other.key.clone(),
        ..one.clone()
    };
    assert!(!mixed.is_usable(&names(&[]), now()));
    certified_key(one.certificate.as_bytes(), other.key.as_bytes()).unwrap_err();
    certified_key(b"", one.key.as_bytes()).unwrap_err();
}

#[test]
fn a_name_that_is_none_is_refused_with_what_to_give() {
    let error = Names::new("webhook", "mail", &["*.test/x".to_owned()]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the webhook's certificate cannot be for \"*.test/x\": give a DNS name or an IP address"
    );
}

#[test]
fn keys_do_not_show_in_debug_output() {
    let issue = Issue::new(&names(&[]), now(), DAY).unwrap();
    assert!(!format!("{issue:?}").contains("PRIVATE KEY"));
}
