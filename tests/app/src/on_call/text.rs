//! An alert as a person reads it.

use serde_json::Value;

/// What stands on its own in the text, and not among the labels.
const APART: [&str; 2] = ["alertname", "severity"];

/// The text of an alert of a notification (Alertmanager's webhook, version 4): status and name, severity, the
/// labels that say whose it is, then summary, description and where to read on.
pub(crate) fn of(alert: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    let (labels, annotations) = (&alert["labels"], &alert["annotations"]);
    let mut lines = vec![
        format!(
            "[{}] {}",
            text(&alert["status"]).to_uppercase(),
            text(&labels["alertname"])
        ),
        format!("severity: {}", text(&labels["severity"])),
    ];
    let others = labels.as_object().into_iter().flatten();
    let others = others.filter(|(name, _)| !APART.contains(&name.as_str()));
    lines.extend(others.map(|(name, value)| format!("{name}: {}", text(value))));
    let parts = ["summary", "description", "runbook_url"];
    lines.extend(parts.map(|part| text(&annotations[part])));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn status_name_and_labels_come_before_the_annotations() {
        let alert = json!({
            "status": "firing",
            "labels": {"severity": "critical", "alertname": "A", "namespace": "shop", "class": "c"},
            "annotations": {"description": "Long.", "runbook_url": "https://r", "summary": "Short."},
            "startsAt": "2026-01-01T00:00:00Z",
        });
        assert_eq!(
            super::of(&alert),
            "[FIRING] A\nseverity: critical\nclass: c\nnamespace: shop\nShort.\nLong.\nhttps://r"
        );
    }
}
