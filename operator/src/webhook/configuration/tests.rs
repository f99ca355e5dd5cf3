use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use serde_json::{Value, json};

use super::{find, patch};

fn configuration(names: &[&str], bundle: Option<&str>) -> Value {
    let webhooks: Vec<Value> = names
        .iter()
        .map(|name| {
            let mut client = json!({"service": {"name": "w", "namespace": "n", "path": "/inject"}});
            if let Some(bundle) = bundle {
                client["caBundle"] = bundle.into();
            }
            json!({
                "name": name, "clientConfig": client, "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
            })
        })
        .collect();
    json!({"metadata": {"name": "zohorelay"}, "webhooks": webhooks})
}

fn typed(value: &Value) -> MutatingWebhookConfiguration {
    serde_json::from_value(value.clone()).unwrap()
}

#[test]
fn the_bundle_is_put_where_our_webhook_stands_whether_there_was_one_or_not() {
    for before in [None, Some("b2xk"), Some("")] {
        let mut value = configuration(&["other.example.com", super::WEBHOOK], before);
        let entry = find(&typed(&value)).unwrap();
        json_patch::patch(&mut value, &patch(&entry, "new")).unwrap();
        assert_eq!(find(&typed(&value)).unwrap().bundle, "new");
        assert_eq!(value["webhooks"][1]["clientConfig"]["caBundle"], "bmV3");
        let other = &value["webhooks"][0]["clientConfig"]["caBundle"];
        assert_eq!(other.as_str(), before);
    }
}

#[test]
fn webhooks_that_changed_places_since_are_not_patched() {
    let value = configuration(&[super::WEBHOOK, "other.example.com"], None);
    let entry = find(&typed(&value)).unwrap();
    let mut moved = configuration(&["other.example.com", super::WEBHOOK], None);
    json_patch::patch(&mut moved, &patch(&entry, "new")).unwrap_err();
}

#[test]
fn a_configuration_of_others_has_nothing_of_ours() {
    assert_eq!(
        find(&typed(&configuration(&["other.example.com"], None))),
        None
    );
    assert_eq!(find(&typed(&json!({"metadata": {}}))), None);
}

#[test]
fn a_bundle_that_is_no_text_counts_as_none() {
    let value = configuration(&[super::WEBHOOK], Some("//8="));
    assert_eq!(find(&typed(&value)).unwrap().bundle, "");
}
