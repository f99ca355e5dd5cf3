//! Values: what is refused, and what the reference says.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::cluster::{self, alone};
use crate::helm::{self, NAMESPACE};
use crate::objects::parse;

/// A value that is wrong, and what the refusal says: its path first.
const WRONG: &[(&str, &[&str])] = &[
    ("webhook.port=https", &["/webhook/port", "want integer"]),
    ("webhook.port=443", &["/webhook/port", "want 1,024"]),
    (
        "webhook.port=9465",
        &["webhook.port: 9465 is where metrics and health are"],
    ),
    (
        "webhook.port=9466",
        &["webhook.port: 9466 is where the page is"],
    ),
    ("webhook.timeoutSeconds=31", &["/webhook/timeoutSeconds"]),
    (
        "webhook.certSource=vault",
        &["/webhook/certSource", "'cert-manager'"],
    ),
    (
        "webhook.failurePolicy=fail",
        &["/webhook/failurePolicy", "'Fail'"],
    ),
    (
        "webhook.caBundle=MIIB",
        &["/webhook/caBundle", "BEGIN CERTIFICATE"],
    ),
    (
        "webhook.certManager.issuerRef.kind=ClusterIssuer",
        &["/webhook/certManager/issuerRef", "'name'"],
    ),
    (
        "webhook.certManager.duration=90d",
        &["/webhook/certManager/duration"],
    ),
    ("replicas=0", &["/replicas", "want 1"]),
    (
        "replica=2",
        &["additional properties 'replica' not allowed"],
    ),
    ("image.digest=latest", &["/image/digest", "sha256"]),
    (
        "image.repository=zohorelay/operator:0.1.0",
        &["/image/repository"],
    ),
    (
        "image.repository=registry.example.com:5000",
        &["/image/repository"],
    ),
    (
        "sidecar.image.repository=Zohorelay/Sidecar",
        &["/sidecar/image/repository"],
    ),
    ("image.pullPolicy=", &["/image/pullPolicy"]),
    ("sidecar.image.repo=x", &["/sidecar/image", "'repo'"]),
    ("sidecar.runAsUser=0", &["/sidecar/runAsUser"]),
    (
        "sidecar.resources.limits.memory=64",
        &["/sidecar/resources/limits/memory", "want string"],
    ),
    (
        "sidecar.resources.requests.cpu=ten",
        &["/sidecar/resources/requests/cpu"],
    ),
    (
        "sidecar.imagePullSecrets={registry}",
        &["/sidecar/imagePullSecrets/0", "want object"],
    ),
    ("logins.interval=1h", &["/logins/interval"]),
    ("logFormat=xml", &["/logFormat", "'json', 'text'"]),
    (
        "rbac.scope=Namespace",
        &["/rbac/scope", "'Cluster', 'Namespaces'"],
    ),
    ("rbac.namespaces={Shop}", &["/rbac/namespaces/0"]),
    (
        "rbac.namespaces={shop}",
        &["rbac.namespaces: is for rbac.scope Namespaces"],
    ),
    (
        "rbac.scope=Namespaces",
        &["rbac.namespaces: name at least one"],
    ),
    (
        "allowedUpstreamHosts={http://x.example.com}",
        &["/allowedUpstreamHosts/0"],
    ),
    ("allowedUpstreamHosts={*}", &["/allowedUpstreamHosts/0"]),
    (
        "commonLabels.size=3",
        &["/commonLabels/size", "want string"],
    ),
    ("extraArgs={replica}", &["/extraArgs/0"]),
    (
        "networkPolicy.apiServerPorts={https}",
        &["/networkPolicy/apiServerPorts/0"],
    ),
    ("crds.install=true", &["/crds", "'install'"]),
    (
        "prometheusRule.divideWindowsBy=0",
        &["/prometheusRule/divideWindowsBy"],
    ),
    (
        "prometheusRule.severities.relayDenied=page",
        &["/prometheusRule/severities", "'relayDenied'"],
    ),
    (
        "prometheusRule.thresholds.deniedMails=0",
        &["/prometheusRule/thresholds/deniedMails"],
    ),
    (
        "prometheusRule.runbookUrl=docs/alerts.md",
        &["/prometheusRule/runbookUrl"],
    ),
    (
        "dashboard.labels.grafana_dashboard=1",
        &["/dashboard/labels/grafana_dashboard", "want string"],
    ),
    ("dashboard.namespace=Grafana", &["/dashboard/namespace"]),
    (
        "webhook.certSource=secret",
        &["webhook.secretName: name the Secret"],
    ),
];

#[test]
fn a_wrong_value_is_refused_with_its_path() {
    for (value, expected) in WRONG {
        let refusal = helm::refusal(&[value], &[]);
        for part in *expected {
            assert!(refusal.contains(part), "{value}: no {part:?} in {refusal}");
        }
    }
}

#[test]
fn values_that_do_not_fit_together_are_refused_by_name() {
    let own = format!("rbac.namespaces={{{NAMESPACE}}}");
    let together: [(&[&str], &str); 3] = [
        (
            &["rbac.scope=Namespaces", &own],
            "the release's own namespace",
        ),
        (
            &["webhook.certSource=secret", "webhook.secretName=ours"],
            "webhook.caBundle: give the PEM",
        ),
        (
            &["webhook.caBundle=-----BEGIN CERTIFICATE-----"],
            "webhook.caBundle: is for webhook.certSource secret only",
        ),
    ];
    for (values, expected) in together {
        let refusal = helm::refusal(values, &[]);
        assert!(refusal.contains(expected), "{values:?}: {refusal}");
    }
}

#[test]
fn values_that_fit_are_taken() {
    let fitting: [&[&str]; 4] = [
        // Kept for the day when the webhook is enabled again.
        &[
            "webhook.enabled=false",
            "webhook.certSource=secret",
            "webhook.caBundle=-----BEGIN CERTIFICATE-----",
        ],
        &["image.repository=registry.example.com:5000/mail/zohorelay_operator"],
        &["image.repository=operator"],
        &[
            "webhook.certSource=cert-manager",
            "webhook.certManager.issuerRef.name=internal-ca",
        ],
    ];
    for values in fitting {
        helm::render(values);
    }
}

#[test]
fn a_chart_above_may_switch_this_one_and_share_its_globals() {
    helm::render(&["enabled=true", "global.imageRegistry=registry.example.com"]);
}

#[test]
fn the_schema_names_every_value_and_no_other() {
    let schema: Value =
        serde_json::from_str(&helm::read("charts/zohorelay/values.schema.json")).unwrap();
    let values = &parse(&helm::read("charts/zohorelay/values.yaml"))[0];
    let mut named = Vec::new();
    let root = schema["properties"].as_object().unwrap().keys();
    for key in root.filter(|key| !["enabled", "global"].contains(&key.as_str())) {
        assert!(!values[key].is_null(), "values.yaml lacks {key}");
        named.push(key.as_str());
    }
    for (key, value) in values.as_object().unwrap() {
        assert!(named.contains(&key.as_str()), "the schema lacks {key}");
        let properties = &schema["properties"][key]["properties"];
        let Some(properties) = properties.as_object() else {
            continue;
        };
        let below: Vec<&String> = value.as_object().unwrap().keys().collect();
        assert_eq!(below, properties.keys().collect::<Vec<_>>(), "{key}");
    }
}

#[test]
fn the_reference_has_every_value_with_its_default() {
    let page = helm::read("docs/reference/values.md");
    let rows = page.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split(" | ");
        let name = cells.next()?.strip_suffix('`')?;
        let default = cells.next()?.trim_matches('`');
        Some((name.to_owned(), default.to_owned()))
    });
    let documented: BTreeMap<String, String> = rows.collect();
    let mut defaults = BTreeMap::new();
    let values = &parse(&helm::read("charts/zohorelay/values.yaml"))[0];
    flatten("", values, &mut defaults);
    assert_eq!(documented, defaults);
}

/// Values whose content is Kubernetes', so the page says them whole.
const WHOLE: [&str; 4] = [
    "podSecurityContext",
    "resources",
    "securityContext",
    "networkPolicy.apiServerPorts",
];

fn flatten(path: &str, value: &Value, into: &mut BTreeMap<String, String>) {
    match value.as_object() {
        Some(fields) if !fields.is_empty() && !WHOLE.contains(&path) => {
            for (key, value) in fields {
                let dot = if path.is_empty() { "" } else { "." };
                flatten(&format!("{path}{dot}{key}"), value, into);
            }
        }
        Some(fields) if !fields.is_empty() => {
            into.insert(path.to_owned(), "see below".to_owned());
        }
        _ => {
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            let shown = if text.is_empty() {
                "\"\"".to_owned()
            } else {
                text
            };
            into.insert(path.to_owned(), shown);
        }
    }
}

#[test]
fn every_value_has_a_comment() {
    let text = helm::read("charts/zohorelay/values.yaml");
    let lines: Vec<&str> = text.lines().collect();
    for (number, line) in lines.iter().enumerate().skip(1) {
        let begins_one = !line.starts_with(' ') && line.contains(':') && !line.starts_with('#');
        if !begins_one {
            continue;
        }
        let above = lines[number - 1];
        let below = lines.get(number + 1).unwrap_or(&"");
        let explained = above.starts_with('#') || below.trim_start().starts_with('#');
        assert!(explained, "{line}");
    }
}

#[tokio::test]
async fn the_notes_tell_the_next_three_commands_and_how_to_remove_what_stays() {
    // Helm 3 asks a cluster even for this.
    let running = &*alone().await;
    let notes = async |values: &[&str]| {
        let chart = helm::chart();
        let mut arguments = vec![
            "install",
            "zohorelay",
            &chart,
            "--dry-run=client",
            "-n",
            NAMESPACE,
        ];
        arguments.extend(values.iter().flat_map(|value| ["--set", value]));
        let printed = cluster::helm(running, &arguments).await;
        printed.split_once("\nNOTES:\n").unwrap().1.to_owned()
    };
    let by_default = notes(&[]).await;
    for part in [
        "1. ",
        "2. ",
        "3. ",
        "rollout status deployment/zohorelay-operator",
        "kind: MailIdentity",
        "zohorelay.dev/inject",
        "kubectl delete crd mailidentities.zohorelay.dev",
    ] {
        assert!(by_default.contains(part), "{part}: {by_default}");
    }
    // A shell ends the document only at a line that is that word alone.
    assert!(by_default.lines().any(|line| line == "EOF"), "{by_default}");
    let not_kept = notes(&["crds.keep=false"]).await;
    assert!(not_kept.contains("EVERY identity"), "{not_kept}");
    let narrowed = notes(&["rbac.scope=Namespaces", "rbac.namespaces={crm}"]).await;
    assert!(narrowed.contains("kubectl -n crm apply"), "{narrowed}");
}
