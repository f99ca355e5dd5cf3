//! A changed password, right or wrong, and restarts in between.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use futures_util::{StreamExt, pin_mut};
use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use kube::runtime::watcher::watch_object;
use serde_json::{Value, json};
use zoho_simulator::AccountUpdate;
use zohorelay_crds::MailIdentity;
use zohorelay_tests::metrics::Metrics;

use super::world::{ADDRESS, GOOD, WRONG, World, conditions, document, find, message};

/// Every password that pods could read, for as long as it is watched.
#[derive(Clone, Default)]
struct Published(Arc<Mutex<Vec<Value>>>);

impl Published {
    fn watch(world: &World<'_>, name: &str) -> Self {
        let published = Self::default();
        let (seen, secrets) = (published.clone(), world.secrets());
        let name = format!("zohorelay-{name}");
        tokio::spawn(async move {
            let states = watch_object(secrets, &name);
            pin_mut!(states);
            while let Some(state) = states.next().await {
                if let Ok(Some(secret)) = state {
                    seen.0.lock().unwrap().push(document(&secret));
                }
            }
        });
        published
    }

    fn passwords(&self) -> BTreeSet<String> {
        let seen = self.0.lock().unwrap();
        let password = |it: &Value| it["login"]["password"].as_str().map(str::to_owned);
        seen.iter().filter_map(password).collect()
    }
}

async fn touch(world: &World<'_>, name: &str) -> Option<String> {
    let now = fastrand::u64(..).to_string();
    let patch = Patch::Merge(json!({"metadata": {"annotations": {"example.com/touched": now}}}));
    let (name, params) = (format!("{name}-zoho"), PatchParams::default());
    let secret = world.secrets().patch(&name, &params, &patch).await;
    secret.unwrap().resource_version()
}

fn secret_version(identity: &MailIdentity) -> Option<String> {
    let credential = identity.status.as_ref()?.credential.as_ref()?;
    credential.secret_resource_version.clone()
}

fn refused_version(identity: &MailIdentity) -> Option<String> {
    let credential = identity.status.as_ref()?.credential.as_ref()?;
    Some(credential.refused.as_ref()?.secret_resource_version.clone())
}

#[tokio::test]
async fn a_wrong_password_is_tried_once_and_never_reaches_the_pods() {
    let world = World::start().await;
    world.published("billing").await;
    let published = Published::watch(&world, "billing");

    world.put_password("billing", WRONG).await;
    let identity = world
        .until("billing", "Ready", "False", "LoginRefused")
        .await;
    assert_eq!(
        conditions(&identity),
        [
            "Ready=False/LoginRefused",
            "CredentialsVerified=False/LoginRefused",
            "Published=True/Published",
            "RolledOut=True/NoPods",
            "Stalled=True/LoginRefused",
        ]
    );
    let said = message(&identity, "Ready");
    for words in [
        "535",
        "not tried again",
        "app password",
        "another data centre",
        "billing-zoho",
    ] {
        assert!(said.contains(words), "{said}");
    }
    let fact = message(&identity, "CredentialsVerified");
    assert!(
        fact.contains("535") && !fact.contains("app password"),
        "{fact}"
    );
    assert!(message(&identity, "Published").contains("still serves"));
    world.assert_logins(1, 1);

    // Touched, not changed.
    let version = touch(&world, "billing").await;
    let what = "the touched Secret was looked at";
    world
        .until_fits("billing", what, |it| refused_version(it) == version)
        .await;
    // And back, to what was taken before.
    world.put_password("billing", GOOD).await;
    let identity = world.until("billing", "Ready", "True", "Published").await;
    assert!(refused_version(&identity).is_none());
    // Once more the same wrong one: it is remembered.
    world.put_password("billing", WRONG).await;
    world
        .until("billing", "Ready", "False", "LoginRefused")
        .await;
    world.assert_logins(1, 1);

    // A right one: the first that needs a login again, which comes after any that was asked for.
    let account = AccountUpdate {
        app_password: Some("canary-next".to_owned()),
        ..AccountUpdate::default()
    };
    world.zoho.put_account(ADDRESS, account);
    world.put_password("billing", "canary-next").await;
    let identity = world.until("billing", "Ready", "True", "Published").await;
    world.assert_logins(2, 1);
    let revision = identity.status.unwrap().revision;
    assert_eq!(world.document("billing").await["revision"], json!(revision));
    let passwords = published.passwords();
    assert!(!passwords.contains(WRONG), "{passwords:?}");
    assert!(passwords.contains(GOOD), "{passwords:?}");
}

#[tokio::test]
async fn a_first_password_that_is_wrong_publishes_nothing() {
    let world = World::start().await;
    world.put_password("billing", WRONG).await;
    world.apply(&world.identity("billing")).await;
    let identity = world
        .until("billing", "Stalled", "True", "LoginRefused")
        .await;
    assert_eq!(conditions(&identity)[2], "Published=False/LoginRefused");
    let rendered = world.secrets().get_opt("zohorelay-billing").await.unwrap();
    assert!(rendered.is_none());
    world.put_password("billing", GOOD).await;
    world.until("billing", "Ready", "True", "Published").await;
    world.assert_logins(1, 1);
}

#[tokio::test]
async fn a_secret_that_is_only_touched_is_not_tried_again() {
    let world = World::start().await;
    let before = world.published("billing").await;
    for _ in 0..3 {
        let version = touch(&world, "billing").await;
        let what = "the touched Secret was looked at";
        let after = world
            .until_fits("billing", what, |it| secret_version(it) == version)
            .await;
        assert_eq!(find(&after, "Ready"), find(&before, "Ready"));
        assert_eq!(
            after.status.unwrap().revision,
            before.status.as_ref().unwrap().revision
        );
    }
    world.assert_logins(1, 0);
}

/// Two identities with one login: `billing` with the right password, `alerts` with a wrong one since.
async fn one_taken_and_one_refused() -> World<'static> {
    let world = World::start().await;
    world.published("billing").await;
    world.published("alerts").await;
    world.put_password("alerts", WRONG).await;
    world
        .until("alerts", "Ready", "False", "LoginRefused")
        .await;
    world.assert_logins(1, 1);
    world
}

#[tokio::test]
async fn a_new_operator_tries_nothing_that_was_taken_or_refused_before() {
    let mut world = one_taken_and_one_refused().await;
    world.kill_operator().await;
    world.start_operator(&[]).await;
    let looked = |metrics: &Metrics| metrics.value("zohorelay_operator_reconciles_total", &[]);
    let both = world
        .operator()
        .metrics_when(|metrics| looked(metrics) >= 2.0);
    both.await.unwrap();
    // The login of a third comes after any that was asked for before.
    let account = AccountUpdate {
        app_password: Some("canary-third".to_owned()),
        ..AccountUpdate::default()
    };
    world.zoho.put_account("third@example.com", account);
    let mut third = world.identity("third");
    third["spec"]["address"] = json!("third@example.com");
    world.put_password("third", "canary-third").await;
    world.apply(&third).await;
    world.until("third", "Ready", "True", "Published").await;
    world.assert_logins(1, 1);
}

#[tokio::test]
async fn a_new_operator_tries_a_refused_login_once_more_where_its_secret_was_touched() {
    let mut world = one_taken_and_one_refused().await;
    world.kill_operator().await;
    let billing = touch(&world, "billing").await;
    let alerts = touch(&world, "alerts").await;
    world.start_operator(&[]).await;
    let what = "the touched Secret was looked at";
    world
        .until_fits("billing", what, |it| secret_version(it) == billing)
        .await;
    world
        .until_fits("alerts", what, |it| refused_version(it) == alerts)
        .await;
    world.assert_logins(1, 2);
}

/// docs/proof.md O8.
#[tokio::test]
async fn of_passwords_that_changed_while_no_operator_ran_only_the_last_is_tried() {
    let mut world = one_taken_and_one_refused().await;
    world.kill_operator().await;
    world.put_password("alerts", "canary-in-between").await;
    world.put_password("alerts", GOOD).await;
    world.start_operator(&[]).await;
    world.until("alerts", "Ready", "True", "Published").await;
    // What is published for it was taken already.
    world.assert_logins(1, 1);
}
