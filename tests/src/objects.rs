//! Objects at an API server: a namespace of one's own, YAML applied, and waiting by watching.

use std::fmt::Debug;

use anyhow::{Context, Result, anyhow, bail};
use futures_util::{StreamExt, pin_mut};
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use kube::core::NamespaceResourceScope;
use kube::discovery::{Scope, pinned_kind};
use kube::runtime::conditions::is_crd_established;
use kube::runtime::watcher::watch_object;
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::program::PATIENCE;

/// Field manager of what tests apply.
pub const FIELD_MANAGER: &str = "tests";

/// Makes a namespace whose name nobody else has, and waits until pods can be made in it.
pub async fn namespace(client: &Client) -> Result<String> {
    let name = format!("test-{:08x}", fastrand::u32(..));
    namespace_named(client, &name, &json!({})).await?;
    Ok(name)
}

/// Makes a namespace with labels, and waits until pods can be made in it.
pub async fn namespace_named(client: &Client, name: &str, labels: &Value) -> Result<()> {
    let namespace =
        serde_json::from_value(json!({ "metadata": { "name": name, "labels": labels } }))?;
    let namespaces: Api<Namespace> = Api::all(client.clone());
    namespaces
        .create(&PostParams::default(), &namespace)
        .await?;
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), name);
    appears(&accounts, "default").await?;
    Ok(())
}

/// Installs the `CustomResourceDefinition`, and waits until it serves.
pub async fn install_crds(client: &Client) -> Result<()> {
    let definition = zohorelay_crds::manifest::mail_identity()?;
    let name = definition["metadata"]["name"].as_str().context("a name")?;
    let crds: Api<CustomResourceDefinition> = Api::all(client.clone());
    let params = PatchParams::apply(FIELD_MANAGER).force();
    crds.patch(name, &params, &Patch::Apply(&definition))
        .await?;
    until(&crds, name, "the definition serves", |crd| {
        kube::runtime::wait::Condition::matches_object(&is_crd_established(), crd)
    })
    .await?;
    Ok(())
}

/// Applies YAML documents by server-side apply; what names no namespace goes into the one given.
pub async fn apply(client: &Client, namespace: &str, yaml: &str) -> Result<Vec<DynamicObject>> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(yaml)?;
    let mut applied = Vec::new();
    for document in documents.iter().filter(|document| !document.is_null()) {
        applied.push(apply_object(client, namespace, document).await?);
    }
    Ok(applied)
}

/// Applies one object by server-side apply.
pub async fn apply_object(
    client: &Client,
    namespace: &str,
    object: &Value,
) -> Result<DynamicObject> {
    let parsed: DynamicObject = serde_json::from_value(object.clone())?;
    let kind = parsed.types.as_ref().context("an object names its kind")?;
    let (resource, capabilities) = pinned_kind(client, &kind.try_into()?).await?;
    let api: Api<DynamicObject> = match capabilities.scope {
        Scope::Cluster => Api::all_with(client.clone(), &resource),
        Scope::Namespaced => {
            let namespace = parsed.namespace().unwrap_or_else(|| namespace.to_owned());
            Api::namespaced_with(client.clone(), &namespace, &resource)
        }
    };
    let params = PatchParams::apply(FIELD_MANAGER).force();
    let name = parsed.name_any();
    api.patch(&name, &params, &Patch::Apply(object))
        .await
        .with_context(|| format!("applying {} {name}", kind.kind))
}

/// Waits until an object is there.
pub async fn appears<K>(api: &Api<K>, name: &str) -> Result<K>
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let found = until(api, name, "it is there", |object| object.is_some()).await?;
    found.ok_or_else(|| anyhow!("{name} is not there"))
}

/// Waits until an object is gone.
pub async fn disappears<K>(api: &Api<K>, name: &str) -> Result<()>
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    until(api, name, "it is gone", |object| object.is_none()).await?;
    Ok(())
}

/// Waits, by watching, until an object (or its absence) fits, and returns it; the error says what was
/// waited for and what was seen last.
pub async fn until<K>(
    api: &Api<K>,
    name: &str,
    what: &str,
    fits: impl Fn(Option<&K>) -> bool,
) -> Result<Option<K>>
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let states = watch_object(api.clone(), name);
    pin_mut!(states);
    let mut last = None;
    let wait = async {
        // A watch that breaks is taken up again by the next poll.
        while let Some(state) = states.next().await {
            match state {
                Ok(object) if fits(object.as_ref()) => return Some(object),
                state => last = Some(state),
            }
        }
        None
    };
    match tokio::time::timeout(PATIENCE, wait).await {
        Ok(Some(object)) => Ok(object),
        _ => bail!("waiting for {name} until {what}; seen last: {last:#?}"),
    }
}

/// Objects of a kind in a namespace.
pub fn api<K>(client: &Client, namespace: &str) -> Api<K>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
{
    Api::namespaced(client.clone(), namespace)
}
