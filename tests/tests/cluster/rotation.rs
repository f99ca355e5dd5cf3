//! Passwords change under load, as docs/identities.md says to do it.

mod line;
mod versions;

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;
use zoho_simulator::{Action, Fault, LoginCounts, Refusal, Stage};
use zohorelay_crds::MailIdentity;
use zohorelay_tests::ground::shop::{IDENTITY, Shop};
use zohorelay_tests::ground::told::Entry;

use self::line::Line;
use self::versions::Versions;
use crate::docs::Recipe;
use crate::seen::{message, running, state, summary, until_state};

const PODS: usize = 3;

/// A shop whose Secret was made as the docs say, with a password that works.
async fn opened(name: &str, password: &str) -> Shop {
    let shop = Shop::bare(name).await.unwrap();
    let address = shop.mailbox(IDENTITY).await.unwrap();
    shop.zoho
        .set_passwords(&address, &[password])
        .await
        .unwrap();
    let create = Recipe::of("The password").with(password);
    create.run(&shop).await.unwrap();
    let identity = shop.identity(IDENTITY).await.unwrap();
    shop.apply(&identity).await.unwrap();
    shop.until_condition(IDENTITY, "Ready", "True")
        .await
        .unwrap();
    shop
}

/// So many mails more than now.
async fn until_more_mails(shop: &Shop, more: usize) {
    let now = shop.zoho.count_from(&shop.address()).await.unwrap();
    shop.until_mails(now + more).await.unwrap();
}

async fn logins(shop: &Shop) -> LoginCounts {
    shop.zoho.logins_of(&shop.address()).await.unwrap()
}

async fn identity(shop: &Shop) -> MailIdentity {
    shop.api::<MailIdentity>().get(IDENTITY).await.unwrap()
}

/// What every pod's sidecar says that it serves.
async fn revisions(shop: &Shop) -> Vec<Option<i64>> {
    let mut all = Vec::new();
    for pod in shop.pods_of("shop").await.unwrap() {
        let summary = summary(shop, pod.metadata.name.as_deref().unwrap()).await;
        all.push(summary.unwrap()["revision"].as_i64());
    }
    all
}

#[tokio::test]
async fn a_wrong_password_reaches_no_pod_and_the_docs_rotation_fails_no_mail() {
    let passwords =
        ["old", "wrong", "new"].map(|kind| format!("{kind}-{:016x}", fastrand::u64(..)));
    let [old, wrong, new] = &passwords;
    let recipes = Recipe::of_section("Changing the password");
    let [change, wait, look] = &recipes[..] else {
        panic!("the docs changed: {recipes:?}");
    };
    let shop = opened("rotation", old).await;
    let address = shop.address();
    let versions = Versions::watch(&shop);
    // Each mail needs a login of its own, so that no password goes unnoticed.
    let hang_up = Fault::new(Stage::Idle, Action::Close);
    let hang_up = shop.zoho.fault(&address, hang_up).await.unwrap();
    let app = shop.deployment("shop").replicas(PODS.try_into().unwrap());
    let app = app.flags(&["--count=0", "--every-ms=300"]);
    shop.start(&app).await.unwrap();
    shop.until_available("shop").await.unwrap();
    shop.until_mails(10 * PODS).await.unwrap();
    until_state(&shop, "True True 3").await.unwrap();
    let at_first = running(&shop, "shop").await.unwrap();
    let published = identity(&shop).await.status.unwrap().revision;

    let begun = Instant::now();
    change.with(wrong).run(&shop).await.unwrap();
    let verified = "CredentialsVerified";
    shop.until_condition(IDENTITY, verified, "False")
        .await
        .unwrap();
    print_time("from a wrong password to its refusal", begun.elapsed());
    // The docs' wait for what is published ends in vain, and their look says why.
    let vain = wait.with_patience("2s").run(&shop).await.unwrap_err();
    assert!(vain.to_string().contains("timed out"), "{vain:#}");
    assert!(look.run(&shop).await.unwrap().contains("False"));
    assert_eq!(state(&shop).await.unwrap(), "False False 3");
    let refused = identity(&shop).await;
    let said = message(&refused, "Ready");
    assert!(said.contains("535 Authentication Failed"), "{said}");
    assert_eq!(refused.status.unwrap().revision, published);
    until_more_mails(&shop, 10 * PODS).await;
    assert_eq!(revisions(&shop).await, [published; PODS]);

    shop.zoho
        .set_passwords(&address, &[old, new])
        .await
        .unwrap();
    // The operator's login takes its time, as it does behind others. It is among the next four.
    let slow = Fault::new(Stage::Auth, Action::Delay { ms: 5000 }).times(4);
    let slow = shop.zoho.fault(&address, slow).await.unwrap();
    let begun = Instant::now();
    change.with(new).run(&shop).await.unwrap();
    wait.run(&shop).await.unwrap();
    shop.zoho.disarm(slow).await.unwrap();
    print_time(
        "from a new password to RolledOut in 3 pods",
        begun.elapsed(),
    );
    // The docs' last step.
    shop.zoho.set_passwords(&address, &[new]).await.unwrap();
    let rotated = identity(&shop).await.status.unwrap().revision;
    assert!(rotated > published, "{rotated:?}, {published:?}");
    assert_eq!(revisions(&shop).await, [rotated; PODS]);
    until_more_mails(&shop, 20 * PODS).await;
    assert_eq!(state(&shop).await.unwrap(), "True True 3");
    assert_eq!(running(&shop, "shop").await.unwrap(), at_first);

    let logins = logins(&shop).await;
    shop.zoho.disarm(hang_up).await.unwrap();
    assert_eq!(versions.passwords(), [old.clone(), new.clone()]);
    versions.assert_without(wrong);
    let end = shop.close().await.unwrap();
    end.verdict.assert_sound(0);
    let is_other = |entry: &&Entry| entry.code != Some(250);
    let other: Vec<_> = end.entries.iter().filter(is_other).collect();
    assert!(other.is_empty(), "{other:#?}");
    // One by the operator for the wrong password. Both of the good ones were used all the time.
    assert_eq!(
        (logins.refused, logins.last_refusal),
        (1, Some(Refusal::WrongPassword))
    );
    assert!(logins.ok >= 40 * PODS as u64, "{logins:?}");
    println!(
        "cluster: {} mails and {} logins during a rotation",
        end.mails.len(),
        logins.total
    );
}

#[tokio::test]
async fn twenty_changes_of_a_password_are_each_used_without_a_restart() {
    let shop = Shop::bare("twenty").await.unwrap();
    let mut lines = ["a", "b", "c", "d"].map(|identity| Line::new(&shop, identity));
    for line in &lines {
        line.start().await.unwrap();
    }
    // Four at a time, or it takes four minutes: the kubelet looks after each pod every 10 to 15 s.
    let changes = join_all(lines.iter_mut().map(|line| line.change(5))).await;
    let changes: Vec<_> = changes.into_iter().flat_map(Result::unwrap).collect();
    assert_eq!(changes.len(), 20);
    for line in &lines {
        line.assert_logins(5).await;
    }
    assert_eq!(shop.told.failed(), []);
    shop.close().await.unwrap().verdict.assert_sound(0);

    let published = changes.iter().map(|change| change.published).collect();
    let used = changes.iter().map(|change| change.used).collect();
    print_spread("from a new password to the Secret of the pods", published);
    print_spread(
        "from a new password to its use in the pod (the kubelet syncs each 10 s)",
        used,
    );
}

fn print_time(what: &str, time: Duration) {
    println!("cluster: {what} {:.1} s", time.as_secs_f64());
}

fn print_spread(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let [min, median, max] = [0, times.len() / 2, times.len() - 1].map(|n| times[n].as_secs_f64());
    println!(
        "cluster: {what}: min {min:.2} s, median {median:.2} s, max {max:.2} s of {}",
        times.len()
    );
}
