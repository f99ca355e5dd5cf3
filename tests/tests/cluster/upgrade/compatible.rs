//! Sidecars of one version with the operator of the other.

use std::time::Instant;

use zohorelay_crds::MailIdentity;
use zohorelay_tests::ground::shop::{IDENTITY, Shop};

use super::versions::Version;
use super::{goes_on, install, roll_back, said, sending, shop, sidecars_of, until_counted};

fn revision(identity: &MailIdentity) -> i64 {
    let status = identity.status.as_ref();
    status
        .and_then(|status| status.revision)
        .unwrap_or_default()
}

/// Changes the password as docs/rotation.md says: the second is made, the Secret changed, and the first
/// revoked once every pod has the second. Then every pod logs in by it.
async fn rotate(shop: &Shop, from: &str, to: &str) {
    let address = shop.address();
    shop.zoho
        .set_passwords(&address, &[from, to])
        .await
        .unwrap();
    let old = until_counted(shop, 2, 1).await;
    let start = Instant::now();
    shop.set_password(IDENTITY, to).await.unwrap();
    let is_rolled_out = |found: &MailIdentity| {
        revision(found) > revision(&old) && said(found, "RolledOut").starts_with("True")
    };
    let what = "the next revision is in every pod";
    shop.until(IDENTITY, what, is_rolled_out).await.unwrap();
    println!(
        "cluster: in both pods after {:.1} s",
        start.elapsed().as_secs_f64()
    );
    shop.zoho.set_passwords(&address, &[to]).await.unwrap();

    let now = until_counted(shop, 2, 1).await;
    for kind in ["Ready", "CredentialsVerified", "Published"] {
        let said = said(&now, kind);
        assert!(said.starts_with("True"), "{kind}: {said}");
    }
    goes_on(shop, 20).await;
}

#[tokio::test]
#[ignore = "release-check: builds the version before"]
async fn a_password_reaches_sidecars_of_the_other_version_and_the_status_counts_them() {
    let shop = shop("compatible").await;
    let (previous, today) = (Version::previous().await.unwrap(), Version::today());
    install(&shop, &previous).await.unwrap();
    shop.declare(IDENTITY).await.unwrap();
    shop.start(&sending(&shop, "older")).await.unwrap();
    shop.until_available("older").await.unwrap();

    install(&shop, &today).await.unwrap();
    shop.start(&sending(&shop, "newer")).await.unwrap();
    shop.until_available("newer").await.unwrap();
    assert_eq!(sidecars_of(&shop, "older").await, [&*previous.sidecar]);
    assert_eq!(sidecars_of(&shop, "newer").await, [&*today.sidecar]);
    rotate(&shop, &shop.password, "canary-second").await;

    roll_back(&shop, &previous).await.unwrap();
    rotate(&shop, "canary-second", "canary-third").await;

    let logins = shop.zoho.logins_of(&shop.address()).await.unwrap();
    assert_eq!(logins.refused, 0, "{logins:?}");
    let failed = shop.told.failed();
    shop.close().await.unwrap().verdict.assert_sound(0);
    assert_eq!(failed.len(), 0, "{failed:#?}");
}
