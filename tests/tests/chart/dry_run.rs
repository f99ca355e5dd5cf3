//! The API server takes every object of every variant, those of other projects' kinds too.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::cluster::{APPLY, kubectl, make_namespaces};
use crate::helm::{self, NAMESPACE, project};
use crate::objects::{parse, title};
use crate::variants::ALL;

/// Definitions of kinds that the chart uses: module, file.
const DEFINITIONS: &[(&str, &str)] = &[
    (
        "github.com/cert-manager/cert-manager",
        "deploy/crds/cert-manager.io_certificates.yaml",
    ),
    (
        "github.com/cert-manager/cert-manager",
        "deploy/crds/cert-manager.io_issuers.yaml",
    ),
    (
        "github.com/prometheus-operator/prometheus-operator",
        "example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml",
    ),
    (
        "github.com/prometheus-operator/prometheus-operator",
        "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
    ),
];

/// Where a Go module's files are; got with the checksum that go.sum has.
fn module(path: &str) -> String {
    let output = Command::new("go")
        .args(["mod", "download", "-json", path])
        .current_dir(project("tests/cluster/go/definitions"))
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "go mod download {path}: {stderr}");
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    answer["Dir"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_api_server_takes_every_object_of_every_variant() {
    let running = zohorelay_cluster::shared().await.unwrap();
    make_namespaces(running, &[NAMESPACE, "shop", "crm"]).await;
    for (path, file) in DEFINITIONS {
        let file = Path::new(&module(path)).join(file);
        kubectl(running, APPLY, &fs::read_to_string(file).unwrap()).await;
    }
    kubectl(running, "wait --for=condition=Established crd --all", "").await;
    let ca_bundle = format!("webhook.caBundle={}", helm::ca_bundle());
    for (variant, values) in ALL {
        let values: Vec<&str> = values
            .iter()
            .map(|value| {
                let is_bundle = value.starts_with("webhook.caBundle=");
                if is_bundle { ca_bundle.as_str() } else { value }
            })
            .collect();
        let rendered = helm::text(&values);
        let dry = "apply --server-side --dry-run=server --validate=strict -f -";
        let taken = kubectl(running, dry, &rendered).await;
        let objects = parse(&rendered);
        let lines = taken
            .lines()
            .filter(|line| line.ends_with("(server dry run)"));
        let titles: Vec<String> = objects.iter().map(title).collect();
        assert_eq!(
            lines.count(),
            objects.len(),
            "{variant}: {titles:?}\n{taken}"
        );
    }
}
