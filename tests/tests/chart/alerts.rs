//! The alert rules speak of metrics that the operator has.

use prometheus::Encoder as _;
use zohorelay_operator::metrics::Metrics;

use crate::helm;
use crate::objects::{items, only, text};
use crate::variants::MONITORS;

#[test]
fn every_alert_asks_for_a_metric_of_the_operator_and_says_what_to_do() {
    let metrics = Metrics::new("0").unwrap();
    metrics
        .identity_ready
        .with_label_values(&["shop", "billing"])
        .set(1);
    metrics
        .pods
        .with_label_values(&["shop", "billing", "missing"])
        .set(0);
    let mut page = Vec::new();
    let encoder = prometheus::TextEncoder::new();
    encoder
        .encode(&metrics.registry().gather(), &mut page)
        .unwrap();
    let page = String::from_utf8(page).unwrap();

    let objects = helm::render(MONITORS);
    let rules = items(&only(&objects, "PrometheusRule")["spec"]["groups"][0]["rules"]);
    assert_eq!(rules.len(), 4);
    for rule in rules {
        let expression = text(&rule["expr"]);
        let start = expression.find("zohorelay_").unwrap();
        let name: String = expression[start..]
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
            .collect();
        let series = page
            .lines()
            .any(|line| line.starts_with(&format!("# TYPE {name} ")));
        assert!(series, "{name} is no metric of the operator");
        let labels: &[&str] = match name.as_str() {
            "zohorelay_operator_identity_ready" => &["namespace", "identity"],
            "zohorelay_operator_pods" => &["namespace", "identity", "state"],
            _ => &[],
        };
        let mut samples = page.lines().filter(|line| line.starts_with(&name));
        let sample = samples.next().unwrap();
        for label in labels {
            assert!(expression.contains(label), "{expression} lacks {label}");
            assert!(
                sample.contains(&format!("{label}=\"")),
                "{sample} lacks {label}"
            );
        }
        assert!(text(&rule["annotations"]["summary"]).len() > 20);
        assert!(text(&rule["annotations"]["description"]).len() > 20);
    }
}
