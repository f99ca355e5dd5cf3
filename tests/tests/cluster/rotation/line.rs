//! One identity whose password changes time and again, with the one pod that sends as it.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use tokio::time::{Instant, sleep};
use zohorelay_crds::MailIdentity;
use zohorelay_tests::ground::shop::Shop;
use zohorelay_tests::ground::workload::Workload;
use zohorelay_tests::program::PATIENCE;

use crate::seen::{LOOK, summary};

pub(super) struct Line<'a> {
    shop: &'a Shop,
    identity: &'static str,
    address: String,
    password: String,
}

/// How long after the Secret changed.
pub(super) struct Change {
    /// The operator had tried and published the new password.
    pub(super) published: Duration,
    /// The sidecar had logged in with it.
    pub(super) used: Duration,
}

impl<'a> Line<'a> {
    pub(super) fn new(shop: &'a Shop, identity: &'static str) -> Self {
        Self {
            shop,
            identity,
            address: shop.address_of(identity),
            password: shop.password.clone(),
        }
    }

    /// Declares the identity and starts the pod, which sends from now on over one connection.
    pub(super) async fn start(&self) -> Result<()> {
        self.shop.declare(self.identity).await?;
        let from = format!("--from={}", self.address);
        let run = format!("--run={}", self.identity);
        let app = Workload::deployment(self.identity, self.identity);
        let app = app.flags(&[&from, &run, "--count=0", "--every-ms=250"]);
        self.shop.start(&app).await?;
        self.shop.until_available(self.identity).await?;
        self.shop.zoho.until_mails(&self.address, 1).await
    }

    /// So many changes, each once the one before it is in use and the password before that revoked.
    pub(super) async fn change(&mut self, times: usize) -> Result<Vec<Change>> {
        let pods = self.shop.pods_of(self.identity).await?;
        let pod = pods.first().context("a pod")?.name_any();
        let mut changes = Vec::new();
        for time in 0..times {
            let password = format!("{}-{time}", self.shop.password);
            let both = [self.password.as_str(), &password];
            self.shop.zoho.set_passwords(&self.address, &both).await?;
            let change = self.change_to(&password, &pod).await;
            changes.push(change.with_context(|| format!("change {time} of {}", self.identity))?);
            self.shop
                .zoho
                .set_passwords(&self.address, &[&password])
                .await?;
            self.password = password;
        }
        Ok(changes)
    }

    async fn change_to(&self, password: &str, pod: &str) -> Result<Change> {
        let logins = self.shop.zoho.logins_of(&self.address).await?.ok;
        let begun = Instant::now();
        self.shop.set_password(self.identity, password).await?;
        let name = format!("{}-zoho", self.identity);
        let version = self.shop.api::<Secret>().get(&name).await?;
        let version = version.metadata.resource_version.context("a version")?;
        let is_published = |identity: &MailIdentity| {
            let status = identity.status.as_ref();
            let credential = status.and_then(|status| status.credential.as_ref());
            credential.and_then(|of| of.secret_resource_version.as_ref()) == Some(&version)
        };
        let what = format!("version {version} of {name} is published");
        let identity = self.shop.until(self.identity, &what, is_published).await?;
        let published = begun.elapsed();
        let revision = identity.status.and_then(|status| status.revision);
        // The operator's and the sidecar's, which keeps its connection for as long as nothing changes.
        self.until_logins(logins + 2).await?;
        let used = begun.elapsed();
        let serves = summary(self.shop, pod).await?["revision"].as_i64();
        if serves != revision {
            bail!("{pod} logged in, and serves revision {serves:?}, not {revision:?}");
        }
        Ok(Change { published, used })
    }

    async fn until_logins(&self, count: u64) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let logins = self.shop.zoho.logins_of(&self.address).await?;
            if logins.ok >= count {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!(
                    "{} did not come to {count} logins: {logins:?}",
                    self.address
                );
            }
            sleep(LOOK).await;
        }
    }

    /// One by the operator and one by the pod for each password, and none was refused.
    pub(super) async fn assert_logins(&self, changes: u64) {
        let logins = self.shop.zoho.logins_of(&self.address).await.unwrap();
        assert_eq!(
            (logins.ok, logins.refused),
            (2 * (changes + 1), 0),
            "{}",
            self.address
        );
    }
}
