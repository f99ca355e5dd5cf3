//! Logins that are accepted and ignored (S6).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zohorelay_tests::app;

use super::{TO, app as greeted, converse, identity, start, zoho};

const CANARY: &str = "canary-of-the-app-7781";

fn plain(username: &str, password: &str) -> String {
    STANDARD.encode(format!("\0{username}\0{password}"))
}

#[tokio::test]
async fn s6_any_login_is_taken_and_a_broken_one_is_refused() {
    let zoho = zoho().await;
    let flags = ["--accept-any-login", "--log", "trace"];
    let sidecar = start(vec![identity("billing", &zoho)], &flags).await;
    let good = format!("AUTH PLAIN {}", plain("app", CANARY));
    let long = format!("AUTH PLAIN {}", plain("app", &CANARY.repeat(400)));
    assert!(long.len() > 11 * 1024 && long.len() < 12_286);
    let too_long = format!("AUTH PLAIN {}", plain("app", &CANARY.repeat(420)));
    assert!(too_long.len() > 12_286);
    let newline = format!("AUTH PLAIN {}", plain("app\r\nRCPT TO:<x@y>", CANARY));
    let canary = STANDARD.encode(CANARY);
    let dialogs: &[&[(&str, &str)]] = &[
        &[(&good, "235 2.7.0"), (&good, "503 5.5.1")],
        &[(&long, "235 2.7.0")],
        &[(&too_long, "500 5.5.6"), (&good, "235 2.7.0")],
        &[("AUTH PLAIN =", "501 5.5.2"), (&good, "235 2.7.0")],
        &[
            ("AUTH PLAIN", "334"),
            ("*", "501 5.7.0"),
            (&good, "235 2.7.0"),
        ],
        &[("AUTH PLAIN", "334"), (&plain("app", CANARY), "235 2.7.0")],
        &[("AUTH PLAIN !!!", "501 5.5.2"), (&good, "235 2.7.0")],
        &[("AUTH CRAM-MD5", "504 5.5.4"), (&good, "235 2.7.0")],
        &[(&newline, "501 5.5.2"), (&good, "235 2.7.0")],
        &[
            ("AUTH LOGIN", "334"),
            ("YXBw", "334"),
            (&canary, "235 2.7.0"),
        ],
        &[
            ("MAIL FROM:<billing@example.com>", "250"),
            (&good, "503 5.5.1"),
            ("RCPT TO:<ann@example.org>", "250"),
        ],
    ];
    for dialog in dialogs {
        let mut app = greeted(&sidecar).await;
        converse(&mut app, dialog).await;
        converse(&mut app, &[("QUIT", "221 2.0.0")]).await;
    }
    let logged = sidecar.log().join("\n");
    for secret in [CANARY, &canary, &plain("app", CANARY)] {
        assert!(!logged.contains(secret), "{secret} is in the log");
    }
}

#[tokio::test]
async fn s6_a_login_is_not_offered_unless_asked_for_and_then_picks_an_identity() {
    let zoho = zoho().await;
    let documents = || vec![identity("billing", &zoho), identity("alerts", &zoho)];
    let without = start(documents(), &[]).await;
    let mut app = app::App::connect(without.smtp).await.unwrap();
    let ehlo = app.say("EHLO app.example").await.unwrap();
    assert!(!ehlo.text.contains("AUTH"), "{ehlo:?}");
    converse(&mut app, &[("AUTH PLAIN AGFwcAB4", "502 5.5.1")]).await;

    let with = start(documents(), &["--accept-any-login"]).await;
    let mut app = greeted(&with).await;
    let login = format!("AUTH PLAIN {}", plain("alerts", "any"));
    converse(&mut app, &[(&login, "235 2.7.0")]).await;
    // The envelope is the default's; the login decides.
    let reply = app.send("billing@example.com", TO, "Subject: x\r\n").await;
    assert_eq!(reply.unwrap().code, 250);
    assert_eq!(zoho.mails()[0].login, "alerts@example.com");
}
