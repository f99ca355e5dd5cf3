//! A Prometheus with what the Prometheus operator makes of the chart's objects: its own part, to run the pods that
//! it wrote that for, is played here.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use flate2::read::GzDecoder;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Client;
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use tokio::time::{Instant, sleep};

use super::{LOOK, Monitoring, Programs, apply_namespace};
use crate::ground::Ground;
use crate::objects::{self, api};

/// The label by which the operator finds the chart's objects.
pub const LABEL: (&str, &str) = ("release", "prometheus");
/// The name of the `Prometheus`.
const NAME: &str = "ours";
/// From the first look to the last: several scrapes and evaluations, which are 2 s apart.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the operator wrote.
#[derive(Clone, Debug)]
pub struct Written {
    /// The configuration, as text.
    pub config: String,
    /// The groups of rules.
    pub groups: Vec<Value>,
}

/// A target that Prometheus scrapes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// The job, as the operator names it.
    pub job: String,
    /// Of its pod.
    pub namespace: String,
    /// Of its pod.
    pub pod: String,
}

/// Asks the operator for a Prometheus in a namespace of its own, and waits for its configuration; `fits` says
/// whether it is of today's objects.
pub async fn written(
    client: &Client,
    namespace: &str,
    fits: impl Fn(&Value) -> bool,
) -> Result<Written> {
    apply_namespace(client, namespace).await?;
    let selector = json!({"matchLabels": {LABEL.0: LABEL.1}});
    let prometheus = json!({
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "Prometheus",
        "metadata": {"name": NAME},
        "spec": {
            // Its images are not here.
            "replicas": 0,
            "serviceAccountName": "prometheus",
            "evaluationInterval": "2s",
            "podMonitorNamespaceSelector": {},
            "podMonitorSelector": selector,
            "ruleNamespaceSelector": {},
            "ruleSelector": selector,
        },
    });
    objects::apply_object(client, namespace, &prometheus).await?;
    let secrets = api::<Secret>(client, namespace);
    let name = format!("prometheus-{NAME}");
    let fits = |found: Option<&Secret>| {
        let config = found.and_then(|found| config(found).ok());
        let parsed = config.and_then(|text| serde_saphyr::from_str(&text).ok());
        parsed.is_some_and(|config: Value| fits(&config))
    };
    let found = objects::until(&secrets, &name, "it has our jobs", fits).await?;
    let config = config(&found.context("a Secret")?)?;
    let maps = api::<ConfigMap>(client, namespace);
    let has_files = |map: Option<&ConfigMap>| map.is_some_and(|map| map.data.is_some());
    let map = objects::until(&maps, &rule_map(), "it has rules", has_files).await?;
    let mut groups = Vec::new();
    for file in map.and_then(|map| map.data).unwrap_or_default().values() {
        let mut file: Value = serde_saphyr::from_str(file)?;
        groups.extend(serde_json::from_value::<Vec<Value>>(file["groups"].take())?);
    }
    Ok(Written { config, groups })
}

fn rule_map() -> String {
    format!("prometheus-{NAME}-rulefiles-0")
}

/// The configuration of a Secret, with the environment of the first pod in it, as the operator's reloader writes it.
fn config(secret: &Secret) -> Result<String> {
    let data = secret.data.as_ref();
    let zipped = data.and_then(|data| data.get("prometheus.yaml.gz"));
    let mut text = String::new();
    GzDecoder::new(&zipped.context("a configuration")?.0[..]).read_to_string(&mut text)?;
    let pod = format!("prometheus-{NAME}-0");
    Ok(text.replace("$(POD_NAME)", &pod).replace("$(SHARD)", "0"))
}

impl Monitoring {
    /// With the configuration that was written in this namespace, and the rules beside it.
    ///
    /// None where [`Monitoring::shipped`] gives none.
    pub async fn operated(
        ground: &'static Ground,
        client: &Client,
        namespace: &'static str,
        written: &Written,
    ) -> Result<Option<Self>> {
        let path = format!("/etc/prometheus/rules/{}", rule_map());
        let programs = Programs {
            names: &["prometheus"],
            files: vec![("scrape.yaml", written.config.clone())],
            rules: Some((rule_map(), path)),
        };
        Self::start(ground, client, namespace, &OnceCell::new(), programs).await
    }

    /// Waits until it scrapes exactly the wanted targets, each with success, and gives them. They are asked for
    /// at each look, since pods of the release before may be about to go.
    pub async fn until_up(
        &self,
        wanted: impl AsyncFn() -> Result<BTreeSet<Target>>,
    ) -> Result<BTreeSet<Target>> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let wanted = wanted().await?;
            let path = "/api/v1/targets?state=active";
            let mut answer = self.prometheus.get_json(path).await?;
            let active: Vec<Value> =
                serde_json::from_value(answer["data"]["activeTargets"].take())?;
            let all = active.iter().map(target).collect::<Option<BTreeSet<_>>>();
            let is_up = active.iter().all(|one| one["health"] == "up");
            if is_up && active.len() == wanted.len() && all.as_ref() == Some(&wanted) {
                return Ok(wanted);
            }
            if Instant::now() > deadline {
                let log = self.log().await?;
                bail!("the targets are not {wanted:#?}: {active:#?}\n{log}");
            }
            sleep(LOOK).await;
        }
    }

    /// What Prometheus itself complains of.
    async fn log(&self) -> Result<String> {
        let log = format!("logs -n {} deployment/prometheus", self.namespace);
        self.ground.kubectl(&log).await
    }

    /// Waits until each rule was evaluated with success; gives the names, in their order.
    pub async fn until_evaluated(&self) -> Result<Vec<String>> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.prometheus.get_json("/api/v1/rules").await?;
            let groups = answer["data"]["groups"].as_array().context("groups")?;
            let rules = groups.iter().filter_map(|group| group["rules"].as_array());
            let rules: Vec<&Value> = rules.flatten().collect();
            if !rules.is_empty() && rules.iter().all(|rule| rule["health"] == "ok") {
                let names = rules.iter().map(|rule| rule["name"].as_str());
                return names
                    .map(|name| name.map(str::to_owned).context("a name"))
                    .collect();
            }
            if Instant::now() > deadline {
                let log = self.log().await?;
                bail!("not all rules are evaluated: {rules:#?}\n{log}");
            }
            sleep(LOOK).await;
        }
    }
}

fn target(active: &Value) -> Option<Target> {
    let label = |name: &str| active["labels"][name].as_str().map(str::to_owned);
    Some(Target {
        job: label("job")?,
        namespace: label("namespace")?,
        pod: label("pod")?,
    })
}
