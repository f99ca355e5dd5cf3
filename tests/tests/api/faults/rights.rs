//! docs/proof.md O4: a right is missing in one namespace of three.

use zohorelay_cluster::{Fault, FaultProxy};
use zohorelay_crds::MailIdentity;
use zohorelay_tests::objects::{self, api, namespace};

use serde_json::json;

use super::scene::{FLAGS, assert_settled, behind_proxy};
use crate::identity::world::{GOOD, World, find, message};

/// What the chart gives in each namespace, and the lease; the last rule is that about Secrets.
const RIGHTS: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: operator}
rules:
- {apiGroups: [zohorelay.dev], resources: [mailidentities], verbs: [list, watch]}
- {apiGroups: [zohorelay.dev], resources: [mailidentities/status], verbs: [patch]}
- {apiGroups: [''], resources: [pods], verbs: [list, watch]}
- {apiGroups: [events.k8s.io], resources: [events], verbs: [create, patch]}
- {apiGroups: [coordination.k8s.io], resources: [leases], verbs: [create, get, update]}
";
const SECRETS: &str =
    "- {apiGroups: [''], resources: [secrets], verbs: [get, list, watch, create, patch]}\n";
const BINDING: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: operator}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: operator}
subjects: [{kind: ServiceAccount, name: operator, namespace: HOME}]
";

/// Three namespaces, of which the first is the operator's own, with an identity in each.
async fn three(world: &World<'_>) -> [String; 3] {
    let second = namespace(&world.client).await.unwrap();
    let third = namespace(&world.client).await.unwrap();
    let all = [world.namespace.clone(), second, third];
    for namespace in &all {
        declare(world, namespace, "first").await;
    }
    all
}

async fn declare(world: &World<'_>, namespace: &str, display_name: &str) {
    let password = json!({
        "apiVersion": "v1", "kind": "Secret", "stringData": {"password": GOOD},
        "metadata": {"name": "billing-zoho", "namespace": namespace},
    });
    world.apply(&password).await;
    let mut identity = world.identity("billing");
    identity["metadata"]["namespace"] = json!(namespace);
    identity["spec"]["displayName"] = json!(display_name);
    world.apply(&identity).await;
}

/// Waits until the identity in that namespace stands so.
async fn until(world: &World<'_>, namespace: &str, status: &str, reason: &str) -> MailIdentity {
    let identities = api::<MailIdentity>(&world.client, namespace);
    let what = format!("Ready={status}/{reason} in {namespace}");
    let stands = |identity: Option<&MailIdentity>| {
        identity.is_some_and(|identity| {
            let seen = identity
                .status
                .as_ref()
                .and_then(|it| it.observed_generation);
            seen == identity.metadata.generation
                && find(identity, "Ready")
                    .is_some_and(|ready| ready.status == status && ready.reason == reason)
        })
    };
    let found = objects::until(&identities, "billing", &what, stands).await;
    found.unwrap().unwrap()
}

fn watching(namespaces: &[String]) -> Vec<&str> {
    let others = namespaces[1..].iter();
    let flags = others.flat_map(|namespace| ["--watch-namespace", namespace]);
    FLAGS.into_iter().chain(flags).collect()
}

#[tokio::test]
async fn o4_a_service_account_without_the_right_to_secrets_in_one_namespace() {
    let mut world = World::without_operator().await;
    let namespaces = three(&world).await;
    let [home, _, third] = &namespaces;
    let account = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: operator}\n";
    objects::apply(&world.client, home, account).await.unwrap();
    for namespace in &namespaces {
        let mut role = RIGHTS.to_owned();
        if namespace != third {
            role.push_str(SECRETS);
        }
        let binding = BINDING.replace("HOME", home);
        objects::apply(&world.client, namespace, &role)
            .await
            .unwrap();
        objects::apply(&world.client, namespace, &binding)
            .await
            .unwrap();
    }
    let operator = world
        .cluster
        .service_account(home, "operator")
        .await
        .unwrap();
    let proxy = FaultProxy::start(world.cluster).await.unwrap();
    world.change_access(proxy.access(&operator));
    world.start_operator(&watching(&namespaces)).await;

    let refused = until(&world, third, "False", "Forbidden").await;
    let said = message(&refused, "Ready");
    for words in [
        &format!("get secrets in namespace {third}"),
        "ServiceAccount",
        "rbac.",
    ] {
        assert!(said.contains(words), "{said}");
    }
    for namespace in &namespaces[..2] {
        until(&world, namespace, "True", "Published").await;
    }
    // The watch of Secrets there is refused for ever: it is asked for ever less often.
    let refused_lists = || {
        let seen = proxy.requests();
        seen.iter()
            .filter(|it| it.is("list", "secrets") && it.namespace == *third)
            .count()
    };
    assert!(refused_lists() <= 8, "{} lists", refused_lists());
    assert_eq!(world.operator().get("/live").await.unwrap().0, 200);
    // Three identities have one login.
    world.assert_logins(1, 0);
}

#[tokio::test]
async fn o4_a_right_is_refused_in_one_namespace_and_comes_back() {
    let (mut world, proxy) = behind_proxy().await;
    let namespaces = three(&world).await;
    let third = namespaces[2].clone();
    let rule = Fault::forbidden().when({
        let third = third.clone();
        move |request| request.is("create", "secrets") && request.namespace == third
    });
    let rule = proxy.add(rule);
    world.start_operator(&watching(&namespaces)).await;

    let refused = until(&world, &third, "False", "Forbidden").await;
    let said = message(&refused, "Ready");
    assert!(
        said.contains(&format!("create secrets in namespace {third}")),
        "{said}"
    );
    assert!(
        find(&refused, "Reconciling").is_some_and(|it| it.status == "True"),
        "{refused:?}"
    );
    for namespace in &namespaces[..2] {
        until(&world, namespace, "True", "Published").await;
    }
    assert_settled(&world, "billing").await;

    rule.remove();
    // It is tried again each minute, or when something changes.
    declare(&world, &third, "second").await;
    until(&world, &third, "True", "Published").await;
    world.assert_logins(1, 0);
}
