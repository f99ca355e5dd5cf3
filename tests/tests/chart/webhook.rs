//! The webhook, the policy that checks its work, and its certificate.

use serde_json::{Value, json};

use crate::helm::{self, NAMESPACE};
use crate::objects::{items, named, of_kind, only, text, texts, title};
use crate::templates::{arguments, container};
use crate::variants::{ALL, CERT_MANAGER, MONITORS, NAMESPACES, NO_WEBHOOK, SECRET};

fn webhook(objects: &[Value]) -> &Value {
    &only(objects, "MutatingWebhookConfiguration")["webhooks"][0]
}

#[test]
fn the_webhook_and_the_policy_mean_the_same_pods() {
    for (variant, values) in ALL {
        let objects = helm::render(values);
        if of_kind(&objects, "MutatingWebhookConfiguration").is_empty() {
            continue;
        }
        let webhook = webhook(&objects);
        let policies = of_kind(&objects, "ValidatingAdmissionPolicy").into_iter();
        let mut policies = policies.filter(|policy| title(policy).ends_with("-pods"));
        let constraints = &policies.next().unwrap()["spec"]["matchConstraints"];
        for field in ["matchPolicy", "namespaceSelector", "objectSelector"] {
            assert_eq!(webhook[field], constraints[field], "{variant}: {field}");
        }
        assert_eq!(webhook["rules"], constraints["resourceRules"], "{variant}");
    }
}

#[test]
fn strangers_never_meet_the_webhook() {
    let objects = helm::render(&[]);
    let webhook = webhook(&objects);
    assert_eq!(
        webhook["objectSelector"],
        json!({"matchLabels": {"zohorelay.dev/inject": "true"}})
    );
    assert_eq!(
        webhook["namespaceSelector"]["matchExpressions"],
        json!([{"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["kube-system", NAMESPACE]}])
    );
    assert_eq!(texts(&webhook["rules"][0]["operations"]), ["CREATE"]);
    assert_eq!(texts(&webhook["rules"][0]["resources"]), ["pods"]);
    let narrowed = helm::render(NAMESPACES);
    assert_eq!(
        self::webhook(&narrowed)["namespaceSelector"]["matchExpressions"][1],
        json!({"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["shop", "crm"]})
    );
}

#[test]
fn the_webhook_is_as_its_server_expects() {
    let objects = helm::render(&[]);
    let webhook = webhook(&objects);
    assert_eq!(webhook["name"], "inject.zohorelay.dev");
    let service = &webhook["clientConfig"]["service"];
    assert_eq!(
        *service,
        json!({"name": "zohorelay-webhook", "namespace": NAMESPACE, "path": "/inject", "port": 443})
    );
    assert_eq!(
        only(&objects, "Service")["metadata"]["name"],
        service["name"]
    );
    assert_eq!(webhook["failurePolicy"], "Fail");
    assert_eq!(webhook["reinvocationPolicy"], "IfNeeded");
    assert_eq!(webhook["sideEffects"], "None");
    assert_eq!(webhook["timeoutSeconds"], 5);
    let ports = items(&container(&objects)["ports"]);
    assert!(ports.contains(&json!({"name": "webhook", "containerPort": 9443})));
    assert_eq!(
        only(&objects, "Service")["spec"]["ports"][0]["targetPort"],
        "webhook"
    );
}

#[test]
fn a_webhook_that_may_be_ignored_has_a_policy_that_only_warns() {
    let action = |values: &[&str]| {
        let objects = helm::render(values);
        let binding = named(
            &objects,
            "ValidatingAdmissionPolicyBinding",
            "zohorelay-pods",
        );
        binding["spec"]["validationActions"][0].clone()
    };
    assert_eq!(action(&[]), "Deny");
    assert_eq!(action(&["webhook.failurePolicy=Ignore"]), "Warn");
}

#[test]
fn without_a_webhook_nothing_of_it_is_left() {
    let objects = helm::render(&[NO_WEBHOOK, MONITORS, &["networkPolicy.enabled=true"]].concat());
    assert!(of_kind(&objects, "MutatingWebhookConfiguration").is_empty());
    assert!(of_kind(&objects, "Service").is_empty());
    assert!(arguments(&objects).contains(&"--no-webhook"));
    let text = serde_json::to_string(&objects).unwrap();
    for word in [
        "mutatingwebhookconfigurations",
        "zohorelay-webhook",
        "9443",
        "CertificateEnds",
    ] {
        assert!(!text.contains(word), "{word}");
    }
    let policy = named(&objects, "ValidatingAdmissionPolicy", "zohorelay-pods");
    let message = text_of_first_validation(policy);
    assert!(message.contains("zohorelay-operator inject"), "{message}");
}

fn text_of_first_validation(policy: &Value) -> &str {
    text(&policy["spec"]["validations"][0]["message"])
}

#[test]
fn only_a_certificate_of_somebody_else_brings_a_ca_bundle() {
    for (values, expected) in [(&[][..], false), (CERT_MANAGER, false), (SECRET, true)] {
        let objects = helm::render(values);
        let client = webhook(&objects)["clientConfig"].as_object().unwrap();
        assert_eq!(client.contains_key("caBundle"), expected, "{values:?}");
    }
}

#[test]
fn cert_manager_certifies_the_service_and_fills_the_ca_bundle() {
    let objects = helm::render(CERT_MANAGER);
    let certificate = named(&objects, "Certificate", "zohorelay-webhook");
    let spec = &certificate["spec"];
    let service = format!("zohorelay-webhook.{NAMESPACE}.svc");
    assert!(texts(&spec["dnsNames"]).contains(&service.as_str()));
    assert!(texts(&spec["dnsNames"]).contains(&"relay.example.com"));
    assert_eq!(texts(&spec["ipAddresses"]), ["192.0.2.1", "2001:db8::1"]);
    let secret = format!("--webhook-secret={}", text(&spec["secretName"]));
    assert!(arguments(&objects).contains(&secret.as_str()));
    let configuration = only(&objects, "MutatingWebhookConfiguration");
    assert_eq!(
        configuration["metadata"]["annotations"]["cert-manager.io/inject-ca-from"],
        format!("{NAMESPACE}/zohorelay-webhook")
    );
    assert_eq!(of_kind(&objects, "Issuer").len(), 2);
}

#[test]
fn an_issuer_of_theirs_is_used_alone() {
    let objects = helm::render(&[
        "webhook.certSource=cert-manager",
        "webhook.certManager.issuerRef.name=internal-ca",
        "webhook.certManager.issuerRef.kind=ClusterIssuer",
    ]);
    assert!(of_kind(&objects, "Issuer").is_empty());
    let certificate = only(&objects, "Certificate");
    assert_eq!(
        certificate["spec"]["issuerRef"],
        json!({"name": "internal-ca", "kind": "ClusterIssuer"})
    );
}
