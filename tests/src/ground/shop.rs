//! One test's namespace, in which Pod Security *restricted* is enforced: its mailboxes, identities and
//! workloads, and what its apps were told.

pub mod ask;

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::Mutex;

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::{DeleteParams, ListParams};
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use zoho_simulator::Mail;
use zohorelay_crds::MailIdentity;

use super::told::{Entry, Told};
use super::workload::Workload;
use super::zoho::{LOOK, Zoho};
use super::{Ground, Turn, restricted};
use crate::ledger::{Ledger, Verdict};
use crate::objects::{self, api};
use crate::program::PATIENCE;

/// Name of the identity that a shop has from the start.
pub const IDENTITY: &str = "billing";

/// One test's namespace, and its turn.
pub struct Shop {
    /// What all tests share.
    pub ground: &'static Ground,
    /// The administrator's, for this test's runtime.
    pub client: Client,
    /// Its namespace.
    pub namespace: String,
    /// The app password of all its mailboxes at the start.
    pub password: String,
    /// The simulator.
    pub zoho: Zoho,
    /// What its apps were told.
    pub told: Told,
    mailboxes: Mutex<Vec<String>>,
    _turn: Turn,
}

/// How a test ended: nothing of it runs any more.
#[derive(Debug)]
pub struct End {
    /// All submissions of its apps.
    pub entries: Vec<Entry>,
    /// The same for the judge.
    pub ledger: Ledger,
    /// What its mailboxes sent.
    pub mails: Vec<Mail>,
    /// What the judge says.
    pub verdict: Verdict,
}

impl Shop {
    /// A namespace with the identity `billing`, which is ready.
    pub async fn open(name: &str) -> Result<Self> {
        let shop = Self::bare(name).await?;
        shop.declare(IDENTITY).await?;
        Ok(shop)
    }

    /// The same while no other test runs.
    pub async fn open_alone(name: &str) -> Result<Self> {
        let ground = Ground::shared().await?;
        let shop = Self::new(ground, name, ground.turn_alone().await?).await?;
        shop.declare(IDENTITY).await?;
        Ok(shop)
    }

    /// A namespace without any identity on a ground of the test's own, while no other test runs there.
    pub async fn alone_on(ground: &'static Ground, name: &str) -> Result<Self> {
        Self::new(ground, name, ground.turn_alone().await?).await
    }

    /// A namespace without any identity.
    pub async fn bare(name: &str) -> Result<Self> {
        let ground = Ground::shared().await?;
        Self::new(ground, name, ground.turn().await?).await
    }

    async fn new(ground: &'static Ground, name: &str, turn: Turn) -> Result<Self> {
        static NAMES: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
        let is_new = NAMES.lock().expect("no panic").insert(name.to_owned());
        ensure!(is_new, "another test has a shop of the name {name}");
        // The test before may have ended the operator's pods.
        ground.until_webhook().await?;
        let client = ground.client().await?;
        let namespaces: Api<Namespace> = Api::all(client.clone());
        // In a cluster that outlives the program.
        let old = namespaces.delete(name, &DeleteParams::default()).await;
        if old.is_ok() {
            objects::disappears(&namespaces, name).await?;
        }
        objects::namespace_named(&client, name, &restricted()).await?;
        Ok(Self {
            ground,
            namespace: name.to_owned(),
            password: format!("canary-{:016x}", fastrand::u64(..)),
            zoho: Zoho::new(&client),
            told: Told::listen(&client, name),
            mailboxes: Mutex::default(),
            _turn: turn,
            client,
        })
    }

    /// Objects of a kind in its namespace.
    pub fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        api(&self.client, &self.namespace)
    }

    /// Applies an object.
    pub async fn apply(&self, object: &Value) -> Result<()> {
        let applied = objects::apply_object(&self.client, &self.namespace, object);
        applied.await.map(drop)
    }

    /// Applies a workload.
    pub async fn start(&self, workload: &Workload) -> Result<()> {
        self.apply(workload.object()).await
    }

    /// What `kubectl` prints, in its namespace; it must succeed.
    pub async fn kubectl(&self, command: &str) -> Result<String> {
        let command = format!("-n {} {command}", self.namespace);
        self.ground.kubectl(&command).await
    }
}

/// Mailboxes and identities.
impl Shop {
    /// The address of an identity's mailbox.
    pub fn address_of(&self, identity: &str) -> String {
        format!("{identity}@{}.example", self.namespace)
    }

    /// The address of the identity `billing`.
    pub fn address(&self) -> String {
        self.address_of(IDENTITY)
    }

    /// Makes an identity's mailbox at the simulator, with the shop's password; gives its address.
    pub async fn mailbox(&self, identity: &str) -> Result<String> {
        let address = self.address_of(identity);
        self.zoho.set_passwords(&address, &[&self.password]).await?;
        let mut mailboxes = self.mailboxes.lock().expect("no panic");
        if !mailboxes.contains(&address) {
            mailboxes.push(address.clone());
        }
        Ok(address)
    }

    /// The Secret of an identity.
    pub fn secret(&self, identity: &str, password: &str) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": format!("{identity}-zoho")},
            "stringData": {"password": password},
        })
    }

    /// An identity at Zoho's own host, trusting the simulator.
    pub async fn identity(&self, identity: &str) -> Result<Value> {
        Ok(json!({
            "apiVersion": "zohorelay.dev/v1alpha1",
            "kind": "MailIdentity",
            "metadata": {"name": identity},
            "spec": {
                "address": self.address_of(identity),
                "server": {"host": "smtppro.zoho.com", "caBundle": self.zoho.ca_pem().await?},
                "credentials": {
                    "passwordSecretRef": {"name": format!("{identity}-zoho"), "key": "password"},
                },
            },
        }))
    }

    /// Makes the mailbox, the Secret and the identity, and waits until it is ready.
    pub async fn declare(&self, identity: &str) -> Result<()> {
        self.mailbox(identity).await?;
        self.set_password(identity, &self.password).await?;
        self.apply(&self.identity(identity).await?).await?;
        self.until_condition(identity, "Ready", "True").await
    }

    /// Writes a password into the Secret of an identity.
    pub async fn set_password(&self, identity: &str, password: &str) -> Result<()> {
        self.apply(&self.secret(identity, password)).await
    }

    /// Waits until a condition of an identity has this status, and is not of an older generation.
    pub async fn until_condition(&self, identity: &str, kind: &str, status: &str) -> Result<()> {
        let what = format!("{kind} is {status}");
        self.until::<MailIdentity>(identity, &what, |found| {
            let now = found.metadata.generation;
            let conditions = found.status.iter().flat_map(|status| &status.conditions);
            let mut fitting = conditions.filter(|condition| {
                condition.type_ == kind
                    && condition.status == status
                    && condition.observed_generation == now
            });
            fitting.next().is_some()
        })
        .await
        .map(drop)
    }
}

/// Workloads, whose apps send as the identity `billing` and have one replica unless told otherwise.
impl Shop {
    /// A Deployment.
    pub fn deployment(&self, name: &str) -> Workload {
        self.sending(name, Workload::deployment(name, IDENTITY))
    }

    /// A `StatefulSet`.
    pub fn stateful_set(&self, name: &str) -> Workload {
        self.sending(name, Workload::stateful_set(name, IDENTITY))
    }

    /// A Job.
    pub fn job(&self, name: &str) -> Workload {
        self.sending(name, Workload::job(name, IDENTITY))
    }

    /// A `CronJob`.
    pub fn cron_job(&self, name: &str, schedule: &str) -> Workload {
        self.sending(name, Workload::cron_job(name, IDENTITY, schedule))
    }

    /// A Pod of its own.
    pub fn pod(&self, name: &str) -> Workload {
        self.sending(name, Workload::pod(name, IDENTITY))
    }

    fn sending(&self, name: &str, workload: Workload) -> Workload {
        let from = format!("--from={}", self.address());
        workload.flags(&[&from, &format!("--run={name}")])
    }
}

/// Waiting.
impl Shop {
    /// Waits until an object is there and fits.
    pub async fn until<K>(&self, name: &str, what: &str, fits: impl Fn(&K) -> bool) -> Result<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + Debug
            + DeserializeOwned
            + Send
            + 'static,
    {
        let fits = |found: Option<&K>| found.is_some_and(&fits);
        let found = objects::until(&self.api::<K>(), name, what, fits).await?;
        found.context("an object")
    }

    /// Waits until all replicas of a Deployment are updated and available.
    pub async fn until_available(&self, name: &str) -> Result<Deployment> {
        self.until(name, "all replicas are available", |found: &Deployment| {
            let wanted = found.spec.as_ref().and_then(|spec| spec.replicas);
            found.status.as_ref().is_some_and(|status| {
                status.observed_generation >= found.metadata.generation
                    && status.updated_replicas == wanted
                    && status.replicas == wanted
                    && status.available_replicas == wanted
            })
        })
        .await
    }

    /// Waits until all replicas of a `StatefulSet` are available.
    pub async fn until_available_set(&self, name: &str) -> Result<StatefulSet> {
        self.until(name, "all replicas are available", |found: &StatefulSet| {
            let wanted = found.spec.as_ref().and_then(|spec| spec.replicas);
            let status = found.status.as_ref();
            status.is_some_and(|status| status.available_replicas == wanted)
        })
        .await
    }

    /// Waits until a Job is complete; one that failed is an error.
    pub async fn until_complete(&self, name: &str) -> Result<Job> {
        let is = |job: &Job, kind: &str| {
            let conditions = job.status.iter().flat_map(|status| &status.conditions);
            let mut conditions = conditions.flatten();
            conditions.any(|condition| condition.type_ == kind && condition.status == "True")
        };
        let fits = |job: &Job| is(job, "Complete") || is(job, "Failed");
        let job = self.until(name, "the Job has ended", fits).await?;
        if is(&job, "Failed") {
            bail!("the Job {name} failed: {:#?}", job.status);
        }
        Ok(job)
    }

    /// The pods of a workload, by its name.
    pub async fn pods_of(&self, workload: &str) -> Result<Vec<Pod>> {
        let labelled = ListParams::default().labels(&format!("app={workload}"));
        Ok(self.api::<Pod>().list(&labelled).await?.items)
    }

    /// Waits until the identity `billing` has sent so many mails.
    pub async fn until_mails(&self, count: usize) -> Result<()> {
        self.zoho.until_mails(&self.address(), count).await
    }
}

/// The judge, and the end.
impl Shop {
    /// What the shop's mailboxes sent.
    pub async fn mails(&self) -> Result<Vec<Mail>> {
        let addresses = self.mailboxes.lock().expect("no panic").clone();
        let mut mails = Vec::new();
        for address in addresses {
            mails.extend(self.zoho.mails_from(&address).await?);
        }
        Ok(mails)
    }

    /// Waits until all apps have ended (as those of Jobs do by themselves) and all they told has been
    /// read, then judges.
    pub async fn judged(&self) -> Result<End> {
        self.told.settled().await?;
        let (entries, ledger) = (self.told.entries(), self.told.ledger());
        let mails = self.mails().await?;
        let verdict = ledger.judge(&mails);
        Ok(End {
            entries,
            ledger,
            mails,
            verdict,
        })
    }

    /// Deletes all workloads, waits until their pods are gone, and judges; then the namespace goes.
    pub async fn close(self) -> Result<End> {
        self.stop_all().await?;
        let end = self.judged().await?;
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        namespaces
            .delete(&self.namespace, &DeleteParams::default())
            .await?;
        Ok(end)
    }

    /// Deletes all workloads, and waits until their pods are gone.
    pub async fn stop_all(&self) -> Result<()> {
        let kinds = "deployments,statefulsets,cronjobs,jobs";
        for what in [format!("{kinds} --cascade=foreground"), "pods".to_owned()] {
            let command = format!("delete {what} --all --timeout=120s");
            self.kubectl(&command).await?;
        }
        let deadline = Instant::now() + PATIENCE;
        loop {
            let pods = self.api::<Pod>().list(&ListParams::default()).await?;
            if pods.items.is_empty() {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("these pods stay: {:#?}", pods.items);
            }
            sleep(LOOK).await;
        }
    }
}
