//! Sessions over real sockets, up to where a server would be needed.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use zohorelay_process::loopback;

use super::*;
use crate::fixtures::{self, value};

struct World {
    sidecar: Arc<Sidecar>,
    app: TcpStream,
}

impl World {
    /// A session with a sidecar of these identities; `null` stands for a document that is awaited.
    async fn new(identities: &[(&str, Value)]) -> Self {
        let names: Vec<&str> = identities.iter().map(|(name, _)| *name).collect();
        let sidecar = fixtures::sidecar(&names);
        for (name, changes) in identities.iter().filter(|(_, changes)| !changes.is_null()) {
            let identity = sidecar.roster.named(name).unwrap();
            let document = fixtures::document(name, changes);
            identity.apply(document, &sidecar.network).unwrap();
        }
        let listener = loopback::bind(0).unwrap().remove(0);
        let app = TcpStream::connect(listener.local_addr().unwrap()).await;
        let (socket, _) = listener.accept().await.unwrap();
        sidecar
            .tasks
            .spawn(Session::new(sidecar.clone(), socket).run());
        let mut world = Self {
            sidecar,
            app: app.unwrap(),
        };
        world.reply().await;
        world.say("EHLO app.example").await;
        world
    }

    async fn reply(&mut self) -> String {
        let mut text = String::new();
        loop {
            let mut line = Vec::new();
            while !line.ends_with(b"\r\n") {
                line.push(self.app.read_u8().await.unwrap());
            }
            text.push_str(std::str::from_utf8(&line).unwrap());
            if line[3] == b' ' {
                return text;
            }
        }
    }

    async fn say(&mut self, line: &str) -> String {
        self.app
            .write_all(format!("{line}\r\n").as_bytes())
            .await
            .unwrap();
        self.reply().await
    }

    /// One mail; its last reply.
    async fn mail(&mut self, content: &str) -> String {
        self.say("MAIL FROM:<app@example.net>").await;
        self.say("RCPT TO:<ann@example.org>").await;
        assert!(self.say("DATA").await.starts_with("354 "));
        self.say(&format!("{content}\r\n.")).await
    }

    fn value(&self, series: &str) -> f64 {
        value(
            &self.sidecar.metrics,
            &format!("zohorelay_sidecar_{series}"),
        )
    }

    fn failures(&self, identity: &str, class: &str) -> f64 {
        let labels = format!("class=\"{class}\",identity=\"{identity}\",origin=\"local\"");
        self.value(&format!("failures_total{{{labels}}}"))
    }
}

#[tokio::test]
async fn an_identity_that_is_not_there_is_told_at_mail_and_counts_no_size() {
    let mut world = World::new(&[("billing", Value::Null)]).await;
    let reply = world.say("MAIL FROM:<app@example.net>").await;
    assert_eq!(
        reply,
        "451 4.3.0 identity billing not configured yet; try again\r\n"
    );
    assert_eq!(world.failures("billing", "not_configured"), 1.0);
    let deferred = "mails_total{identity=\"billing\",outcome=\"deferred\"}";
    assert_eq!(world.value(deferred), 1.0);
    assert_eq!(world.value("message_bytes_count"), 0.0);
    assert_eq!(
        world.value("relay_duration_seconds_count{identity=\"billing\"}"),
        0.0
    );
    assert!(world.say("QUIT").await.starts_with("221 "));
}

#[tokio::test]
async fn suspended_mails_are_deferred_and_no_failure() {
    let mut world = World::new(&[("billing", json!({"suspend": true}))]).await;
    assert!(
        world
            .say("MAIL FROM:<app@example.net>")
            .await
            .starts_with("451 4.3.0 ")
    );
    let deferred = "mails_total{identity=\"billing\",outcome=\"deferred\"}";
    assert_eq!(world.value(deferred), 1.0);
    let page = fixtures::page(&world.sidecar.metrics);
    let mut failures = page.lines().filter(|line| line.contains("failures_total{"));
    assert!(failures.all(|line| line.ends_with(" 0")), "{page}");
}

#[tokio::test]
async fn with_two_identities_what_is_missing_is_told_after_the_dot() {
    let mut world = World::new(&[("billing", Value::Null), ("alerts", json!({}))]).await;
    let reply = world.mail("From: nobody@example.net\r\n\r\nbody").await;
    assert!(reply.starts_with("451 4.3.0 identity billing"), "{reply}");
    let reply = world
        .mail("From: x@example.net, alerts@example.com\r\n\r\nbody")
        .await;
    assert!(reply.starts_with("553 5.7.1 "), "{reply}");
    assert_eq!(world.failures("alerts", "sender_refused"), 1.0);
}

#[tokio::test]
async fn a_mail_over_the_limit_counts_for_the_identity_of_its_from() {
    let small = json!({"limits": {"messageBytes": 1024}});
    let large = json!({"limits": {"messageBytes": 300_000}});
    let mut world = World::new(&[("billing", large), ("alerts", small)]).await;
    let header = "From: alerts@example.com\r\n\r\n";
    for size in [1100, 400_000] {
        let reply = world.mail(&format!("{header}{}", "x".repeat(size))).await;
        let expected = "552 5.3.4 the mail is larger than 1024 bytes, the limit of identity alerts";
        assert!(reply.starts_with(expected), "{size}: {reply}");
    }
    assert_eq!(world.failures("alerts", "too_large"), 2.0);
    assert_eq!(world.failures("billing", "too_large"), 0.0);
}

#[tokio::test]
async fn eight_bit_and_normalised_mails_are_counted_whatever_becomes_of_them() {
    let mut world = World::new(&[("billing", json!({}))]).await;
    world.mail("From: x@example.net\r\n\r\n\u{e4}").await;
    world.mail("From: x@example.net\r\n\r\na\nb").await;
    assert_eq!(
        world.value("eight_bit_mails_total{identity=\"billing\"}"),
        1.0
    );
    assert_eq!(
        world.value("normalised_mails_total{identity=\"billing\"}"),
        1.0
    );
    assert_eq!(world.value("message_bytes_count"), 2.0);
    let strict = json!({"lineEndings": "Strict"});
    let mut world = World::new(&[("billing", strict)]).await;
    let reply = world.mail("From: billing@example.com\r\n\r\na\nb").await;
    assert!(reply.starts_with("554 5.6.0 "), "{reply}");
    assert_eq!(
        world.value("normalised_mails_total{identity=\"billing\"}"),
        0.0
    );
}

#[tokio::test]
async fn recipients_over_the_limit_are_one_failure_a_mail_and_in_the_last_words() {
    let mut world =
        World::new(&[("billing", json!({"limits": {"recipientsPerMessage": 2}}))]).await;
    for _ in 0..2 {
        world.say("MAIL FROM:<app@example.net>").await;
        for expected in ["250 ", "250 ", "452 4.5.3 ", "452 4.5.3 "] {
            let reply = world.say("RCPT TO:<ann@example.org>").await;
            assert!(reply.starts_with(expected), "{reply}");
        }
        world.say("RSET").await;
    }
    assert_eq!(world.failures("billing", "too_many_recipients"), 2.0);
    let counts = world.sidecar.roster.default_identity().tally.counts();
    assert_eq!(counts.failed["too_many_recipients"], 2);
}

#[tokio::test]
async fn what_follows_a_violation_is_never_a_command_and_the_app_hears_once() {
    let mut world = World::new(&[("billing", json!({}))]).await;
    world.say("MAIL FROM:<app@example.net>").await;
    world.say("RCPT TO:<ann@example.org>").await;
    world.say("DATA").await;
    let smuggled = "a\rb\r\n.\r\nMAIL FROM:<evil@example.net>\r\nRCPT TO:<x@example.org>\r\n";
    let padding = "x".repeat(100_000);
    world.app.write_all(smuggled.as_bytes()).await.unwrap();
    let _ = world.app.write_all(padding.as_bytes()).await;
    let mut told = String::new();
    world.app.read_to_string(&mut told).await.unwrap();
    assert!(
        told.starts_with("554 5.6.0 ") && told.matches("\r\n").count() == 1,
        "{told}"
    );
    assert_eq!(world.failures("billing", "framing"), 1.0);
}

/// The listener of the server takes connections and says nothing.
fn silent_server() -> (tokio::net::TcpListener, Value) {
    let listener = loopback::bind(0).unwrap().remove(0);
    let port = listener.local_addr().unwrap().port();
    let upstream = json!({"host": "localhost", "port": port, "security": "ImplicitTls"});
    (listener, json!({"upstream": upstream}))
}

const OWN: &str = "From: billing@example.com\r\n\r\nbody";

#[tokio::test]
async fn an_app_that_leaves_before_our_dot_takes_its_mail_along() {
    let (server, document) = silent_server();
    let mut world = World::new(&[("billing", document)]).await;
    world.say("MAIL FROM:<app@example.net>").await;
    world.say("RCPT TO:<ann@example.org>").await;
    world.say("DATA").await;
    world
        .app
        .write_all(format!("{OWN}\r\n.\r\n").as_bytes())
        .await
        .unwrap();
    let (mut dialled, _) = server.accept().await.unwrap();
    // A half-closed connection is the same to us as one whose app died.
    world.app.shutdown().await.unwrap();
    let mut told = String::new();
    world.app.read_to_string(&mut told).await.unwrap();
    assert!(
        told.starts_with("421 4.3.2 ") && told.contains("nothing was sent"),
        "{told}"
    );
    let mut hello = Vec::new();
    let _ = dialled.read_to_end(&mut hello).await;
    assert_eq!(world.failures("billing", "app_gone"), 1.0);
    let gone = "mails_total{identity=\"billing\",outcome=\"app_gone\"}";
    assert_eq!(world.value(gone), 1.0);
}

#[tokio::test]
async fn commands_sent_ahead_wait_for_the_mail_and_are_answered_in_order() {
    let (server, mut document) = silent_server();
    document["delivery"] = json!({"deadlineSeconds": 1});
    let mut world = World::new(&[("billing", document)]).await;
    world.say("MAIL FROM:<app@example.net>").await;
    world.say("RCPT TO:<ann@example.org>").await;
    world.say("DATA").await;
    let ahead = format!("{OWN}\r\n.\r\nNOOP\r\nVRFY x\r\nQUIT\r\n");
    world.app.write_all(ahead.as_bytes()).await.unwrap();
    let _dialled = server.accept().await.unwrap();
    drop(server);
    let mut codes = Vec::new();
    for _ in 0..4 {
        codes.push(world.reply().await[..3].to_owned());
    }
    assert_eq!(codes, ["451", "250", "252", "221"]);
}

#[tokio::test]
async fn a_mail_without_our_dot_has_one_second_at_the_shutdown() {
    let (server, document) = silent_server();
    let mut world = World::new(&[("billing", document)]).await;
    world.say("MAIL FROM:<app@example.net>").await;
    world.say("RCPT TO:<ann@example.org>").await;
    world.say("DATA").await;
    let content = format!("{OWN}\r\n.\r\n");
    world.app.write_all(content.as_bytes()).await.unwrap();
    let _dialled = server.accept().await.unwrap();
    let begun = Instant::now();
    world.sidecar.shutdown.begin();
    assert!(world.reply().await.starts_with("421 4.3.2 "));
    assert!(begun.elapsed() >= Duration::from_secs(1));
    world.sidecar.tasks.close();
    world.sidecar.tasks.wait().await;
    assert!(
        world
            .sidecar
            .roster
            .default_identity()
            .tally
            .counts()
            .failed
            .is_empty()
    );
    let deferred = "mails_total{identity=\"billing\",outcome=\"deferred\"}";
    assert_eq!(world.value(deferred), 1.0);
}
