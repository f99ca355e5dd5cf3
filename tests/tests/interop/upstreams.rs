//! App → sidecar → servers that nobody here wrote: good mails, and the refusals of the fault table
//! that such servers can play.

pub(crate) mod server;

use serde_json::{Value, json};
use zohorelay_tests::app::{App, Reply};
use zohorelay_tests::metrics::Metrics;
use zohorelay_tests::sidecar::{self, Sidecar};

use self::server::{Kind, Security, Server};
use crate::arrived::assert_is_sent;
use crate::form::{FROM, Form, large};

const ANN: &str = "ann@example.org";

/// Belongs to the identity by its document, and at the server to somebody else.
const BOSS: &str = "boss@example.com";

async fn sidecar(document: Value) -> Sidecar {
    Sidecar::start(sidecar::Options::with(vec![document]))
        .await
        .unwrap()
}

/// Sends a content, dot-stuffed; gives the reply to its dot.
async fn send(sidecar: &Sidecar, from: &str, to: &[&str], content: &[u8]) -> Reply {
    let mut app = App::connect(sidecar.smtp).await.unwrap();
    app.begin(from, to).await.unwrap();
    let mut wire = Vec::with_capacity(content.len() + 1024);
    for line in content.split_inclusive(|&byte| byte == b'\n') {
        wire.extend_from_slice(if line.starts_with(b".") { b"." } else { b"" });
        wire.extend_from_slice(line);
    }
    wire.extend_from_slice(b".\r\n");
    app.write(&wire).await.unwrap();
    app.reply().await.unwrap()
}

async fn takes_every_form(kind: Kind, security: Security, forms: &[Form]) {
    let Some(server) = Server::start(kind).await else {
        return;
    };
    let sidecar = sidecar(server.document(security)).await;
    for (index, form) in forms.iter().enumerate() {
        let what = format!("{kind:?} {security:?} {}", form.name());
        let content = form.mail();
        let reply = send(&sidecar, FROM, form.recipients(), &content).await;
        assert_eq!(reply.code, 250, "{what}: {reply:?}");
        let mails = server.mailbox_when(ANN, index + 1).await;
        assert_eq!(mails.len(), index + 1, "{what}");
        assert_is_sent(&mails[index], &content, &what);
    }
    // The one form with several recipients came to all of them, once.
    for recipient in &Form::Several.recipients()[1..] {
        let mails = server.mailbox_when(recipient, 1).await;
        assert_eq!(mails.len(), 1, "{recipient}");
        assert_is_sent(&mails[0], &Form::Several.mail(), recipient);
    }
}

/// A mail over the limit of both servers.
fn too_large() -> Vec<u8> {
    [Form::Plain.mail(), large(23 * 1024 * 1024)].concat()
}

async fn refusals_reach_the_app(kind: Kind) {
    let Some(mut server) = Server::start(kind).await else {
        return;
    };
    let mut document = server.document(Security::ImplicitTls);
    document["addresses"]["aliases"] = json!([BOSS]);
    let sidecar = sidecar(document).await;
    let small = Form::Plain.mail();
    let of_boss = String::from_utf8(small.clone())
        .unwrap()
        .replace(FROM, BOSS);
    let too_large = too_large();
    let nobody = "nobody@example.org";
    let later = "later@example.org";
    let rows: [(&str, &[&str], &[u8], Refused); 5] = [
        (BOSS, &[ANN], of_boss.as_bytes(), SENDER_NOT_OWNED),
        (
            FROM,
            &[nobody],
            &small,
            Refused(550, "recipient_refused", "rcpt", "550", nobody),
        ),
        (
            FROM,
            &[ANN, nobody],
            &small,
            Refused(550, "recipient_refused", "rcpt", "550", nobody),
        ),
        (
            FROM,
            &[later],
            &small,
            Refused(451, "unclassified", "rcpt", "other", ""),
        ),
        (
            FROM,
            &[ANN],
            &too_large,
            Refused(552, "message_refused", "mail", "none", ""),
        ),
    ];
    for (from, to, content, refused) in rows {
        let before = sidecar.metrics().await.unwrap();
        let reply = send(&sidecar, from, to, content).await;
        refused.assert(&reply, &before, &sidecar.metrics().await.unwrap());
        let good = send(&sidecar, FROM, &[ANN], &small).await;
        assert_eq!(good.code, 250, "after {refused:?}: {good:?}");
    }
    assert_eq!(server.mailbox_when(ANN, 5).await.len(), 5);
    server.stop();
    let before = sidecar.metrics().await.unwrap();
    let reply = send(&sidecar, FROM, &[ANN], &small).await;
    let gone = Refused(451, "connect", "connect", "none", "");
    gone.assert(&reply, &before, &sidecar.metrics().await.unwrap());
}

/// With STARTTLS neither server says how much it takes, so that it refuses a mail that is there.
async fn a_size_that_was_not_announced_is_refused_after_the_upload(kind: Kind) {
    let Some(server) = Server::start(kind).await else {
        return;
    };
    let sidecar = sidecar(server.document(Security::StartTls)).await;
    let before = sidecar.metrics().await.unwrap();
    let reply = send(&sidecar, FROM, &[ANN], &too_large()).await;
    let refused = Refused(552, "message_refused", "end_of_data", "552", "");
    refused.assert(&reply, &before, &sidecar.metrics().await.unwrap());
    assert!(server.mailbox(ANN).is_empty());
}

/// Of a sender that the login does not own. The sidecar knows Zoho's words for it, not these: the
/// refusal is permanent and says why, but its class is unknown.
const SENDER_NOT_OWNED: Refused = Refused(554, "unclassified", "rcpt", "553", "not owned by user");

/// The app's code, the class, stage and code of the metrics, and a part of the text.
#[derive(Clone, Copy, Debug)]
struct Refused(u16, &'static str, &'static str, &'static str, &'static str);

impl Refused {
    fn assert(self, reply: &Reply, before: &Metrics, after: &Metrics) {
        let Self(code, class, stage, upstream_code, text) = self;
        assert_eq!(reply.code, code, "{self:?}: {reply:?}");
        assert!(reply.text.contains(text), "{self:?}: {reply:?}");
        let family = "zohorelay_sidecar_failure_replies_total";
        let labels = [("class", class), ("stage", stage), ("code", upstream_code)];
        let rise = after.value(family, &labels) - before.value(family, &labels);
        let risen = after.risen(before, "_failure_replies_total");
        assert_eq!(rise, 1.0, "{self:?}: {risen}");
    }
}

/// Twenty mails at once with a wrong password.
async fn a_wrong_password_costs_one_login(kind: Kind) {
    let Some(server) = Server::start(kind).await else {
        return;
    };
    let mut document = server.document(Security::ImplicitTls);
    document["login"]["password"] = json!("wrong");
    let sidecar = sidecar(document).await;
    let mut apps = Vec::new();
    for _ in 0..20 {
        let mut app = App::connect(sidecar.smtp).await.unwrap();
        app.begin(FROM, &[ANN]).await.unwrap();
        apps.push(app);
    }
    let content = format!("From: {FROM}\r\n\r\nbody\r\n.\r\n");
    for app in &mut apps {
        app.write(content.as_bytes()).await.unwrap();
    }
    for app in &mut apps {
        let reply = app.reply().await.unwrap();
        assert_eq!(reply.code, 451, "{reply:?}");
    }
    assert_eq!(server.refused_logins().await, 1);
    let metrics = sidecar.metrics().await.unwrap();
    let family = "zohorelay_sidecar_failure_replies_total";
    let refused = [("class", "auth_failed"), ("stage", "auth"), ("code", "535")];
    assert_eq!(metrics.value(family, &refused), 1.0);
    let logins = [("result", "refused")];
    assert_eq!(
        metrics.value("zohorelay_sidecar_logins_total", &logins),
        1.0
    );
    let open = [("reason", "auth_failed")];
    assert_eq!(metrics.value("zohorelay_sidecar_breaker_open", &open), 1.0);
    assert!(server.mailbox(ANN).is_empty());
}

#[tokio::test]
async fn postfix_has_every_form_byte_for_byte_over_implicit_tls() {
    takes_every_form(Kind::Postfix, Security::ImplicitTls, &Form::ALL).await;
}

#[tokio::test]
async fn postfix_has_every_small_form_byte_for_byte_over_starttls() {
    takes_every_form(Kind::Postfix, Security::StartTls, &Form::ALL[..5]).await;
}

#[tokio::test]
async fn postfix_refusals_reach_the_app_and_the_next_mail_goes() {
    refusals_reach_the_app(Kind::Postfix).await;
}

#[tokio::test]
async fn postfix_552_after_the_upload_reaches_the_app() {
    a_size_that_was_not_announced_is_refused_after_the_upload(Kind::Postfix).await;
}

#[tokio::test]
async fn a_wrong_password_costs_one_login_at_postfix() {
    a_wrong_password_costs_one_login(Kind::Postfix).await;
}

#[tokio::test]
async fn aiosmtpd_has_every_form_byte_for_byte_over_implicit_tls() {
    takes_every_form(Kind::Aiosmtpd, Security::ImplicitTls, &Form::ALL).await;
}

#[tokio::test]
async fn aiosmtpd_has_every_small_form_byte_for_byte_over_starttls() {
    takes_every_form(Kind::Aiosmtpd, Security::StartTls, &Form::ALL[..5]).await;
}

#[tokio::test]
async fn aiosmtpd_refusals_reach_the_app_and_the_next_mail_goes() {
    refusals_reach_the_app(Kind::Aiosmtpd).await;
}

#[tokio::test]
async fn aiosmtpd_552_after_the_upload_reaches_the_app() {
    a_size_that_was_not_announced_is_refused_after_the_upload(Kind::Aiosmtpd).await;
}

#[tokio::test]
async fn a_wrong_password_costs_one_login_at_aiosmtpd() {
    a_wrong_password_costs_one_login(Kind::Aiosmtpd).await;
}
