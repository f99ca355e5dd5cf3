//! Identities come, go, move and rest under pods that run, and these are not restarted for it.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Secret;
use serde_json::json;
use tokio::time::Instant;
use zoho_simulator::Refusal;
use zohorelay_crds::MailIdentity;
use zohorelay_tests::ground::shop::{IDENTITY, Shop};
use zohorelay_tests::ground::told::Entry;
use zohorelay_tests::ground::workload::Workload;
use zohorelay_tests::objects::disappears;

use crate::docs::Recipe;
use crate::seen::{message, running, state, summary, until_state};

/// What an app does that has patience: the same mail again until it is taken.
const PATIENT: [&str; 2] = ["--retries=1000", "--retry-ms=300"];

/// An app that sends one mail after another.
fn sending(shop: &Shop) -> Workload {
    let app = shop.deployment("shop").flags(&PATIENT);
    app.flags(&["--count=0", "--every-ms=200"])
}

/// Waits until the app is answered so, so many times more.
async fn until_answered(shop: &Shop, code: u16, text: &str, times: usize) {
    let is_it = |entry: &&Entry| entry.code == Some(code) && entry.text.contains(text);
    let count = |entries: &[Entry]| entries.iter().filter(is_it).count();
    let wanted = count(&shop.told.entries()) + times;
    let what = format!("{code} {text} was told {wanted} times");
    let fits = |entries: &[Entry]| count(entries) >= wanted;
    shop.told.until(&what, fits).await.unwrap();
}

async fn pod(shop: &Shop) -> String {
    let pods = shop.pods_of("shop").await.unwrap();
    pods[0].metadata.name.clone().unwrap()
}

/// How many mails were sent, and how many logins were tried.
async fn at_zoho(shop: &Shop) -> (usize, u64) {
    let mails = shop.zoho.count_from(&shop.address()).await.unwrap();
    let logins = shop.zoho.logins_of(&shop.address()).await.unwrap();
    (mails, logins.total)
}

/// Ends the shop: nothing is lost or double, and no mail was given up.
async fn assert_all_delivered(shop: Shop) {
    let end = shop.close().await.unwrap();
    end.verdict.assert_sound(0);
    let told: BTreeSet<_> = end.entries.iter().map(|entry| &entry.id).collect();
    assert_eq!(end.ledger.accepted(), told.len(), "{:#?}", end.entries);
}

fn print_time(what: &str, since: Instant) {
    println!("cluster: {what} {:.1} s", since.elapsed().as_secs_f64());
}

#[tokio::test]
async fn a_pod_is_ready_before_its_identity_and_sends_once_that_is_there() {
    let shop = Shop::bare("late").await.unwrap();
    let app = shop.deployment("shop").flags(&PATIENT);
    let app = app.flags(&["--count=3", "--every-ms=1", "--linger"]);
    shop.start(&app).await.unwrap();
    shop.until_available("shop").await.unwrap();
    until_answered(&shop, 451, "4.3.0 identity billing not configured yet", 2).await;
    let at_first = running(&shop, "shop").await.unwrap();
    assert_eq!(
        summary(&shop, &pod(&shop).await).await.unwrap()["state"],
        "awaited"
    );

    shop.declare(IDENTITY).await.unwrap();
    let begun = Instant::now();
    shop.until_mails(3).await.unwrap();
    print_time(
        "from Ready of an identity to mail of a pod that waited",
        begun,
    );
    shop.until_condition(IDENTITY, "RolledOut", "True")
        .await
        .unwrap();
    until_state(&shop, "True True 1").await.unwrap();
    assert_eq!(running(&shop, "shop").await.unwrap(), at_first);
    // The operator's and the pod's.
    assert_eq!(at_zoho(&shop).await, (3, 2));
    assert_all_delivered(shop).await;
}

#[tokio::test]
async fn an_identity_deleted_under_a_pod_answers_451_until_it_is_there_again() {
    let shop = Shop::open("deleted").await.unwrap();
    shop.start(&sending(&shop)).await.unwrap();
    shop.until_available("shop").await.unwrap();
    shop.until_mails(5).await.unwrap();
    until_state(&shop, "True True 1").await.unwrap();
    let at_first = running(&shop, "shop").await.unwrap();

    let begun = Instant::now();
    Recipe::of("Deleting").run(&shop).await.unwrap();
    let secrets = shop.api::<Secret>();
    disappears(&secrets, "zohorelay-billing").await.unwrap();
    print_time(
        "from the deletion of an identity to that of its Secret",
        begun,
    );
    until_answered(&shop, 451, "4.3.0 identity billing removed", 1).await;
    print_time("from the deletion of an identity to 451 in its pod", begun);
    let at_removal = at_zoho(&shop).await;
    until_answered(&shop, 451, "4.3.0 identity billing removed", 10).await;
    assert_eq!(at_zoho(&shop).await, at_removal);
    assert_eq!(
        summary(&shop, &pod(&shop).await).await.unwrap()["state"],
        "removed"
    );
    assert_eq!(shop.kubectl("get mid").await.unwrap(), "");
    // The user's own stays.
    secrets.get("billing-zoho").await.unwrap();
    let connections = shop.zoho.connections_of(&shop.address()).await.unwrap();
    assert!(
        connections
            .iter()
            .all(|connection| connection.ended.is_some())
    );

    shop.declare(IDENTITY).await.unwrap();
    until_answered(&shop, 250, "", 5).await;
    until_state(&shop, "True True 1").await.unwrap();
    assert_eq!(running(&shop, "shop").await.unwrap(), at_first);
    assert_all_delivered(shop).await;
}

#[tokio::test]
async fn a_suspended_identity_answers_451_and_sends_nothing_until_it_is_resumed() {
    let shop = Shop::open("suspended").await.unwrap();
    shop.start(&sending(&shop)).await.unwrap();
    shop.until_available("shop").await.unwrap();
    shop.until_mails(5).await.unwrap();
    let at_first = running(&shop, "shop").await.unwrap();

    let suspend = Recipe::of("Suspending");
    let begun = Instant::now();
    suspend.run(&shop).await.unwrap();
    until_answered(&shop, 451, "4.3.0 identity billing is suspended", 1).await;
    print_time("from suspend: true to 451 in the pod", begun);
    let at_first_451 = at_zoho(&shop).await;
    // A new password is not tried either.
    shop.set_password(IDENTITY, "wrong-while-suspended")
        .await
        .unwrap();
    until_answered(&shop, 451, "4.3.0 identity billing is suspended", 20).await;
    assert_eq!(at_zoho(&shop).await, at_first_451);
    until_state(&shop, "True Unknown 1").await.unwrap();
    let suspended = shop.api::<MailIdentity>().get(IDENTITY).await.unwrap();
    let said = message(&suspended, "Ready");
    assert!(said.contains("every pod answers 451"), "{said}");

    shop.set_password(IDENTITY, &shop.password).await.unwrap();
    let begun = Instant::now();
    suspend.replaced("true", "false").run(&shop).await.unwrap();
    until_answered(&shop, 250, "", 5).await;
    print_time("from suspend: false to 250 in the pod", begun);
    until_state(&shop, "True True 1").await.unwrap();
    assert_eq!(running(&shop, "shop").await.unwrap(), at_first);
    assert_eq!(
        shop.zoho.logins_of(&shop.address()).await.unwrap().refused,
        0
    );
    assert_all_delivered(shop).await;
}

#[tokio::test]
async fn an_account_that_moves_to_another_data_centre_is_followed_without_a_lost_mail() {
    let shop = Shop::open("moved").await.unwrap();
    let address = shop.address();
    shop.start(&sending(&shop)).await.unwrap();
    shop.until_available("shop").await.unwrap();
    shop.until_mails(5).await.unwrap();
    let at_first = running(&shop, "shop").await.unwrap();

    // Too early: the account is still in the US.
    let mut moved = shop.identity(IDENTITY).await.unwrap();
    moved["spec"]["zoho"] = json!({"dataCenter": "EU"});
    moved["spec"]["server"]["host"] = json!("smtppro.zoho.eu");
    shop.apply(&moved).await.unwrap();
    shop.until_condition(IDENTITY, "CredentialsVerified", "False")
        .await
        .unwrap();
    shop.until_condition(IDENTITY, "Stalled", "True")
        .await
        .unwrap();
    let refused = shop.api::<MailIdentity>().get(IDENTITY).await.unwrap();
    let said = message(&refused, "Ready");
    let remedy = "the account lives in another data centre than EU";
    assert!(
        said.contains("smtppro.zoho.eu:465: 535") && said.contains(remedy),
        "{said}"
    );
    assert_eq!(state(&shop).await.unwrap(), "False False 1");
    until_answered(&shop, 250, "", 10).await;
    let logins = shop.zoho.logins_of(&address).await.unwrap();
    assert_eq!(
        (logins.refused, logins.last_refusal),
        (1, Some(Refusal::OtherDataCentre))
    );

    // Zoho moves it, and the docs' line has the same login tried once more.
    shop.zoho
        .update(&address, &json!({"data_centre": "EU"}))
        .await
        .unwrap();
    let begun = Instant::now();
    Recipe::of("After a refusal").run(&shop).await.unwrap();
    shop.until_condition(IDENTITY, "CredentialsVerified", "True")
        .await
        .unwrap();
    shop.until_condition(IDENTITY, "RolledOut", "True")
        .await
        .unwrap();
    print_time("from the release of a refused login to RolledOut", begun);
    until_answered(&shop, 250, "", 5).await;
    until_state(&shop, "True True 1").await.unwrap();
    assert_eq!(running(&shop, "shop").await.unwrap(), at_first);
    let connections = shop.zoho.connections_of(&address).await.unwrap();
    let last = connections.last().unwrap();
    assert_eq!(last.server_name.as_deref(), Some("smtppro.zoho.eu"));
    assert!(last.mails >= 5, "{last:?}");
    assert_eq!(shop.zoho.logins_of(&address).await.unwrap().refused, 1);
    assert_eq!(shop.told.failed(), []);
    assert_all_delivered(shop).await;
}
