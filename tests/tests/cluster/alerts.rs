//! Faults reach whoever is on call: a real Prometheus with the scrape configuration and the rules that people
//! are given, a real Alertmanager, and what a person reads in the end.

mod dashboard;

mod fired;

mod operator;

use std::time::Duration;

use zohorelay_tests::ground::monitoring::{Monitoring, Notice};
use zohorelay_tests::ground::shop::Shop;

/// From the refusal of a mail to the notification, at the most.
const WITHIN: Duration = Duration::from_secs(60);

/// An identity with an alias that Zoho does not know: its mails are denied.
async fn declare_with_unknown_alias(shop: &Shop, identity: &str) -> String {
    let alias = format!("unknown-{identity}@{}.example", shop.namespace);
    shop.mailbox(identity).await.unwrap();
    shop.set_password(identity, &shop.password).await.unwrap();
    let mut object = shop.identity(identity).await.unwrap();
    object["spec"]["aliases"] = serde_json::json!([alias]);
    shop.apply(&object).await.unwrap();
    shop.until_condition(identity, "Ready", "True")
        .await
        .unwrap();
    alias
}

/// Seconds from the refusal that the app was told to the notification.
fn seconds(shop: &Shop, notice: &Notice) -> f64 {
    let told = shop.told.failed();
    assert_eq!(told.len(), 1, "{told:#?}");
    assert_eq!(told[0].code, Some(553), "{told:#?}");
    let refused = told[0].at.parse().unwrap();
    notice.at.duration_since(refused).as_secs_f64()
}

#[tokio::test]
async fn a_relay_denial_is_told_to_whoever_is_on_call_within_a_minute() {
    let shop = Shop::bare("denied").await.unwrap();
    let monitoring = Monitoring::shipped(shop.ground, &shop.client);
    let Some(monitoring) = monitoring.await.unwrap() else {
        return;
    };
    let alias = declare_with_unknown_alias(&shop, "billing").await;
    let from = format!("--from={alias}");
    let app = shop.deployment("shop").flags(&[&from, "--linger"]);
    shop.start(&app).await.unwrap();

    let namespace = ["namespace: denied"];
    let notice = monitoring
        .until_told("FIRING", "ZohoRelayDenied", &namespace, 2 * WITHIN)
        .await
        .unwrap();
    let seconds = seconds(&shop, &notice);
    println!("cluster: from a refused mail to its notification {seconds:.1} s");
    assert!(seconds <= WITHIN.as_secs_f64(), "{seconds}");
    let expected = include_str!("alerts/denied.txt").trim_end();
    assert_eq!(notice.text, expected, "the text has changed");
    shop.close().await.unwrap().verdict.assert_sound(0);
}

#[tokio::test]
async fn a_denied_mail_of_a_cron_job_that_lives_three_seconds_is_told_too() {
    let shop = Shop::bare("nightly").await.unwrap();
    let monitoring = Monitoring::shipped(shop.ground, &shop.client);
    let Some(monitoring) = monitoring.await.unwrap() else {
        return;
    };
    let alias = declare_with_unknown_alias(&shop, "billing").await;
    let report = shop.cron_job("report", "0 0 1 1 *");
    let report = report.set("/spec/jobTemplate/spec/backoffLimit", 0.into());
    let report = report.flags(&[&format!("--from={alias}")]);
    shop.start(&report).await.unwrap();
    shop.kubectl("create job tonight --from=cronjob/report")
        .await
        .unwrap();

    let namespace = ["namespace: nightly", "class: relay_denied"];
    let notice = monitoring
        .until_told("FIRING", "ZohoRelayDenied", &namespace, 2 * WITHIN)
        .await
        .unwrap();
    let seconds = seconds(&shop, &notice);
    println!("cluster: from a refused mail of a CronJob to its notification {seconds:.1} s");
    let ended = "zohorelay_operator_ended_pod_failures_total{namespace=\"nightly\"} > 0";
    let ended = monitoring.query(ended).await.unwrap();
    assert_eq!(ended.len(), 1, "{ended:#?}");
    assert_eq!(ended[0]["metric"]["class"], "relay_denied");
    shop.close().await.unwrap().verdict.assert_sound(0);
}
