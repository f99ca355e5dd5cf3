//! The way to the server, and the names on it.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use serde_json::json;
use zoho_simulator::{Action, Certificate, Fault, Options, Stage};
use zohorelay_tests::document::starttls;

use crate::world::{ADDRESS, PASSWORD, World, closed_port};

#[tokio::test]
async fn a_server_is_looked_at_without_an_identity() {
    let world = World::new().await;
    world.names.host("mx.example.test", Ipv4Addr::LOCALHOST);
    let verdict = world.run(&["--host", "mx.example.test"]).await;
    verdict.assert_says("resolve", &["mx.example.test is 127.0.0.1"]);
    // Nobody here vouches for the simulator.
    verdict.assert_ends(13, "Mend this first: tls:");
    assert_eq!(verdict.lines("document"), "");
    let verdict = world.run(&["--host", "mx.example.test", "--auth"]).await;
    assert_eq!(verdict.code, 64, "without a document there is no login");
}

#[tokio::test]
async fn a_closed_port_is_told_with_the_one_that_is_open_or_with_who_may_block_both() {
    let world = World::new().await;
    let closed = closed_port().await;
    world.write(&world.changed("/upstream/port", &json!(closed)));
    let verdict = world.doctor(&[]).await;
    let open = world.zoho.starttls().unwrap().port();
    verdict.assert_ends(
        12,
        &format!("connect of billing: localhost port {closed} takes no connection"),
    );
    let cure = format!("let the identity use it (port: {open}, security: StartTls)");
    verdict.assert_says("connect", &["FAILED", "refused the connection", &cure]);

    let closed = closed.to_string();
    let verdict = world.doctor(&["--starttls-port", &closed]).await;
    verdict.assert_ends(12, "connect of billing");
    verdict.assert_says("connect", &["Port 25 is never right"]);
    assert_eq!(verdict.lines("tls"), "");
    verdict.assert_says("route", &["the server is hop 1"]);

    let mut other = starttls("billing", ADDRESS, PASSWORD, &world.zoho);
    world.write(&other);
    let verdict = world.doctor(&["--implicit-tls-port", &closed]).await;
    verdict.assert_ends(0, "Look at: connect");
    verdict.assert_says("connect", &["warning", "Nothing needs port"]);
    other["upstream"]["port"] = json!(world.zoho.implicit_tls().unwrap().port());
    other["upstream"]["security"] = json!("ImplicitTls");
    world.write(&other);
    world.doctor(&[]).await.assert_ends(0, "All is well.");
}

#[tokio::test]
async fn a_certificate_that_is_not_to_be_trusted_is_explained() {
    for (certificate, why, remedy) in [
        (
            Certificate::OtherName,
            "it is for other.invalid, not for localhost",
            "a proxy in between",
        ),
        (
            Certificate::UnknownRoot,
            "its issuer is CN=nobody's CA",
            "a proxy that opens TLS",
        ),
        (
            Certificate::SelfSigned,
            "nobody that this pod trusts",
            "trust anchors",
        ),
        (
            Certificate::Expired,
            "it is valid from 2019-01-01",
            "date -u",
        ),
    ] {
        let world = World::with(Options {
            certificate,
            ..Options::default()
        })
        .await;
        world.write(&world.billing());
        let verdict = world.doctor(&["--auth"]).await;
        verdict.assert_ends(13, why);
        verdict.assert_says("tls", &["FAILED", why, remedy, "issuer: ", "notAfter: "]);
        verdict.assert_says("greeting", &["skipped"]);
        verdict.assert_says("auth", &["skipped", "out of reach"]);
        assert_eq!(world.logins(), 0, "{certificate}");
    }
}

#[tokio::test]
async fn what_does_not_greet_or_offers_no_login_is_told() {
    let ehlo = "250-mx\r\n250 SIZE 5\r\n";
    for (stage, reply, words) in [
        (
            Stage::Greeting,
            "554 go away\r\n",
            "the server said 554 go away",
        ),
        (Stage::Ehlo, "502 what\r\n", "the server said 502 what"),
        (
            Stage::Ehlo,
            ehlo,
            "offers neither AUTH PLAIN nor AUTH LOGIN",
        ),
    ] {
        let world = World::documented().await;
        let fault = Fault::new(stage, Action::Reply(reply.into()));
        world.zoho.fault(fault).unwrap();
        let verdict = world.doctor(&[]).await;
        verdict.assert_ends(14, words);
        verdict.assert_says("greeting", &["FAILED", words]);
    }
    let world = World::new().await;
    world.write(&starttls("billing", ADDRESS, PASSWORD, &world.zoho));
    let fault = Fault::new(Stage::Greeting, Action::Reply("554 go away\r\n".into()));
    world.zoho.fault(fault).unwrap();
    let verdict = world.doctor(&[]).await;
    verdict.assert_ends(14, "554 go away");
    verdict.assert_says("tls", &["skipped", "for want of a greeting"]);

    let world = World::documented().await;
    let fault = Fault::new(Stage::Tls, Action::Reply("220 clear\r\n".into()));
    world.zoho.fault(fault).unwrap();
    let verdict = world.doctor(&[]).await;
    verdict.assert_ends(13, "does not speak TLS");
    verdict.assert_says("tls", &["465 with ImplicitTls, 587 with StartTls"]);
}

#[tokio::test]
async fn dns_that_fails_is_told_by_how() {
    let world = World::new().await;
    for (host, words, remedy) in [
        (
            "nowhere.test",
            "no such name in DNS (NXDOMAIN)",
            "docs/zoho.md",
        ),
        (
            "broken.test",
            "the name server answered SERVFAIL",
            "CoreDNS",
        ),
        ("silent.test", "no answer from the name server", "TCP 53"),
    ] {
        world.write(&world.changed("/upstream/host", &json!(host)));
        let verdict = world.doctor(&[]).await;
        verdict.assert_ends(11, words);
        verdict.assert_says("resolve", &["FAILED", words, remedy]);
        verdict.assert_says("auth", &["skipped"]);
    }
}

#[tokio::test]
async fn records_of_the_domain_are_told_with_whose_job_they_are() {
    let world = World::documented().await;
    world.names.forget("example.com");
    world.names.forget("zmail._domainkey.example.com");
    world.names.text("example.com", "hello");
    let verdict = world.doctor(&[]).await;
    verdict.assert_ends(0, "Nothing is broken. Look at: spf of billing");
    verdict.assert_says(
        "spf",
        &[
            "warning",
            "has no SPF record",
            "DNS admin: add one TXT record",
        ],
    );
    verdict.assert_says(
        "dkim",
        &[
            "warning",
            "zmail or zoho",
            "Mail admin: ",
            "--dkim-selector",
        ],
    );
    verdict.assert_says("mx", &["warning", "no MX", "DNS admin: "]);

    world
        .names
        .text("s1._domainkey.example.com", "v=DKIM1; p=MIGf");
    world
        .names
        .text("example.com", "v=spf1 include:_spf.example.com -all");
    world
        .names
        .text("_spf.example.com", "v=spf1 include:zoho.eu -all");
    // Zoho's hosts have Zoho's ports only, and here nobody listens on them.
    let nobody = Ipv4Addr::new(127, 77, 0, 1);
    world.names.host("smtp.zoho.eu", nobody);
    world.names.exchanger("example.com", "mx.zoho.com");
    let mut document = world.changed("/upstream/host", &json!("smtp.zoho.eu"));
    document["upstream"]["port"] = json!(465);
    world.write(&document);
    let verdict = world.doctor(&["--dkim-selector", "s1"]).await;
    verdict.assert_says("spf", &["ok ", "lets Zoho send (zoho.eu)"]);
    verdict.assert_says("dkim", &["ok ", "selector s1"]);
    verdict.assert_says("mx", &["warning", "two data centres", "Mail admin: "]);
}

#[tokio::test]
async fn a_server_that_takes_connections_and_says_nothing_is_told_in_time() {
    let world = World::new().await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    world.write(&world.changed("/upstream/port", &json!(port)));
    let start = Instant::now();
    let verdict = world.doctor(&["--starttls-port", &port.to_string()]).await;
    assert!(
        start.elapsed() < Duration::from_secs(40),
        "{:?}",
        start.elapsed()
    );
    verdict.assert_ends(13, "tls of billing");
    verdict.assert_says("tls", &["nothing came for 10s"]);
}
