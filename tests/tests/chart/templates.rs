//! Facts of what is rendered.

use std::collections::BTreeSet;

use clap::Parser as _;
use serde_json::{Value, json};

use crate::helm::{self, NAMESPACE};
use crate::objects::{items, named, of_kind, only, parse, text, texts, title};
use crate::variants::{ALL, DIGEST, MONITORS, NAMESPACES};

/// Kinds without a namespace.
const CLUSTER_KINDS: [&str; 6] = [
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "MutatingWebhookConfiguration",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
];

/// The operator's arguments.
pub(crate) fn arguments(objects: &[Value]) -> Vec<&str> {
    texts(&container(objects)["args"])
}

/// Its container.
pub(crate) fn container(objects: &[Value]) -> &Value {
    &pod(objects)["containers"][0]
}

/// Its pod.
pub(crate) fn pod(objects: &[Value]) -> &Value {
    &only(objects, "Deployment")["spec"]["template"]["spec"]
}

#[test]
fn helm_lint_finds_nothing() {
    let output = helm::run(&["lint", "--strict", &helm::chart()]);
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{printed}");
    assert!(!printed.contains("[WARNING]"), "{printed}");
}

#[test]
fn the_definitions_are_those_of_the_types() {
    let manifest = helm::read("crds/manifests/mailidentities.zohorelay.dev.yaml");
    assert_eq!(
        helm::read("charts/zohorelay/files/mailidentities.zohorelay.dev.yaml"),
        manifest,
        "run `make crds`"
    );
    let objects = helm::render(&[]);
    let rendered = only(&objects, "CustomResourceDefinition");
    let definition = &parse(&manifest)[0];
    assert_eq!(rendered["spec"], definition["spec"]);
    assert_eq!(rendered["metadata"]["name"], definition["metadata"]["name"]);
}

#[test]
fn definitions_are_kept_unless_the_values_say_otherwise() {
    let annotation = |values: &[&str]| {
        let objects = helm::render(values);
        let definition = only(&objects, "CustomResourceDefinition");
        definition["metadata"]["annotations"]["helm.sh/resource-policy"].clone()
    };
    assert_eq!(annotation(&[]), "keep");
    assert_eq!(annotation(&["crds.keep=false"]), Value::Null);
    let without = helm::render(&["crds.enabled=false"]);
    assert!(of_kind(&without, "CustomResourceDefinition").is_empty());
}

#[test]
fn every_object_has_its_namespace_its_labels_and_a_name_of_its_own() {
    for (variant, values) in ALL {
        let objects = helm::render(values);
        let mut titles = BTreeSet::new();
        for object in &objects {
            let name = title(object);
            assert!(titles.insert(name.clone()), "{variant}: {name} twice");
            let metadata = &object["metadata"];
            let wide = CLUSTER_KINDS.contains(&text(&object["kind"]));
            assert_eq!(metadata["namespace"].is_null(), wide, "{variant}: {name}");
            let labels = &metadata["labels"];
            assert_eq!(labels["app.kubernetes.io/name"], "zohorelay", "{name}");
            assert_eq!(labels["app.kubernetes.io/instance"], "zohorelay", "{name}");
        }
        assert!(titles.len() >= 7, "{variant}: {titles:?}");
    }
}

#[test]
fn labels_and_annotations_of_the_values_are_on_every_object_and_never_replace_ours() {
    let values = [
        "commonLabels.team=mail",
        "commonLabels.app\\.kubernetes\\.io/name=theirs",
        "commonAnnotations.owner=mail",
        "podLabels.app\\.kubernetes\\.io/component=theirs",
    ];
    let objects = helm::render(&values);
    for object in &objects {
        let metadata = &object["metadata"];
        assert_eq!(metadata["labels"]["team"], "mail", "{}", title(object));
        assert_eq!(
            metadata["annotations"]["owner"],
            "mail",
            "{}",
            title(object)
        );
        assert_eq!(metadata["labels"]["app.kubernetes.io/name"], "zohorelay");
    }
    let labels = &only(&objects, "Deployment")["spec"]["template"]["metadata"]["labels"];
    assert_eq!(labels["app.kubernetes.io/component"], "operator");
}

#[test]
fn every_selector_of_the_operator_finds_its_pods() {
    let all: Vec<&str> = [MONITORS, &["networkPolicy.enabled=true"]].concat();
    let objects = helm::render(&all);
    let deployment = only(&objects, "Deployment");
    let labels = &deployment["spec"]["template"]["metadata"]["labels"];
    let monitor = named(&objects, "PodMonitor", "zohorelay-operator");
    let selectors = [
        &deployment["spec"]["selector"]["matchLabels"],
        &only(&objects, "Service")["spec"]["selector"],
        &only(&objects, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        &only(&objects, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
        &monitor["spec"]["selector"]["matchLabels"],
        &pod(&objects)["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"],
    ];
    for selector in selectors {
        let wanted = selector.as_object().unwrap();
        assert!(wanted.len() >= 3, "{selector}");
        assert!(
            wanted.iter().all(|(key, value)| &labels[key] == value),
            "{selector}"
        );
    }
}

#[test]
fn the_operator_is_told_every_name_that_the_chart_gives() {
    let objects = helm::render(&["fullnameOverride=mail"]);
    let expected = [
        format!("--operator-namespace={NAMESPACE}"),
        format!("--deployment={}", name(&objects, "Deployment")),
        format!("--lease={}", name(&objects, "Deployment")),
        format!("--webhook-service={}", name(&objects, "Service")),
        format!(
            "--webhook-configuration={}",
            name(&objects, "MutatingWebhookConfiguration")
        ),
        "--webhook-secret=mail-webhook".to_owned(),
    ];
    let arguments = arguments(&objects);
    for flag in &expected {
        assert!(arguments.contains(&flag.as_str()), "{flag}: {arguments:?}");
    }
    assert_eq!(pod(&objects)["serviceAccountName"], "mail-operator");
    assert_eq!(name(&objects, "ServiceAccount"), "mail-operator");
}

#[test]
fn a_replica_is_named_after_its_pod() {
    let values = ["extraEnv[0].name=HTTPS_PROXY", "extraEnv[0].value=proxy"];
    let objects = helm::render(&values);
    assert!(arguments(&objects).contains(&"--replica=$(POD_NAME)"));
    let variables = items(&container(&objects)["env"]);
    let field = json!({"fieldRef": {"fieldPath": "metadata.name"}});
    assert_eq!(
        variables[0],
        json!({"name": "POD_NAME", "valueFrom": field})
    );
    assert_eq!(variables[1]["name"], "HTTPS_PROXY");
}

fn name<'a>(objects: &'a [Value], kind: &str) -> &'a str {
    text(&only(objects, kind)["metadata"]["name"])
}

#[test]
fn the_operator_takes_the_arguments_of_every_variant() {
    for (variant, values) in ALL {
        let objects = helm::render(values);
        let line = ["zohorelay-operator"]
            .into_iter()
            .chain(arguments(&objects));
        if let Err(error) = zohorelay_operator::args::Cli::try_parse_from(line) {
            panic!("{variant}: {error}");
        }
    }
}

#[test]
fn the_operator_is_told_what_the_values_say() {
    let objects = helm::render(&[
        "rbac.scope=Namespaces",
        "rbac.namespaces={shop,crm}",
        "allowedUpstreamHosts={mail.example.com,*.example.org}",
        "webhook.extraSans={192.0.2.1}",
        "logins.interval=2s",
        "logLevel=debug",
        "sidecar.runAsUser=1000660000",
        "sidecar.resources.limits.cpu=1",
        "sidecar.imagePullSecrets[0].name=registry",
        "sidecar.logLevel=warn",
        "extraArgs={--allowed-upstream-host=relay.example.net}",
    ]);
    let arguments = arguments(&objects);
    assert_eq!(arguments[0], "run");
    for flag in [
        "--watch-namespace=shop",
        "--watch-namespace=crm",
        "--allowed-upstream-host=mail.example.com",
        "--allowed-upstream-host=*.example.org",
        "--webhook-extra-san=192.0.2.1",
        "--login-interval=2s",
        "--log=debug",
        "--sidecar-run-as-user=1000660000",
        "--sidecar-cpu-limit=1",
        "--sidecar-image-pull-secret=registry",
        "--sidecar-log=warn",
        "--allowed-upstream-host=relay.example.net",
    ] {
        assert!(arguments.contains(&flag), "{flag}: {arguments:?}");
    }
    let without = helm::render(&["sidecar.runAsUser=null"]);
    assert!(self::arguments(&without).contains(&"--sidecar-run-as-user=none"));
}

#[test]
fn a_digest_wins_over_a_tag_and_the_tag_over_the_version() {
    let image = |values: &[&str]| {
        let objects = helm::render(values);
        let arguments = arguments(&objects);
        let sidecar = arguments
            .iter()
            .find_map(|a| a.strip_prefix("--sidecar-image="));
        (
            text(&container(&objects)["image"]).to_owned(),
            sidecar.unwrap().to_owned(),
        )
    };
    let version = env!("CARGO_PKG_VERSION");
    let (operator, sidecar) = image(&[]);
    assert_eq!(operator, format!("zohorelay/operator:{version}"));
    assert_eq!(sidecar, format!("zohorelay/sidecar:{version}"));
    let repository = "image.repository=registry.example.com:5000/operator";
    let (operator, _) = image(&[repository, "image.tag=edge"]);
    assert_eq!(operator, "registry.example.com:5000/operator:edge");
    let digest = format!("sidecar.image.digest={DIGEST}");
    let (_, sidecar) = image(&[&digest, "sidecar.image.tag=edge"]);
    assert_eq!(sidecar, format!("zohorelay/sidecar@{DIGEST}"));
}

#[test]
fn the_operator_meets_pod_security_restricted() {
    let objects = helm::render(&[]);
    let pod = pod(&objects);
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(
        pod["securityContext"]["seccompProfile"]["type"],
        "RuntimeDefault"
    );
    assert_eq!(pod["hostNetwork"], Value::Null);
    let security = &container(&objects)["securityContext"];
    assert_eq!(security["allowPrivilegeEscalation"], false);
    assert_eq!(security["readOnlyRootFilesystem"], true);
    assert_eq!(security["capabilities"], json!({"drop": ["ALL"]}));
}

#[test]
fn a_rolling_update_never_leaves_the_webhook_without_a_replica() {
    let strategy = |values: &[&str]| {
        let objects = helm::render(values);
        only(&objects, "Deployment")["spec"]["strategy"]["rollingUpdate"].clone()
    };
    assert_eq!(strategy(&[]), json!({"maxUnavailable": 0, "maxSurge": 1}));
    // On the node's network a second pod of the node would wait for the first one's port for ever.
    let host = strategy(&["webhook.hostNetwork=true"]);
    assert_eq!(host, json!({"maxUnavailable": 1, "maxSurge": 0}));
}

#[test]
fn the_network_policy_lets_through_what_the_operator_needs() {
    let objects = helm::render(&["networkPolicy.enabled=true"]);
    let spec = &only(&objects, "NetworkPolicy")["spec"];
    let ports = |direction: &str| -> BTreeSet<String> {
        let rules = items(&spec[direction]).iter();
        rules
            .flat_map(|rule| items(&rule["ports"]))
            .map(|port| port["port"].to_string())
            .collect()
    };
    let expected = ["\"webhook\"", "\"zohorelay-admin\""].map(str::to_owned);
    assert_eq!(ports("ingress"), BTreeSet::from(expected));
    let expected = ["443", "465", "53", "587", "6443", "9465"].map(str::to_owned);
    assert_eq!(ports("egress"), BTreeSet::from(expected));
}

#[test]
fn monitors_find_the_operator_and_the_sidecars() {
    let objects = helm::render(MONITORS);
    let operator = named(&objects, "PodMonitor", "zohorelay-operator");
    let sidecars = named(&objects, "PodMonitor", "zohorelay-sidecars");
    for monitor in [operator, sidecars] {
        assert_eq!(monitor["metadata"]["labels"]["release"], "prometheus");
        let endpoint = &monitor["spec"]["podMetricsEndpoints"][0];
        assert_eq!(endpoint["port"], zohorelay_crds::keys::ADMIN_PORT_NAME);
    }
    let endpoint =
        |monitor: &Value| monitor["spec"]["podMetricsEndpoints"][0]["honorLabels"].clone();
    assert_eq!(endpoint(operator), true);
    assert_eq!(endpoint(sidecars), Value::Null);
    assert_eq!(
        sidecars["spec"]["selector"],
        json!({"matchLabels": {zohorelay_crds::keys::INJECT: "true"}})
    );
    assert_eq!(sidecars["spec"]["namespaceSelector"], json!({"any": true}));
    let narrowed = helm::render(&[NAMESPACES, MONITORS].concat());
    let sidecars = named(&narrowed, "PodMonitor", "zohorelay-sidecars");
    assert_eq!(
        sidecars["spec"]["namespaceSelector"],
        json!({"matchNames": ["shop", "crm"]})
    );
}

#[test]
fn the_chart_and_its_images_have_the_version_of_the_program() {
    let chart = &parse(&helm::read("charts/zohorelay/Chart.yaml"))[0];
    assert_eq!(chart["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn a_cluster_without_stable_native_sidecars_is_refused() {
    let refusal = helm::refusal(&[], &["--kube-version", "1.32.9"]);
    assert!(refusal.contains(">=1.33.0-0"), "{refusal}");
    let vendor = helm::run(&[
        "template",
        "z",
        &helm::chart(),
        "--kube-version",
        "v1.33.4-gke.1",
    ]);
    assert!(vendor.status.success(), "{vendor:?}");
}
