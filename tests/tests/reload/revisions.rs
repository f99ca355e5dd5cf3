//! Which document is taken: by uid, then by revision.

use serde_json::{Value, json};

use super::{billing, reloads, revision, start, zoho};

/// What comes, after revision 50 of uid 1: its uid, its revision, and what becomes of it.
const ROWS: &[(&str, Option<&str>, Option<u64>, &str)] = &[
    ("a lower revision", Some("1"), Some(49), "stale"),
    ("the same revision", Some("1"), Some(50), "stale"),
    ("a higher revision", Some("1"), Some(51), "applied"),
    (
        "another uid, whatever its revision",
        Some("2"),
        Some(3),
        "applied",
    ),
    ("no revision", Some("2"), None, "applied"),
    ("a revision after none", Some("2"), Some(1), "applied"),
    ("a file that a person wrote", None, None, "applied"),
];

#[tokio::test]
async fn an_older_revision_of_the_same_object_is_stale_and_all_else_is_taken() {
    let zoho = zoho().await;
    let (sidecar, mut volume) = start(&billing(&zoho, 50)).await;
    let mut before = sidecar.metrics().await.unwrap();
    for (number, (what, uid, new, result)) in ROWS.iter().enumerate() {
        let mut document = billing(&zoho, 0);
        put(&mut document, "uid", uid.map(Value::from));
        put(&mut document, "revision", new.map(Value::from));
        document["addresses"]["displayName"] = json!(format!("row {number}"));
        volume.publish(&document).unwrap();
        let wanted = reloads(&before, result) + 1.0;
        let after = sidecar
            .metrics_when(|metrics| reloads(metrics, result) == wanted)
            .await
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        let risen = after.risen(&before, "config_reloads_total");
        assert_eq!(risen.0.len(), 1, "{what}: {risen}");
        let in_use = if *result == "stale" {
            50
        } else {
            new.unwrap_or(0)
        };
        assert_eq!(revision(&after), in_use as f64, "{what}");
        before = after;
    }
}

fn put(document: &mut Value, field: &str, value: Option<Value>) {
    let fields = document.as_object_mut().unwrap();
    match value {
        Some(value) => fields.insert(field.to_owned(), value),
        None => fields.remove(field),
    };
}
