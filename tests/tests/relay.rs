//! Mail through a real sidecar to a Zoho that behaves as Zoho does: the main job.

#![allow(clippy::unwrap_used, reason = "a test")]

use serde_json::json;
use zoho_simulator::{
    Account, Action, Block, BlockChange, Fault, Options, Running, Simulator, Stage, Then,
};
use zohorelay_tests::app::{self, App};
use zohorelay_tests::document::{document, starttls};
use zohorelay_tests::sidecar::{self, Sidecar};

const TO: &[&str] = &["ann@example.org"];
const GOOD: &str = "From: billing@example.com\r\nSubject: hello\r\n";
const FOREIGN: &str = "From: Visitor <visitor@example.net>\r\nSubject: question\r\n";

async fn zoho() -> Running {
    let account = Account::new("billing@example.com", "app-password").alias("invoices@example.com");
    Simulator::start(Options::with_account(account))
        .await
        .unwrap()
}

async fn sidecar(documents: Vec<serde_json::Value>) -> Sidecar {
    Sidecar::start(sidecar::Options::with(documents))
        .await
        .unwrap()
}

fn billing(zoho: &Running) -> serde_json::Value {
    document("billing", "billing@example.com", "app-password", zoho)
}

fn header_of(content: &[u8]) -> String {
    let text = String::from_utf8_lossy(content).into_owned();
    text.split("\r\n\r\n").next().unwrap().to_owned()
}

#[tokio::test]
async fn a_mail_reaches_zoho_and_only_then_the_app_hears_250() {
    let zoho = zoho().await;
    let sidecar = sidecar(vec![billing(&zoho)]).await;
    let reply = app::send(sidecar.smtp, "billing@example.com", TO, GOOD)
        .await
        .unwrap();
    assert_eq!(
        (reply.code, reply.text.as_str()),
        (250, "2.0.0 Message received")
    );
    let mails = zoho.mails();
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].recipients, TO);
    assert_eq!(mails[0].reverse_path, "billing@example.com");
    assert!(mails[0].content.ends_with(b"\r\n\r\nbody\r\n"));
    let header = header_of(&mails[0].content);
    assert!(
        header.starts_with("Received: from localhost by zohorelay with ESMTP id "),
        "{header}"
    );
    assert!(
        header.contains("\r\nMessage-ID: <") && header.contains("\r\nDate: "),
        "{header}"
    );
    assert!(
        header.contains("\r\nFrom: billing@example.com\r\nSubject: hello"),
        "{header}"
    );
    let metrics = sidecar.metrics().await.unwrap();
    let labels = [("identity", "billing"), ("outcome", "accepted")];
    assert_eq!(metrics.value("zohorelay_sidecar_mails_total", &labels), 1.0);
}

#[tokio::test]
async fn starttls_serves_as_well() {
    let zoho = zoho().await;
    let document = starttls("billing", "billing@example.com", "app-password", &zoho);
    let sidecar = sidecar(vec![document]).await;
    let reply = app::send(sidecar.smtp, "billing@example.com", TO, GOOD)
        .await
        .unwrap();
    assert_eq!(reply.code, 250, "{reply:?}");
    assert_eq!(zoho.mails().len(), 1);
    assert!(
        zoho.connections()
            .iter()
            .all(|connection| !connection.auth_in_clear)
    );
}

#[tokio::test]
async fn ten_mails_use_one_connection_and_one_login() {
    let zoho = zoho().await;
    let sidecar = sidecar(vec![billing(&zoho)]).await;
    for _ in 0..10 {
        let reply = app::send(sidecar.smtp, "billing@example.com", TO, GOOD)
            .await
            .unwrap();
        assert_eq!(reply.code, 250);
    }
    assert_eq!(zoho.mails().len(), 10);
    assert_eq!(zoho.logins("billing@example.com").total, 1);
    assert_eq!(zoho.connections().len(), 1);
}

#[tokio::test]
async fn a_foreign_from_is_refused_before_anything_is_sent() {
    let zoho = zoho().await;
    let sidecar = sidecar(vec![billing(&zoho)]).await;
    let before = sidecar.metrics().await.unwrap();
    let reply = app::send(sidecar.smtp, "visitor@example.net", TO, FOREIGN)
        .await
        .unwrap();
    assert_eq!(reply.code, 553);
    for part in [
        "5.7.1",
        "visitor@example.net",
        "billing",
        "billing@example.com",
    ] {
        assert!(reply.text.contains(part), "{reply:?}");
    }
    assert!(zoho.connections().is_empty());
    let risen = sidecar
        .metrics()
        .await
        .unwrap()
        .risen(&before, "_failures_total");
    assert_eq!(
        risen.to_string(),
        "zohorelay_sidecar_failures_total{class=\"sender_refused\",identity=\"billing\",origin=\"local\"} +1"
    );
}

#[tokio::test]
async fn rewrite_puts_the_identity_into_from_and_the_old_sender_into_reply_to() {
    let zoho = zoho().await;
    let mut document = billing(&zoho);
    document["senderPolicy"] = json!({"foreignFrom": "Rewrite"});
    let sidecar = sidecar(vec![document]).await;
    let reply = app::send(sidecar.smtp, "visitor@example.net", TO, FOREIGN)
        .await
        .unwrap();
    assert_eq!(reply.code, 250, "{reply:?}");
    let mails = zoho.mails();
    let header = header_of(&mails[0].content);
    assert!(
        header.contains("From: \"Visitor\" <billing@example.com>"),
        "{header}"
    );
    assert!(header.contains("Reply-To: visitor@example.net"), "{header}");
    assert_eq!(mails[0].reverse_path, "billing@example.com");
}

#[tokio::test]
async fn attach_sends_the_original_whole_within_a_mail_of_the_identity() {
    let zoho = zoho().await;
    let mut document = billing(&zoho);
    document["senderPolicy"] = json!({"foreignFrom": "Attach"});
    let sidecar = sidecar(vec![document]).await;
    let reply = app::send(sidecar.smtp, "visitor@example.net", TO, FOREIGN)
        .await
        .unwrap();
    assert_eq!(reply.code, 250, "{reply:?}");
    let mail = &zoho.mails()[0];
    let text = String::from_utf8_lossy(&mail.content).into_owned();
    assert!(text.contains("Content-Type: message/rfc822"), "{text}");
    assert!(
        text.contains("From: Visitor <visitor@example.net>\r\nSubject: question\r\n"),
        "{text}"
    );
}

#[tokio::test]
async fn a_denial_that_only_zoho_knows_is_told_as_one() {
    let zoho = zoho().await;
    let mut document = billing(&zoho);
    document["senderPolicy"] = json!({"foreignFrom": "Pass"});
    let sidecar = sidecar(vec![document]).await;
    let before = sidecar.metrics().await.unwrap();
    let reply = app::send(sidecar.smtp, "billing@example.com", TO, FOREIGN)
        .await
        .unwrap();
    assert_eq!(reply.code, 553);
    assert!(reply.text.contains("visitor@example.net"), "{reply:?}");
    let after = sidecar.metrics().await.unwrap();
    let labels = [
        ("class", "relay_denied"),
        ("stage", "end_of_data"),
        ("code", "553"),
    ];
    assert_eq!(
        after.value("zohorelay_sidecar_failure_replies_total", &labels),
        1.0
    );
    assert_eq!(after.risen(&before, "_failures_total").0.len(), 1);
}

#[tokio::test]
async fn a_wrong_password_costs_one_login_whatever_the_app_does() {
    let zoho = zoho().await;
    let document = document("billing", "billing@example.com", "wrong", &zoho);
    let sidecar = sidecar(vec![document]).await;
    let smtp = sidecar.smtp;
    let apps = (0..20).map(|_| {
        tokio::spawn(async move {
            app::send(smtp, "billing@example.com", TO, GOOD)
                .await
                .unwrap()
        })
    });
    let mut codes = Vec::new();
    for app in apps.collect::<Vec<_>>() {
        codes.push(app.await.unwrap().code);
    }
    assert_eq!(codes, [451; 20]);
    assert_eq!(zoho.logins("billing@example.com").total, 1);
    let metrics = sidecar.metrics().await.unwrap();
    let failures = |class| metrics.value("zohorelay_sidecar_failures_total", &[("class", class)]);
    assert_eq!((failures("auth_failed"), failures("held")), (1.0, 19.0));
    let open = [("reason", "auth_failed")];
    assert_eq!(metrics.value("zohorelay_sidecar_breaker_open", &open), 1.0);
}

#[tokio::test]
async fn a_new_password_closes_the_breaker() {
    let zoho = zoho().await;
    let sidecar = sidecar(vec![document(
        "billing",
        "billing@example.com",
        "wrong",
        &zoho,
    )])
    .await;
    let reply = app::send(sidecar.smtp, "billing@example.com", TO, GOOD)
        .await
        .unwrap();
    assert_eq!(reply.code, 451);
    sidecar.write(&billing(&zoho)).unwrap();
    let applied = [("identity", "billing"), ("result", "applied")];
    let reloads = "zohorelay_sidecar_config_reloads_total";
    sidecar
        .metrics_when(|metrics| metrics.value(reloads, &applied) == 2.0)
        .await
        .unwrap();
    let reply = app::send(sidecar.smtp, "billing@example.com", TO, GOOD)
        .await
        .unwrap();
    assert_eq!(reply.code, 250, "{reply:?}");
}

#[tokio::test]
async fn a_blocked_mailbox_is_held_after_its_first_refusal() {
    let zoho = zoho().await;
    zoho.put_account(
        "billing@example.com",
        zoho_simulator::AccountUpdate {
            blocked: BlockChange::Set(Block::UnusualActivity),
            ..Default::default()
        },
    );
    let sidecar = sidecar(vec![billing(&zoho)]).await;
    let first = app::send(sidecar.smtp, "billing@example.com", TO, GOOD)
        .await
        .unwrap();
    assert!(
        first.code == 451 && first.text.contains("blocked at Zoho"),
        "{first:?}"
    );
    let second = app::send(sidecar.smtp, "billing@example.com", TO, GOOD)
        .await
        .unwrap();
    assert!(
        second.code == 451 && second.text.contains("account_blocked"),
        "{second:?}"
    );
    assert_eq!(zoho.connections().len(), 1);
}

#[tokio::test]
async fn a_lost_reply_to_the_dot_is_called_unknown_and_not_sent_again() {
    let zoho = zoho().await;
    zoho.fault(Fault::new(Stage::EndOfData, Action::AcceptThen(Then::Reset)).times(1))
        .unwrap();
    let sidecar = sidecar(vec![billing(&zoho)]).await;
    let reply = app::send(sidecar.smtp, "billing@example.com", TO, GOOD)
        .await
        .unwrap();
    assert_eq!(reply.code, 451);
    assert!(reply.text.contains("may have been taken"), "{reply:?}");
    assert_eq!(zoho.mails().len(), 1);
    let metrics = sidecar.metrics().await.unwrap();
    assert_eq!(
        metrics.value("zohorelay_sidecar_mails_total", &[("outcome", "unknown")]),
        1.0
    );
}

#[tokio::test]
async fn with_unknown_outcome_fail_the_app_is_told_not_to_try_again() {
    let zoho = zoho().await;
    zoho.fault(Fault::new(Stage::EndOfData, Action::AcceptThen(Then::Close)).times(1))
        .unwrap();
    let mut document = billing(&zoho);
    document["delivery"] = json!({"unknownOutcome": "Fail"});
    let sidecar = sidecar(vec![document]).await;
    let reply = app::send(sidecar.smtp, "billing@example.com", TO, GOOD)
        .await
        .unwrap();
    assert!(
        reply.code == 554 && reply.text.starts_with("5.4.2"),
        "{reply:?}"
    );
}

#[tokio::test]
async fn a_sidecar_starts_before_its_identity_exists_and_sends_when_it_does() {
    let zoho = zoho().await;
    let mut options = sidecar::Options::with(vec![]);
    options.identities.push("billing".to_owned());
    let sidecar = Sidecar::start(options).await.unwrap();
    let mut app = App::connect(sidecar.smtp).await.unwrap();
    app.say("EHLO app.example").await.unwrap();
    let reply = app.say("MAIL FROM:<billing@example.com>").await.unwrap();
    assert!(
        reply.code == 451 && reply.text.contains("not configured yet"),
        "{reply:?}"
    );
    sidecar.write(&billing(&zoho)).unwrap();
    let revision = [("identity", "billing"), ("result", "applied")];
    let reloads = "zohorelay_sidecar_config_reloads_total";
    sidecar
        .metrics_when(|metrics| metrics.value(reloads, &revision) == 1.0)
        .await
        .unwrap();
    let reply = app.send("billing@example.com", TO, GOOD).await.unwrap();
    assert_eq!(reply.code, 250, "{reply:?}");
}

#[tokio::test]
async fn the_from_of_a_mail_picks_its_identity() {
    let zoho = zoho().await;
    zoho.put_account(
        "alerts@example.com",
        zoho_simulator::AccountUpdate {
            app_password: Some("other".to_owned()),
            ..Default::default()
        },
    );
    let alerts = document("alerts", "alerts@example.com", "other", &zoho);
    let sidecar = sidecar(vec![billing(&zoho), alerts]).await;
    let header = "From: Alerts <alerts@example.com>\r\n";
    let reply = app::send(sidecar.smtp, "", TO, header).await.unwrap();
    assert_eq!(reply.code, 250, "{reply:?}");
    assert_eq!(zoho.mails()[0].login, "alerts@example.com");
    assert_eq!(zoho.mails()[0].reverse_path, "alerts@example.com");
}

#[tokio::test]
async fn a_suspended_identity_sends_nothing() {
    let zoho = zoho().await;
    let mut document = billing(&zoho);
    document["suspend"] = json!(true);
    let sidecar = sidecar(vec![document]).await;
    let mut app = App::connect(sidecar.smtp).await.unwrap();
    app.say("EHLO app.example").await.unwrap();
    let reply = app.say("MAIL FROM:<billing@example.com>").await.unwrap();
    assert!(
        reply.code == 451 && reply.text.contains("suspended"),
        "{reply:?}"
    );
    assert!(zoho.connections().is_empty());
}

#[tokio::test]
async fn a_hold_of_the_operator_stops_every_mail_until_its_time() {
    let zoho = zoho().await;
    let mut document = billing(&zoho);
    document["hold"] = json!({"until": "2199-01-01T00:00:00Z", "reason": "account_blocked"});
    let sidecar = sidecar(vec![document]).await;
    let reply = app::send(sidecar.smtp, "billing@example.com", TO, GOOD)
        .await
        .unwrap();
    assert!(
        reply.code == 451 && reply.text.contains("held (account_blocked)"),
        "{reply:?}"
    );
    assert!(zoho.connections().is_empty());
    let metrics = sidecar.metrics().await.unwrap();
    assert_eq!(
        metrics.value("zohorelay_sidecar_breaker_open", &[("reason", "hold")]),
        1.0
    );
}

#[tokio::test]
async fn sigterm_ends_it_with_zero_and_leaves_last_words() {
    let zoho = zoho().await;
    let mut sidecar = sidecar(vec![billing(&zoho)]).await;
    app::send(sidecar.smtp, "visitor@example.net", TO, FOREIGN)
        .await
        .unwrap();
    sidecar.signal("TERM").unwrap();
    assert_eq!(sidecar.ended().await.unwrap().code(), Some(0));
    let words = std::fs::read_to_string(sidecar.folder().join("termination-log")).unwrap();
    let words: serde_json::Value = serde_json::from_str(&words).unwrap();
    assert_eq!(
        words["identities"]["billing"]["failed"]["sender_refused"],
        1
    );
    assert!(!words.to_string().contains('@'), "{words}");
}
