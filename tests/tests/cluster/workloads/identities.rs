//! Several identities in a pod.

use std::collections::BTreeMap;

use zohorelay_tests::ground::shop::Shop;
use zohorelay_tests::ground::workload::Workload;

use super::status::of_pod;

#[tokio::test]
async fn the_from_chooses_the_login_and_where_nobody_owns_it_the_first_identity_answers() {
    let shop = Shop::bare("own-login").await.unwrap();
    for identity in ["billing", "alerts"] {
        shop.declare(identity).await.unwrap();
    }
    let from = |identity: &str| format!("--from={}", shop.address_of(identity));
    let both = Workload::job("both", "billing,alerts")
        .flags(&[&from("alerts"), "--count=3", "--every-ms=1"])
        .second_app(&[&from("billing"), "--count=3", "--every-ms=1"]);
    shop.start(&both).await.unwrap();
    let foreign = ["--from=visitor@example.net", "--exit-zero"];
    for identities in ["billing,alerts", "alerts,billing"] {
        let name = identities.replace(',', "-");
        let job = Workload::job(&name, identities).flags(&foreign);
        shop.start(&job).await.unwrap();
    }
    for job in ["both", "billing-alerts", "alerts-billing"] {
        shop.until_complete(job).await.unwrap();
    }

    let end = shop.judged().await.unwrap();
    end.verdict.assert_sound(0);
    assert_eq!(end.ledger.accepted(), 6);
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    for mail in &end.mails {
        *count.entry(&mail.login).or_default() += 1;
        let content = String::from_utf8_lossy(&mail.content);
        let from = format!("From: <{}>\r\n", mail.login);
        assert!(content.contains(&from), "{} sent {content}", mail.login);
    }
    let (billing, alerts) = (shop.address_of("billing"), shop.address_of("alerts"));
    assert_eq!(count, BTreeMap::from([(&*alerts, 3), (&*billing, 3)]));

    for (job, first, other) in [
        ("billing-alerts", &billing, &alerts),
        ("alerts-billing", &alerts, &billing),
    ] {
        let pod = &shop.pods_of(job).await.unwrap()[0];
        let pod = pod.metadata.name.as_deref().expect("a name");
        let told: Vec<_> = of_pod(&end.entries, pod).collect();
        assert_eq!((told.len(), told[0].code), (1, Some(553)), "{told:?}");
        let text = &told[0].text;
        assert!(text.contains(first) && !text.contains(other), "{text}");
    }
    shop.close().await.unwrap();
}
