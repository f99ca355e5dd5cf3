//! What the other tests stand on: an app that is started again is heard again, and tests that share a
//! simulator do not meet.

use std::collections::BTreeSet;

use zoho_simulator::{Action, Fault, Stage};
use zohorelay_tests::ground::shop::Shop;
use zohorelay_tests::ground::told::Entry;
use zohorelay_tests::ground::workload::Workload;

/// What the Message-IDs of one start of an app have in common.
fn start(entry: &Entry) -> &str {
    entry.id.rsplitn(3, '.').last().unwrap_or_default()
}

fn starts(entries: &[Entry]) -> BTreeSet<&str> {
    entries.iter().map(start).collect()
}

#[tokio::test]
async fn an_app_that_ends_and_is_started_again_is_heard_each_time() {
    let shop = Shop::open("again").await.unwrap();
    let app = shop.pod("shop").flags(&["--count=3", "--every-ms=1"]);
    shop.start(&app).await.unwrap();
    let twice = |entries: &[Entry]| entries.iter().filter(|entry| entry.ended).count() == 6;
    shop.told.until("two starts", twice).await.unwrap();

    let end = shop.close().await.unwrap();
    end.verdict.assert_sound(0);
    assert_eq!(starts(&end.entries).len(), 2);
    assert_eq!(end.mails.len(), 6, "{:#?}", end.entries);
}

#[tokio::test]
async fn two_apps_in_a_pod_are_heard_and_a_fault_strikes_one_mailbox_only() {
    let shop = Shop::bare("two").await.unwrap();
    for identity in ["billing", "alerts"] {
        shop.declare(identity).await.unwrap();
    }
    let (billing, alerts) = (shop.address_of("billing"), shop.address_of("alerts"));
    let later = Action::Reply("451 4.3.0 later\r\n".into());
    let fault = Fault::new(Stage::EndOfData, later);
    let fault = shop.zoho.fault(&alerts, fault).await.unwrap();

    let from = |address: &str| format!("--from={address}");
    let both = Workload::job("both", "billing,alerts")
        .flags(&[&from(&billing)])
        .second_app(&[&from(&alerts), "--exit-zero"]);
    shop.start(&both).await.unwrap();
    shop.until_complete("both").await.unwrap();

    let end = shop.judged().await.unwrap();
    end.verdict.assert_sound(0);
    let codes: Vec<_> = end.entries.iter().map(|entry| entry.code).collect();
    assert_eq!(end.ledger.accepted(), 1, "{codes:?}");
    assert_eq!(codes.len(), 2);
    assert_eq!(shop.told.failed()[0].code, Some(451));
    assert_eq!(shop.zoho.count_from(&billing).await.unwrap(), 1);
    assert_eq!(shop.zoho.logins_of(&alerts).await.unwrap().refused, 0);
    shop.zoho.disarm(fault).await.unwrap();
}
