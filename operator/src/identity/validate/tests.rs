use proptest::prelude::*;
use serde_json::{Value, json};
use zohorelay_config::Security;

use super::fixtures::{PASSWORD, check, draft, identity, secret, with_keys};
use super::*;

/// The problem of an identity with these other fields.
fn refused(patch: &Value) -> Problem {
    check(&identity(patch), &secret(PASSWORD)).unwrap_err()
}

fn refused_secret(fact: &SecretFact) -> Problem {
    check(&identity(&json!({})), fact).unwrap_err()
}

#[test]
fn port_and_security_follow_from_each_other() {
    let with = |server: Value| {
        draft(&json!({"spec": {"server": server}}))
            .document
            .upstream
    };
    let host = "smtp.zoho.eu";
    let cases = [
        (json!({"host": host}), 465, Security::ImplicitTls),
        (
            json!({"host": host, "port": 465}),
            465,
            Security::ImplicitTls,
        ),
        (json!({"host": host, "port": 587}), 587, Security::StartTls),
        (
            json!({"host": host, "security": "StartTls"}),
            587,
            Security::StartTls,
        ),
        (
            json!({"host": host, "security": "ImplicitTls"}),
            465,
            Security::ImplicitTls,
        ),
        (
            json!({"host": "a.gateway.example.com", "port": 2465}),
            2465,
            Security::ImplicitTls,
        ),
    ];
    for (server, port, security) in cases {
        let upstream = with(server.clone());
        assert_eq!(
            (upstream.port, upstream.security),
            (port, security),
            "{server}"
        );
    }
}

#[test]
fn the_user_name_is_the_address_or_that_of_zeptomail_or_the_given_one() {
    let login = |patch| draft(&patch).document.login.username;
    assert_eq!(login(json!({})), "billing@example.com");
    assert_eq!(
        login(json!({"spec": {"zoho": {"service": "ZeptoMail"}}})),
        "emailapikey"
    );
    let other = json!({"spec": {"credentials": {"username": "root@example.com"}}});
    assert_eq!(login(other), "root@example.com");
}

/// A spec, the field that is wrong, and what to do.
fn wrong_specs() -> Vec<(Value, &'static str, &'static str)> {
    let server = |server: Value| json!({"spec": {"server": server}});
    vec![
        (
            json!({"spec": {"address": "billing"}}),
            "spec.address",
            "set one full address",
        ),
        (
            json!({"spec": {"aliases": ["a@example.com", "A@example.com"]}}),
            "spec.aliases[1]",
            "remove one",
        ),
        (
            json!({"spec": {"aliases": ["Billing@example.com"]}}),
            "spec.aliases[0]",
            "remove it",
        ),
        (
            json!({"spec": {"aliases": ["x"]}}),
            "spec.aliases[0]",
            "set one full address",
        ),
        (
            json!({"spec": {"displayName": "a\r\nBcc: b"}}),
            "spec.displayName",
            "remove it",
        ),
        (
            json!({"spec": {"credentials": {"username": "billing"}}}),
            "spec.credentials.username",
            "full address",
        ),
        (
            json!({"spec": {"zoho": {"service": "ZeptoMail"}, "credentials": {"username": "a\u{85}b"}}}),
            "spec.credentials.username",
            "remove it",
        ),
        (
            json!({"spec": {"delivery": {"deadline": "10m"}}}),
            "spec.delivery.deadline",
            "from 1 to 300",
        ),
        (
            json!({"spec": {"delivery": {"finalReplyTimeout": "2h"}}}),
            "spec.delivery.finalReplyTimeout",
            "from 1 to 3600",
        ),
        (
            json!({"spec": {"limits": {"burst": -1}}}),
            "spec.limits.burst",
            "from 1 to 1000",
        ),
        (
            json!({"spec": {"limits": {"connections": 51}}}),
            "spec.limits.connections",
            "from 1 to 50",
        ),
        (
            json!({"spec": {"limits": {"messagesPerHour": 0}}}),
            "spec.limits.messagesPerHour",
            "from 1",
        ),
        (
            json!({"spec": {"zoho": {"service": "ZeptoMail", "dataCenter": "JP"}}}),
            "spec.zoho.dataCenter",
            "allowedUpstreamHosts",
        ),
        (
            server(json!({"host": "smtp.zoho.com", "port": 25})),
            "spec.server.port",
            "set 465",
        ),
        (
            server(json!({"host": "smtp.zoho.com", "port": 70000})),
            "spec.server.port",
            "set 465 or 587",
        ),
        (
            server(json!({"host": "smtp.zoho.com", "port": 465, "security": "StartTls"})),
            "spec.server.security",
            "set ImplicitTls",
        ),
        (
            server(json!({"host": "smtp.zoho.com", "caBundle": "x"})),
            "spec.server.caBundle",
            "CERTIFICATE",
        ),
        (
            json!({"metadata": {"name": "billing.old"}}),
            "metadata.name",
            "DNS label",
        ),
    ]
}

#[test]
fn each_mistake_of_the_spec_names_its_field_and_what_to_do() {
    for (patch, field, remedy) in wrong_specs() {
        let Problem {
            reason,
            message,
            kind,
        } = refused(&patch);
        assert_eq!(
            (reason, kind),
            (Reason::InvalidSpec, Kind::UserError),
            "{patch}: {message}"
        );
        assert!(
            message.starts_with(&format!("{field}: ")),
            "{patch}: {message}"
        );
        assert!(message.contains(remedy), "{patch}: {message}");
    }
}

#[test]
fn a_certificate_block_that_is_no_certificate_is_refused_before_it_is_needed() {
    let pem = "-----BEGIN CERTIFICATE-----\nMIIBAA==\n-----END CERTIFICATE-----\n";
    let problem = refused(&json!({"spec": {"server": {"host": "smtp.zoho.com", "caBundle": pem}}}));
    assert!(
        problem
            .message
            .starts_with("spec.server.caBundle: certificate 1"),
        "{problem:?}"
    );
}

#[test]
fn a_host_that_nobody_allowed_is_refused_and_an_allowed_one_is_not() {
    let server = |host: &str| json!({"spec": {"server": {"host": host}}});
    let problem = refused(&server("mail.internal.example.com"));
    assert_eq!(
        (problem.reason, problem.kind),
        (Reason::HostNotAllowed, Kind::UserError)
    );
    assert!(
        problem.message.contains("allowedUpstreamHosts"),
        "{}",
        problem.message
    );
    assert_eq!(
        draft(&server("a.gateway.example.com"))
            .document
            .upstream
            .host,
        "a.gateway.example.com"
    );
}

type WrongSecret = (SecretFact, Reason, Kind, &'static [&'static str]);

fn wrong_secrets() -> Vec<WrongSecret> {
    let long = vec![b'x'; 1024 * 1024];
    vec![
        (
            SecretFact::Missing,
            Reason::SecretNotFound,
            Kind::Waiting,
            &[
                "there is no Secret billing-zoho in namespace shop",
                "kubectl create secret generic billing-zoho -n shop --from-literal=password=",
            ],
        ),
        (
            SecretFact::Forbidden {
                message: "User \"x\" cannot get\nresource".to_owned(),
            },
            Reason::Forbidden,
            Kind::Waiting,
            &[
                "may not get secrets in namespace shop",
                "cannot get resource",
                "rbac",
            ],
        ),
        (
            with_keys("1", &[]),
            Reason::SecretKeyNotFound,
            Kind::Waiting,
            &["no key password", "it has no key at all"],
        ),
        (
            with_keys("1", &[("pass", b"x")]),
            Reason::SecretKeyNotFound,
            Kind::Waiting,
            &["it has the key pass", "passwordSecretRef.key"],
        ),
        (
            with_keys("1", &[("b", b"x"), ("a", b"y")]),
            Reason::SecretKeyNotFound,
            Kind::Waiting,
            &["it has the keys a, b"],
        ),
        (
            secret(""),
            Reason::SecretInvalid,
            Kind::UserError,
            &["is empty", "app password"],
        ),
        (
            secret(b"\xff\xfe"),
            Reason::SecretInvalid,
            Kind::UserError,
            &["is not UTF-8", "base64"],
        ),
        (
            secret("\n"),
            Reason::SecretInvalid,
            Kind::UserError,
            &["a line end and nothing else"],
        ),
        (
            secret(format!("{PASSWORD}\n")),
            Reason::SecretInvalid,
            Kind::UserError,
            &[
                "Secret billing-zoho, key password ends with a line end",
                "--from-literal=password=",
                "printf %s",
            ],
        ),
        (
            secret(format!("{PASSWORD}\r\n")),
            Reason::SecretInvalid,
            Kind::UserError,
            &["ends with a line end"],
        ),
        (
            secret(format!("{PASSWORD}\tx")),
            Reason::SecretInvalid,
            Kind::UserError,
            &["control character", "inside"],
        ),
        (
            secret(long),
            Reason::SecretInvalid,
            Kind::UserError,
            &["has 1048576 bytes", "at most 4096"],
        ),
    ]
}

#[test]
fn each_secret_that_cannot_be_used_says_which_and_what_to_do() {
    for (fact, reason, kind, parts) in wrong_secrets() {
        let problem = refused_secret(&fact);
        assert_eq!(
            (problem.reason, problem.kind),
            (reason, kind),
            "{}",
            problem.message
        );
        for part in parts {
            assert!(
                problem.message.contains(part),
                "{part:?} in {:?}",
                problem.message
            );
        }
        assert!(!problem.message.contains(PASSWORD), "{}", problem.message);
    }
}

#[test]
fn blanks_at_the_edges_are_sent_as_they_stand_and_named() {
    for (password, hint) in [
        (format!(" {PASSWORD}"), "begins with a blank"),
        (format!("{PASSWORD} "), "ends with a blank"),
        (format!("\u{a0}{PASSWORD} "), "begins and ends with a blank"),
    ] {
        let draft = check(&identity(&json!({})), &secret(&password)).unwrap();
        assert_eq!(draft.document.login.password.expose(), password);
        assert!(
            draft.hints.len() == 1 && draft.hints[0].contains(hint),
            "{:?}",
            draft.hints
        );
        assert!(!draft.hints[0].contains(PASSWORD));
    }
    assert_eq!(draft(&json!({})).hints, Vec::<String>::new());
}

#[test]
fn mistakes_of_the_spec_show_while_the_secret_is_missing() {
    let wrong = identity(&json!({"spec": {"address": "billing"}}));
    assert_eq!(
        check(&wrong, &SecretFact::Missing).unwrap_err().reason,
        Reason::InvalidSpec
    );
}

#[test]
fn the_rendered_secret_cannot_be_the_source_of_its_own_password() {
    let own =
        json!({"spec": {"credentials": {"passwordSecretRef": {"name": "zohorelay-billing"}}}});
    let problem = refused(&own);
    assert_eq!(
        (problem.reason, problem.kind),
        (Reason::NameTaken, Kind::UserError)
    );
    assert!(
        problem.message.contains("another name"),
        "{}",
        problem.message
    );
}

#[test]
fn a_draft_has_neither_revision_nor_hold_and_carries_the_secrets_version() {
    let draft = draft(&json!({}));
    let document = &draft.document;
    assert_eq!(
        (document.revision, document.hold, document.retry),
        (None, None, 0)
    );
    assert_eq!(draft.secret_resource_version, "41");
    assert_eq!(
        document.uid.as_deref(),
        Some("5d1f0c52-3a53-4a7e-9a0e-6d1f6a0f2c11")
    );
}

#[test]
fn one_login_is_the_same_whatever_else_differs() {
    let key = |patch: Value| draft(&patch).attempt_key();
    let same = [
        json!({"spec": {"displayName": "Other", "suspend": true, "limits": {"burst": 9}}}),
        json!({"spec": {"aliases": ["a@example.com"], "address": "billing@example.com"}}),
        json!({"metadata": {"name": "other", "namespace": "else", "generation": 9}}),
    ];
    for patch in same {
        assert_eq!(key(patch.clone()), key(json!({})), "{patch}");
    }
    let others = [
        json!({"spec": {"zoho": {"dataCenter": "EU"}}}),
        json!({"spec": {"server": {"host": "smtppro.zoho.com", "port": 587}}}),
        json!({"spec": {"credentials": {"username": "root@example.com"}}}),
    ];
    for patch in others {
        assert_ne!(key(patch.clone()), key(json!({})), "{patch}");
    }
    let other = check(&identity(&json!({})), &secret("another")).unwrap();
    assert_ne!(other.attempt_key(), key(json!({})));
}

#[test]
fn debug_of_a_draft_and_of_its_key_shows_no_password() {
    let draft = draft(&json!({}));
    let text = format!("{draft:?} {:?}", draft.attempt_key());
    assert!(!text.contains(PASSWORD), "{text}");
}

proptest! {
    #[test]
    fn every_password_is_refused_or_sent_byte_for_byte_and_never_told(
        password in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let fact = with_keys("1", &[("password", &password)]);
        match check(&identity(&json!({})), &fact) {
            Ok(draft) => {
                prop_assert_eq!(draft.document.login.password.expose().as_bytes(), &password[..]);
                prop_assert!(draft.document.to_json().is_ok());
                let controls = draft.document.login.password.expose().chars().any(char::is_control);
                prop_assert!(!controls);
            }
            Err(problem) => {
                prop_assert_eq!(problem.reason, Reason::SecretInvalid);
            }
        }
    }
}
