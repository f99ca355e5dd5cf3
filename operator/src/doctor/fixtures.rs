//! A namespace in which all is well.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};
use zohorelay_crds::MailIdentity;

use super::scene::{Hook, LeaseSeen, Scene, SecretSeen, Subject, Workload};
use crate::webhook::certificate::{Issue, Names};

pub(super) fn now() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

pub(super) fn scene() -> Scene {
    let keys = |key: &str| {
        Ok(Some(SecretSeen {
            keys: vec![key.to_owned()],
        }))
    };
    let name = ("kubernetes.io/metadata.name", "shop");
    Scene {
        now: now(),
        subject: Subject {
            namespace: "shop".to_owned(),
            identity: Some("billing".to_owned()),
            pod: None,
        },
        server: Ok("v1.37.2".to_owned()),
        served: Ok(vec!["v1alpha1".to_owned()]),
        operator_namespace: "mail".to_owned(),
        lease: Ok(Some(LeaseSeen {
            name: "zohorelay-operator".to_owned(),
            holder: Some("zohorelay-operator-1".to_owned()),
            is_fresh: true,
            renewed: Some(now()),
        })),
        deployment: Ok(None),
        hooks: Ok(vec![hook()]),
        endpoints: Some(Ok(2)),
        handshake: None,
        labels: Ok(Some(BTreeMap::from([(
            name.0.to_owned(),
            name.1.to_owned(),
        )]))),
        identities: Ok(vec![identity("billing")]),
        secrets: BTreeMap::from([
            ("billing-zoho".to_owned(), keys("password")),
            ("zohorelay-billing".to_owned(), keys("identity.json")),
        ]),
        pods: Ok(vec![pod("web")]),
        workloads: vec![Ok(vec![workload()])],
        refused: Ok(Vec::new()),
        told: BTreeMap::new(),
        events: Vec::new(),
    }
}

pub(super) fn hook() -> Hook {
    let names = Names::new("zohorelay-webhook", "mail", &[]).unwrap();
    let year = std::time::Duration::from_secs(365 * 24 * 3600);
    let issue = Issue::new(&names, now(), year).unwrap();
    Hook {
        configuration: "zohorelay".to_owned(),
        created: "2026-11-01T00:00:00Z".parse().ok(),
        webhook: serde_json::from_value(json!({
            "name": "inject.zohorelay.dev", "admissionReviewVersions": ["v1"], "sideEffects": "None",
            "failurePolicy": "Fail",
            "clientConfig": {
                "caBundle": ByteString(issue.authority.into_bytes()),
                "service": {"name": "zohorelay-webhook", "namespace": "mail"},
            },
            "objectSelector": {"matchLabels": {"zohorelay.dev/inject": "true"}},
            "namespaceSelector": {"matchExpressions": [{
                "key": "kubernetes.io/metadata.name", "operator": "NotIn",
                "values": ["kube-system", "mail"],
            }]},
        }))
        .unwrap(),
    }
}

pub(super) fn condition(kind: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({"type": kind, "status": status, "reason": reason, "message": message,
        "lastTransitionTime": "2026-11-23T11:00:00Z"})
}

pub(super) fn identity(name: &str) -> MailIdentity {
    serde_json::from_value(json!({
        "apiVersion": "zohorelay.dev/v1alpha1", "kind": "MailIdentity",
        "metadata": {"name": name, "namespace": "shop", "generation": 1},
        "spec": {
            "address": "billing@example.com",
            "credentials": {"passwordSecretRef": {"name": "billing-zoho", "key": "password"}},
        },
        "status": {
            "observedGeneration": 1, "revision": 7, "server": "smtppro.zoho.com:465",
            "conditions": [
                condition("Ready", "True", "Published", "pods can send"),
                condition("CredentialsVerified", "True", "LoginAccepted", "Zoho took the login"),
            ],
        },
    }))
    .unwrap()
}

pub(super) fn workload() -> Workload {
    Workload {
        kind: "Deployment",
        name: "web".to_owned(),
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        template: serde_json::from_value(json!({
            "metadata": {
                "labels": {"zohorelay.dev/inject": "true"},
                "annotations": {"zohorelay.dev/identities": "billing"},
            },
            "spec": {"containers": [{"name": "app"}]},
        }))
        .unwrap(),
        path: "spec.template.metadata",
    }
}

pub(super) fn pod(name: &str) -> Pod {
    serde_json::from_value(pod_value(name)).unwrap()
}

/// An injected pod of Deployment web that runs.
pub(super) fn pod_value(name: &str) -> Value {
    json!({
        "metadata": {
            "name": name, "namespace": "shop", "uid": name,
            "creationTimestamp": "2026-11-20T00:00:00Z",
            "labels": {"zohorelay.dev/inject": "true", "pod-template-hash": "5d4f"},
            "annotations": {
                "zohorelay.dev/identities": "billing",
                "zohorelay.dev/injected": env!("CARGO_PKG_VERSION"),
            },
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5d4f",
                "uid": "replica-set", "controller": true}],
        },
        "spec": {
            "initContainers": [{"name": "zohorelay", "restartPolicy": "Always"}],
            "containers": [{"name": "app"}],
            "volumes": [{"name": "zohorelay-identities", "projected": {"sources": [
                {"secret": {"name": "zohorelay-billing"}}]}}],
        },
        "status": {
            "phase": "Running", "podIP": "10.0.0.7",
            "initContainerStatuses": [{"name": "zohorelay", "image": "i", "imageID": "i", "ready": true,
                "started": true, "restartCount": 0, "state": {"running": {}}}],
        },
    })
}
