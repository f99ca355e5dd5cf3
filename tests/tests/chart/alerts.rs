//! The alert rules: what they ask for exists, what they say is documented, and promtool plays each of them.

pub(crate) mod play;

use std::collections::{BTreeMap, BTreeSet};

use prometheus::Registry;
use serde_json::Value;
use zohorelay_crds::v1alpha1::PodCounts;
use zohorelay_upstream::failure::Class;

use crate::helm;
use crate::objects::{items, only, parse, text};
use crate::variants::MONITORS;

/// The rules as a file, for a Prometheus without the Prometheus operator.
const PLAIN: &str = "examples/prometheus/rules.yaml";

/// Label sets of each series, by its name.
pub(crate) type Series = BTreeMap<String, Vec<BTreeMap<String, String>>>;

fn groups(values: &[&str]) -> Value {
    let objects = helm::render(&[MONITORS, values].concat());
    only(&objects, "PrometheusRule")["spec"]["groups"].clone()
}

fn rules(groups: &Value) -> Vec<&Value> {
    let groups = items(groups).iter();
    groups.flat_map(|group| items(&group["rules"])).collect()
}

fn alerts(groups: &Value) -> Vec<&Value> {
    let mut found = rules(groups);
    found.retain(|rule| rule["alert"].is_string());
    found
}

fn names(groups: &Value) -> BTreeSet<&str> {
    let alerts = alerts(groups).into_iter();
    alerts.map(|alert| text(&alert["alert"])).collect()
}

fn add(registry: &Registry, series: &mut Series) {
    for family in registry.gather() {
        let of_name = series.entry(family.name().to_owned()).or_default();
        for metric in family.get_metric() {
            let labels = metric.get_label().iter();
            let pairs = labels.map(|pair| (pair.name().to_owned(), pair.value().to_owned()));
            of_name.push(pairs.collect());
        }
    }
}

/// What sidecar and operator export, and what the rules record.
pub(crate) fn series() -> Series {
    let mut series = Series::new();
    let sidecar = zohorelay_sidecar::metrics::Metrics::new("0").unwrap();
    let _billing = sidecar.identity("billing");
    add(sidecar.registry(), &mut series);
    let operator = zohorelay_operator::metrics::Metrics::new("0").unwrap();
    operator.identity("shop", "billing", true, PodCounts::default());
    operator.begin_ended("shop", "billing");
    add(operator.registry(), &mut series);
    let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let identity = [label("namespace", "shop"), label("identity", "billing")];
    let of_class = |class: &Class| {
        let mut labels = BTreeMap::from(identity.clone());
        labels.extend([label("class", class.as_str())]);
        labels
    };
    for rule in rules(&groups(&[])) {
        let Some(name) = rule["record"].as_str() else {
            continue;
        };
        let recorded = if name.starts_with("zohorelay:failures:") {
            Class::ALL.iter().map(of_class).collect()
        } else {
            vec![BTreeMap::from(identity.clone())]
        };
        series.insert(name.to_owned(), recorded);
    }
    series
}

/// The selectors of an expression: names with what stands in their braces.
pub(crate) fn selectors(expression: &str) -> Vec<(String, &str)> {
    let of_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let mut found = Vec::new();
    let mut rest = expression;
    while let Some(start) = rest.find("zohorelay") {
        let quoted = rest[..start].ends_with(['"', '-']);
        rest = &rest[start..];
        let end = rest.find(|c| !of_name(c)).unwrap_or(rest.len());
        let (name, behind) = rest.split_at(end);
        let braces = behind.strip_prefix('{');
        let inside = braces.map_or("", |braces| braces.split('}').next().unwrap());
        if !quoted {
            found.push((name.to_owned(), inside));
        }
        rest = behind;
    }
    found
}

#[test]
fn every_rule_asks_for_series_that_exist_with_labels_and_values_that_they_have() {
    let series = series();
    let groups = groups(&[]);
    let mut seen = BTreeSet::new();
    for rule in rules(&groups) {
        for (name, inside) in selectors(text(&rule["expr"])) {
            let of_name = series.get(&name);
            let of_name = of_name.unwrap_or_else(|| panic!("there is no metric {name}"));
            for matcher in inside.split(',').filter(|matcher| !matcher.is_empty()) {
                let (label, values) = matcher.split_once(['=', '!']).unwrap();
                let values = values.trim_start_matches(['=', '~']).trim_matches('"');
                // The operator's own namespace comes from the scrape.
                if label == "namespace" {
                    assert_eq!(values, helm::NAMESPACE, "{name}");
                    continue;
                }
                for value in values.split('|') {
                    let has =
                        |labels: &BTreeMap<_, _>| labels.get(label).is_some_and(|v| v == value);
                    assert!(of_name.iter().any(has), "{name} has no {label}={value}");
                }
            }
            seen.insert(name);
        }
    }
    for sure in [
        "zohorelay_sidecar_failures_total",
        "zohorelay_operator_ended_pod_failures_total",
        "zohorelay_sidecar_start_time_seconds",
        "zohorelay_operator_leader",
        "zohorelay:failures:short",
    ] {
        assert!(seen.contains(sure), "no rule asks for {sure}");
    }
}

#[test]
fn an_alert_that_names_an_identity_keeps_both_labels_of_it() {
    for alert in alerts(&groups(&[])) {
        let expression = text(&alert["expr"]);
        let texts = alert["annotations"].to_string();
        for label in ["namespace", "identity", "class", "reason"] {
            let uses = texts.contains(&format!("$labels.{label}"));
            let has_it = expression.contains(label) || expression.contains("zohorelay:fail");
            assert!(!uses || has_it, "{expression} lacks {label}");
        }
    }
}

#[test]
fn every_alert_says_what_is_wrong_and_what_to_do_and_has_its_section_on_the_page() {
    let page = helm::read("docs/alerts.md");
    let groups = groups(&[]);
    let mut sections = BTreeSet::new();
    for alert in alerts(&groups) {
        let name = text(&alert["alert"]);
        let notes = &alert["annotations"];
        assert!(text(&notes["summary"]).len() > 20, "{name}");
        assert!(text(&notes["description"]).contains("Remedy: "), "{name}");
        let url = format!(
            "https://github.com/zohorelay/zohorelay/blob/main/docs/alerts.md#{}",
            name.to_lowercase()
        );
        assert_eq!(notes["runbook_url"], url);
        let severity = text(&alert["labels"]["severity"]);
        let row = format!("| [{name}](#{}) | {severity} |", name.to_lowercase());
        assert!(page.contains(&row), "no row {row}");
        let (_, section) = page.split_once(&format!("\n## {name}\n")).unwrap();
        let section = section.split("\n## ").next().unwrap();
        for part in [
            "**It means**",
            "**Why**",
            "**What to click**",
            "**It ends**",
            "**Silence it**",
        ] {
            assert!(section.contains(part), "{name} lacks {part}");
        }
        sections.insert(name);
    }
    let headings = page
        .lines()
        .filter_map(|line| line.strip_prefix("## ZohoRelay"));
    let headings: BTreeSet<String> = headings.map(|name| format!("ZohoRelay{name}")).collect();
    assert_eq!(headings, sections.into_iter().map(str::to_owned).collect());
}

#[test]
fn the_plain_rules_are_those_of_the_chart() {
    let plain = helm::read(PLAIN);
    let rendered = helm::text(MONITORS);
    let (_, spec) = rendered.split_once("kind: PrometheusRule\n").unwrap();
    let (_, spec) = spec.split_once("\nspec:\n").unwrap();
    let spec = spec.split("\n---").next().unwrap().trim_end();
    let spec = spec
        .lines()
        .map(|line| line.strip_prefix("  ").unwrap_or(line));
    let spec = spec.collect::<Vec<_>>().join("\n");
    let (comment, rules) = plain.split_at(plain.find("groups:").unwrap());
    assert!(comment.contains("`make rules`"), "{comment}");
    assert!(rules.trim_end() == spec, "{PLAIN} is old: run `make rules`");
    assert_eq!(parse(&plain)[0]["groups"], groups(&[]));
}

#[test]
fn an_alert_without_a_severity_is_left_out_and_the_certificate_s_without_a_webhook() {
    let all = groups(&[]);
    let all = names(&all);
    assert_eq!(all.len(), 14);
    let severities =
        &parse(&helm::read("charts/zohorelay/values.yaml"))[0]["prometheusRule"]["severities"];
    let mut left_out = BTreeSet::new();
    for (key, default) in severities.as_object().unwrap() {
        let path = format!("prometheusRule.severities.{key}");
        let fewer = groups(&[&format!("{path}=")]);
        let fewer = names(&fewer);
        let gone: Vec<_> = all.difference(&fewer).collect();
        assert_eq!(gone.len(), 1, "{key}: {gone:?}");
        left_out.insert((*gone[0]).to_owned());
        let paged = groups(&[&format!("{path}=page")]);
        let paged = alerts(&paged)
            .into_iter()
            .find(|alert| alert["alert"] == **gone[0]);
        assert_eq!(paged.unwrap()["labels"]["severity"], "page", "{default}");
    }
    assert_eq!(left_out.len(), 14);
    let without = groups(&["webhook.enabled=false"]);
    let gone: Vec<_> = all.difference(&names(&without)).copied().collect();
    assert_eq!(gone, ["ZohoRelayWebhookCertificateEnds"]);
    let silenced = [
        "prometheusRule.severities.identityNotReady=",
        "prometheusRule.severities.podsWithoutSidecar=",
        "prometheusRule.severities.webhookCertificateEnds=",
        "prometheusRule.severities.operatorDown=",
    ];
    assert_eq!(items(&groups(&silenced)).len(), 1, "an empty group is left");
}

#[test]
fn each_threshold_stands_in_one_rule() {
    let default = groups(&[]);
    let values = &parse(&helm::read("charts/zohorelay/values.yaml"))[0];
    let thresholds = values["prometheusRule"]["thresholds"].as_object().unwrap();
    for key in thresholds.keys() {
        let new = if key == "failedPercent" { "75" } else { "987" };
        let changed = groups(&[&format!("prometheusRule.thresholds.{key}={new}")]);
        let pairs = rules(&default).into_iter().zip(rules(&changed));
        let new_rules: Vec<_> = pairs.filter(|(old, new)| old != new).collect();
        assert_eq!(new_rules.len(), 1, "{key}");
        let shown = if key == "failedPercent" {
            "> 25 *"
        } else {
            new
        };
        assert!(text(&new_rules[0].1["expr"]).contains(shown), "{key}");
    }
}

/// Every time in a rule: its wait, its ranges, and the age of young processes, in milliseconds.
fn times(rule: &Value) -> Vec<u64> {
    let expression = text(&rule["expr"]);
    let ranges = expression
        .split('[')
        .skip(1)
        .filter_map(|rest| rest.split_once(']'));
    let mut found: Vec<u64> = ranges.map(|(range, _)| milliseconds(range)).collect();
    let ages = expression.split("start_time_seconds < ").skip(1);
    let ages = ages.map(|rest| rest.split_whitespace().next().unwrap().parse::<f64>());
    let ages = ages.map(Result::unwrap);
    found.extend(ages.map(|age| milliseconds(&format!("{}ms", (age * 1000.0).round()))));
    found.extend(rule["for"].as_str().map(milliseconds));
    found
}

fn milliseconds(text: &str) -> u64 {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap();
    let unit = match &text[end..] {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        unit => panic!("unit {unit}"),
    };
    text[..end].parse::<u64>().unwrap() * unit
}

#[test]
fn one_value_divides_every_window_and_every_wait() {
    let shipped = groups(&[]);
    for divisor in [30, 7] {
        let divided = groups(&[&format!("prometheusRule.divideWindowsBy={divisor}")]);
        let mut count = 0;
        for (one, other) in rules(&shipped).into_iter().zip(rules(&divided)) {
            let expected: Vec<u64> = times(one).iter().map(|time| time / divisor).collect();
            let found = times(other);
            let is_near = expected
                .iter()
                .zip(&found)
                .all(|(a, b)| a.abs_diff(*b) <= 1);
            assert!(
                is_near && expected.len() == found.len(),
                "{expected:?} {found:?}"
            );
            count += found.len();
        }
        assert_eq!(count, 4 * 5 + 8, "a window was not seen");
    }
}
