use serde_json::{Value, json};

use super::*;

fn at(time: &str) -> Timestamp {
    format!("2026-11-23T{time}Z").parse().unwrap()
}

fn until() -> Timestamp {
    at("12:00:00")
}

fn account(told: &Value) -> Account {
    let told: Told = serde_json::from_value(told.clone()).unwrap();
    told.account(None, until())
}

fn open(account: &Account) -> Vec<&str> {
    account.open().map(|it| it.class.as_str()).collect()
}

/// Failures of these kinds at these times of the 23rd, and a success.
fn failed(failures: &[(&str, &str)], accepted: Option<&str>) -> Account {
    let of = |(class, time): &(&str, &str)| ((*class).to_owned(), json!({"at": at(time)}));
    let last: serde_json::Map<String, Value> = failures.iter().map(of).collect();
    let counts: serde_json::Map<String, Value> =
        last.keys().map(|class| (class.clone(), json!(1))).collect();
    account(&json!({
        "accepted": accepted.map_or(0, |_| 1), "lastAccepted": accepted.map(at),
        "failed": counts, "lastFailures": last,
    }))
}

#[test]
fn a_word_of_the_sidecar_before_this_one_is_read() {
    let account = account(&json!({
        "sent": 2, "failed": {"relay_denied": 1, "tls": 1},
        "lastFailure": {"class": "relay_denied", "stage": "end_of_data", "code": 553, "at": at("11:40:00")},
    }));
    let [failure] = &account.failures[..] else {
        panic!("{account:?}");
    };
    assert_eq!(
        failure.to_string(),
        "relay_denied at end_of_data, the server said 553"
    );
    assert_eq!((account.accepted, account.failed()), (2, 2));
    assert_eq!(
        account.last_accepted, None,
        "it may be older than the failure"
    );
    let calm = super::tests::account(&json!({"sent": 2}));
    assert_eq!(calm.last_accepted, Some(until()));
}

#[test]
fn nothing_happened_later_than_it_was_heard() {
    let account = failed(&[("tls", "23:00:00")], Some("22:00:00"));
    assert_eq!(account.failures[0].at, until());
    assert_eq!(account.last_accepted, Some(until()));
}

#[test]
fn a_later_mail_of_the_same_sidecar_undoes_what_was_wrong_with_the_mailbox_but_not_a_wrong_sender()
{
    for (class, undone) in [
        ("auth_failed", true),
        ("account_blocked", true),
        ("rate_limited", true),
        ("tls", true),
        ("relay_denied", false),
        ("sender_refused", false),
    ] {
        let fails = failed(&[(class, "11:00:01")], Some("11:00:00"));
        assert_eq!(open(&fails), [class]);
        let mended = failed(&[(class, "11:00:00")], Some("11:00:01"));
        assert_eq!(open(&mended).is_empty(), undone, "{class}");
    }
}

#[test]
fn what_is_about_one_mail_is_never_open() {
    for class in Class::ALL {
        if weight(class) == Weight::Mail {
            assert!(open(&failed(&[(class.as_str(), "11:00:00")], None)).is_empty());
        }
    }
}

#[test]
fn what_passes_is_open_when_it_goes_on_and_no_mail_got_through() {
    let mut look = failed(&[("timeout", "11:00:00")], Some("10:00:00"));
    assert!(open(&look).is_empty());
    let mut look_at = |time: &str, accepted| {
        let since = look.since;
        look = failed(&[("timeout", time)], Some(accepted));
        look.go_on_from(since);
        open(&look).len()
    };
    assert_eq!(look_at("11:04:59", "10:00:00"), 0);
    assert_eq!(look_at("11:05:00", "10:00:00"), 1);
    assert_eq!(look_at("11:06:00", "11:05:30"), 0, "one got through");
    assert_eq!(look_at("11:10:00", "11:05:30"), 0, "it began anew at 11:06");
    assert_eq!(look_at("11:11:00", "11:05:30"), 1);
}

#[test]
fn mails_that_were_held_back_count_for_what_opened_the_breaker() {
    let account = account(&json!({
        "failed": {"held": 9, "auth_failed": 1},
        "lastFailures": {
            "auth_failed": {"stage": "auth", "code": 535, "at": at("10:00:00")},
            "held": {"at": at("11:00:00")},
        },
    }));
    let [failure] = &account.failures[..] else {
        panic!("{account:?}");
    };
    assert_eq!(
        (failure.class, failure.code),
        (Class::AuthFailed, Some(535))
    );
    assert_eq!(failure.at, at("11:00:00"));
    let unknown = failed(&[("held", "11:00:00")], None);
    assert_eq!(open(&unknown), ["held"]);
}

#[test]
fn those_that_ended_are_as_one_sidecar() {
    let mut past = failed(
        &[("auth_failed", "10:00:00"), ("relay_denied", "10:00:00")],
        None,
    );
    past.absorb(&failed(&[("relay_denied", "09:00:00")], Some("10:30:00")));
    assert_eq!(open(&past), ["relay_denied"]);
    let denied = past
        .failures
        .iter()
        .find(|it| it.class == Class::RelayDenied);
    assert_eq!(denied.unwrap().at, at("10:00:00"), "the newest of the kind");
    past.absorb(&failed(&[("connect", "11:00:00")], None));
    assert_eq!(open(&past), ["relay_denied"]);
    past.absorb(&failed(&[("connect", "11:05:00")], None));
    assert_eq!(open(&past), ["relay_denied", "connect"]);
}

#[test]
fn no_word_is_too_odd() {
    for told in [
        json!({"sent": u64::MAX, "failed": {"tls": u64::MAX}}),
        json!({"lastFailure": {"class": "x", "at": "0001-01-01T00:00:00Z"}}),
        json!({"lastFailures": {"tls": {"stage": "y", "code": 7, "at": "-009999-01-02T01:59:59Z"}}}),
    ] {
        let mut account = account(&told);
        for _ in 0..3 {
            let other = account.clone();
            account.absorb(&other);
        }
        let _ = open(&account);
        assert!(account.failures.iter().all(|it| it.code.is_none()));
    }
}
