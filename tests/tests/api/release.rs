//! A refused login that a person has tried once more, and queued ones that nobody wants any more.

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use zoho_simulator::{AccountUpdate, Block, BlockChange, Plan};
use zohorelay_crds::MailIdentity;

use crate::identity::world::{ADDRESS, GOOD, World, conditions, message};

impl World<'_> {
    async fn merge(&self, name: &str, patch: Value) {
        let params = PatchParams::default();
        let patch = Patch::Merge(patch);
        self.identities()
            .patch(name, &params, &patch)
            .await
            .unwrap();
    }

    /// What `kubectl annotate --overwrite` does.
    pub(crate) async fn release(&self, name: &str, value: &str) {
        let annotations = json!({"zohorelay.dev/release-hold": value});
        self.merge(name, json!({"metadata": {"annotations": annotations}}))
            .await;
    }

    pub(crate) async fn until_handled(&self, name: &str, value: &str) -> MailIdentity {
        let what = format!("the request {value} was acted on");
        self.until_fits(name, &what, |it| handled(it) == Some(value))
            .await
    }

    pub(crate) fn account(&self, address: &str, update: AccountUpdate) {
        self.zoho.put_account(address, update);
    }

    /// Waits until another mailbox was logged in at, which comes after all that was asked for before.
    async fn until_another_is_published(&self, name: &str) {
        let address = format!("{name}@elsewhere.example");
        self.account(
            &address,
            AccountUpdate {
                app_password: Some(GOOD.to_owned()),
                ..AccountUpdate::default()
            },
        );
        let mut identity = self.identity(name);
        identity["spec"]["address"] = json!(address);
        identity["spec"]["aliases"] = json!([]);
        self.put_password(name, GOOD).await;
        self.apply(&identity).await;
        self.until(name, "Ready", "True", "Published").await;
    }
}

pub(crate) fn handled(identity: &MailIdentity) -> Option<&str> {
    let hold = identity.status.as_ref()?.hold.as_ref()?;
    hold.last_handled_release.as_deref()
}

fn plan(plan: Plan) -> AccountUpdate {
    AccountUpdate {
        plan: Some(plan),
        ..AccountUpdate::default()
    }
}

#[tokio::test]
async fn a_cause_that_is_mended_at_zohos_end_takes_one_login_for_each_new_value_and_no_password() {
    let mut world = World::start().await;
    world.account(ADDRESS, plan(Plan::WithoutSmtp));
    world.put_password("billing", GOOD).await;
    world.apply(&world.identity("billing")).await;
    let identity = world
        .until("billing", "Stalled", "True", "LoginRefused")
        .await;
    let remedy = format!(
        "kubectl annotate --overwrite mid billing -n {} zohorelay.dev/release-hold=$(date +%s)",
        world.namespace
    );
    let said = message(&identity, "Ready");
    assert!(said.ends_with(&remedy), "{said}");
    world.assert_logins(0, 1);

    // Too early: nothing was mended.
    world.release("billing", "1").await;
    let identity = world.until_handled("billing", "1").await;
    assert_eq!(conditions(&identity)[0], "Ready=False/LoginRefused");
    world.until_another_is_published("second").await;
    world.assert_logins(0, 2);

    world.account(ADDRESS, plan(Plan::Paid));
    world.release("billing", "1").await;
    world.kill_operator().await;
    world.start_operator(&[]).await;
    world.until_another_is_published("third").await;
    world.assert_logins(0, 2);

    world.release("billing", "2").await;
    let identity = world.until("billing", "Ready", "True", "Published").await;
    assert_eq!(handled(&identity), Some("2"));
    let annotations = identity.metadata.annotations.unwrap();
    assert_eq!(annotations["zohorelay.dev/release-hold"], "2");
    world.assert_logins(1, 2);

    // The same again, and a restart.
    world.release("billing", "2").await;
    world.kill_operator().await;
    world.start_operator(&[]).await;
    world.until_another_is_published("fourth").await;
    // Nothing was refused: there is nothing to do but to say so.
    world.release("billing", "3").await;
    let identity = world.until_handled("billing", "3").await;
    assert_eq!(conditions(&identity)[0], "Ready=True/Published");
    world.assert_logins(1, 2);
}

#[tokio::test]
async fn an_account_that_is_unblocked_is_tried_at_once_when_a_person_asks() {
    let world = World::start().await;
    let block = |blocked| AccountUpdate {
        blocked,
        ..AccountUpdate::default()
    };
    world.account(
        ADDRESS,
        block(BlockChange::Set(Block::SenderAddressBlocked)),
    );
    world.put_password("billing", GOOD).await;
    world.apply(&world.identity("billing")).await;
    world
        .until("billing", "Stalled", "True", "AccountBlocked")
        .await;
    world.account(ADDRESS, block(BlockChange::Unblock));
    let before = world.logins().total;
    world.release("billing", "unblocked").await;
    world.until("billing", "Ready", "True", "Published").await;
    assert_eq!(world.logins().total, before + 1);
}

#[tokio::test]
async fn a_login_that_waits_for_its_turn_is_not_made_when_its_identity_is_suspended_by_then() {
    let mut world = World::without_operator().await;
    world.domain_login_interval = "8s";
    world
        .start_operator(&["--allowed-upstream-host", "localhost"])
        .await;
    world.published("billing").await;
    for name in ["held", "last"] {
        let address = format!("{name}@example.com");
        let account = AccountUpdate {
            app_password: Some(GOOD.to_owned()),
            ..AccountUpdate::default()
        };
        world.account(&address, account);
        let mut identity = world.identity(name);
        identity["spec"]["address"] = json!(address);
        world.put_password(name, GOOD).await;
        world.apply(&identity).await;
        world.until(name, "Ready", "Unknown", "Verifying").await;
    }
    world
        .merge("held", json!({"spec": {"suspend": true}}))
        .await;
    world.until("held", "Ready", "True", "Suspended").await;
    world.until("last", "Ready", "True", "Published").await;
    assert_eq!(world.zoho.logins("held@example.com").total, 0);
}
