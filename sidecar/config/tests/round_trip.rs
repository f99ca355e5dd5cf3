//! Whatever a document holds, rendering and loading it gives the same document.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use zohorelay_config::{
    Addresses, Delivery, Document, ForeignFrom, Hold, HoldReason, Limits, LineEndings, Login,
    Password, Security, SenderPolicy, Service, UnknownOutcome, Upstream,
};

fn addresses() -> impl Strategy<Value = Addresses> {
    let name = option::of("[^\\p{Cc}]{1,40}");
    (name, vec("[A-Za-z0-9+]{1,20}", 0..8)).prop_map(|(display_name, locals)| {
        // The number keeps them distinct.
        let alias = |(n, local)| format!("{local}.{n}@example.com").parse().unwrap();
        Addresses {
            primary: "billing@example.com".parse().unwrap(),
            display_name,
            aliases: locals.iter().enumerate().map(alias).collect(),
        }
    })
}

fn upstream() -> impl Strategy<Value = Upstream> {
    let way = prop_oneof![
        Just((465, Security::ImplicitTls)),
        Just((587, Security::StartTls)),
        (1024..65_535_u16).prop_map(|port| (port, Security::ImplicitTls)),
        (1024..65_535_u16).prop_map(|port| (port, Security::StartTls)),
    ];
    let service = prop_oneof![Just(Service::Mail), Just(Service::ZeptoMail)];
    (service, "[a-z][a-z0-9]{0,20}", way).prop_map(|(service, label, (port, security))| Upstream {
        service,
        host: format!("{label}.example.net"),
        port,
        security,
        trust_anchors: None,
    })
}

fn login() -> impl Strategy<Value = Login> {
    // The password may hold quotes, backslashes and all of Unicode but control characters.
    ("[!-~]{1,40}", "[^\\x00-\\x1f\\x7f]{1,60}").prop_map(|(username, password)| Login {
        username,
        password: Password::new(password),
    })
}

fn foreign() -> impl Strategy<Value = ForeignFrom> {
    use ForeignFrom::{Attach, Pass, Reject, Rewrite};
    prop_oneof![Just(Reject), Just(Rewrite), Just(Attach), Just(Pass)]
}

fn delivery() -> impl Strategy<Value = Delivery> {
    let outcome = prop_oneof![Just(UnknownOutcome::Retry), Just(UnknownOutcome::Fail)];
    (1..=300_u64, 1..=3600_u64, outcome).prop_map(|(deadline, reply, unknown_outcome)| Delivery {
        deadline: Duration::from_secs(deadline),
        final_reply_timeout: Duration::from_secs(reply),
        unknown_outcome,
    })
}

fn limits() -> impl Strategy<Value = Limits> {
    (
        option::of(1..=100_000_u32),
        1..=1000_u32,
        1..=1000_u32,
        1024..=53_477_376_u64,
        1..=50_u32,
    )
        .prop_map(
            |(messages_per_hour, burst, recipients_per_message, message_bytes, connections)| {
                Limits {
                    messages_per_hour,
                    burst,
                    recipients_per_message,
                    message_bytes,
                    connections,
                }
            },
        )
}

fn hold() -> impl Strategy<Value = Hold> {
    use HoldReason::{AccountBlocked, AuthFailed, RateLimited};
    let reason = prop_oneof![Just(AccountBlocked), Just(AuthFailed), Just(RateLimited)];
    // Nanoseconds of the years 1970 to 2262.
    (0..i64::MAX, reason).prop_map(|(ns, reason)| Hold {
        until: jiff::Timestamp::from_nanosecond(i128::from(ns)).unwrap(),
        reason,
    })
}

fn document() -> impl Strategy<Value = Document> {
    let identity = (
        "[a-z]([a-z0-9-]{0,61}[a-z0-9])?",
        option::of("[a-z]{1,63}"),
        option::of("[0-9a-f-]{36}"),
        option::of(any::<u64>()),
    );
    let line_endings = prop_oneof![Just(LineEndings::Normalise), Just(LineEndings::Strict)];
    let orders = (
        line_endings,
        any::<bool>(),
        option::of(hold()),
        any::<u64>(),
    );
    let policy = (foreign(), option::of(foreign()));
    (
        identity,
        addresses(),
        upstream(),
        login(),
        policy,
        delivery(),
        limits(),
        orders,
    )
        .prop_map(
            |(
                (name, namespace, uid, revision),
                addresses,
                upstream,
                login,
                (foreign_from, foreign_calendar),
                delivery,
                limits,
                (line_endings, suspend, hold, retry),
            )| Document {
                name,
                namespace,
                uid,
                revision,
                addresses,
                upstream,
                login,
                sender_policy: SenderPolicy {
                    foreign_from,
                    foreign_calendar,
                },
                delivery,
                limits,
                line_endings,
                suspend,
                hold,
                retry,
            },
        )
}

/// A document whose values are good, as text to be spoilt.
const GOOD: &str = include_str!("../fixtures/full.json");

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_rendered_document_loads_as_the_same_document(document in document()) {
        let json = document.to_json().unwrap();
        let loaded = Document::load(&json).unwrap();
        prop_assert_eq!(loaded.document, document);
        prop_assert_eq!(loaded.unknown_fields, Vec::<String>::new());
    }

    #[test]
    fn a_document_with_a_spoilt_byte_is_a_document_or_an_error_and_never_tells_the_password(
        at in 0..GOOD.len(), byte: u8, cut: bool,
    ) {
        let mut json = GOOD.as_bytes().to_vec();
        json[at] = byte;
        if cut {
            json.truncate(at);
        }
        if let Err(error) = Document::load(&json) {
            prop_assert!(!format!("{error} {error:?}").contains("canary"), "{}", error);
        }
    }
}
