//! The limits of an identity and of the process, and the other loopback address.

use std::net::{Ipv6Addr, SocketAddr};

use serde_json::json;
use tokio::net::TcpListener;
use zoho_simulator::{Action, Fault, Stage};
use zohorelay_tests::app::{self, App};

use super::{FROM, GOOD, TO, app as greeted, assert_usable, converse, failures};
use super::{identity, limits, start, zoho};

#[tokio::test]
async fn messages_per_hour_are_told_with_the_seconds_to_wait() {
    let zoho = zoho().await;
    let paced = json!({"messagesPerHour": 45, "burst": 2});
    let sidecar = start(vec![limits(identity("billing", &zoho), paced)], &[]).await;
    let mut app = greeted(&sidecar).await;
    for _ in 0..2 {
        assert_eq!(app.send(FROM, TO, GOOD).await.unwrap().code, 250);
    }
    let reply = app.send(FROM, TO, GOOD).await.unwrap();
    assert_eq!(reply.code, 451, "{reply:?}");
    assert!(reply.text.starts_with("4.7.1 "), "{reply:?}");
    let words: Vec<_> = reply.text.split(' ').collect();
    assert_eq!(words.last(), Some(&"seconds"), "{reply:?}");
    let seconds: u32 = words[words.len() - 2].parse().unwrap();
    assert!((5..=80).contains(&seconds), "one in 80 s: {reply:?}");
    let metrics = sidecar.metrics().await.unwrap();
    assert_eq!(failures(&metrics, "paced"), 1.0);
    assert_eq!(zoho.mails().len(), 2);
    // A mail that the policy refuses takes no turn of others.
    let foreign = app.send(FROM, TO, "From: x@example.net\r\n").await.unwrap();
    assert_eq!(foreign.code, 553);
}

#[tokio::test]
async fn recipients_over_the_limit_are_put_off_and_counted_once_a_mail() {
    let zoho = zoho().await;
    let two = json!({"recipientsPerMessage": 2});
    let sidecar = start(vec![limits(identity("billing", &zoho), two)], &[]).await;
    let mut app = greeted(&sidecar).await;
    let dialog = [
        ("MAIL FROM:<billing@example.com>", "250"),
        ("RCPT TO:<a@example.org>", "250"),
        ("RCPT TO:<b@example.org>", "250"),
        ("RCPT TO:<c@example.org>", "452 4.5.3"),
        ("RCPT TO:<d@example.org>", "452 4.5.3"),
        ("DATA", "354"),
    ];
    converse(&mut app, &dialog).await;
    app.write(format!("{GOOD}\r\nbody\r\n.\r\n").as_bytes())
        .await
        .unwrap();
    assert_eq!(app.reply().await.unwrap().code, 250);
    assert_eq!(
        zoho.mails()[0].recipients,
        ["a@example.org", "b@example.org"]
    );
    let metrics = sidecar.metrics().await.unwrap();
    assert_eq!(failures(&metrics, "too_many_recipients"), 1.0);
}

#[tokio::test]
async fn the_session_takes_the_largest_limits_of_the_pod_and_the_mail_meets_its_own() {
    let zoho = zoho().await;
    let small = json!({"recipientsPerMessage": 1, "messageBytes": 10_000});
    let large = json!({"recipientsPerMessage": 3, "messageBytes": 20_000});
    let documents = vec![
        limits(identity("billing", &zoho), small),
        limits(identity("alerts", &zoho), large),
    ];
    let sidecar = start(documents, &[]).await;
    let mut app = App::connect(sidecar.smtp).await.unwrap();
    let ehlo = app.say("EHLO app.example").await.unwrap();
    assert!(
        ehlo.text.lines().any(|line| line == "SIZE 20000"),
        "{ehlo:?}"
    );
    let declared = ("MAIL FROM:<alerts@example.com> SIZE=20001", "552 5.3.4");
    converse(&mut app, &[declared]).await;

    let mail = |from: &str, bytes: usize| format!("From: {from}\r\nX: {}\r\n", "x".repeat(bytes));
    let two: &[&str] = &["a@example.org", "b@example.org"];
    for (from, to, bytes, answer) in [
        ("billing@example.com", TO, 100, "250 2.0.0"),
        ("billing@example.com", TO, 12_000, "552 5.3.4"),
        ("billing@example.com", two, 100, "452 4.5.3"),
        ("alerts@example.com", two, 12_000, "250 2.0.0"),
        ("alerts@example.com", two, 30_000, "552 5.3.4"),
    ] {
        let reply = app.send(from, to, &mail(from, bytes)).await.unwrap();
        let said = format!("{} {}", reply.code, reply.text);
        assert!(said.starts_with(answer), "{from} {bytes}: {said}");
    }
    assert_eq!(zoho.mails().len(), 2);
    let metrics = sidecar.metrics().await.unwrap();
    assert_eq!(
        failures(&metrics, "too_large"),
        3.0,
        "the announced one too"
    );
}

#[tokio::test]
async fn a_session_that_is_open_meets_the_limits_of_a_new_document_with_its_next_mail() {
    let zoho = zoho().await;
    let small = json!({"recipientsPerMessage": 1, "messageBytes": 10_000});
    let large = json!({"recipientsPerMessage": 2, "messageBytes": 20_000});
    let sidecar = start(vec![limits(identity("billing", &zoho), small)], &[]).await;
    let mut app = greeted(&sidecar).await;
    let too_large = ("MAIL FROM:<billing@example.com> SIZE=15000", "552 5.3.4");
    converse(&mut app, &[too_large]).await;
    sidecar
        .write(&limits(identity("billing", &zoho), large))
        .unwrap();
    let applied = [("identity", "billing"), ("result", "applied")];
    sidecar
        .metrics_when(|all| all.value("zohorelay_sidecar_config_reloads_total", &applied) == 2.0)
        .await
        .unwrap();
    let dialog = [
        ("MAIL FROM:<billing@example.com> SIZE=15000", "250"),
        ("RCPT TO:<a@example.org>", "250"),
        ("RCPT TO:<b@example.org>", "250"),
        ("RCPT TO:<c@example.org>", "452 4.5.3"),
        ("RSET", "250"),
        ("MAIL FROM:<billing@example.com> SIZE=20001", "552 5.3.4"),
    ];
    converse(&mut app, &dialog).await;
    let ehlo = app.say("EHLO app.example").await.unwrap();
    assert!(ehlo.text.contains("SIZE 20000"), "{ehlo:?}");
}

#[tokio::test]
async fn a_full_spool_puts_a_mail_off_and_has_room_again_when_the_other_is_gone() {
    let zoho = zoho().await;
    let flags = ["--spool-bytes", "1Mi"];
    let sidecar = start(vec![identity("billing", &zoho)], &flags).await;
    let large = format!("{GOOD}\r\n{}.\r\n", "text\r\n".repeat(180_000));
    zoho.fault(Fault::new(Stage::Data, Action::Stall).times(1))
        .unwrap();
    let mut first = greeted(&sidecar).await;
    first.begin(FROM, TO).await.unwrap();
    first.write(large.as_bytes()).await.unwrap();
    zoho.wait_until(|zoho| zoho.faults()[0].fired == 1).await;

    let mut second = greeted(&sidecar).await;
    second.begin(FROM, TO).await.unwrap();
    second.write(large.as_bytes()).await.unwrap();
    let reply = second.reply().await.unwrap();
    assert_eq!(reply.code, 452, "{reply:?}");
    assert!(reply.text.starts_with("4.3.1 "), "{reply:?}");
    assert_usable(&mut second).await;

    drop(first);
    sidecar
        .metrics_when(|metrics| failures(metrics, "app_gone") == 1.0)
        .await
        .unwrap();
    second.begin(FROM, TO).await.unwrap();
    second.write(large.as_bytes()).await.unwrap();
    assert_eq!(second.reply().await.unwrap().code, 250);
    let metrics = sidecar.metrics().await.unwrap();
    assert_eq!(failures(&metrics, "busy"), 1.0);
    assert_eq!(zoho.mails().len(), 2);
    assert!(zoho.mails()[1].size_bytes > 1 << 20);
}

#[tokio::test]
async fn ipv6_loopback_serves_on_the_same_port_where_the_machine_has_it() {
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).await.is_err() {
        assert!(std::env::var_os("CI").is_none(), "CI must have IPv6");
        eprintln!("LEFT OUT: this machine has no ::1");
        return;
    }
    let zoho = zoho().await;
    let sidecar = start(vec![identity("billing", &zoho)], &[]).await;
    let address = SocketAddr::from((Ipv6Addr::LOCALHOST, sidecar.smtp.port()));
    let reply = app::send(address, FROM, TO, GOOD).await.unwrap();
    assert_eq!(reply.code, 250, "{reply:?}");
}
