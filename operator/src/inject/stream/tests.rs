use super::*;
use crate::inject::fixtures::{args, settings};

const DEPLOYMENT: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  template:
    metadata:
      labels: {zohorelay.dev/inject: \"true\"}
      annotations: {zohorelay.dev/identities: billing}
    spec:
      containers:
        - {name: app, image: \"registry.example.com/shop:1.0\"}
";

fn injected(input: &str) -> Injected {
    inject_stream(input, &settings()).unwrap_or_else(|error| panic!("{error}"))
}

fn values(yaml: &str) -> Vec<Value> {
    let values: Vec<Value> = serde_saphyr::from_multiple(yaml).unwrap();
    values
        .into_iter()
        .filter(|value| !value.is_null())
        .collect()
}

#[test]
fn what_does_not_ask_is_given_back_byte_for_byte() {
    let stream = "# head\n---\n# Source: a.yaml\nkind: ConfigMap   # why\napiVersion: v1\n\
                  data: {mode: 0444, on: yes}\n...\n---\n\n--- # nothing\n--- {kind: Pod, apiVersion: v1}\n\
                  ---\r\napiVersion: v1\r\nkind: Service\r\n";
    assert_eq!(injected(stream).yaml, stream);
    assert_eq!(injected("").yaml, "");
    assert_eq!(injected("---\n").yaml, "---\n");
}

#[test]
fn only_the_document_that_asks_is_written_anew_and_the_comments_above_it_stay() {
    let service = "apiVersion: v1\nkind: Service   # kept\nmetadata: {name: web}\n";
    let stream = format!("{service}---\n# Source: web.yaml\n{DEPLOYMENT}--- # tail\n{service}");
    let result = injected(&stream);
    assert!(result.yaml.starts_with(&format!(
        "{service}---\n# Source: web.yaml\napiVersion: apps/v1\nkind: Deployment\n"
    )));
    assert!(result.yaml.ends_with(&format!("--- # tail\n{service}")));
    assert_eq!(result.notes, ["Deployment shop/web: injected"]);
    let documents = values(&result.yaml);
    assert_eq!(documents.len(), 3);
    let init = &documents[1]["spec"]["template"]["spec"]["initContainers"];
    assert_eq!(init[0]["name"], "zohorelay");
}

#[test]
fn injected_again_nothing_changes() {
    let once = injected(DEPLOYMENT).yaml;
    let twice = injected(&once);
    assert_eq!(twice.yaml, once);
    assert_eq!(
        twice.notes,
        ["Deployment shop/web: has the sidecar already"]
    );
}

#[test]
fn the_items_of_a_list_are_injected_too() {
    let items: String = DEPLOYMENT
        .lines()
        .flat_map(|line| ["    ", line, "\n"])
        .collect();
    let list = format!("apiVersion: v1\nkind: List\nitems:\n  -\n{items}  - {{kind: Service}}\n");
    let result = injected(&list);
    assert_eq!(result.notes, ["Deployment shop/web: injected"]);
    let list = &values(&result.yaml)[0];
    let pod = &list["items"][0]["spec"]["template"]["spec"];
    assert_eq!(pod["initContainers"][0]["name"], "zohorelay");
    assert_eq!(list["items"][1]["kind"], "Service");
    let empty = "kind: List\napiVersion: v1\n";
    assert_eq!(injected(empty).yaml, empty);
}

#[test]
fn json_is_yaml() {
    let json = serde_json::to_string(&values(DEPLOYMENT)[0]).unwrap();
    assert_eq!(injected(&json).yaml, injected(DEPLOYMENT).yaml);
}

#[test]
fn every_refused_workload_is_named_with_its_reason() {
    let host = DEPLOYMENT.replace(
        "spec:\n      containers",
        "spec:\n      hostNetwork: true\n      containers",
    );
    let nobody = DEPLOYMENT
        .replace("identities: billing", "identities: Billing")
        .replace("web", "api");
    let error = inject_stream(
        &format!("{host}---\n{DEPLOYMENT}---\n{nobody}"),
        &settings(),
    );
    let InjectError::Refused(refusals) = error.unwrap_err() else {
        panic!("another error");
    };
    assert_eq!(refusals.len(), 2);
    assert!(refusals[0].starts_with("Deployment shop/web: hostNetwork is true"));
    assert!(refusals[1].starts_with("Deployment shop/api: annotation zohorelay.dev/identities"));
}

#[test]
fn a_document_that_is_no_yaml_is_named_by_its_line_and_never_quoted() {
    let stream = "a: 1\n---\npassword: \"hunter2\nb: [\n";
    let error = inject_stream(stream, &settings()).unwrap_err().to_string();
    assert!(
        error.starts_with("reading the document at line 2: "),
        "{error}"
    );
    assert!(!error.contains("hunter2"), "{error}");
}

#[test]
fn numbers_and_words_mean_what_they_mean_to_kubectl() {
    // As sigs.k8s.io/yaml reads them: octal, booleans of YAML 1.1, and quoted text stays text.
    let text = DEPLOYMENT.replace(
        "spec:\n      containers",
        "spec:\n      volumes:\n        - {name: m, secret: {secretName: s, defaultMode: 0440}}\n      \
         x: [yes, \"yes\", \"0440\", \"1e3\", \"012\", \"1_000\", \"~\", \"\", \"null\", \"on\", \"1:30\", \
         \"0x1F\", \"2001-01-01\", 1.5, \"- a\", \"a: b\", \" a\", \"a\\nb\\n\", \"#c\", \"!t\", \"*a\", \"=\"]\n      containers",
    );
    let yaml = injected(&text).yaml;
    let spec = &values(&yaml)[0]["spec"]["template"]["spec"];
    assert_eq!(spec["volumes"][0]["secret"]["defaultMode"], 0o440);
    assert_eq!(spec["x"][0], true);
    let texts: Vec<&str> = spec["x"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert_eq!(
        texts,
        [
            "yes",
            "0440",
            "1e3",
            "012",
            "1_000",
            "~",
            "",
            "null",
            "on",
            "1:30",
            "0x1F",
            "2001-01-01",
            "- a",
            "a: b",
            " a",
            "a\nb\n",
            "#c",
            "!t",
            "*a",
            "=",
        ]
    );
    for quoted in [
        "\"yes\"",
        "\"0440\"",
        "\"1e3\"",
        "\"012\"",
        "\"1_000\"",
        "\"on\"",
        "\"1:30\"",
    ] {
        assert!(
            yaml.contains(&format!("- {quoted}\n")),
            "{quoted} in {yaml}"
        );
    }
}

#[test]
fn a_long_line_stays_one_line() {
    let long = "word ".repeat(100);
    let text = DEPLOYMENT.replace("registry.example.com/shop:1.0", long.trim());
    assert!(injected(&text).yaml.contains(long.trim()));
}

#[test]
fn a_forgotten_label_and_an_unknown_kind_are_noted() {
    let forgotten = DEPLOYMENT.replace("labels: {zohorelay.dev/inject: \"true\"}", "labels: {}");
    let result = injected(&forgotten);
    assert_eq!(result.yaml, forgotten);
    assert!(
        result.notes[0].contains("not the label zohorelay.dev/inject"),
        "{:?}",
        result.notes
    );
    let rollout = DEPLOYMENT
        .replace("apps/v1", "argoproj.io/v1alpha1")
        .replace("Deployment", "Rollout");
    let result = injected(&rollout);
    assert_eq!(result.yaml, rollout);
    assert!(
        result.notes[0].starts_with("Rollout shop/web: left alone"),
        "{:?}",
        result.notes
    );
}

#[test]
fn pull_secrets_that_hide_those_of_the_service_account_are_noted() {
    let mut with = args();
    with.image_pull_secrets = vec!["registry".to_owned()];
    let with = Settings::from_args(&with).unwrap();
    let notes = inject_stream(DEPLOYMENT, &with).unwrap().notes;
    assert!(notes[0].contains("service account"), "{notes:?}");
    let theirs = DEPLOYMENT.replace(
        "spec:\n      containers",
        "spec:\n      imagePullSecrets: [{name: theirs}]\n      containers",
    );
    assert_eq!(inject_stream(&theirs, &with).unwrap().notes.len(), 1);
}
