use serde_json::json;
use zohorelay_smtp::reply::{EnhancedCode, Reply};

use super::*;
use crate::identity::validate::fixtures::{PASSWORD, draft};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn implicit() -> AttemptKey {
    draft(&json!({})).attempt_key()
}

fn start_tls() -> AttemptKey {
    let server = json!({"spec": {"server": {"host": "smtp.zoho.com", "port": 587}}});
    draft(&server).attempt_key()
}

fn failure(class: Class, stage: Stage, text: &str) -> Failure {
    Failure::new(class, stage, "smtp.zoho.com", "logging in")
        .with_reply(Reply::new(535, None, text))
}

fn judge(failure: &Failure, key: &AttemptKey) -> Attempt {
    Attempt::judge(Err(failure), key, &Attempt::Waiting, NOW)
}

#[test]
fn a_refusal_at_auth_is_a_verdict_with_code_and_words() {
    let failure = failure(Class::AuthFailed, Stage::Auth, "Authentication Failed");
    for key in [implicit(), start_tls()] {
        assert_eq!(
            judge(&failure, &key),
            Attempt::Refused {
                at: NOW,
                code: 535,
                class: Class::AuthFailed,
                text: Some("535 Authentication Failed".to_owned())
            }
        );
    }
}

#[test]
fn what_was_said_before_tls_was_verified_is_neither_a_verdict_nor_repeated() {
    for stage in [Stage::Greeting, Stage::Ehlo, Stage::Tls] {
        for class in [Class::AuthFailed, Class::AccountBlocked, Class::Transient] {
            let told = judge(&failure(class, stage, "internal banner"), &start_tls());
            let Attempt::Unheard { text, .. } = told else {
                panic!("{class} at {stage}: {told:?}");
            };
            assert_eq!(text, None);
        }
    }
}

#[test]
fn a_block_that_a_proven_server_tells_of_is_a_verdict_at_any_stage() {
    let failure = failure(
        Class::AccountBlocked,
        Stage::Greeting,
        "Sender Address Blocked",
    );
    assert!(matches!(
        judge(&failure, &implicit()),
        Attempt::Refused {
            class: Class::AccountBlocked,
            ..
        }
    ));
}

#[test]
fn network_trouble_is_no_verdict_and_its_beginning_is_kept() {
    let failure = Failure::new(
        Class::Connect,
        Stage::Connect,
        "smtp.zoho.com",
        "connecting",
    );
    let later = Timestamp::from_second(60).unwrap();
    let first = judge(&failure, &implicit());
    let second = Attempt::judge(Err(&failure), &implicit(), &first, later);
    assert_eq!(first, second);
    assert!(
        matches!(second, Attempt::Unheard { since, class: Class::Connect, .. } if since == NOW)
    );
}

#[test]
fn a_refusal_stays_one_until_the_server_says_otherwise() {
    let refused = judge(
        &failure(Class::AccountBlocked, Stage::Auth, "Blocked"),
        &implicit(),
    );
    let lost = Failure::new(
        Class::Timeout,
        Stage::Connect,
        "smtp.zoho.com",
        "connecting",
    );
    let later = Timestamp::from_second(3600).unwrap();
    let told = Attempt::judge(Err(&lost), &implicit(), &refused, later);
    assert!(
        matches!(told, Attempt::Refused { at, class: Class::AccountBlocked, .. } if at == later),
        "{told:?}"
    );
    let taken = Attempt::judge(Ok(()), &implicit(), &refused, later);
    assert_eq!(taken, Attempt::Accepted { at: later });
}

#[test]
fn a_server_that_quotes_the_password_is_not_quoted() {
    let plain = BASE64_STANDARD.encode(format!("\0billing@example.com\0{PASSWORD}"));
    for echo in [PASSWORD.to_owned(), BASE64_STANDARD.encode(PASSWORD), plain] {
        let failure = failure(Class::AuthFailed, Stage::Auth, &format!("what is {echo}?"));
        let told = judge(&failure, &implicit());
        assert!(
            matches!(told, Attempt::Refused { text: None, .. }),
            "{told:?}"
        );
    }
}

#[test]
fn words_of_a_server_are_one_short_line() {
    let long = "x ".repeat(500);
    let reply = Reply::new(
        554,
        Some(EnhancedCode(5, 1, 8)),
        format!("Blocked\u{7} {long}"),
    );
    let failure = Failure::new(
        Class::AccountBlocked,
        Stage::Auth,
        "smtp.zoho.com",
        "logging in",
    )
    .with_reply(reply);
    let Attempt::Refused {
        text: Some(text), ..
    } = judge(&failure, &implicit())
    else {
        panic!("no text");
    };
    assert!(text.starts_with("554 5.1.8 Blocked x"), "{text}");
    assert!(
        text.len() < 220 && !text.chars().any(char::is_control),
        "{text}"
    );
}

#[test]
fn logins_are_spaced_by_the_domain_of_the_user_name() {
    assert_eq!(implicit().mail_domain(), "example.com");
    let zepto = draft(&json!({"spec": {"zoho": {"service": "ZeptoMail"}}}));
    assert_eq!(zepto.attempt_key().mail_domain(), "emailapikey");
}
