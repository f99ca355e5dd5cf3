//! The simulator in the cluster, as pods see it (Zoho's own hosts and ports) and as tests do (its HTTP
//! API). All tests share it; each has mailboxes of its own, and asks for these only.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Service;
use kube::Client;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use zoho_simulator::{ConnectionRecord, Fault, LoginCounts, Mail};

use super::proxy::Proxy;
use super::workload::{container_security, pod_security};
use crate::objects::{self, api};
use crate::program::PATIENCE;

/// Its namespace.
pub const NAMESPACE: &str = "zoho";
/// Its Deployment and its Service.
pub const NAME: &str = "simulator";
/// Between two looks: it tells nobody by itself.
pub(super) const LOOK: Duration = Duration::from_millis(100);

/// Starts it, and gives the address of its Service once it is ready.
pub(super) async fn deploy(client: &Client) -> Result<IpAddr> {
    for object in [deployment(), service()] {
        objects::apply_object(client, NAMESPACE, &object).await?;
    }
    let deployments = api::<Deployment>(client, NAMESPACE);
    objects::until(&deployments, NAME, "it is available", |found| {
        found.is_some_and(|found| {
            found.status.as_ref().is_some_and(|status| {
                status.observed_generation >= found.metadata.generation
                    && status.updated_replicas == Some(1)
                    && status.available_replicas == Some(1)
            })
        })
    })
    .await?;
    let service = api::<Service>(client, NAMESPACE).get(NAME).await?;
    let address = service.spec.and_then(|spec| spec.cluster_ip);
    Ok(address.context("an address")?.parse()?)
}

fn deployment() -> Value {
    let labels = json!({"app": NAME});
    // In a cluster that outlives the program: it starts anew, and knows nothing of earlier mails.
    let run = json!({"run": format!("{:08x}", fastrand::u32(..))});
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": NAME},
        "spec": {
            "selector": {"matchLabels": labels},
            // All that it knows is in its memory.
            "strategy": {"type": "Recreate"},
            "template": {
                "metadata": {"labels": labels, "annotations": run},
                "spec": {
                    "automountServiceAccountToken": false,
                    "securityContext": pod_security(),
                    "containers": [{
                        "name": NAME,
                        "image": concat!("zohorelay/simulator:", env!("CARGO_PKG_VERSION")),
                        "imagePullPolicy": "IfNotPresent",
                        "args": [
                            "--implicit-tls=0.0.0.0:8465",
                            "--starttls=0.0.0.0:8587",
                            "--api=0.0.0.0:8080",
                        ],
                        "ports": [
                            {"name": "smtps", "containerPort": 8465},
                            {"name": "submission", "containerPort": 8587},
                            {"name": "api", "containerPort": 8080},
                        ],
                        "readinessProbe": {
                            "httpGet": {"path": "/healthz", "port": "api"},
                            "periodSeconds": 1,
                        },
                        "securityContext": container_security(),
                    }],
                },
            },
        },
    })
}

fn service() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": NAME},
        "spec": {
            "selector": {"app": NAME},
            "ports": [
                {"name": "smtps", "port": 465, "targetPort": "smtps"},
                {"name": "submission", "port": 587, "targetPort": "submission"},
                {"name": "api", "port": 8080, "targetPort": "api"},
            ],
        },
    })
}

/// Its HTTP API. It belongs to the runtime of its client: one a test.
#[derive(Clone)]
pub struct Zoho(Proxy);

impl fmt::Debug for Zoho {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Zoho")
    }
}

impl Zoho {
    /// By the API server that the client is for.
    pub fn new(client: &Client) -> Self {
        Self(Proxy::new(client, NAMESPACE, NAME, "api"))
    }

    /// The certificate of those who issued its own, as PEM.
    pub async fn ca_pem(&self) -> Result<String> {
        self.0.get("/ca.pem").await
    }

    /// Makes a mailbox with these app passwords, or changes them: all work, and no other.
    pub async fn set_passwords(&self, address: &str, passwords: &[&str]) -> Result<()> {
        let (first, further) = passwords.split_first().context("a password")?;
        let update = json!({"app_password": first, "further_app_passwords": further});
        self.update(address, &update).await
    }

    /// Changes a mailbox: `{"blocked": "unusual_activity"}`, `{"data_centre": "EU"}` and the like, as the
    /// simulator's README lists them.
    pub async fn update(&self, address: &str, update: &Value) -> Result<()> {
        let path = format!("/accounts/{address}");
        self.0.send(Method::PUT, &path, update).await.map(drop)
    }

    /// The mails that came by a mailbox, with their contents.
    pub async fn mails_from(&self, address: &str) -> Result<Vec<Mail>> {
        let path = format!("/mails?login={address}&content=true");
        let list: Vec<Value> = serde_json::from_value(self.0.get_json(&path).await?)?;
        list.into_iter().map(mail).collect()
    }

    /// How many those are.
    pub async fn count_from(&self, address: &str) -> Result<usize> {
        let list = self.0.get_json(&format!("/mails?login={address}")).await?;
        Ok(list.as_array().map_or(0, Vec::len))
    }

    /// Waits until at least so many are there.
    pub async fn until_mails(&self, address: &str, count: usize) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let now = self.count_from(address).await?;
            if now >= count {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("{address} has sent {now} mails, not {count}");
            }
            sleep(LOOK).await;
        }
    }

    /// How often a mailbox logged in, and was refused.
    pub async fn logins_of(&self, address: &str) -> Result<LoginCounts> {
        let mut all = self.0.get_json("/logins").await?;
        let own = all[address].take();
        Ok(serde_json::from_value::<Option<_>>(own)?.unwrap_or_default())
    }

    /// The connections of a mailbox, with their transcripts.
    pub async fn connections_of(&self, address: &str) -> Result<Vec<ConnectionRecord>> {
        let path = format!("/connections?login={address}");
        Ok(serde_json::from_value(self.0.get_json(&path).await?)?)
    }

    /// Arms a fault for this mailbox only (it strikes from AUTH on); gives its number.
    pub async fn fault(&self, address: &str, fault: Fault) -> Result<u64> {
        self.fault_for_all(fault.account(address)).await
    }

    /// The same for all mailboxes, for a test that is alone: before AUTH nobody is known.
    pub async fn fault_for_all(&self, fault: Fault) -> Result<u64> {
        let fault = json!(fault);
        let answer = self.0.send(Method::POST, "/faults", &fault).await?;
        let answer: Value = serde_json::from_str(&answer)?;
        answer["id"].as_u64().context("a number")
    }

    /// Disarms a fault.
    pub async fn disarm(&self, fault: u64) -> Result<()> {
        self.0.delete(&format!("/faults/{fault}")).await.map(drop)
    }
}

fn mail(mut row: Value) -> Result<Mail> {
    let content = STANDARD.decode(row["content"].as_str().context("a content")?)?;
    row["content"].take();
    let mut mail: Mail = serde_json::from_value(row)?;
    mail.content = Arc::from(content);
    Ok(mail)
}
