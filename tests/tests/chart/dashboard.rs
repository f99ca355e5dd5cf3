//! The Grafana dashboard: what it asks for exists, helm leaves it as it is, and its queries count what happened.

mod play;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use zohorelay_tests::dashboard::{json, panels, queries, text as file};
use zohorelay_upstream::failure::Class;

use crate::alerts::{self, selectors};
use crate::helm;
use crate::objects::{items, of_kind, only, text, texts};
use crate::variants::DASHBOARD;

/// The page of the alerts where no value says otherwise.
const PAGE: &str = "https://github.com/zohorelay/zohorelay/blob/main/docs/alerts.md";
/// The questions, in the order in which somebody on call asks them.
const ROWS: [&str; 6] = [
    "Is mail flowing?",
    "Which identity fails?",
    "Why?",
    "Since when?",
    "What did Zoho say?",
    "What to do?",
];

/// The chart's one config map, switched on.
fn config_map(values: &[&str]) -> Value {
    let objects = helm::render(&[DASHBOARD, values].concat());
    only(&objects, "ConfigMap").clone()
}

fn remedies(dashboard: &Value) -> String {
    let panel = panels(dashboard)
        .iter()
        .find(|panel| panel["type"] == "text");
    text(&panel.unwrap()["options"]["content"]).to_owned()
}

#[test]
fn the_file_is_written_in_one_way() {
    let sorted: BTreeMap<String, Value> = serde_json::from_value(json()).unwrap();
    let written = serde_json::to_string_pretty(&sorted).unwrap();
    assert!(file() == written + "\n", "sort the keys, indent by two");
}

#[test]
fn the_rows_are_the_questions_in_their_order() {
    let dashboard = json();
    let rows = panels(&dashboard)
        .iter()
        .filter(|panel| panel["type"] == "row");
    let rows: Vec<&str> = rows.map(|row| text(&row["title"])).collect();
    assert_eq!(rows, ROWS);
}

#[test]
fn every_panel_has_an_id_of_its_own_a_place_and_a_description() {
    let dashboard = json();
    let mut ids = BTreeSet::new();
    let mut taken = BTreeSet::new();
    for panel in panels(&dashboard) {
        let title = text(&panel["title"]);
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}");
        let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        assert!(at("x") + at("w") <= 24, "{title}");
        for x in at("x")..at("x") + at("w") {
            for y in at("y")..at("y") + at("h") {
                assert!(taken.insert((x, y)), "{title} lies on another panel");
            }
        }
        if panel["type"] != "row" {
            assert!(text(&panel["description"]).ends_with('.'), "{title}");
        }
        let has_units = ["stat", "timeseries"].contains(&text(&panel["type"]));
        let unit = &panel["fieldConfig"]["defaults"]["unit"];
        assert!(!has_units || unit.is_string(), "{title} has no unit");
    }
}

#[test]
fn every_source_is_the_one_that_the_reader_chose() {
    let dashboard = json();
    let chosen = json!({"type": "prometheus", "uid": "${datasource}"});
    let variables = items(&dashboard["templating"]["list"]);
    let names: Vec<&str> = variables.iter().map(|it| text(&it["name"])).collect();
    assert_eq!(names, ["datasource", "namespace", "identity"]);
    assert_eq!(variables[0]["type"], "datasource");
    for variable in &variables[1..] {
        assert_eq!(variable["datasource"], chosen);
        assert_eq!(variable["includeAll"], true);
        assert_eq!(variable["allValue"], ".*");
    }
    for panel in panels(&dashboard) {
        let targets = items(&panel["targets"]);
        let mut refs = BTreeSet::new();
        for target in targets {
            assert_eq!(target["datasource"], chosen, "{}", panel["title"]);
            assert!(refs.insert(text(&target["refId"])), "{}", panel["title"]);
        }
        assert!(targets.is_empty() || panel["datasource"] == chosen);
    }
}

#[test]
fn every_query_asks_for_series_that_exist_with_labels_and_values_that_they_have() {
    let series = alerts::series();
    let page = helm::read("docs/reference/metrics.md");
    let mut seen = BTreeSet::new();
    for query in queries() {
        let expr = &query.expr;
        assert!(!expr.contains('$'), "a variable is left in {expr}");
        for (name, inside) in selectors(expr) {
            let family = name.trim_end_matches("_bucket");
            assert!(page.contains(&format!("| `{family}` |")), "{family}");
            for matcher in inside.split(", ").filter(|one| !one.is_empty()) {
                let (label, value) = matcher.split_once('=').unwrap();
                let value = value.trim_start_matches('~').trim_matches('"');
                let has = |one: &BTreeMap<String, String>| {
                    // A sidecar's namespace comes from the scrape.
                    label == "namespace"
                        || one
                            .get(label)
                            .is_some_and(|it| value == ".*" || it == value)
                };
                let on_use = family == "zohorelay_sidecar_failure_replies_total";
                let of_name = series.get(family).map_or(&[][..], Vec::as_slice);
                assert!(on_use || of_name.iter().any(has), "{name} has no {matcher}");
            }
            seen.insert(family.to_owned());
        }
        let asks_for_identity =
            expr.contains("identity=~\".*\"") || expr.contains("egress_blocked");
        assert!(asks_for_identity, "{expr} knows no identity");
    }
    for sure in [
        "zohorelay_sidecar_failures_total",
        "zohorelay_operator_ended_pod_failures_total",
        "zohorelay_sidecar_failure_replies_total",
        "zohorelay_operator_identity_ready",
    ] {
        assert!(seen.contains(sure), "no panel asks for {sure}");
    }
}

#[test]
fn a_mail_that_both_tell_of_is_not_added_up() {
    for query in queries() {
        let has_both = query.expr.contains("zohorelay_operator_ended_pod")
            && query.expr.contains("zohorelay_sidecar_");
        assert!(!has_both || !query.expr.contains('+'), "{}", query.expr);
        let is_or = |line: &str| line.trim() == "or" || line.trim().starts_with("or on");
        let has_or = query.expr.lines().any(is_or);
        assert!(!has_both || has_or, "{}", query.expr);
    }
}

#[test]
fn the_last_panel_has_a_remedy_for_each_class_and_leads_to_sections_that_there_are() {
    let remedies = remedies(&json());
    for class in Class::ALL {
        let name = format!("`{}`", class.as_str());
        let lines = remedies.lines().filter(|line| line.contains(&name));
        assert_eq!(lines.count(), 1, "{name}");
    }
    let page = helm::read("docs/alerts.md");
    let headings = page.lines().filter_map(|line| line.strip_prefix("## "));
    let anchors: BTreeSet<String> = headings.map(str::to_lowercase).collect();
    let links = remedies.split("](").skip(1);
    let links: Vec<&str> = links.map(|rest| rest.split(')').next().unwrap()).collect();
    assert!(links.len() > 10, "{links:?}");
    for link in links {
        let anchor = link.strip_prefix(PAGE).and_then(|it| it.strip_prefix('#'));
        let anchor = anchor.unwrap_or_else(|| panic!("{link} leads elsewhere"));
        assert!(anchors.contains(anchor), "no section {anchor}");
    }
}

#[test]
fn the_config_map_has_the_file_unchanged_and_the_label_that_grafana_s_sidecar_looks_for() {
    assert!(of_kind(&helm::render(&[]), "ConfigMap").is_empty());
    let made = config_map(&[]);
    assert_eq!(made["metadata"]["labels"]["grafana_dashboard"], "1");
    assert_eq!(made["metadata"]["annotations"]["grafana_folder"], "Mail");
    assert_eq!(made["metadata"]["namespace"], helm::NAMESPACE);
    assert!(made["data"]["zohorelay.json"] == file(), "helm changed it");
    assert!(file().contains("{{namespace}}/{{identity}}"));
    let elsewhere = config_map(&["dashboard.namespace=grafana", "dashboard.labels.team=mail"]);
    assert_eq!(elsewhere["metadata"]["namespace"], "grafana");
    assert_eq!(elsewhere["metadata"]["labels"]["team"], "mail");
    assert_eq!(elsewhere["metadata"]["labels"]["grafana_dashboard"], "1");
}

#[test]
fn every_link_leads_to_the_page_that_the_values_name() {
    let own = "https://wiki.example.com/alerts?a=1&b=\\2";
    let value = format!("prometheusRule.runbookUrl={}", own.replace('\\', "\\\\"));
    let made = config_map(&[&value]);
    let dashboard: Value = serde_json::from_str(text(&made["data"]["zohorelay.json"])).unwrap();
    let links = items(&dashboard["links"]).iter();
    let links: Vec<&str> = links.map(|link| text(&link["url"])).collect();
    assert_eq!(links, [own]);
    let remedies = remedies(&dashboard);
    assert!(remedies.contains(&format!("({own}#zohorelaydenied)")));
    assert!(!remedies.contains(PAGE), "a link was left");
    assert!(texts(&dashboard["tags"]).contains(&"zohorelay"));
}
