//! The dashboard says something in every panel, once mails went and failed.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;
use tokio::time::{Instant, sleep};
use zohorelay_tests::dashboard::{Query, queries};
use zohorelay_tests::ground::monitoring::Monitoring;
use zohorelay_tests::ground::shop::Shop;

use super::declare_with_unknown_alias;
use crate::seen::LOOK;

/// Scrapes are 15 s apart, and a rate needs two of them with a change between them.
const PATIENCE: Duration = Duration::from_secs(120);
/// Mails that go, over more than two scrapes.
const MAILS: usize = 40;

/// Mails that go, one of an alias that Zoho denies, one whose login is refused, and a denied one of a `CronJob`,
/// whose pod ends.
async fn load(shop: &Shop) -> Result<()> {
    let alias = declare_with_unknown_alias(shop, "billing").await;
    shop.declare("stale").await?;
    let stale = shop.address_of("stale");
    shop.zoho.set_passwords(&stale, &["of-another-day"]).await?;

    let sending = [&format!("--count={MAILS}"), "--every-ms=1000", "--linger"];
    shop.start(&shop.deployment("sending").flags(&sending))
        .await?;
    let denied = [&format!("--from={alias}"), "--linger"];
    shop.start(&shop.deployment("denied").flags(&denied))
        .await?;
    let refused = [&format!("--from={stale}"), "--linger"];
    let refused = shop.deployment("refused").flags(&refused);
    shop.start(&refused.annotation("zohorelay.dev/identities", "stale"))
        .await?;
    let report = shop.cron_job("report", "0 0 1 1 *");
    let report = report.set("/spec/jobTemplate/spec/backoffLimit", 0.into());
    shop.start(&report.flags(&[&format!("--from={alias}")]))
        .await?;
    shop.kubectl("create job tonight --from=cronjob/report")
        .await?;
    shop.told
        .until("three are refused", |_| shop.told.failed().len() == 3)
        .await?;
    shop.until_mails(MAILS).await
}

/// Whether a series of an answer has a figure; a ratio of nothing has none.
fn has_figure(series: &Value) -> bool {
    let of_range = series["values"].as_array().into_iter().flatten();
    let figure = |sample: &Value| sample[1].as_str()?.parse::<f64>().ok();
    let mut figures = of_range.chain([&series["value"]]).filter_map(figure);
    figures.any(f64::is_finite)
}

/// Asks each query until it says something, as Grafana would, of this namespace alone.
async fn until_all_say_something(
    monitoring: &Monitoring,
    namespace: &str,
    since: Timestamp,
) -> Result<Vec<Query>> {
    let mut all = queries();
    for query in &mut all {
        let ours = format!("namespace=~\"{namespace}\"");
        ensure!(query.expr.contains("namespace=~\".*\""), "{query:?}");
        query.expr = query.expr.replace("namespace=~\".*\"", &ours);
    }
    let deadline = Instant::now() + PATIENCE;
    let mut silent: BTreeMap<usize, &Query> = all.iter().enumerate().collect();
    loop {
        for (number, query) in silent.clone() {
            let answer = if query.is_instant {
                monitoring.query(&query.expr).await?
            } else {
                monitoring.query_range(&query.expr, since).await?
            };
            if answer.iter().any(has_figure) {
                silent.remove(&number);
            }
        }
        if silent.is_empty() {
            return Ok(all);
        }
        if Instant::now() > deadline {
            bail!("these panels are empty: {silent:#?}");
        }
        sleep(LOOK).await;
    }
}

#[tokio::test]
async fn every_query_of_the_dashboard_says_something_once_mails_went_and_failed() {
    let shop = Shop::bare("dashboard").await.unwrap();
    let monitoring = Monitoring::shipped(shop.ground, &shop.client);
    let Some(monitoring) = monitoring.await.unwrap() else {
        return;
    };
    let since = Timestamp::now();
    load(&shop).await.unwrap();

    let asked = until_all_say_something(&monitoring, &shop.namespace, since);
    let asked = asked.await.unwrap();
    let over_time = asked.iter().filter(|query| !query.is_instant).count();
    println!(
        "cluster: {} queries of the dashboard say something, {over_time} of them over time",
        asked.len()
    );
    shop.close().await.unwrap().verdict.assert_sound(0);
}
