//! promtool reads every query, and plays some on pods that end, restart or are new: the range is the last hour.

use serde_json::{Value, json};
use zohorelay_tests::dashboard::queries;

use crate::alerts::play::{file, promtool, run};

/// One series an element: its name and its values, from 0 on every minute.
type Input = &'static [(&'static str, &'static str)];

const DENIED: &str = r#"class="relay_denied",identity="billing",namespace="shop""#;

#[test]
fn promtool_reads_every_query() {
    let Some(promtool) = promtool("reading the dashboard's queries") else {
        return;
    };
    let queries = queries();
    let rule = |(number, expr)| json!({"record": format!("query:{number}"), "expr": expr});
    let rules = queries
        .iter()
        .map(|query| &query.expr)
        .enumerate()
        .map(rule);
    let rules: Vec<Value> = rules.collect();
    let (_folder, path) = file(&json!({"groups": [{"name": "dashboard", "rules": rules}]}));
    let said = run(&promtool, &["check", "rules", &path]);
    assert!(
        said.contains(&format!("{} rules found", queries.len())),
        "{said}"
    );
}

/// The nth query of a panel says so many mails, 90 minutes after the beginning.
fn says(panel: &str, nth: usize, input: Input, labels: &str, expected: f64) {
    let Some(promtool) = promtool("playing the dashboard's queries") else {
        return;
    };
    let queries = queries();
    let query = queries.iter().filter(|query| query.panel == panel).nth(nth);
    let expr = format!("round(({}))", query.unwrap().expr);
    let series = input
        .iter()
        .map(|(series, values)| json!({"series": series, "values": values}));
    let expected = json!([{"labels": labels, "value": expected}]);
    let played = json!({
        "evaluation_interval": "1m",
        "tests": [{
            "interval": "1m",
            "input_series": series.collect::<Vec<_>>(),
            "promql_expr_test": [{"expr": expr, "eval_time": "90m", "exp_samples": expected}],
        }],
    });
    let (_folder, path) = file(&played);
    run(&promtool, &["test", "rules", &path]);
}

#[test]
fn a_failure_before_the_first_scrape_counts() {
    let input: Input = &[
        (
            r#"zohorelay_sidecar_failures_total{namespace="shop",identity="billing",class="relay_denied",origin="upstream",pod="a"}"#,
            "_x80 1x10",
        ),
        (
            r#"zohorelay_sidecar_start_time_seconds{namespace="shop",pod="a"}"#,
            "_x80 4800x10",
        ),
    ];
    says("Mails that failed", 0, input, "{}", 1.0);
    says("Identities that fail", 0, input, "{}", 1.0);
    let labels = format!("{{{DENIED},origin=\"upstream\"}}");
    says("Failures by class and origin", 0, input, &labels, 1.0);
}

#[test]
fn a_container_that_restarts_takes_no_failure_with_it() {
    let input: Input = &[
        (
            r#"zohorelay_sidecar_failures_total{namespace="shop",identity="billing",class="relay_denied",origin="upstream",pod="a"}"#,
            "0x40 3x20 0x10 2x20",
        ),
        (
            r#"zohorelay_sidecar_start_time_seconds{namespace="shop",pod="a"}"#,
            "0x60 3660x30",
        ),
    ];
    says("Mails that failed", 0, input, "{}", 5.0);
}

#[test]
fn a_pod_that_ended_counts_and_one_that_was_scraped_too_counts_once() {
    const ENDED: (&str, &str) = (
        r#"zohorelay_operator_ended_pod_failures_total{namespace="shop",identity="billing",class="relay_denied"}"#,
        "0x69 1x20",
    );
    let both: Input = &[
        (
            r#"zohorelay_sidecar_failures_total{namespace="shop",identity="billing",class="relay_denied",origin="upstream",pod="a"}"#,
            "0x59 1x30",
        ),
        (
            r#"zohorelay_sidecar_start_time_seconds{namespace="shop",pod="a"}"#,
            "0x90",
        ),
        ENDED,
    ];
    let labels = format!("{{{DENIED}}}");
    says("Mails that failed", 0, &[ENDED], "{}", 1.0);
    says("Failures by class and origin", 0, &[ENDED], &labels, 1.0);
    says("Mails that failed", 0, both, "{}", 1.0);
    let scraped = format!("{{{DENIED},origin=\"upstream\"}}");
    says("Failures by class and origin", 0, both, &scraped, 1.0);
}

#[test]
fn the_first_reply_of_an_old_pod_counts_and_what_came_before_the_range_does_not() {
    let input: Input = &[
        (
            r#"zohorelay_sidecar_failure_replies_total{namespace="shop",identity="billing",class="relay_denied",stage="end_of_data",code="553",pod="a"}"#,
            "_x70 1x20",
        ),
        (
            r#"zohorelay_sidecar_failure_replies_total{namespace="shop",identity="billing",class="tls",stage="tls",code="none",pod="a"}"#,
            "_x10 7x80",
        ),
        (
            r#"zohorelay_sidecar_start_time_seconds{namespace="shop",pod="a"}"#,
            "0x90",
        ),
    ];
    let labels = format!("{{code=\"553\",stage=\"end_of_data\",{DENIED}}}");
    says("Replies by step and code", 0, input, &labels, 1.0);
}

#[test]
fn the_first_and_the_last_failure_are_told_by_their_time() {
    let input: Input = &[
        (
            r#"zohorelay_sidecar_failures_total{namespace="shop",identity="billing",class="relay_denied",origin="upstream",pod="a"}"#,
            "0x49 1x20 2x20",
        ),
        (
            r#"zohorelay_sidecar_start_time_seconds{namespace="shop",pod="a"}"#,
            "0x90",
        ),
    ];
    let labels = r#"{identity="billing",namespace="shop"}"#;
    let minute = |number: f64| number * 60_000.0;
    says("First and last", 0, input, labels, minute(50.0));
    says("First and last", 1, input, labels, minute(71.0));
}
