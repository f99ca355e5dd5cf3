use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use zohorelay_upstream::Class;

use super::*;
use crate::pods::account::Failure;

const PAGE: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n";

fn now() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

fn reports(body: &Value) -> Box<[Report]> {
    let summary: Summary = serde_json::from_value(body.clone()).unwrap();
    summary.of_pod("shop", &["billing".into(), "alerts".into()], now())
}

/// Asks a server that does `serve` with its one connection.
async fn read_from<F>(serve: impl FnOnce(TcpStream) -> F) -> Result<Summary, SummaryError>
where
    F: Future<Output = ()>,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 512];
        let length = stream.read(&mut request).await.unwrap();
        let request = std::str::from_utf8(&request[..length]).unwrap();
        assert!(request.starts_with("GET /summary HTTP/1."), "{request}");
        serve(stream).await;
    };
    tokio::join!(read(address), server).0
}

async fn answer_of(text: impl Into<String>) -> Result<Summary, SummaryError> {
    let text = text.into();
    read_from(async |mut stream| {
        let _ = stream.write_all(text.as_bytes()).await;
    })
    .await
}

#[test]
fn what_is_known_is_taken_and_the_rest_is_left() {
    let body = json!({
        "version": "0.1.0", "new": {"field": 1},
        "identities": [{
            "name": "billing", "namespace": "shop", "uid": "u", "state": "active", "revision": 7,
            "breaker": {"reason": "auth_failed", "refusals": 1, "againInSeconds": 3717},
            "accepted": 2,
            "failed": {"sender_refused": 1, "held": 4, "tls": 0, "of tomorrow": 9},
            "lastAccepted": "2026-11-23T11:40:43Z",
            "lastFailure": {"class": "held", "at": "2026-11-23T11:40:44Z"},
            "lastFailures": {
                "sender_refused": {"at": "2026-11-23T11:40:42Z"},
                "held": {"at": "2026-11-23T11:40:44Z"},
                "of tomorrow": {"at": "2026-11-23T11:40:45Z"},
            },
        }],
    });
    let report = &reports(&body)[0];
    let at = |time: &str| format!("2026-11-23T11:40:{time}Z").parse().unwrap();
    let failure = |class, time| Failure {
        class,
        stage: None,
        code: None,
        at: at(time),
    };
    assert_eq!(
        *report,
        Report {
            identity: "billing".into(),
            uid: Some("u".into()),
            revision: Some(7),
            state: Some(State::Active),
            refused: None,
            account: Account {
                accepted: 2,
                failed: [(Class::SenderRefused, 1), (Class::Held, 4)].into(),
                last_accepted: Some(at("43")),
                // What is held back failed for what opened the breaker.
                failures: [
                    failure(Class::SenderRefused, "42"),
                    failure(Class::AuthFailed, "44"),
                ]
                .into(),
                since: None,
            },
        }
    );
    assert_eq!(report.account.failed(), 5);
}

#[test]
fn a_refusal_is_what_opened_the_sidecars_own_breaker_and_not_what_was_held_since() {
    let breaker = |reason: &str| json!({"reason": reason, "refusals": 1, "againInSeconds": 3717});
    let hold = json!({"reason": "auth_failed", "againInSeconds": 3717});
    let failures =
        |class: &str, at: &str| json!({class: {"at": at}, "held": {"at": "2026-11-23T11:59:59Z"}});
    let (before, ahead) = ("2026-11-23T11:40:00Z", "2026-11-23T14:00:00Z");
    for (breaker, failures, expected) in [
        (
            breaker("auth_failed"),
            failures("auth_failed", before),
            Some((Class::AuthFailed, before)),
        ),
        (
            breaker("account_blocked"),
            failures("account_blocked", before),
            Some((Class::AccountBlocked, before)),
        ),
        (
            breaker("auth_failed"),
            failures("auth_failed", ahead),
            Some((Class::AuthFailed, "2026-11-23T12:00:00Z")),
        ),
        (
            breaker("rate_limited"),
            failures("rate_limited", before),
            None,
        ),
        (breaker("auth_failed"), failures("tls", before), None),
        (hold, failures("auth_failed", before), None),
        (Value::Null, failures("auth_failed", before), None),
    ] {
        let body = json!({"identities": [{
            "name": "billing", "state": "active", "breaker": breaker, "lastFailures": failures,
        }]});
        let refused = reports(&body)[0].refused;
        let found = refused.map(|it| (it.class, it.at.to_string()));
        assert_eq!(
            found,
            expected.map(|(class, at)| (class, at.to_owned())),
            "{body}"
        );
    }
}

#[test]
fn a_pod_speaks_for_its_own_identities_only_and_once() {
    let entry = |name: &str, namespace: Value, revision: u64| json!({"name": name, "namespace": namespace, "state": "active", "revision": revision});
    let body = json!({"identities": [
        entry("billing", json!("bank"), 1),
        entry("payroll", json!("shop"), 2),
        entry("billing", json!("shop"), 3),
        entry("billing", json!("shop"), 4),
        // Without a document there is no namespace.
        {"name": "alerts", "state": "awaited"},
    ]});
    let reports = reports(&body);
    let said: Vec<_> = reports
        .iter()
        .map(|it| (&*it.identity, it.revision))
        .collect();
    assert_eq!(said, [("billing", Some(3)), ("alerts", None)]);
}

#[test]
fn a_stranger_does_not_make_us_keep_much() {
    let failed: BTreeMap<String, u64> = (Class::ALL.iter().map(|class| class.as_str().to_owned()))
        .chain((0..500).map(|n| format!("class-{n}")))
        .map(|class| (class, u64::MAX))
        .collect();
    let body = json!({"identities": [{
        "name": "billing", "uid": "u".repeat(1000), "state": "dancing", "revision": 1,
        "failed": failed, "lastFailure": {"class": "x".repeat(1000), "at": "2026-11-23T11:40:44Z"},
    }]});
    let report = &reports(&body)[0];
    assert_eq!((&report.uid, report.state), (&None, None));
    assert!(report.account.failures.is_empty());
    assert_eq!(report.account.failed.len(), Class::ALL.len());
    assert!(report.account.failed() < u64::MAX / 1000);
}

#[tokio::test]
async fn a_whole_page_is_read_over_both_families() {
    let body = r#"{"version":"0.1.0","identities":[]}"#;
    assert!(answer_of(format!("{PAGE}{body}")).await.is_ok());

    let listener = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 512]).await.unwrap();
        stream
            .write_all(format!("{PAGE}{body}").as_bytes())
            .await
            .unwrap();
    };
    assert!(tokio::join!(read(address), server).0.is_ok());
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let location = elsewhere.local_addr().unwrap();
    for status in [301, 302, 307, 308] {
        let head = format!("HTTP/1.1 {status} Go\r\nLocation: http://{location}/summary\r\n\r\n");
        let answer = answer_of(head).await;
        assert!(
            matches!(answer, Err(SummaryError::Status { status: got, .. }) if got == status),
            "{answer:?}"
        );
    }
    let visit = std::pin::pin!(elsewhere.accept());
    assert!(futures_util::poll!(visit).is_pending());
}

#[tokio::test]
async fn what_is_no_page_is_no_summary() {
    for status in ["404 Not Found", "500 Oops", "204 No Content"] {
        let answer = answer_of(format!("HTTP/1.1 {status}\r\n\r\n{{\"identities\":[]}}")).await;
        assert!(
            matches!(answer, Err(SummaryError::Status { .. })),
            "{status}"
        );
    }
    for text in [
        "",
        "garbage",
        "HTTP/1.1 200 OK\r\n",
        "220 mail ESMTP\r\n\r\n",
    ] {
        let answer = answer_of(text).await;
        let malformed = matches!(
            answer,
            Err(SummaryError::NoAnswer(GetError::Malformed { .. }))
        );
        assert!(malformed, "{text:?} {answer:?}");
    }
    let early = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}";
    let early = answer_of(early).await;
    assert!(matches!(
        early,
        Err(SummaryError::NoAnswer(GetError::Malformed { .. }))
    ));
}

#[tokio::test]
async fn json_that_is_no_summary_is_refused() {
    for body in [
        "",
        "null",
        "[]",
        "{}",
        "{\"identities\":{}}",
        "{\"identities\":[1]}",
        "{\"identities\":[{\"name\":\"billing\",\"state\":\"active\",\"revision\":-1}]}",
        "{\"identities\":[{\"name\":\"billing\",\"state\":\"active\",\"revision\":1e400}]}",
        "{\"identities\":[{\"name\":\"bil",
        &"[".repeat(60_000),
    ] {
        let answer = answer_of(format!("{PAGE}{body}")).await;
        assert!(
            matches!(answer, Err(SummaryError::Malformed { .. })),
            "{body:.40} {answer:?}"
        );
    }
}

#[tokio::test]
async fn no_more_than_64_kib_are_read() {
    let endless = read_from(async |mut stream| {
        let _ = stream.write_all(PAGE.as_bytes()).await;
        while stream.write_all(&[b' '; 4096]).await.is_ok() {}
    });
    let too_large = endless.await;
    assert!(
        matches!(
            too_large,
            Err(SummaryError::NoAnswer(GetError::TooLarge {
                bytes_max: ANSWER_BYTES_MAX,
                ..
            }))
        ),
        "{too_large:?}"
    );
    let body = r#"{"identities":[]}"#;
    let room = usize::try_from(ANSWER_BYTES_MAX).unwrap() - PAGE.len();
    assert!(answer_of(format!("{PAGE}{body:room$}")).await.is_ok());
    let over = room + 1;
    assert!(answer_of(format!("{PAGE}{body:over$}")).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_drips_is_given_up_after_two_seconds() {
    let started = tokio::time::Instant::now();
    let slow = read_from(async |mut stream| {
        while stream.write_all(b" ").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
            if started.elapsed() > Duration::from_secs(10) {
                return;
            }
        }
    });
    let slow = std::pin::pin!(slow);
    let bound = tokio::time::timeout(Duration::from_secs(20), slow)
        .await
        .unwrap();
    assert!(
        matches!(bound, Err(SummaryError::NoAnswer(GetError::Timeout { .. }))),
        "{bound:?}"
    );
}

#[tokio::test]
async fn nobody_there_is_an_error_that_says_so() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = read(address).await.unwrap_err().to_string();
    assert!(
        error.starts_with(&format!("connecting to {address}: ")),
        "{error}"
    );
}
