//! What the end-to-end suite stands on: a cluster with real pods, our images in it, a simulated Zoho
//! behind Zoho's own host names, and a release of the chart. All by the API server, and so the same in a
//! cluster that this program starts and in one that a person gives.

pub mod absence;
pub mod cluster;
mod dns;
mod images;
pub mod monitoring;
mod proxy;
pub mod shop;
pub mod told;
pub mod workload;
pub mod zoho;

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::PostParams;
use serde_json::json;
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep};
use zohorelay_cluster::Node;
use zohorelay_cluster::binaries::Program;

use self::cluster::Cluster;
use self::workload::Workload;
use self::zoho::LOOK;
use crate::objects;
use crate::program::PATIENCE;

/// Namespace of the release.
pub const SYSTEM: &str = "zohorelay-system";
/// Name of the release and, since the chart is called so, of its objects.
pub const RELEASE: &str = "zohorelay";
/// How many tests run at a time.
const TESTS_AT_A_TIME: u32 = 4;

/// What tests need of the chart's values: the operator need not wait between logins.
pub const VALUES: [&str; 2] = ["logins.interval=1ms", "logins.domainInterval=1ms"];

/// Labels of a namespace in which Pod Security *restricted* is enforced.
pub fn restricted() -> serde_json::Value {
    json!({
        "pod-security.kubernetes.io/enforce": "restricted",
        "pod-security.kubernetes.io/enforce-version": "latest",
    })
}

/// The cluster and what all tests share in it.
#[derive(Debug)]
pub struct Ground {
    /// The cluster.
    pub cluster: Cluster,
    turns: Arc<Semaphore>,
}

/// A test's turn: with others, or alone. In the end it prints how long it took.
#[derive(Debug)]
pub struct Turn {
    _permits: OwnedSemaphorePermit,
    since: Instant,
}

impl Turn {
    fn new(permits: OwnedSemaphorePermit) -> Self {
        Self {
            _permits: permits,
            since: Instant::now(),
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let thread = std::thread::current();
        let test = thread.name().unwrap_or_default();
        let seconds = self.since.elapsed().as_secs_f32();
        println!("cluster: {seconds:5.1} s {test}");
    }
}

impl Ground {
    /// The one of this test program: made by the first test that asks.
    pub async fn shared() -> Result<&'static Self> {
        static SHARED: OnceCell<Ground> = OnceCell::const_new();
        let make = async || {
            let ground = Self::bare().await?;
            ground.install(&VALUES).await?;
            Ok(ground)
        };
        SHARED.get_or_try_init(make).await
    }

    /// One without a release, for tests of what installs it.
    pub async fn bare() -> Result<Self> {
        let cluster = Cluster::find().await?;
        images::load(&cluster).await?;
        let ground = Self {
            cluster,
            turns: Arc::new(Semaphore::new(TESTS_AT_A_TIME as usize)),
        };
        let client = ground.client().await?;
        for namespace in [zoho::NAMESPACE, SYSTEM] {
            let namespace = json!({
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {"name": namespace, "labels": restricted()},
            });
            objects::apply_object(&client, "", &namespace).await?;
        }
        let address = zoho::deploy(&client).await?;
        dns::lead_zoho_to(&ground, address).await?;
        Ok(ground)
    }

    /// `helm upgrade --install` of the chart in this tree, until its webhook answers. Whatever begins
    /// with `--` is a flag, all else is for `--set`.
    pub async fn install(&self, values: &[&str]) -> Result<String> {
        let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/zohorelay");
        self.install_chart(&chart, values).await
    }

    /// The same with another chart.
    pub async fn install_chart(&self, chart: &Path, values: &[&str]) -> Result<String> {
        let chart = chart.to_str().context("a path in UTF-8")?;
        let mut arguments = vec!["upgrade", "--install", RELEASE, chart, "-n", SYSTEM];
        arguments.extend(["--wait", "--timeout", "3m"]);
        for value in values {
            if !value.starts_with("--") {
                arguments.push("--set");
            }
            arguments.push(value);
        }
        let printed = self.helm(&arguments).await?;
        self.until_webhook().await?;
        Ok(printed)
    }

    /// Waits until a pod that asks for a sidecar is admitted: the way to a pod that is ready opens a little
    /// later, and only controllers try again.
    pub async fn until_webhook(&self) -> Result<()> {
        let pods = objects::api::<Pod>(&self.client().await?, zoho::NAMESPACE);
        let probe = Workload::pod("probe", "nobody");
        let probe = serde_json::from_value(probe.object().clone())?;
        let dry_run = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        let deadline = Instant::now() + PATIENCE;
        while let Err(error) = pods.create(&dry_run, &probe).await {
            ensure!(Instant::now() < deadline, "the webhook: {error}");
            sleep(LOOK).await;
        }
        Ok(())
    }

    /// A client of the administrator. It belongs to the runtime that makes it: one a test.
    pub async fn client(&self) -> Result<Client> {
        self.cluster.client().await
    }

    /// The node, if this program started it: to stop its kubelet, filter its packets, and the like.
    pub fn node(&self) -> Option<&Node> {
        self.cluster.running().and_then(|running| running.node())
    }

    /// What `kubectl` prints; it must succeed. The words of `command` are its arguments.
    pub async fn kubectl(&self, command: &str) -> Result<String> {
        let arguments: Vec<&str> = command.split_whitespace().collect();
        self.cluster.output(Program::Kubectl, &arguments).await
    }

    /// What `helm` prints; it must succeed.
    pub async fn helm(&self, arguments: &[&str]) -> Result<String> {
        self.cluster.output(Program::Helm, arguments).await
    }

    /// Waits for a turn among the tests that run at a time.
    pub async fn turn(&self) -> Result<Turn> {
        Ok(Turn::new(self.turns.clone().acquire_owned().await?))
    }

    /// Waits for a turn alone: for what touches the node, the release, or all pods.
    pub async fn turn_alone(&self) -> Result<Turn> {
        let all = self.turns.clone().acquire_many_owned(TESTS_AT_A_TIME);
        Ok(Turn::new(all.await?))
    }
}
