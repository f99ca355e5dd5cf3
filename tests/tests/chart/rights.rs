//! What the operator may do, and the page that explains it.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::helm::{self, NAMESPACE};
use crate::objects::{items, of_kind, text, texts};
use crate::variants::{ALL, CERT_MANAGER, NAMESPACES};

/// One rule: where it holds, resources, names, verbs.
type Right = [String; 4];

/// The rules that a release's operator has; where they hold is "everywhere", "rbac.namespaces" or "own".
fn rights(values: &[&str]) -> BTreeSet<Right> {
    let objects = helm::render(values);
    let mut found = BTreeSet::new();
    for kind in ["ClusterRole", "Role"] {
        for role in of_kind(&objects, kind) {
            if !is_bound(&objects, role) {
                continue;
            }
            for rule in items(&role["rules"]) {
                found.insert(right(place(role), rule));
            }
        }
    }
    found
}

fn place(role: &Value) -> &'static str {
    match role["metadata"]["namespace"].as_str() {
        None => "everywhere",
        Some(NAMESPACE) => "own",
        Some(_) => "rbac.namespaces",
    }
}

/// Roles for people are bound by nobody here.
fn is_bound(objects: &[Value], role: &Value) -> bool {
    let kind = format!("{}Binding", text(&role["kind"]));
    let bindings = of_kind(objects, &kind).into_iter();
    let mut bindings = bindings
        .filter(|binding| binding["metadata"]["namespace"] == role["metadata"]["namespace"]);
    bindings.any(|binding| {
        let subjects = items(&binding["subjects"]);
        assert_eq!(subjects.len(), 1);
        assert_eq!(subjects[0]["namespace"], NAMESPACE);
        binding["roleRef"]["name"] == role["metadata"]["name"]
            && binding["roleRef"]["kind"] == role["kind"]
    })
}

fn right(place: &str, rule: &Value) -> Right {
    let group = texts(&rule["apiGroups"]).join(", ");
    let resources: Vec<String> = texts(&rule["resources"])
        .iter()
        .map(|name| {
            if group.is_empty() {
                (*name).to_owned()
            } else {
                format!("{name}.{group}")
            }
        })
        .collect();
    let names = texts(&rule["resourceNames"]).join(", ");
    let names = if names.is_empty() {
        "all".to_owned()
    } else {
        names
    };
    [
        place.to_owned(),
        resources.join(", "),
        names,
        texts(&rule["verbs"]).join(", "),
    ]
}

/// The rows of a section's table, up to what each is for.
fn documented(heading: &str) -> BTreeSet<Right> {
    let page = helm::read("docs/reference/rbac.md");
    let (_, section) = page.split_once(&format!("\n## {heading}\n")).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section
        .lines()
        .filter(|line| line.starts_with("| ") && line.contains('`'));
    rows.map(|row| {
        let cells: Vec<String> = row
            .split('|')
            .map(|cell| cell.trim().replace('`', ""))
            .collect();
        assert!(cells[5].len() > 10, "{row} says nothing");
        [
            cells[1].clone(),
            cells[2].clone(),
            cells[3].clone(),
            cells[4].clone(),
        ]
    })
    .collect()
}

#[test]
fn the_page_lists_every_right_in_every_scope() {
    assert_eq!(documented("Scope Cluster"), rights(&[]));
    assert_eq!(documented("Scope Namespaces"), rights(NAMESPACES));
}

#[test]
fn no_right_is_a_wildcard_or_a_deletion_and_to_replace_needs_a_name() {
    for (variant, values) in ALL {
        for [place, resources, names, verbs] in rights(values) {
            let all = format!("{variant}: {place} {resources} {names} {verbs}");
            assert!(!all.contains('*'), "{all}");
            assert!(!verbs.contains("delete"), "{all}");
            assert!(!verbs.contains("update") || names != "all", "{all}");
        }
    }
}

#[test]
fn secrets_are_read_and_written_with_these_verbs_only() {
    let of_secrets = |values: &[&str]| -> Vec<String> {
        let all = rights(values).into_iter();
        all.filter(|right| right[1] == "secrets")
            .map(|[place, _, names, verbs]| format!("{place}, {names}: {verbs}"))
            .collect()
    };
    assert_eq!(
        of_secrets(&[]),
        [
            "everywhere, all: get, list, watch, create, patch",
            "own, zohorelay-webhook: update"
        ]
    );
    assert_eq!(
        of_secrets(NAMESPACES),
        [
            "own, all: create",
            "own, zohorelay-webhook: list, watch, update",
            "rbac.namespaces, all: get, list, watch, create, patch"
        ]
    );
}

#[test]
fn whoever_brings_a_certificate_gives_the_operator_fewer_rights() {
    let values = [NAMESPACES, CERT_MANAGER].concat();
    for [place, resources, _, verbs] in rights(&values) {
        assert!(!resources.contains("mutatingwebhookconfigurations"));
        assert!(place != "own" || resources != "secrets" || verbs == "list, watch");
    }
}

#[test]
fn nothing_in_the_cluster_is_granted_in_scope_namespaces_but_the_one_webhook() {
    for [place, resources, names, verbs] in rights(NAMESPACES) {
        if place == "everywhere" {
            assert_eq!(
                resources,
                "mutatingwebhookconfigurations.admissionregistration.k8s.io"
            );
            assert_eq!(names, "zohorelay", "{verbs}");
        }
    }
}

#[test]
fn roles_for_people_know_identities_only() {
    let objects = helm::render(&[]);
    let mut people = 0;
    for role in of_kind(&objects, "ClusterRole") {
        if is_bound(&objects, role) {
            continue;
        }
        people += 1;
        for rule in items(&role["rules"]) {
            assert_eq!(texts(&rule["resources"]), ["mailidentities"]);
        }
    }
    assert_eq!(people, 2);
}

#[test]
fn every_rule_is_explained_where_it_stands() {
    for file in ["_rules.tpl", "rbac.yaml"] {
        let template = helm::read(&format!("charts/zohorelay/templates/{file}"));
        let lines: Vec<&str> = template.lines().map(str::trim).collect();
        for (number, line) in lines.iter().enumerate() {
            if line.starts_with("- apiGroups:") {
                let rule = lines[number + 1];
                assert!(lines[number - 1].starts_with("# "), "{file}: {rule}");
            }
        }
    }
}
