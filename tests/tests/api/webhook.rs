//! The webhook's certificate at a real API server: made, published, renewed, repaired, and never not
//! trusted. The keeper runs in this process, with short lifetimes; whether the API server trusts what
//! is served is asked by making a pod.

mod place;

use std::time::{Duration, Instant};

use k8s_openapi::ByteString;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::Timestamp;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use zohorelay_cluster::proxy::Request;
use zohorelay_cluster::{Fault, FaultProxy};
use zohorelay_operator::webhook::certificate::{Issue, Names, Validity};
use zohorelay_operator::webhook::rotation::{Kept, Rotation};
use zohorelay_operator::webhook::store;
use zohorelay_tests::objects::{api, apply_object, disappears, until};
use zohorelay_tests::program::PATIENCE;

use self::place::{LONG, Place, SECRET, SHORT, authorities, bundle, is_injected, text};

#[tokio::test]
async fn a_fresh_webhook_is_ready_when_the_api_server_trusts_it_and_pods_are_injected() {
    let place = Place::new().await;
    let replica = place.leader(&[], LONG).await;
    replica.is_ready().await;
    place.injects().await;
    let secret = place.secret().await;
    assert_eq!(secret.type_.as_deref(), Some("Opaque"));
    let keys: Vec<&str> = secret
        .data
        .iter()
        .flatten()
        .map(|(key, _)| key.as_str())
        .collect();
    assert_eq!(keys, ["ca.crt", "tls.crt", "tls.key"]);
    let validity = Validity::of(text(&secret, "tls.crt").as_bytes()).unwrap();
    let gauge = &replica.metrics.webhook_certificate_not_after;
    assert_eq!(gauge.get(), validity.not_after.as_second());
    assert!(
        replica
            .metrics
            .admissions
            .with_label_values(&["injected"])
            .get()
            >= 1
    );
    place.end().await;
}

#[tokio::test]
async fn a_follower_loads_what_the_leader_made_and_writes_nothing_itself() {
    let place = Place::new().await;
    let (webhook, args) = place.bind(&[], LONG);
    place.register(&webhook).await;
    let follower = place.start(webhook, &args, false);
    let (webhook, args) = place.bind(&[], LONG);
    let leader = place.start(webhook, &args, true);
    leader.is_ready().await;
    follower.is_ready().await;
    // The configuration names the follower.
    place.injects().await;
    let before = place.secret().await;
    leader.stop.cancel();
    follower.leads.send(true).unwrap();
    place.wipe_bundle().await;
    let authority = text(&before, "ca.crt");
    place
        .bundle_is("the new leader repairs it", |bundle| bundle == authority)
        .await;
    assert_eq!(place.secret().await, before);
    place.end().await;
}

#[tokio::test]
async fn a_bundle_that_is_wiped_comes_back() {
    let place = Place::new().await;
    let replica = place.leader(&[], LONG).await;
    replica.is_ready().await;
    for _ in 0..2 {
        place.wipe_bundle().await;
        place
            .bundle_is("it is back", |bundle| authorities(bundle) == 1)
            .await;
        place.injects().await;
    }
    place.end().await;
}

#[tokio::test]
async fn a_secret_that_is_deleted_is_made_again() {
    let place = Place::new().await;
    let replica = place.leader(&[], LONG).await;
    replica.is_ready().await;
    let before = place.secret().await.metadata.uid;
    place
        .secrets()
        .delete(SECRET, &DeleteParams::default())
        .await
        .unwrap();
    let is_new = |secret: Option<&Secret>| secret.is_some_and(|new| new.metadata.uid != before);
    until(&place.secrets(), SECRET, "it is made again", is_new)
        .await
        .unwrap();
    place.injects().await;
    place.end().await;
}

#[tokio::test]
async fn a_renewal_never_meets_an_api_server_that_does_not_trust_it_whoever_leads() {
    let place = Place::new().await;
    let first = place.leader(&[], SHORT).await;
    let (webhook, args) = place.bind(&[], SHORT);
    let second = place.start(webhook, &args, false);
    first.is_ready().await;
    second.is_ready().await;
    place.injects().await;
    let mut seen = vec![text(&place.secret().await, "tls.crt")];
    let mut widest = 0;
    let begun = Instant::now();
    // Two renewals; the leader changes all the time, also in the middle of each.
    while seen.len() < 3 {
        assert!(
            begun.elapsed() < PATIENCE,
            "{} leaves in a minute",
            seen.len()
        );
        let pod = place.inject().await.unwrap();
        assert!(is_injected(&pod));
        assert!(first.readiness.is_ready() && second.readiness.is_ready());
        let leads = (begun.elapsed().as_millis() / 700).is_multiple_of(2);
        first.leads.send_replace(leads);
        second.leads.send_replace(!leads);
        let leaf = text(&place.secret().await, "tls.crt");
        if !seen.contains(&leaf) {
            seen.push(leaf);
        }
        let configuration = place.configurations().get(&place.namespace).await.unwrap();
        widest = widest.max(authorities(&bundle(&configuration)));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(widest, 2);
    place.end().await;
}

#[tokio::test]
async fn a_certificate_that_expired_while_nobody_ran_is_replaced_before_the_replica_is_ready() {
    let place = Place::new().await;
    let names = Names::new(SECRET, &place.namespace, &[]).unwrap();
    let long_ago = "2020-01-01T00:00:00Z".parse().unwrap();
    let issue = Issue::new(&names, long_ago, LONG.validity).unwrap();
    let kept = Kept {
        current: issue.clone(),
        rotation: Rotation::Idle,
    };
    let mut secret = store::write(&kept, None, None);
    secret.metadata.name = Some(SECRET.to_owned());
    place
        .secrets()
        .create(&PostParams::default(), &secret)
        .await
        .unwrap();
    let replica = place.leader(&[], LONG).await;
    replica.is_ready().await;
    assert_ne!(text(&place.secret().await, "tls.crt"), issue.certificate);
    place.injects().await;
    place.end().await;
}

/// A Deployment without pods.
async fn deploy(place: &Place) {
    let labels = json!({"app": "operator"});
    let deployment: Value = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "operator"},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "operator", "image": "operator"}]},
            },
        },
    });
    let applied = apply_object(&place.client, &place.namespace, &deployment).await;
    applied.unwrap();
}

async fn undeploy(place: &Place) {
    let deployments = api::<Deployment>(&place.client, &place.namespace);
    let params = DeleteParams::default();
    deployments.delete("operator", &params).await.unwrap();
}

#[tokio::test]
async fn the_secret_goes_with_the_deployment() {
    let place = Place::new().await;
    deploy(&place).await;
    let replica = place.leader(&["--deployment", "operator"], LONG).await;
    replica.is_ready().await;
    replica.stop.cancel();
    let owners = place.secret().await.metadata.owner_references.unwrap();
    assert_eq!(
        (owners[0].kind.as_str(), owners[0].name.as_str()),
        ("Deployment", "operator")
    );
    assert_eq!(owners[0].block_owner_deletion, None);
    undeploy(&place).await;
    disappears(&place.secrets(), SECRET).await.unwrap();
    place.end().await;
}

/// The same seen and changed on its way to the API server.
async fn behind_proxy() -> (Place, FaultProxy) {
    let mut place = Place::new().await;
    let cluster = zohorelay_cluster::shared().await.unwrap();
    let proxy = FaultProxy::start(cluster).await.unwrap();
    place.client = proxy.access(cluster.admin()).client().unwrap();
    deploy(&place).await;
    (place, proxy)
}

/// Pods outlive their Deployment by seconds, and see the Secret go.
#[tokio::test]
async fn a_leader_whose_deployment_is_gone_makes_no_secret_any_more() {
    let (place, proxy) = behind_proxy().await;
    let replica = place.leader(&["--deployment", "operator"], LONG).await;
    replica.is_ready().await;
    let before = proxy.requests().len();
    undeploy(&place).await;
    disappears(&place.secrets(), SECRET).await.unwrap();
    let looks = |it: &Request| it.is("get", "deployments");
    let looked = |seen: &[Request]| seen[before..].iter().any(looks);
    proxy.requests_when(looked).await;
    // It would find what has no owner, and leave it as it is.
    deploy(&place).await;
    let is_owned = |secret: Option<&Secret>| {
        secret.is_some_and(|secret| secret.metadata.owner_references.is_some())
    };
    until(&place.secrets(), SECRET, "it has an owner", is_owned)
        .await
        .unwrap();
    place.end().await;
}

/// helm takes the rights away at the same time.
#[tokio::test]
async fn a_leader_that_may_not_read_its_deployment_any_more_knows_it_as_the_owner() {
    let (place, proxy) = behind_proxy().await;
    let replica = place.leader(&["--deployment", "operator"], LONG).await;
    replica.is_ready().await;
    let read = |it: &Request| it.is("get", "deployments");
    proxy.add(Fault::forbidden().when(read));
    undeploy(&place).await;
    let is_made = |it: &&Request| it.is("create", "secrets");
    let twice = |seen: &[Request]| seen.iter().filter(is_made).count() >= 2;
    proxy.requests_when(twice).await;
    replica.stop.cancel();
    replica.task.await.unwrap();
    disappears(&place.secrets(), SECRET).await.unwrap();
    place.end().await;
}

#[tokio::test]
async fn a_secret_of_somebody_else_is_served_by_their_word_only_and_never_written() {
    let place = Place::new().await;
    let names = Names::new(SECRET, &place.namespace, &["127.0.0.1".to_owned()]).unwrap();
    let issue = Issue::new(&names, Timestamp::now(), LONG.validity).unwrap();
    let secret: Secret = serde_json::from_value(json!({
        "metadata": {"name": SECRET},
        "type": "kubernetes.io/tls",
        "stringData": {"tls.crt": issue.certificate, "tls.key": *issue.key},
    }))
    .unwrap();
    let before = place
        .secrets()
        .create(&PostParams::default(), &secret)
        .await
        .unwrap();

    let internal = place.leader(&[], LONG).await;
    let theirs = place.leader(&["--cert-source", "secret"], LONG).await;
    theirs.is_ready().await;
    let set = json!([{"op": "add", "path": "/webhooks/0/clientConfig/caBundle",
        "value": ByteString(issue.authority.clone().into_bytes())}]);
    let set = Patch::Json::<()>(serde_json::from_value(set).unwrap());
    let params = PatchParams::default();
    place
        .configurations()
        .patch(&place.namespace, &params, &set)
        .await
        .unwrap();
    place.injects().await;
    internal.stop.cancel();
    theirs.stop.cancel();
    internal.task.await.unwrap();
    assert_eq!(place.secret().await, before);
    place
        .bundle_is("it is theirs", |bundle| bundle == issue.authority)
        .await;
    place.end().await;
}
