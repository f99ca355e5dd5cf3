//! A real Prometheus and a real Alertmanager in the cluster, with the configuration that people are given in
//! `examples/prometheus`, and whoever is on call behind them; and a Prometheus alone that is quicker.

pub mod operated;
pub mod quick;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use tokio::time::{Instant, sleep};

use super::proxy::Proxy;
use super::{Ground, images, restricted};
use crate::objects::{self, api};

/// Between two looks at what was told.
const LOOK: Duration = Duration::from_millis(500);

/// One Prometheus, one Alertmanager, one who is on call. It belongs to the runtime of its client: one a test.
pub struct Monitoring {
    ground: &'static Ground,
    namespace: &'static str,
    prometheus: Proxy,
}

impl fmt::Debug for Monitoring {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.namespace)
    }
}

/// What whoever is on call was told, of one alert.
#[derive(Clone, Debug)]
pub struct Notice {
    /// When.
    pub at: Timestamp,
    /// As it was read.
    pub text: String,
}

impl Notice {
    /// Whether it says that this alert fires (or, with `RESOLVED`, is over), with these words in its lines.
    pub fn says(&self, status: &str, alert: &str, lines: &[&str]) -> bool {
        let mut own = self.text.lines();
        own.next() == Some(&format!("[{status}] {alert}"))
            && lines
                .iter()
                .all(|line| self.text.lines().any(|own| own == *line))
    }
}

impl Monitoring {
    /// With everything as it is shipped: scrapes and evaluations each 15 s, `group_wait` 10 s.
    ///
    /// None where Prometheus or Alertmanager cannot be had: the test is left out, and says so.
    pub async fn shipped(ground: &'static Ground, client: &Client) -> Result<Option<Self>> {
        static READY: OnceCell<()> = OnceCell::const_new();
        let files = vec![
            ("scrape.yaml", example("scrape.yaml")?),
            ("rules.yaml", example("rules.yaml")?),
            ("alertmanager.yaml", example("alertmanager.yaml")?),
        ];
        let programs = Programs {
            names: &["prometheus", "alertmanager", "on-call"],
            files,
            rules: None,
        };
        Self::start(ground, client, "monitoring", &READY, programs).await
    }

    async fn start(
        ground: &'static Ground,
        client: &Client,
        namespace: &'static str,
        ready: &OnceCell<()>,
        programs: Programs,
    ) -> Result<Option<Self>> {
        if !images::has_monitoring() {
            ensure!(
                std::env::var_os("CI").is_none(),
                "run tests/prometheus/images"
            );
            println!("left out: there is no Alertmanager here (tests/prometheus/install)");
            return Ok(None);
        }
        ready
            .get_or_try_init(|| deploy(ground, client, namespace, programs))
            .await?;
        Ok(Some(Self {
            ground,
            namespace,
            prometheus: Proxy::new(client, namespace, "prometheus", "http"),
        }))
    }

    /// What Prometheus answers to a query: a sample each, with `metric` and `value`.
    pub async fn query(&self, query: &str) -> Result<Vec<Value>> {
        let path = format!("/api/v1/query?query={}", encoded(query));
        self.ask(&path).await.with_context(|| query.to_owned())
    }

    /// What it answers for each 15 s from then to now: a series each, with `metric` and `values`.
    pub async fn query_range(&self, query: &str, since: Timestamp) -> Result<Vec<Value>> {
        let (since, now) = (since.as_second(), Timestamp::now().as_second());
        let range = format!("start={since}&end={now}&step=15");
        let path = format!("/api/v1/query_range?query={}&{range}", encoded(query));
        self.ask(&path).await.with_context(|| query.to_owned())
    }

    async fn ask(&self, path: &str) -> Result<Vec<Value>> {
        let mut answer = self.prometheus.get_json(path).await?;
        let result = answer["data"]["result"].take();
        serde_json::from_value(result).with_context(|| answer.to_string())
    }

    /// Everything that whoever is on call was told.
    pub async fn notices(&self) -> Result<Vec<Notice>> {
        let log = "logs deployment/on-call --timestamps --tail=-1";
        let log = format!("-n {} {log}", self.namespace);
        notices(&self.ground.kubectl(&log).await?)
    }

    /// Waits for a notice that this alert fires (`FIRING`) or is over (`RESOLVED`), with these lines.
    pub async fn until_told(
        &self,
        status: &str,
        alert: &str,
        lines: &[&str],
        patience: Duration,
    ) -> Result<Notice> {
        let deadline = Instant::now() + patience;
        loop {
            let notices = self.notices().await?;
            let mut fitting = notices.iter().filter(|one| one.says(status, alert, lines));
            if let Some(notice) = fitting.next() {
                return Ok(notice.clone());
            }
            if Instant::now() > deadline {
                let texts: Vec<_> = notices.iter().map(|one| &one.text).collect();
                let alerts = self.prometheus.get("/api/v1/alerts").await?;
                bail!("nobody was told [{status}] {alert} {lines:?}: {texts:#?}\n{alerts}");
            }
            sleep(LOOK).await;
        }
    }
}

/// Some of those in `tests/prometheus/monitoring.yaml`, and their configuration.
struct Programs {
    names: &'static [&'static str],
    files: Vec<(&'static str, String)>,
    /// A `ConfigMap` of further rules, and where Prometheus finds it.
    rules: Option<(String, String)>,
}

async fn deploy(
    ground: &Ground,
    client: &Client,
    namespace: &str,
    programs: Programs,
) -> Result<()> {
    images::load_monitoring(&ground.cluster).await?;
    apply_namespace(client, namespace).await?;
    let data: serde_json::Map<String, Value> = programs
        .files
        .into_iter()
        .map(|(name, text)| (name.to_owned(), text.into()))
        .collect();
    let config = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "config"},
        "data": data,
    });
    objects::apply_object(client, namespace, &config).await?;
    let rights = example("rights.yaml")?
        .replace("zohorelay-prometheus", &format!("zohorelay-{namespace}"))
        .replace("namespace: monitoring", &format!("namespace: {namespace}"));
    objects::apply(client, namespace, &rights).await?;
    let pods = std::fs::read_to_string(project("tests/prometheus/monitoring.yaml"))?;
    for mut object in serde_saphyr::from_multiple::<Value>(&pods)? {
        if let (true, Some(rules)) = (is_prometheus(&object), &programs.rules) {
            mount(&mut object, rules)?;
        }
        let name = object["metadata"]["name"].as_str().context("a name")?;
        if programs.names.contains(&name) {
            objects::apply_object(client, namespace, &object).await?;
        }
    }
    for name in programs.names {
        let deployments = api::<Deployment>(client, namespace);
        objects::until(&deployments, name, "it is available", |found| {
            let status = found.and_then(|found| found.status.as_ref());
            status.and_then(|status| status.available_replicas) == Some(1)
        })
        .await?;
    }
    Ok(())
}

async fn apply_namespace(client: &Client, name: &str) -> Result<()> {
    let namespace = json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": restricted()},
    });
    let applied = objects::apply_object(client, "", &namespace);
    applied.await.map(drop)
}

fn is_prometheus(object: &Value) -> bool {
    object["kind"] == "Deployment" && object["metadata"]["name"] == "prometheus"
}

/// Gives the container of a Deployment the files of a `ConfigMap` at a path.
fn mount(deployment: &mut Value, (map, path): &(String, String)) -> Result<()> {
    for (list, item) in [
        ("/volumes", json!({"name": map, "configMap": {"name": map}})),
        (
            "/containers/0/volumeMounts",
            json!({"name": map, "mountPath": path}),
        ),
    ] {
        let list = deployment.pointer_mut(&format!("/spec/template/spec{list}"));
        let list = list.and_then(Value::as_array_mut).context("a list")?;
        list.push(item);
    }
    Ok(())
}

fn example(name: &str) -> Result<String> {
    let path = project("examples/prometheus").join(name);
    std::fs::read_to_string(&path).with_context(|| path.display().to_string())
}

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// A query as it stands in a URL.
fn encoded(query: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    query.bytes().map(byte).collect()
}

/// The notices of a log with times: an empty line ends each.
fn notices(log: &str) -> Result<Vec<Notice>> {
    let mut all = Vec::new();
    let mut open: Option<Notice> = None;
    for line in log.lines() {
        let (at, words) = line.split_once(' ').unwrap_or((line, ""));
        if words.is_empty() {
            all.extend(open.take());
            continue;
        }
        if let Some(notice) = &mut open {
            notice.text.extend(["\n", words]);
        } else {
            let (at, text) = (at.parse()?, words.to_owned());
            open = Some(Notice { at, text });
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    #[test]
    fn notices_are_told_apart_and_one_that_is_not_whole_waits() {
        let at = "2026-01-01T00:00:00Z";
        let log = format!("{at} [FIRING] A\n{at} n: x\n{at} \n{at} [RESOLVED] A\n{at} \n{at} [FIR");
        let found = super::notices(&log).unwrap();
        assert_eq!(found.len(), 2);
        assert!(found[0].says("FIRING", "A", &["n: x"]));
        assert!(!found[0].says("FIRING", "A", &["n: y"]));
        assert!(found[1].says("RESOLVED", "A", &[]));
    }

    #[test]
    fn a_query_is_encoded_for_a_url() {
        assert_eq!(super::encoded("a{b=\"c d\"}"), "a%7Bb%3D%22c%20d%22%7D");
    }
}
