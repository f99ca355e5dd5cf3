//! The webhook of a chart, registered on loopback.
//!
//! The API server of the tests has no Services, so `clientConfig.service` becomes a URL; and it serves
//! many tests at once, so a configuration reaches only the namespaces of its test. Nothing else of what
//! the chart renders is changed.

use std::net::SocketAddr;

use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;

/// The configuration as a test registers it: under a name of its own, for some namespaces, with the
/// webhook on loopback. (The certificate then needs 127.0.0.1: `--webhook-extra-san`.)
#[must_use]
pub fn on_loopback(
    mut configuration: MutatingWebhookConfiguration,
    name: &str,
    webhook: SocketAddr,
    namespaces: &[&str],
) -> MutatingWebhookConfiguration {
    configuration.metadata.name = Some(name.to_owned());
    for hook in configuration.webhooks.iter_mut().flatten() {
        if let Some(service) = hook.client_config.service.take() {
            let path = service.path.unwrap_or_default();
            hook.client_config.url = Some(format!("https://{webhook}{path}"));
        }
        let selector = hook.namespace_selector.get_or_insert_default();
        let requirement =
            k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelectorRequirement {
                key: "kubernetes.io/metadata.name".to_owned(),
                operator: "In".to_owned(),
                values: Some(namespaces.iter().map(|&name| name.to_owned()).collect()),
            };
        selector
            .match_expressions
            .get_or_insert_default()
            .push(requirement);
    }
    configuration
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_the_way_and_the_namespaces_change() {
        let hook = json!({
            "name": "inject.example.com", "admissionReviewVersions": ["v1"], "sideEffects": "None",
            "failurePolicy": "Fail",
            "clientConfig": {"caBundle": "", "service":
                {"name": "s", "namespace": "n", "path": "/inject", "port": 443}},
            "namespaceSelector": {"matchExpressions":
                [{"key": "a", "operator": "NotIn", "values": ["b"]}]},
        });
        let chart = json!({"metadata": {"name": "chart"}, "webhooks": [hook]});
        let address = "127.0.0.1:9443".parse().unwrap();
        let chart = serde_json::from_value(chart).unwrap();
        let found = serde_json::to_value(on_loopback(chart, "mine", address, &["x"])).unwrap();
        assert_eq!(found["metadata"]["name"], "mine");
        let found = &found["webhooks"][0];
        assert_eq!(
            found["clientConfig"],
            json!({"caBundle": "", "url": "https://127.0.0.1:9443/inject"})
        );
        let selected = &found["namespaceSelector"]["matchExpressions"];
        assert_eq!(selected[0]["key"], "a");
        assert_eq!(selected[1]["values"], json!(["x"]));
        assert_eq!(found["failurePolicy"], "Fail");
    }
}
