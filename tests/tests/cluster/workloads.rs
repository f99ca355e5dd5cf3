//! What sends mail, from its start to its end.

use zohorelay_tests::ground::shop::Shop;

#[tokio::test]
async fn a_deployment_whose_app_sends_at_once_after_its_start_is_delivered() {
    let shop = Shop::open("at-once").await.unwrap();
    let app = shop.deployment("shop").replicas(2);
    let app = app.flags(&["--count=5", "--every-ms=1", "--linger"]);
    shop.start(&app).await.unwrap();
    shop.until_available("shop").await.unwrap();
    shop.until_mails(10).await.unwrap();

    let end = shop.close().await.unwrap();
    end.verdict.assert_sound(0);
    assert_eq!(end.ledger.accepted(), 10);
    assert!(end.entries.iter().all(|entry| entry.code == Some(250)));
    assert_eq!(end.mails.len(), 10);
}
