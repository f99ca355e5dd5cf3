//! The chart's Grafana dashboard, and its queries as Grafana would ask them.

use std::fs;
use std::path::Path;

use serde_json::Value;

/// What Grafana puts in the place of its variables: everything, over the last hour, at scrapes every 15 s. Of two
/// names that begin alike the longer is first.
const VARIABLES: [(&str, &str); 7] = [
    ("$namespace", ".*"),
    ("$identity", ".*"),
    ("$__range_s", "3600"),
    ("$__range", "1h"),
    ("$__rate_interval_ms", "60000"),
    ("$__rate_interval", "1m"),
    ("$__interval", "15s"),
];

/// A query of a panel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// The panel's title.
    pub panel: String,
    /// The expression, without variables.
    pub expr: String,
    /// Asked for one moment; otherwise for each step of the time shown (at `/api/v1/query_range`).
    pub is_instant: bool,
}

/// The dashboard's file, as text.
pub fn text() -> String {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = tests
        .parent()
        .unwrap()
        .join("charts/zohorelay/dashboards/zohorelay.json");
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The dashboard.
pub fn json() -> Value {
    serde_json::from_str(&text()).expect("the dashboard is JSON")
}

/// Its panels, rows included, in their order.
pub fn panels(dashboard: &Value) -> &[Value] {
    dashboard["panels"].as_array().expect("panels")
}

/// Every query of every panel, in their order.
pub fn queries() -> Vec<Query> {
    let dashboard = json();
    let of_panel = |panel: &Value| {
        let title = panel["title"].as_str().expect("a title").to_owned();
        let targets = panel["targets"].as_array().cloned().unwrap_or_default();
        targets.into_iter().map(move |target| Query {
            panel: title.clone(),
            expr: filled(target["expr"].as_str().expect("an expression")),
            is_instant: target["instant"] == true,
        })
    };
    panels(&dashboard).iter().flat_map(of_panel).collect()
}

/// An expression with values in the place of variables.
fn filled(expr: &str) -> String {
    let fill = |expr: String, (name, value): &(&str, &str)| expr.replace(name, value);
    VARIABLES.iter().fold(expr.to_owned(), fill)
}
