//! Certificates that a client must refuse, and those that it must take.

use std::sync::Arc;

use zoho_simulator::{Action, Certificate, Fault, Options, PUBLISHED_HOSTS, Stage};

use crate::client::{connect_tls, options, start, trusting, within};

#[tokio::test]
async fn the_good_certificate_holds_for_localhost_all_published_hosts_and_named_ones() {
    let hosts = vec!["mail.test".to_owned()];
    let running = start(Options { hosts, ..options() }).await;
    let config = trusting(&running);
    let names = PUBLISHED_HOSTS.iter().map(|(host, _)| *host);
    for name in names.chain(["localhost", "127.0.0.1", "::1", "mail.test"]) {
        let address = running.implicit_tls().unwrap();
        let connected = connect_tls(Arc::clone(&config), address, name).await;
        assert!(connected.is_ok(), "{name}: {:?}", connected.err());
    }
}

#[tokio::test]
async fn every_faulty_certificate_is_refused_for_its_own_reason() {
    let rows = [
        (
            Certificate::OtherName,
            "smtp.zoho.com",
            "not valid for name",
        ),
        (Certificate::SelfSigned, "smtp.zoho.com", "UnknownIssuer"),
        (Certificate::Expired, "smtp.zoho.com", "expired"),
        (Certificate::UnknownRoot, "smtp.zoho.com", "UnknownIssuer"),
        (
            Certificate::CommonNameOnly,
            "localhost",
            "not valid for name",
        ),
        (
            Certificate::WildcardTwoLevels,
            "smtp.zoho.com",
            "not valid for name",
        ),
        (
            Certificate::WildcardTwoLevels,
            "localhost",
            "not valid for name",
        ),
        (
            Certificate::WrongUsage,
            "smtp.zoho.com",
            "extended key usage",
        ),
    ];
    for (kind, name, reason) in rows {
        let running = start(options()).await;
        running
            .fault(Fault::new(Stage::Tls, Action::Certificate(kind)).times(1))
            .unwrap();
        let address = running.implicit_tls().unwrap();
        let refused = connect_tls(trusting(&running), address, name).await;
        let error = refused
            .err()
            .unwrap_or_else(|| panic!("{kind} was taken"))
            .to_string();
        assert!(error.contains(reason), "{kind}: {error}");
        within(running.wait_until(|running| running.connections()[0].ended.is_some())).await;
        assert!(!running.connections()[0].tls, "{kind}");
        assert!(
            connect_tls(trusting(&running), address, name).await.is_ok(),
            "once only"
        );
    }
}

#[tokio::test]
async fn a_whole_run_can_have_a_faulty_certificate() {
    let running = start(Options {
        certificate: Certificate::Expired,
        ..options()
    })
    .await;
    let address = running.implicit_tls().unwrap();
    for _ in 0..2 {
        assert!(
            connect_tls(trusting(&running), address, "localhost")
                .await
                .is_err()
        );
    }
}

#[tokio::test]
async fn a_resumed_tls_session_is_noted() {
    let running = start(options()).await;
    let config = trusting(&running);
    for resumed in [false, true] {
        let address = running.implicit_tls().unwrap();
        let mut client = connect_tls(Arc::clone(&config), address, "localhost")
            .await
            .unwrap();
        client.reply().await;
        assert_eq!(running.connections().last().unwrap().tls_resumed, resumed);
    }
}
