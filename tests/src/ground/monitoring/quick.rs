//! A Prometheus of its own to which five minutes are ten seconds: the chart's rules with every window and wait
//! divided by 30, as its value for tests does it. It tells nobody; tests ask it what fires.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use kube::Client;
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use tokio::time::{Instant, sleep};

use super::{Monitoring, Programs, example, project};
use crate::ground::{Ground, RELEASE, SYSTEM};

/// What windows and waits are divided by.
const DIVISOR: u32 = 30;
/// Between two scrapes, and between two evaluations.
const INTERVAL: &str = "2s";
/// How long it may take until an alert fires, or is over.
const PATIENCE: Duration = Duration::from_secs(180);
/// Between two looks: many tests' parts look at once.
const LOOK: Duration = Duration::from_secs(1);

/// An alert, by its name and by all of these labels.
#[derive(Clone, Copy, Debug)]
pub struct Alert<'a> {
    /// As `ZohoRelayDenied`.
    pub name: &'a str,
    /// As `("namespace", "shop")`.
    pub labels: &'a [(&'a str, &'a str)],
}

impl Alert<'_> {
    fn is(&self, alert: &Value) -> bool {
        let labels = &alert["labels"];
        let mut wanted = self.labels.iter();
        labels["alertname"] == self.name && wanted.all(|(key, value)| labels[key] == *value)
    }
}

impl Monitoring {
    /// With the chart's rules and the scrape jobs that people are given, 30 times as fast or so. For a test
    /// that is alone and stops it: the operator counts an ended pod once somebody has read that it counted
    /// none, and with two who read, the slower one sees no increase.
    ///
    /// None where [`Monitoring::shipped`] gives none.
    pub async fn quick(ground: &'static Ground, client: &Client) -> Result<Option<Self>> {
        static READY: OnceCell<()> = OnceCell::const_new();
        let files = vec![
            ("scrape.yaml", scrape()?),
            ("rules.yaml", rules(ground).await?),
        ];
        let names = &["prometheus"];
        let programs = Programs {
            names,
            files,
            rules: None,
        };
        Self::start(ground, client, "monitoring-quick", &READY, programs).await
    }

    /// Ends it.
    pub async fn stop(&self) -> Result<()> {
        let delete = "delete deployment prometheus --cascade=foreground --timeout=60s";
        let delete = format!("-n {} {delete}", self.namespace);
        self.ground.kubectl(&delete).await.map(drop)
    }

    /// The names of all alerts that it has rules for.
    pub async fn alerts(&self) -> Result<BTreeSet<String>> {
        let answer = self.prometheus.get_json("/api/v1/rules?type=alert").await?;
        let groups = answer["data"]["groups"].as_array().context("groups")?;
        let rules = groups.iter().filter_map(|group| group["rules"].as_array());
        let names = rules.flatten().map(|rule| rule["name"].as_str());
        let names: Option<_> = names.map(|name| name.map(str::to_owned)).collect();
        names.context("names")
    }

    /// Whether an alert fires.
    pub async fn is_firing(&self, alert: Alert<'_>) -> Result<bool> {
        let alerts = self.active().await?;
        let mut fitting = alerts.iter().filter(|one| alert.is(one));
        Ok(fitting.any(|one| one["state"] == "firing"))
    }

    /// Waits until an alert fires, or until it does not any more.
    pub async fn until_firing(&self, alert: Alert<'_>, is_firing: bool) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while self.is_firing(alert).await? != is_firing {
            if Instant::now() > deadline {
                let active = self.active().await?;
                bail!("waiting until it is {is_firing} that {alert:?} fires; active: {active:#?}");
            }
            sleep(LOOK).await;
        }
        Ok(())
    }

    /// Waits until a query has an answer.
    pub async fn until_answered(&self, query: &str) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while self.query(query).await?.is_empty() {
            if Instant::now() > deadline {
                bail!("no answer to {query}");
            }
            sleep(LOOK).await;
        }
        Ok(())
    }

    /// The alerts that fire or are about to.
    async fn active(&self) -> Result<Vec<Value>> {
        let mut answer = self.prometheus.get_json("/api/v1/alerts").await?;
        Ok(serde_json::from_value(answer["data"]["alerts"].take())?)
    }
}

/// The configuration that people are given, without anybody who is told. JSON is YAML.
fn scrape() -> Result<String> {
    let mut config: Value = serde_saphyr::from_str(&example("scrape.yaml")?)?;
    config["global"] = json!({"scrape_interval": INTERVAL, "evaluation_interval": INTERVAL});
    config["alerting"] = json!({});
    Ok(config.to_string())
}

async fn rules(ground: &Ground) -> Result<String> {
    let chart = project("charts/zohorelay");
    let chart = chart.to_str().context("a path in UTF-8")?;
    let divisor = format!("prometheusRule.divideWindowsBy={DIVISOR}");
    let mut arguments = vec!["template", RELEASE, chart, "-n", SYSTEM];
    arguments.extend(["--show-only", "templates/prometheusrule.yaml"]);
    arguments.extend(["--set", "prometheusRule.enabled=true", "--set", &divisor]);
    let rule: Value = serde_saphyr::from_str(&ground.helm(&arguments).await?)?;
    Ok(rule["spec"].to_string())
}
