//! The identities: each with an address, a mailbox and a Secret of its own.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ListParams, PostParams};
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};
use tokio::time::sleep;
use zohorelay_crds::MailIdentity;

use crate::scale::identity_name;
use crate::world::World;

/// Requests of ours under way at a time.
pub const CONCURRENT: usize = 16;
/// For the last status to be written.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at it.
const LOOK: Duration = Duration::from_millis(500);

/// The address of an identity, which is also the name of its mailbox.
pub fn address(number: usize) -> String {
    format!("id-{number:04}@d{:03}.example.com", number / 10)
}

/// Its app password.
pub fn password(number: usize) -> String {
    format!("app-password-{number:04}")
}

/// Makes all Secrets and identities.
pub async fn create(world: &World) -> Result<()> {
    let made = stream::iter(0..world.scale.identities()).map(|number| create_one(world, number));
    made.buffer_unordered(CONCURRENT).try_collect().await
}

async fn create_one(world: &World, number: usize) -> Result<()> {
    let namespace = world.scale.namespace_of(number);
    let name = identity_name(number);
    let secret = json!({
        "metadata": {"name": format!("{name}-zoho")},
        "stringData": {"password": password(number)},
    });
    let secrets: Api<Secret> = Api::namespaced(world.client.clone(), &namespace);
    let params = PostParams::default();
    secrets
        .create(&params, &serde_json::from_value(secret)?)
        .await
        .context("making a Secret")?;
    let identities: Api<MailIdentity> = Api::namespaced(world.client.clone(), &namespace);
    let identity = serde_json::from_value(identity(world, number, &name)?)?;
    identities
        .create(&params, &identity)
        .await
        .context("making an identity")?;
    Ok(())
}

fn identity(world: &World, number: usize, name: &str) -> Result<Value> {
    let server = world
        .zoho
        .implicit_tls()
        .context("a port of the simulator")?;
    Ok(json!({
        "apiVersion": "zohorelay.dev/v1alpha1",
        "kind": "MailIdentity",
        "metadata": {"name": name},
        "spec": {
            "address": address(number),
            "server": {
                "host": "localhost",
                "port": server.port(),
                "security": "ImplicitTls",
                "caBundle": world.zoho.ca_pem(),
            },
            "credentials": {"passwordSecretRef": {"name": format!("{name}-zoho"), "key": "password"}},
        },
    }))
}

/// What a sidecar would know of an identity.
#[derive(Clone, Debug)]
pub struct Published {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The uid of the object.
    pub uid: String,
    /// The revision that is published.
    pub revision: i64,
}

/// All identities, in their order, once the status of each says what is published.
pub async fn published(world: &World) -> Result<Vec<Published>> {
    let identities: Api<MailIdentity> = Api::all(world.client.clone());
    let deadline = Instant::now() + PATIENCE;
    loop {
        let all = identities.list(&ListParams::default()).await?;
        let published: Option<Vec<Published>> = all.iter().map(of).collect();
        if let Some(mut published) = published {
            published.sort_by(|a, b| a.name.cmp(&b.name));
            return Ok(published);
        }
        if Instant::now() > deadline {
            bail!("the status of some identities names no revision");
        }
        sleep(LOOK).await;
    }
}

fn of(identity: &MailIdentity) -> Option<Published> {
    Some(Published {
        namespace: identity.namespace()?,
        name: identity.name_any(),
        uid: identity.uid()?,
        revision: identity.status.as_ref()?.revision?,
    })
}
