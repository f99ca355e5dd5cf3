//! Reads all that the doctor looks at. READ: it judges nothing, and changes nothing.
//!
//! Of a Secret only the metadata is asked for, and of that only the names of its keys are kept: an
//! annotation of kubectl may hold its content.

mod controllers;
mod secrets;
mod sidecars;
mod webhook;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Event, Namespace, Pod};
use kube::api::ListParams;
use kube::{Api, Client};
use zohorelay_crds::MailIdentity;

use super::rights::{Asked, Right, Unread};
use super::scene::{DeploymentSeen, Hook, LeaseSeen, Refused, Scene, Subject};
use crate::lease::election::{DURATION, RETRY, holder};

/// Patience for one answer of the API server.
const PATIENCE: Duration = Duration::from_secs(10);
/// Where the chart is installed by the documentation.
const OPERATOR_NAMESPACE: &str = "zohorelay-system";
/// What its Lease and its Deployment are called there.
const OPERATOR: &str = "zohorelay-operator";

/// Where to look for the operator, as far as it was told.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// Its namespace.
    pub namespace: Option<String>,
    /// Its Lease, and its Deployment.
    pub lease: Option<String>,
    /// Its `MutatingWebhookConfiguration`.
    pub configuration: Option<String>,
}

/// Asks for one thing.
async fn ask<T>(right: Right, question: impl Future<Output = kube::Result<T>>) -> Asked<T> {
    match tokio::time::timeout(PATIENCE, question).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(Unread::of(&error, &right)),
        Err(_) => Err(Unread::Failed(format!(
            "{right}: no answer within {} s",
            PATIENCE.as_secs()
        ))),
    }
}

/// Asks for a list.
async fn list<K>(api: Api<K>, right: Right, params: ListParams) -> Asked<Vec<K>>
where
    K: Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let listed = ask(right, api.list(&params)).await;
    listed.map(|list| list.items)
}

/// Reads everything; nothing but the version where the API server does not answer. `in_cluster`: pods
/// and Services can be reached from here.
pub async fn gather(client: &Client, subject: Subject, place: &Place, in_cluster: bool) -> Scene {
    let mut scene = empty(subject);
    let right = Right::get("/version", "").everywhere();
    let version = ask(right, client.apiserver_version()).await;
    scene.server = version.map(|info| info.git_version);
    if scene.server.is_err() {
        return scene;
    }
    scene.served = served(client).await;
    scene.labels = labels(client, &scene.subject.namespace).await;
    scene.hooks = webhook::hooks(client, place).await;
    let known = scene.labels.as_ref().ok().and_then(Option::as_ref);
    let hook =
        scene.hooks.as_ref().ok().and_then(|hooks| {
            super::webhook::choose(hooks, known, &scene.subject.namespace).cloned()
        });
    scene.operator_namespace = operator_namespace(place, hook.as_ref());
    let name = operator_name(place, hook.as_ref());
    scene.lease = lease(client, &scene.operator_namespace, &name).await;
    scene.deployment = deployment(client, &scene.operator_namespace, &name).await;
    if let Some(hook) = &hook {
        scene.endpoints = webhook::endpoints(client, hook).await;
        if in_cluster {
            scene.handshake = webhook::handshake(hook).await;
        }
    }
    namespaced(client, &mut scene).await;
    sidecars::told(client, &mut scene, in_cluster).await;
    scene
}

fn empty(subject: Subject) -> Scene {
    Scene {
        now: Timestamp::now(),
        subject,
        server: Ok(String::new()),
        served: Ok(Vec::new()),
        operator_namespace: String::new(),
        lease: Ok(None),
        deployment: Ok(None),
        hooks: Ok(Vec::new()),
        endpoints: None,
        handshake: None,
        labels: Ok(None),
        identities: Ok(Vec::new()),
        secrets: BTreeMap::new(),
        pods: Ok(Vec::new()),
        workloads: Vec::new(),
        refused: Ok(Vec::new()),
        told: BTreeMap::new(),
        events: Vec::new(),
    }
}

/// What is in the namespace of the identities.
async fn namespaced(client: &Client, scene: &mut Scene) {
    let here = scene.subject.namespace.clone();
    let all = ListParams::default;
    let identities = Api::<MailIdentity>::namespaced(client.clone(), &here);
    let right = Right::list("mailidentities.zohorelay.dev", &here);
    scene.identities = list(identities, right, all()).await;
    let pods = Api::<Pod>::namespaced(client.clone(), &here);
    scene.pods = list(pods, Right::list("pods", &here), all()).await;
    scene.workloads = controllers::workloads(client, &here).await;
    scene.refused = refused(client, &here).await;
    scene.secrets = secrets::seen(client, scene).await;
    if let Some(name) = &scene.subject.identity {
        scene.events = events(client, &here, name).await;
    }
}

async fn served(client: &Client) -> Asked<Vec<String>> {
    let right = Right::get("/apis", "").everywhere();
    let groups = ask(right, client.list_api_groups()).await?;
    let ours = (groups.groups.into_iter()).find(|group| group.name == "zohorelay.dev");
    Ok(ours.map_or_else(Vec::new, |group| {
        let versions = group.versions.into_iter();
        versions.map(|version| version.version).collect()
    }))
}

async fn labels(client: &Client, name: &str) -> Asked<Option<BTreeMap<String, String>>> {
    let right = Right::get("namespaces", name);
    let namespaces = Api::<Namespace>::all(client.clone());
    let found = ask(right, namespaces.get_opt(name)).await?;
    Ok(found.map(|namespace| namespace.metadata.labels.unwrap_or_default()))
}

fn operator_namespace(place: &Place, hook: Option<&Hook>) -> String {
    let service = hook.and_then(|hook| hook.webhook.client_config.service.as_ref());
    let told = place.namespace.clone();
    told.or_else(|| service.map(|service| service.namespace.clone()))
        .unwrap_or_else(|| OPERATOR_NAMESPACE.to_owned())
}

/// The chart calls both `NAME-operator` where the configuration is called NAME.
fn operator_name(place: &Place, hook: Option<&Hook>) -> String {
    let of_chart = || hook.map(|hook| format!("{}-operator", hook.configuration));
    place
        .lease
        .clone()
        .or_else(of_chart)
        .unwrap_or_else(|| OPERATOR.to_owned())
}

/// The clocks may differ: what does not look fresh is looked at again after its holder had the time to
/// renew it.
async fn lease(client: &Client, namespace: &str, name: &str) -> Asked<Option<LeaseSeen>> {
    let leases = Api::<Lease>::namespaced(client.clone(), namespace);
    let right = || Right::get("leases.coordination.k8s.io", namespace);
    let Some(first) = ask(right(), leases.get_opt(name)).await? else {
        return Ok(None);
    };
    let renewed = |lease: &Lease| Some(lease.spec.as_ref()?.renew_time.as_ref()?.0);
    let is_young = |renewed: Timestamp| {
        let age = Timestamp::now().duration_since(renewed).unsigned_abs();
        age < DURATION
    };
    let mut seen = LeaseSeen {
        name: name.to_owned(),
        holder: holder(&first).map(str::to_owned),
        is_fresh: renewed(&first).is_some_and(is_young),
        renewed: renewed(&first),
    };
    if seen.holder.is_some() && !seen.is_fresh {
        tokio::time::sleep(2 * RETRY).await;
        let second = ask(right(), leases.get_opt(name)).await?;
        let version = second.and_then(|lease| lease.metadata.resource_version);
        seen.is_fresh = version.is_some() && version != first.metadata.resource_version;
    }
    Ok(Some(seen))
}

async fn deployment(client: &Client, namespace: &str, name: &str) -> Asked<Option<DeploymentSeen>> {
    let deployments = Api::<Deployment>::namespaced(client.clone(), namespace);
    let right = Right::get("deployments.apps", namespace);
    let found = ask(right, deployments.get_opt(name)).await?;
    Ok(found.map(|deployment| {
        let labels = deployment.metadata.labels.unwrap_or_default();
        let wanted = deployment.spec.and_then(|spec| spec.replicas);
        let ready = deployment.status.and_then(|status| status.ready_replicas);
        DeploymentSeen {
            name: name.to_owned(),
            wanted: wanted.unwrap_or(1),
            ready: ready.unwrap_or(0),
            version: labels.get("app.kubernetes.io/version").cloned(),
        }
    }))
}

/// The newest event of each that could not make a pod because of us.
async fn refused(client: &Client, namespace: &str) -> Asked<Vec<Refused>> {
    let events = Api::<Event>::namespaced(client.clone(), namespace);
    let params = ListParams::default().fields("reason=FailedCreate");
    let mut events = list(events, Right::list("events", namespace), params).await?;
    events.sort_by_key(|event| event.last_timestamp.as_ref().map(|time| time.0));
    let mut newest = BTreeMap::new();
    for event in events {
        let message = event.message.unwrap_or_default();
        if message.contains("zohorelay") {
            let by = event.involved_object;
            let refused = Refused {
                kind: by.kind.unwrap_or_default(),
                name: by.name.unwrap_or_default(),
                uid: by.uid.unwrap_or_default(),
                message,
            };
            newest.insert(refused.uid.clone(), refused);
        }
    }
    Ok(newest.into_values().collect())
}

/// For the bundle: none where they may not be read.
async fn events(client: &Client, namespace: &str, identity: &str) -> Vec<String> {
    let events = Api::<Event>::namespaced(client.clone(), namespace);
    let fields = format!("involvedObject.kind=MailIdentity,involvedObject.name={identity}");
    let params = ListParams::default().fields(&fields);
    let events = list(events, Right::list("events", namespace), params).await;
    let line = |event: Event| {
        let at = event.event_time.map(|time| time.0);
        let at = at.or(event.last_timestamp.map(|time| time.0));
        format!(
            "{} {} {}: {}",
            at.map_or_else(String::new, |at| at.to_string()),
            event.type_.unwrap_or_default(),
            event.reason.unwrap_or_default(),
            event.message.unwrap_or_default()
        )
    };
    events.unwrap_or_default().into_iter().map(line).collect()
}
