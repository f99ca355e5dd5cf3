//! Faults that mails meet.

use serde_json::{Value, json};
use zoho_simulator::{Action, Certificate, Fault, Raw, Stage, Then};
use zohorelay_tests::ground::shop::ask;

use super::scene::{Mended, Scene};
use crate::network::filter::{Filter, SMTPS, SUBMISSION};

fn reply(stage: Stage, text: &str) -> Fault {
    Fault::new(stage, Action::Reply(Raw::from(text)))
}

/// What docs/alerts.md says to do once it is mended at Zoho.
async fn release(scene: &Scene, identity: &str) {
    let command = format!("annotate --overwrite mid {identity} zohorelay.dev/release-hold=now");
    scene.shop.kubectl(&command).await.unwrap();
}

/// Something between pod and Zoho opens TLS, for everybody.
pub(super) async fn intercepted(scene: &Scene) -> Mended<'_> {
    let zoho = &scene.shop.zoho;
    let identity = "intercepted";
    scene.shop.declare(identity).await.unwrap();
    let alerts = &["ZohoRelayCertificateTrouble"];
    let struck = scene.strike_identity(alerts, identity).await;
    let other = Fault::new(Stage::Tls, Action::Certificate(Certificate::OtherName));
    let other = zoho.fault_for_all(other).await.unwrap();
    scene.shop.start(&scene.app(identity)).await.unwrap();
    let fires = struck.fires().await;
    zoho.disarm(other).await.unwrap();
    fires
}

/// An alias stands in the identity that Zoho does not know; it is added there.
pub(super) async fn denied(scene: &Scene) {
    let (shop, identity) = (&scene.shop, "denied");
    let address = shop.mailbox(identity).await.unwrap();
    let alias = shop.address_of("unknown");
    shop.set_password(identity, &shop.password).await.unwrap();
    let mut object = shop.identity(identity).await.unwrap();
    object["spec"]["aliases"] = json!([alias]);
    shop.apply(&object).await.unwrap();
    shop.until_condition(identity, "Ready", "True")
        .await
        .unwrap();
    let struck = scene.strike_identity(&["ZohoRelayDenied"], identity).await;
    let app = scene.app(identity).flags(&[&format!("--from={alias}")]);
    shop.start(&app).await.unwrap();
    let mended = struck.fires().await;
    let known = json!({"aliases": [alias]});
    shop.zoho.update(&address, &known).await.unwrap();
    mended.resolves_and_mail_goes(identity).await;
}

/// The mailbox is blocked; mails are held.
pub(super) async fn blocked(scene: &Scene) {
    let identity = "blocked";
    scene.shop.declare(identity).await.unwrap();
    scene.start(identity, 1).await;
    let alerts = &["ZohoRelayAccountBlocked", "ZohoRelayBreakerOpen"];
    let struck = scene.strike_identity(alerts, identity).await;
    block(scene, identity, json!("unusual_activity")).await;
    let mended = struck.fires().await;
    block(scene, identity, Value::Null).await;
    release(scene, identity).await;
    mended.resolves_and_mail_goes(identity).await;
}

async fn block(scene: &Scene, identity: &str, how: Value) {
    let update = json!({"blocked": how});
    let address = scene.shop.address_of(identity);
    scene.shop.zoho.update(&address, &update).await.unwrap();
}

/// The app password is revoked; another is made, and put into the Secret.
pub(super) async fn refused(scene: &Scene) {
    let (shop, identity) = (&scene.shop, "refused");
    let address = shop.address_of(identity);
    shop.declare(identity).await.unwrap();
    // Each mail needs a login.
    let hang_up = Fault::new(Stage::Idle, Action::Close);
    shop.zoho.fault(&address, hang_up).await.unwrap();
    scene.start(identity, 1).await;
    let alerts = &["ZohoRelayLoginRefused"];
    let struck = scene.strike_identity(alerts, identity).await;
    let other = format!("other-{:016x}", fastrand::u64(..));
    let passwords = [other.as_str()];
    shop.zoho.set_passwords(&address, &passwords).await.unwrap();
    let mended = struck.fires().await;
    shop.set_password(identity, &other).await.unwrap();
    mended.resolves_and_mail_goes(identity).await;
}

/// Two pods together send more than Zoho takes. After one refusal a pod waits: with one alone none would alert.
pub(super) async fn limited(scene: &Scene) {
    let (shop, identity) = (&scene.shop, "limited");
    shop.declare(identity).await.unwrap();
    scene.start(identity, 2).await;
    let alerts = &["ZohoRelayRateLimited"];
    let struck = scene.strike_identity(alerts, identity).await;
    let much = reply(Stage::EndOfData, "452 4.7.1 Mail rate exceeded limit\r\n");
    let address = shop.address_of(identity);
    let much = shop.zoho.fault(&address, much).await.unwrap();
    let mended = struck.fires().await;
    shop.zoho.disarm(much).await.unwrap();
    release(scene, identity).await;
    mended.resolves_and_mail_goes(identity).await;
}

/// A mail is taken, and the reply to its dot is lost.
pub(super) async fn lost(scene: &Scene) {
    let (shop, identity) = (&scene.shop, "lost");
    shop.declare(identity).await.unwrap();
    scene.start(identity, 1).await;
    let alerts = &["ZohoRelayUnknownOutcome"];
    let struck = scene.strike_identity(alerts, identity).await;
    let lost = Fault::new(Stage::EndOfData, Action::AcceptThen(Then::Reset));
    let address = shop.address_of(identity);
    shop.zoho.fault(&address, lost.times(1)).await.unwrap();
    let mended = struck.fires().await;
    mended.resolves_and_mail_goes(identity).await;
}

/// Zoho takes nothing, for a reason that has no alert of its own.
pub(super) async fn failing(scene: &Scene) {
    let (shop, identity) = (&scene.shop, "failing");
    shop.declare(identity).await.unwrap();
    let alerts = &["ZohoRelayNoSuccess"];
    let struck = scene.strike_identity(alerts, identity).await;
    let trouble = reply(Stage::EndOfData, "452 4.3.1 Temporary System Error\r\n");
    let address = shop.address_of(identity);
    let trouble = shop.zoho.fault(&address, trouble).await.unwrap();
    shop.start(&scene.app(identity)).await.unwrap();
    let mended = struck.fires().await;
    shop.zoho.disarm(trouble).await.unwrap();
    mended.resolves_and_mail_goes(identity).await;
}

/// Packets to the ports of mail are dropped.
pub(super) async fn walled(scene: &Scene) {
    let (shop, identity) = (&scene.shop, "walled");
    let Some(node) = shop.ground.own_node("blocked egress") else {
        return;
    };
    shop.mailbox(identity).await.unwrap();
    shop.set_password(identity, &shop.password).await.unwrap();
    let mut object = shop.identity(identity).await.unwrap();
    object["spec"]["delivery"] = json!({"deadline": "6s"});
    object["spec"]["limits"] = json!({"connections": 1});
    shop.apply(&object).await.unwrap();
    shop.until_condition(identity, "Ready", "True")
        .await
        .unwrap();
    scene.start(identity, 1).await;
    let pod = ask::address(&shop.pod_of(identity).await.unwrap());
    let filter = Filter::new(node, "fired", &pod.unwrap()).await.unwrap();

    let labels = [("namespace", shop.namespace.as_str())];
    let struck = scene.strike(&["ZohoRelayEgressBlocked"], &labels).await;
    let both = format!("tcp dport {{ {SMTPS}, {SUBMISSION} }} drop");
    filter.rules(&[&both]).await.unwrap();
    let mended = struck.fires().await;
    filter.repair().await.unwrap();
    mended.resolves_and_mail_goes(identity).await;
}
