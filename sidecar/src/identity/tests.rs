use serde_json::json;
use zohorelay_upstream::failure::Class;

use super::*;
use crate::fixtures::{applied, document, identity, network};

fn apply(identity: &Identity, changes: &serde_json::Value) -> Reload {
    let document = document(identity.name(), changes);
    identity.apply(document, &network()).unwrap()
}

fn refuse_login(identity: &Identity) {
    identity.breaker().trip(Reason::AuthFailed, Instant::now());
}

#[tokio::test]
async fn only_a_higher_revision_of_the_same_object_is_taken() {
    let uid = |uid, revision| json!({"uid": uid, "revision": revision});
    let table = [
        (uid("a", 5), uid("a", 6), Reload::Applied),
        (uid("a", 5), uid("a", 4), Reload::Stale),
        (uid("a", 5), uid("b", 4), Reload::Applied),
        (uid("a", 5), uid("a", 5), Reload::Unchanged),
        (uid("a", 5), json!({"uid": "a"}), Reload::Applied),
        (json!({"uid": "a"}), uid("a", 1), Reload::Applied),
    ];
    for (first, second, expected) in table {
        let identity = applied("billing", &first);
        assert_eq!(apply(&identity, &second), expected, "{first} then {second}");
    }
}

#[tokio::test]
async fn another_content_under_the_same_revision_is_stale() {
    let identity = applied("billing", &json!({"revision": 5}));
    let changed = json!({"revision": 5, "suspend": true});
    assert_eq!(apply(&identity, &changed), Reload::Stale);
    assert!(!identity.active().unwrap().document.suspend);
}

#[tokio::test]
async fn a_document_for_another_identity_is_refused_and_both_are_named() {
    let identity = applied("billing", &json!({}));
    let error = identity.apply(document("alerts", &json!({})), &network());
    let text = error.unwrap_err().to_string();
    assert!(
        text.contains("\"alerts\"") && text.contains("\"billing\""),
        "{text}"
    );
    assert_eq!(identity.active().unwrap().document.name, "billing");
}

#[tokio::test]
async fn the_pool_is_kept_unless_server_trust_or_login_change() {
    let upstream = |host: &str, port: u16, security: &str| json!({"upstream": {"host": host, "port": port, "security": security}});
    let login = |username, password| json!({"login": {"username": username, "password": password}});
    let table = [
        (json!({"suspend": true}), true),
        (json!({"limits": {"connections": 7}}), true),
        (json!({"retry": 1}), true),
        (login("billing@example.com", "changed"), false),
        (login("other@example.com", "app-password"), false),
        (upstream("other.localhost", 465, "ImplicitTls"), false),
        (upstream("localhost", 587, "StartTls"), false),
    ];
    for (changes, kept) in table {
        let identity = applied("billing", &json!({}));
        let before = identity.active().unwrap().pool.clone();
        apply(&identity, &changes);
        let after = identity.active().unwrap().pool.clone();
        assert_eq!(Arc::ptr_eq(&before, &after), kept, "{changes}");
    }
}

#[tokio::test]
async fn the_breaker_closes_for_a_new_password_server_or_retry_and_for_nothing_else() {
    let table = [
        (json!({"suspend": true}), true),
        (json!({"limits": {"connections": 7}, "revision": 9}), true),
        (json!({"retry": 1}), false),
        (
            json!({"login": {"username": "billing@example.com", "password": "changed"}}),
            false,
        ),
        (
            json!({"upstream": {"host": "localhost", "port": 587, "security": "StartTls"}}),
            false,
        ),
    ];
    for (changes, open) in table {
        let identity = applied("billing", &json!({}));
        refuse_login(&identity);
        apply(&identity, &changes);
        assert_eq!(identity.breaker().open().is_some(), open, "{changes}");
    }
}

#[tokio::test]
async fn a_late_refusal_of_the_old_password_does_not_hold_the_new_one() {
    let identity = applied("billing", &json!({}));
    let under_way = identity.active().unwrap();
    let pass = under_way.breaker.admit(Instant::now()).unwrap();
    apply(
        &identity,
        &json!({"login": {"username": "billing@example.com", "password": "changed"}}),
    );
    pass.failed(Class::AuthFailed, Instant::now());
    assert!(under_way.breaker.open().is_some());
    assert_eq!(identity.breaker().open(), None);
}

#[tokio::test]
async fn the_same_login_is_still_held_when_it_comes_back_and_another_one_is_not() {
    for (password, open) in [("app-password", true), ("changed", false)] {
        let identity = applied("billing", &json!({}));
        refuse_login(&identity);
        identity.remove();
        let login = json!({"username": "billing@example.com", "password": password});
        assert_eq!(apply(&identity, &json!({"login": login})), Reload::Applied);
        assert_eq!(identity.breaker().open().is_some(), open, "{password}");
    }
}

#[tokio::test]
async fn a_removed_identity_lets_its_secret_go_with_the_last_mail() {
    let identity = applied("billing", &json!({}));
    let mail = identity.active().unwrap();
    identity.remove();
    identity.sweep().await;
    assert!(matches!(identity.state(), State::Removed(_)));
    let (document, pool) = (Arc::downgrade(&mail), Arc::downgrade(&mail.pool));
    drop(mail);
    assert_eq!((document.strong_count(), pool.strong_count()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn the_bucket_stays_as_it_is_unless_its_limits_change() {
    let limits = |per_hour, burst| json!({"limits": {"messagesPerHour": per_hour, "burst": burst}});
    let table = [
        (
            json!({"limits": {"messagesPerHour": 45, "burst": 5, "connections": 9}}),
            true,
        ),
        (limits(46, 5), false),
        (limits(45, 6), false),
    ];
    for (changes, kept) in table {
        let identity = applied("billing", &limits(45, 5));
        let before = identity.active().unwrap().pacer.clone().unwrap();
        apply(&identity, &changes);
        let after = identity.active().unwrap().pacer.clone().unwrap();
        assert_eq!(Arc::ptr_eq(&before, &after), kept, "{changes}");
    }
    let identity = applied("billing", &limits(45, 5));
    apply(&identity, &json!({}));
    assert!(identity.active().unwrap().pacer.is_none());
}

#[tokio::test]
async fn a_hold_lasts_until_its_time() {
    let hold = |until| json!({"hold": {"until": until, "reason": "auth_failed"}});
    let future = applied("billing", &hold("2199-01-01T00:00:00Z"))
        .active()
        .unwrap();
    assert_eq!(future.hold().unwrap().0, "auth_failed");
    let past = applied("billing", &hold("2001-01-01T00:00:00Z"))
        .active()
        .unwrap();
    assert_eq!(past.hold(), None);
    assert_eq!(
        applied("billing", &json!({})).active().unwrap().hold(),
        None
    );
}

#[tokio::test]
async fn another_login_or_a_raised_retry_ends_a_hold_and_no_hold_in_the_document_does_too() {
    let hold = json!({"until": "2199-01-01T00:00:00Z", "reason": "auth_failed"});
    let login = |password| json!({"username": "billing@example.com", "password": password});
    for (change, held) in [
        (
            json!({"hold": hold, "suspend": false, "limits": {"connections": 7}}),
            true,
        ),
        (json!({"hold": null}), false),
        (json!({"retry": 1}), false),
        (json!({"login": login("changed")}), false),
    ] {
        let identity = applied("billing", &json!({"hold": hold}));
        apply(&identity, &change);
        let active = identity.active().unwrap();
        assert_eq!(active.hold().is_some(), held, "{change}");
    }
}

fn gate(identity: &Identity) -> Gate {
    Gate {
        breaker: identity.breaker(),
        metrics: identity.metrics.clone(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_gate_holds_mails_and_logins_after_a_refused_login() {
    let identity = identity("billing");
    let gate = gate(&identity);
    assert_eq!((gate.admit_mail(), gate.admit_login()), (Ok(()), Ok(())));
    gate.logged_in(Login::Refused(Class::Unclassified));
    assert_eq!(
        identity.breaker().open().unwrap().reason,
        Reason::AuthFailed
    );
    for held in [gate.admit_mail(), gate.admit_login()] {
        assert!(held.unwrap_err().starts_with("auth_failed for "));
    }
}

#[tokio::test(start_paused = true)]
async fn a_gate_holds_logins_only_after_one_without_verdict() {
    let identity = identity("billing");
    let gate = gate(&identity);
    gate.logged_in(Login::Unheard);
    assert_eq!(gate.admit_mail(), Ok(()));
    let why = gate.admit_login().unwrap_err();
    assert!(why.starts_with("the last login got no verdict; "), "{why}");
    assert!(why.ends_with(" more seconds"), "{why}");
    gate.logged_in(Login::Ok);
    assert_eq!(gate.admit_login(), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_refused_login_is_held_for_an_hour_whatever_its_class() {
    for class in [Class::AccountBlocked, Class::RateLimited, Class::AuthFailed] {
        let identity = identity("billing");
        let start = Instant::now();
        gate(&identity).logged_in(Login::Refused(class));
        let open = identity.breaker().open().unwrap();
        assert_eq!(open.reason.as_str(), class.as_str());
        assert!(
            open.until >= start + Duration::from_secs(47 * 60),
            "{class}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_trial_of_a_blocked_account_passes_the_gate_and_no_other_mail_does() {
    let identity = identity("billing");
    let (gate, breaker) = (gate(&identity), identity.breaker());
    breaker.trip(Reason::AccountBlocked, Instant::now());
    assert!(gate.admit_mail().is_err());
    tokio::time::advance(Duration::from_secs(20 * 60)).await;
    assert!(gate.admit_mail().is_err(), "due, but no trial");
    let trial = breaker.admit(Instant::now()).unwrap();
    assert_eq!((gate.admit_mail(), gate.admit_login()), (Ok(()), Ok(())));
    trial.failed(Class::AccountBlocked, Instant::now());
    assert!(gate.admit_mail().is_err());
}
