//! No right is spare: without any single verb of any rule the operator fails in a way that is named
//! in [`Purpose`], and the log or the identity says which right is missing.
//!
//! The rules are those that the chart renders, so one that is added fails here until it has a purpose.

use std::collections::BTreeSet;

use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use zohorelay_cluster::{Options, Running, shared};
use zohorelay_tests::objects::{apply_object, install_crds};
use zohorelay_tests::operator::Operator;
use zohorelay_tests::release::{ON_LOOPBACK, Release};

use super::life::assert_never_refused;
use super::purpose::Purpose;
use super::stage::{Stage, until};

/// Runs at a time where releases do not meet.
const AT_ONCE: usize = 3;

/// One verb of one rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Right {
    own: bool,
    resource: String,
    verb: String,
}

impl Right {
    fn purpose(&self) -> Purpose {
        let found = Purpose::of(self.own, &self.resource, &self.verb);
        found.unwrap_or_else(|| panic!("nobody knows what {self:?} is for"))
    }

    /// How often the API server said that the operator lacks it, in the operator's words.
    async fn refusals(&self, stage: &Stage<'_>, operator: &Operator) -> usize {
        let identity = stage.identity("billing").await.to_string();
        let words = format!("cannot {} resource \"{}\"", self.verb, self.resource);
        let told = operator.log().into_iter().chain([identity]);
        told.filter(|text| text.replace('\\', "").contains(&words))
            .count()
    }
}

/// What the chart renders in one scope. The names in it are replaced by those of each run.
struct Rendered(String);

const NAME: &str = "name-of-release";
const OWN: &str = "namespace-of-release";
const SHOP: &str = "namespace-of-shop";

impl Rendered {
    async fn new(cluster: &Running, cluster_wide: bool) -> Self {
        let release = Release {
            name: NAME.to_owned(),
            namespace: OWN.to_owned(),
        };
        let shop = format!("rbac.namespaces={{{SHOP}}}");
        let scope = ["rbac.scope=Namespaces", &shop];
        let scope = if cluster_wide { &[][..] } else { &scope[..] };
        let values = [&ON_LOOPBACK[..], scope, &["crds.enabled=false"]].concat();
        Self(release.template(cluster, &values).await.unwrap())
    }

    fn objects(&self, name: &str, own: &str, shop: &str) -> Vec<Value> {
        let yaml = self
            .0
            .replace(NAME, name)
            .replace(OWN, own)
            .replace(SHOP, shop);
        let documents: Vec<Value> = serde_saphyr::from_multiple(&yaml).unwrap();
        documents.into_iter().filter(|one| !one.is_null()).collect()
    }

    /// Every right of the operator.
    fn rights(&self) -> BTreeSet<Right> {
        let objects = self.objects(NAME, OWN, SHOP);
        let mut rights = BTreeSet::new();
        for role in objects.iter().filter(|role| is_bound(&objects, role)) {
            for rule in list(&role["rules"]) {
                for right in rights_of(role, rule, OWN) {
                    assert!(rights.insert(right.clone()), "{right:?} is granted twice");
                }
            }
        }
        rights
    }

    /// A release without one of its rights.
    async fn install(&self, stage: &Stage<'_>, without: Option<&Right>) {
        let Release { name, namespace } = &stage.release;
        for mut object in self.objects(name, namespace, &stage.shop) {
            if let Some(right) = without {
                take_away(&mut object, right, namespace);
            }
            let applied = apply_object(&stage.client, namespace, &object).await;
            applied.unwrap_or_else(|error| panic!("{error:#}"));
        }
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Roles for people are bound to nobody here.
fn is_bound(objects: &[Value], role: &Value) -> bool {
    objects.iter().any(|object| {
        let of = &object["roleRef"];
        of["kind"] == role["kind"]
            && of["name"] == role["metadata"]["name"]
            && !of.is_null()
            && object["metadata"]["namespace"] == role["metadata"]["namespace"]
    })
}

fn rights_of(granted_by: &Value, rule: &Value, own: &str) -> Vec<Right> {
    let [resource] = list(&rule["resources"]) else {
        panic!("a rule is for one resource: {rule}");
    };
    let verbs = list(&rule["verbs"]).iter();
    verbs
        .map(|verb| Right {
            own: granted_by["metadata"]["namespace"] == own,
            resource: resource.as_str().unwrap().to_owned(),
            verb: verb.as_str().unwrap().to_owned(),
        })
        .collect()
}

fn take_away(object: &mut Value, right: &Right, own: &str) {
    let role = object.clone();
    let rules = object.get_mut("rules").and_then(Value::as_array_mut);
    let Some(rules) = rules else {
        return;
    };
    for rule in rules.iter_mut() {
        let is_there = rule["verbs"].is_array() && rights_of(&role, rule, own).contains(right);
        if let Some(verbs) = rule["verbs"].as_array_mut().filter(|_| is_there) {
            verbs.retain(|verb| *verb != json!(right.verb));
        }
    }
    rules.retain(|rule| rule["verbs"] != json!([]));
}

/// A run without one right.
async fn fails_without(rendered: &Rendered, cluster: &Running, right: &Right) {
    let purpose = right.purpose();
    let stage = Stage::new(cluster, super::stage::fresh()).await;
    purpose.prepare(&stage).await;
    rendered.install(&stage, Some(right)).await;
    let operator = stage.operator("operator").await;
    purpose.act(&stage, &operator).await;
    let before = if purpose.is_refused_again() {
        right.refusals(&stage, &operator).await
    } else {
        0
    };
    until(&format!("{right:?}: it is told"), async || {
        assert!(
            !purpose.is_served(&stage, &operator).await,
            "{right:?} is spare"
        );
        right.refusals(&stage, &operator).await > before
    })
    .await;
    assert!(
        !purpose.is_served(&stage, &operator).await,
        "{right:?} is spare"
    );
    if purpose.is_told_to_people() {
        stage.until_ready("billing", "False/Forbidden").await;
    }
    // Ended in order it would go on for 5 s.
    drop(operator);
    stage.clear().await;
}

/// With all rights, whatever a purpose needs is done: so [`fails_without`] means something.
async fn all_are_served(rendered: &Rendered, cluster: &Running, rights: &BTreeSet<Right>) {
    for takes_over in [false, true] {
        let purposes = rights.iter().map(Right::purpose);
        let purposes = purposes.filter(|purpose| purpose.takes_over() == takes_over);
        let purposes: Vec<Purpose> = purposes.collect();
        let stage = Stage::new(cluster, super::stage::fresh()).await;
        for purpose in &purposes {
            purpose.prepare(&stage).await;
        }
        rendered.install(&stage, None).await;
        let operator = stage.operator("operator").await;
        for purpose in purposes {
            purpose.act(&stage, &operator).await;
            let what = format!("{purpose:?} is served");
            until(&what, async || purpose.is_served(&stage, &operator).await).await;
        }
        assert_never_refused(&operator);
        drop(operator);
        stage.clear().await;
    }
}

#[tokio::test]
async fn in_scope_cluster_no_right_is_spare() {
    let cluster = &Running::start(Options::default()).await.unwrap();
    install_crds(&cluster.client().unwrap()).await.unwrap();
    let rendered = Rendered::new(cluster, true).await;
    let rights = rendered.rights();
    assert_eq!(rights.len(), 20, "{rights:#?}");
    all_are_served(&rendered, cluster, &rights).await;
    for right in &rights {
        // One after the other: each operator looks after the whole cluster.
        fails_without(&rendered, cluster, right).await;
    }
}

#[tokio::test]
async fn in_scope_namespaces_no_right_is_spare() {
    let cluster = shared().await.unwrap();
    install_crds(&cluster.client().unwrap()).await.unwrap();
    let rendered = &Rendered::new(cluster, false).await;
    let rights = rendered.rights();
    assert_eq!(rights.len(), 23, "{rights:#?}");
    all_are_served(rendered, cluster, &rights).await;
    let runs = rights
        .iter()
        .map(|right| fails_without(rendered, cluster, right));
    let mut runs = stream::iter(runs).buffer_unordered(AT_ONCE);
    while runs.next().await.is_some() {}
}
