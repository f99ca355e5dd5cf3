use std::time::Duration;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use zohorelay_process::{admin, client, listen};
use zohorelay_upstream::failure::{Class, Failure, Stage};

use super::*;
use crate::breaker::Reason;
use crate::fixtures;
use crate::outcome::Outcome;
use crate::reload::Watch;

pub(super) const SECRET: &str = "a-secret-\"&<app>-password";

/// A sidecar with a served, a held and an awaited identity, whose mails failed.
pub(super) fn sidecar() -> Arc<Sidecar> {
    let sidecar = fixtures::sidecar(&["billing", "alerts", "late"]);
    let apply = |name: &str, changes: &Value| {
        let identity = sidecar.roster.named(name).unwrap();
        let document = fixtures::document(name, changes);
        identity.apply(document, &sidecar.network).unwrap();
        identity.clone()
    };
    let billing = apply(
        "billing",
        &json!({
            "uid": "5d1f", "revision": 7,
            "login": {"username": "billing@example.com", "password": SECRET},
        }),
    );
    billing.breaker().trip(Reason::AuthFailed, Instant::now());
    let mut failure = Failure::new(
        Class::RecipientRefused,
        Stage::Rcpt,
        "host",
        "ann@example.org",
    );
    failure.refused_recipients = vec!["ann@example.org".into()];
    billing
        .tally
        .note(&Outcome::Upstream(failure), jiff::Timestamp::now());
    apply(
        "alerts",
        &json!({"suspend": true, "hold": {"until": "2199-01-01T00:00:00Z", "reason": "account_blocked"}}),
    );
    sidecar
}

pub(super) fn problems(sidecar: &Sidecar) -> Vec<Problem> {
    let watch = |identity: &Arc<Identity>| Watch::new(std::path::Path::new("/x"), identity.clone());
    sidecar.roster.iter().map(|i| watch(i).problem()).collect()
}

async fn get(routes: Routes, path: &str) -> (u16, String) {
    let listener = listen::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let served = tokio::spawn(admin::serve(listener, routes, CancellationToken::new()));
    let (status, body) = client::get(address, path, Duration::from_secs(10))
        .await
        .unwrap();
    served.abort();
    (status, String::from_utf8(body).unwrap())
}

#[tokio::test]
async fn the_pods_address_tells_numbers_and_label_values_only() {
    let sidecar = sidecar();
    let (status, body) = get(admin_routes(&sidecar), "/summary").await;
    assert_eq!(status, 200);
    for hidden in ["@", SECRET, "a-secret", "localhost", "host"] {
        assert!(!body.contains(hidden), "{hidden} in {body}");
    }
    let body: Value = serde_json::from_str(&body).unwrap();
    let [billing, alerts, late] = [0, 1, 2].map(|at| &body["identities"][at]);
    assert_eq!(billing["uid"], "5d1f");
    assert_eq!(billing["revision"], 7);
    assert_eq!(billing["breaker"]["reason"], "auth_failed");
    assert_eq!(billing["failed"]["recipient_refused"], 1);
    assert_eq!(billing["lastFailure"]["stage"], "rcpt");
    assert_eq!(alerts["state"], "suspended");
    assert_eq!(alerts["breaker"]["reason"], "account_blocked");
    assert_eq!(late["state"], "awaited");
}

#[tokio::test]
async fn no_page_shows_a_password() {
    let sidecar = sidecar();
    for path in ["/metrics", "/summary", "/live", "/ready"] {
        let (_, body) = get(admin_routes(&sidecar), path).await;
        assert!(
            !body.contains("a-secret") && !body.contains('@'),
            "{path}: {body}"
        );
    }
    for path in ["/status", "/"] {
        let (_, body) = get(page_routes(&sidecar, problems(&sidecar)), path).await;
        assert!(!body.contains("a-secret"), "{path}: {body}");
        assert!(body.contains("billing@example.com"), "{path}: {body}");
    }
}

#[tokio::test]
async fn what_is_on_loopback_is_not_on_the_pods_address() {
    let sidecar = sidecar();
    for path in ["/status", "/"] {
        let (status, body) = get(admin_routes(&sidecar), path).await;
        assert_eq!(status, 404, "{body}");
    }
}

#[tokio::test]
async fn ready_turns_off_with_the_shutdown_and_live_does_not() {
    let sidecar = sidecar();
    assert_eq!(get(admin_routes(&sidecar), "/ready").await.0, 200);
    sidecar.shutdown.begin();
    assert_eq!(get(admin_routes(&sidecar), "/ready").await.0, 503);
    assert_eq!(get(admin_routes(&sidecar), "/live").await.0, 200);
}

#[tokio::test]
async fn a_scrape_shows_breaker_and_hold() {
    let sidecar = sidecar();
    let (_, body) = get(admin_routes(&sidecar), "/metrics").await;
    for line in [
        "zohorelay_sidecar_breaker_open{identity=\"billing\",reason=\"auth_failed\"} 1",
        "zohorelay_sidecar_breaker_open{identity=\"billing\",reason=\"hold\"} 0",
        "zohorelay_sidecar_breaker_open{identity=\"alerts\",reason=\"hold\"} 1",
        "zohorelay_sidecar_config_revision{identity=\"billing\"} 7",
    ] {
        assert!(body.contains(line), "{line} in {body}");
    }
}
