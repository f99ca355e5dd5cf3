//! One pod learns that the account is refused, and all hold: a real operator, real sidecars, and a Zoho
//! whose ledger counts logins. `tests/tests/hold.rs` plays fifty of them.

use serde_json::{Value, json};
use zoho_simulator::AccountUpdate;
use zohorelay_crds::MailIdentity;
use zohorelay_crds::v1alpha1::HoldStatus;
use zohorelay_tests::sidecar::Sidecar;

use crate::delivering::send;
use crate::identity::world::{ADDRESS, GOOD, World, message};
use crate::release::handled;

const OTHER: &str = "canary-other-77c1d2";

impl World<'_> {
    fn put_password_at_zoho(&self, password: &str) {
        self.account(
            ADDRESS,
            AccountUpdate {
                app_password: Some(password.to_owned()),
                ..AccountUpdate::default()
            },
        );
    }

    /// A pod whose first mail meets a refused login, and the identity once all are to hold.
    async fn refused(&self) -> (Sidecar, MailIdentity) {
        self.billing().await;
        let sidecar = self.sidecar().await;
        self.running("web", &sidecar).await;
        self.put_password_at_zoho(OTHER);
        assert_eq!(send(&sidecar, ADDRESS).await, 451);
        let held = self
            .until_fits("billing", "a hold", |it| hold(it).until.is_some())
            .await;
        (sidecar, held)
    }

    async fn until_not_held(&self) -> MailIdentity {
        let is_over = |it: &MailIdentity| hold(it).until.is_none();
        self.until_fits("billing", "no hold", is_over).await
    }

    /// What the kubelet does, some time later.
    async fn deliver(&self, sidecar: &Sidecar) -> Value {
        let document = self.document("billing").await;
        sidecar.write(&document).unwrap();
        let revision = document["revision"].as_f64().unwrap();
        let labels = [("identity", "billing")];
        sidecar
            .metrics_when(|it| it.value("zohorelay_sidecar_config_revision", &labels) >= revision)
            .await
            .unwrap();
        document
    }
}

fn hold(identity: &MailIdentity) -> HoldStatus {
    let status = identity.status.as_ref();
    status.and_then(|it| it.hold.clone()).unwrap_or_default()
}

#[tokio::test]
async fn a_refused_login_of_one_pod_holds_all_until_a_person_releases_them() {
    let mut world = World::start().await;
    let (first, identity) = world.refused().await;
    let told = hold(&identity);
    assert_eq!(told.reason.as_deref(), Some("auth_failed"));
    let until = told.until.unwrap().0.to_string();
    let document = world.document("billing").await;
    assert_eq!(
        document["hold"],
        json!({"until": until, "reason": "auth_failed"})
    );
    let command = format!(
        "kubectl annotate --overwrite mid billing -n {} zohorelay.dev/release-hold=$(date +%s)",
        world.namespace
    );
    let said = message(&identity, "Delivering");
    assert!(said.contains(&until) && said.contains(&command), "{said}");
    world.event("billing", "Held").await;

    // Whoever leads next holds the same; a pod that has the document makes no login.
    world.kill_operator().await;
    world.start_operator(&[]).await;
    world.until_looked_at(async {}).await;
    assert_eq!(world.deliver(&first).await, document);
    let second = world.sidecar().await;
    assert_eq!(send(&second, ADDRESS).await, 451);
    assert_eq!(world.logins().refused, 1);

    world.put_password_at_zoho(GOOD);
    world.release("billing", "mended").await;
    world.until_handled("billing", "mended").await;
    let identity = world.until_not_held().await;
    assert_eq!(handled(&identity), Some("mended"));
    for sidecar in [&first, &second] {
        let document = world.deliver(sidecar).await;
        assert_eq!(
            (&document["hold"], &document["retry"]),
            (&Value::Null, &json!(1))
        );
        assert_eq!(send(sidecar, ADDRESS).await, 250);
    }
    assert_eq!(world.logins().refused, 1);
    world.event("billing", "HoldEnded").await;
}

#[tokio::test]
async fn a_new_password_that_is_taken_ends_a_hold_and_reports_of_the_old_one_begin_none() {
    let world = World::start().await;
    let (first, _) = world.refused().await;
    // Its document is on the way still: it reports its refusal on and on.
    world.put_password("billing", OTHER).await;
    let identity = world.until_not_held().await;
    let document = world.document("billing").await;
    assert_eq!(document["login"]["password"], json!(OTHER));
    assert_eq!(
        (&document["hold"], &document["retry"]),
        (&Value::Null, &json!(0))
    );
    let revision = identity.status.unwrap().revision;

    world.deliver(&first).await;
    assert_eq!(send(&first, ADDRESS).await, 250);
    let identity = world
        .until("billing", "Delivering", "True", "Delivering")
        .await;
    assert_eq!(hold(&identity), HoldStatus::default());
    assert_eq!(identity.status.unwrap().revision, revision);
}
