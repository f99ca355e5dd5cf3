use std::sync::Arc;

use serde_json::{Value, json};
use zohorelay_smtp::address::{Address, ForwardPath, ReversePath};
use zohorelay_smtp::data::Violation;
use zohorelay_upstream::failure::{Class, Stage};

use super::*;
use crate::fixtures;
use crate::spool::Spool;

const OWN: &str = "From: billing@example.com\r\nMessage-ID: <a@b>\r\n\r\nbody\r\n";

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

async fn mail(content: &str, recipients: usize) -> Mail {
    let spool = Spool::open(std::env::temp_dir(), 1 << 20).unwrap();
    let mut body = Body::new(spool);
    body.append(&mut content.as_bytes().to_vec()).await.unwrap();
    body.seal().await.unwrap();
    let recipient = ForwardPath::Mailbox(address("ann@example.org"));
    Mail {
        envelope: Envelope {
            reverse_path: ReversePath::Mailbox(address("billing@example.com")),
            recipients: vec![recipient; recipients],
            declared_size_bytes: None,
        },
        body,
        summary: DataSummary {
            size_bytes: content.len() as u64,
            bare_lf: 0,
            eight_bit: false,
            violation: None,
        },
        has_calendar: false,
        ended: Instant::now(),
    }
}

fn active(limits: &Value, line_endings: &str) -> Arc<Active> {
    let changes = json!({"limits": limits, "lineEndings": line_endings});
    fixtures::active("billing", &changes)
}

#[tokio::test]
async fn the_limits_are_those_of_the_identity_and_hold_to_the_last_unit() {
    let active = active(
        &json!({"messageBytes": 1024, "recipientsPerMessage": 2}),
        "Normalise",
    );
    let sized = |size: usize| format!("{OWN}{}", "x".repeat(size - OWN.len()));
    assert!(prepare(&mail(&sized(1024), 2).await, &active).is_ok());
    assert!(matches!(
        prepare(&mail(&sized(1025), 2).await, &active),
        Err(Local::TooLarge { limit_bytes: 1024 })
    ));
    assert!(matches!(
        prepare(&mail(OWN, 3).await, &active),
        Err(Local::TooManyRecipients { limit: 2 })
    ));
}

#[tokio::test]
async fn a_bare_lf_is_refused_by_a_strict_identity_only() {
    let mut mail = mail(OWN, 1).await;
    mail.summary.bare_lf = 1;
    assert!(prepare(&mail, &active(&json!({}), "Normalise")).is_ok());
    assert!(matches!(
        prepare(&mail, &active(&json!({}), "Strict")),
        Err(Local::BareLineFeed)
    ));
}

#[tokio::test]
async fn a_foreign_from_is_refused_and_the_mail_can_still_be_found_by_its_id() {
    let content = OWN.replace("billing@example.com", "visitor@example.net");
    let mail = mail(&content, 1).await;
    let Err(Local::SenderRefused(refusal)) = prepare(&mail, &active(&json!({}), "Normalise"))
    else {
        panic!("not refused")
    };
    assert_eq!(refusal.from, "visitor@example.net");
    assert_eq!(message_id(&mail).as_deref(), Some("a@b"));
}

#[tokio::test]
async fn a_violation_says_more_than_the_size_and_the_size_is_that_of_the_identity() {
    let active = active(&json!({"messageBytes": 2048}), "Normalise");
    let mut summary = mail(OWN, 1).await.summary;
    let too_large = || Some(Local::TooLarge { limit_bytes: 9999 });
    assert!(spoiled(None, &summary, Some(&active)).is_none());
    assert!(matches!(
        spoiled(too_large(), &summary, Some(&active)),
        Some(Local::TooLarge { limit_bytes: 2048 })
    ));
    summary.violation = Some(Violation::Nul);
    assert!(matches!(
        spoiled(too_large(), &summary, Some(&active)),
        Some(Local::Framing(Violation::Nul))
    ));
}

#[tokio::test(start_paused = true)]
async fn while_the_breaker_is_open_or_a_hold_lasts_nothing_is_dialled() {
    let hold = json!({"until": "2199-01-01T00:00:00Z", "reason": "rate_limited"});
    let by_operator = fixtures::active("billing", &json!({"hold": hold}));
    let open = fixtures::active("billing", &json!({}));
    let pass = open.breaker.admit(Instant::now()).unwrap();
    pass.failed(Class::AccountBlocked, Instant::now());
    for (active, expected) in [(by_operator, "rate_limited"), (open, "account_blocked")] {
        let mut mail = mail(OWN, 1).await;
        let ready = prepare(&mail, &active).unwrap();
        let progress = Progress::new();
        let outcome = send(&mut mail, &ready, &active, &progress).await;
        let Outcome::Local(Local::Held { reason, .. }) = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(reason, expected);
        assert_eq!(progress.stage(), Stage::Connect);
    }
}

/// Nobody listens at the port: each try ends without our dot.
#[tokio::test]
async fn a_token_of_a_mail_that_was_not_sent_serves_the_next() {
    let listener = zohorelay_process::loopback::bind(0).unwrap().remove(0);
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let active = fixtures::active(
        "billing",
        &json!({
            "upstream": {"host": "localhost", "port": port, "security": "ImplicitTls"},
            "limits": {"messagesPerHour": 1, "burst": 1},
        }),
    );
    for _ in 0..2 {
        let mut mail = mail(OWN, 1).await;
        let ready = prepare(&mail, &active).unwrap();
        let outcome = send(&mut mail, &ready, &active, &Progress::new()).await;
        assert!(matches!(outcome, Outcome::Upstream(_)), "{outcome:?}");
    }
    active.pacer.as_ref().unwrap().take();
    let mut mail = mail(OWN, 1).await;
    let ready = prepare(&mail, &active).unwrap();
    let outcome = send(&mut mail, &ready, &active, &Progress::new()).await;
    assert!(matches!(outcome, Outcome::Local(Local::Paced { .. })));
}
