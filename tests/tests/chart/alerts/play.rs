//! promtool checks the rules and the scrape configuration, and plays each alert (`tests/alerts`).
//!
//! Its path stands in `target/prometheus/available`, written by `tests/prometheus/install`. Debian's build knows no
//! Kubernetes, so the scrape jobs are given the labels of pods that Kubernetes would.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{PLAIN, groups, names};
use crate::helm::{self, project};
use crate::objects::{items, parse, text};

/// The path of promtool, or None after saying that `what` is left out.
pub(crate) fn promtool(what: &str) -> Option<PathBuf> {
    let list = helm::read("target/prometheus/available");
    let mut lines = list.lines();
    let found = lines.find_map(|line| line.strip_prefix("promtool="));
    let found = found.unwrap();
    let Some(why) = found.strip_prefix("missing: ") else {
        return Some(found.into());
    };
    let is_ci = std::env::var_os("CI").is_some_and(|ci| ci == "true");
    assert!(!is_ci, "{what}: {why}");
    let _ = writeln!(std::io::stderr(), "prometheus: left out: {what}: {why}");
    None
}

/// What promtool prints; it must be content.
pub(crate) fn run(promtool: &PathBuf, arguments: &[&str]) -> String {
    let output = Command::new(promtool).args(arguments).output().unwrap();
    let said = [&output.stdout[..], &output.stderr[..]].concat();
    let said = String::from_utf8(said).unwrap();
    assert!(output.status.success(), "{arguments:?}: {said}");
    said
}

/// A file that is gone with its folder. JSON is YAML.
pub(crate) fn file(content: &Value) -> (TempDir, String) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("file.yaml");
    fs::write(&path, content.to_string()).unwrap();
    (folder, path.into_os_string().into_string().unwrap())
}

fn plays() -> Vec<PathBuf> {
    let entries = fs::read_dir(project("tests/alerts")).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn promtool_takes_the_rules_with_any_values() {
    let Some(promtool) = promtool("checking the rules") else {
        return;
    };
    run(
        &promtool,
        &["check", "rules", project(PLAIN).to_str().unwrap()],
    );
    let variants: [&[&str]; 4] = [
        &["prometheusRule.divideWindowsBy=30"],
        &["prometheusRule.divideWindowsBy=299"],
        &["webhook.certSource=cert-manager", "fullnameOverride=mail"],
        &[
            "prometheusRule.thresholds.failedPercent=100",
            "webhook.enabled=false",
        ],
    ];
    for values in variants {
        let (_folder, path) = file(&json!({"groups": groups(values)}));
        let said = run(&promtool, &["check", "rules", &path]);
        assert!(said.contains("SUCCESS"), "{said}");
    }
}

#[test]
fn every_alert_fires_and_is_silent_as_it_was_played() {
    let Some(promtool) = promtool("playing the alerts") else {
        return;
    };
    for play in plays() {
        run(&promtool, &["test", "rules", play.to_str().unwrap()]);
    }
}

#[test]
fn every_alert_is_played_firing_with_its_texts_and_silent() {
    let groups = groups(&[]);
    let mut fires: BTreeMap<String, u32> = BTreeMap::new();
    let mut is_silent = fires.clone();
    for play in plays() {
        let play = &parse(&fs::read_to_string(play).unwrap())[0];
        assert_eq!(
            play["rule_files"],
            json!(["../../examples/prometheus/rules.yaml"])
        );
        for test in items(&play["tests"]) {
            let checks = items(&test["alert_rule_test"]);
            let (alert, fact) = text(&test["name"]).split_once(' ').unwrap();
            assert!(
                checks.iter().all(|check| check["alertname"] == alert),
                "{fact}"
            );
            let expected = || checks.iter().flat_map(|check| items(&check["exp_alerts"]));
            let has_texts = expected().all(|one| one["exp_annotations"]["description"].is_string());
            assert!(has_texts, "{alert} {fact}");
            let counts = if expected().count() > 0 {
                &mut fires
            } else {
                &mut is_silent
            };
            *counts.entry(alert.to_owned()).or_default() += 1;
        }
    }
    for alert in names(&groups) {
        assert!(fires.contains_key(alert), "{alert} never fires");
        assert!(is_silent.contains_key(alert), "{alert} is never silent");
    }
}

/// What Kubernetes says of a container's port.
fn pod(namespace: &str, name: &str, container: &str, port: &str, phase: &str) -> Value {
    json!({
        "targets": [format!("{name}:9465")],
        "labels": {
            "__meta_kubernetes_namespace": namespace,
            "__meta_kubernetes_pod_name": name,
            "__meta_kubernetes_pod_container_name": container,
            "__meta_kubernetes_pod_container_port_name": port,
            "__meta_kubernetes_pod_phase": phase,
        },
    })
}

/// The pods that a job of `examples/prometheus/scrape.yaml` scrapes, with their labels.
fn scraped(promtool: &PathBuf, job: &str, pods: &[Value]) -> BTreeMap<String, Value> {
    let mut config = parse(&helm::read("examples/prometheus/scrape.yaml")).remove(0);
    let rules = project("examples/prometheus").join(text(&config["rule_files"][0]));
    config["rule_files"] = json!([rules]);
    for job in config["scrape_configs"].as_array_mut().unwrap() {
        let job = job.as_object_mut().unwrap();
        let discovery = job.remove("kubernetes_sd_configs").unwrap();
        assert_eq!(discovery[0]["role"], "pod");
        job.insert("static_configs".to_owned(), json!(pods));
    }
    let (_folder, path) = file(&config);
    run(promtool, &["check", "config", &path]);
    let said = run(
        promtool,
        &["check", "service-discovery", "--timeout=1s", &path, job],
    );
    let found: Vec<Value> = serde_json::from_str(&said).unwrap();
    assert_eq!(found.len(), pods.len(), "{said}");
    let kept = found.into_iter().filter_map(|mut one| {
        let labels = one["labels"].take();
        Some((labels["instance"].as_str()?.to_owned(), labels))
    });
    kept.collect()
}

#[test]
fn the_plain_scrape_jobs_find_running_sidecars_and_the_operator_by_the_name_of_the_port() {
    let Some(promtool) = promtool("the scrape configuration") else {
        return;
    };
    let port = zohorelay_crds::keys::ADMIN_PORT_NAME;
    let pods = [
        pod("shop", "web", "zohorelay", port, "Running"),
        pod("shop", "starting", "zohorelay", port, "Pending"),
        pod("shop", "done", "zohorelay", port, "Succeeded"),
        pod("shop", "broken", "zohorelay", port, "Failed"),
        pod("shop", "other", "web", "http", "Running"),
        pod(helm::NAMESPACE, "operator", "operator", port, "Running"),
        pod(
            helm::NAMESPACE,
            "operator",
            "operator",
            "webhook",
            "Running",
        ),
    ];
    let sidecars = scraped(&promtool, "zohorelay-sidecars", &pods);
    let found: Vec<&String> = sidecars.keys().collect();
    assert_eq!(found, ["starting:9465", "web:9465"]);
    assert_eq!(sidecars["web:9465"]["namespace"], "shop");
    assert_eq!(sidecars["web:9465"]["pod"], "web");
    let operator = scraped(&promtool, "zohorelay-operator", &pods);
    assert_eq!(operator.keys().collect::<Vec<_>>(), ["operator:9465"]);
    let config = parse(&helm::read("examples/prometheus/scrape.yaml")).remove(0);
    let honors = items(&config["scrape_configs"]).iter();
    let honors = honors.filter(|job| job["honor_labels"] == true);
    let honors: Vec<_> = honors.map(|job| text(&job["job_name"])).collect();
    assert_eq!(honors, ["zohorelay-operator"]);
}
