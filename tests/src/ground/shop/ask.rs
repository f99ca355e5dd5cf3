//! What people ask of a shop's pods, as they ask it: kubectl, and what a sidecar says of itself.

use anyhow::{Context, Result, bail};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use serde_json::Value;
use tokio::time::{Instant, sleep};
use zohorelay_cluster::binaries::Program;

use super::Shop;
use crate::ground::zoho::LOOK;
use crate::metrics::Metrics;
use crate::program::PATIENCE;

impl Shop {
    /// What `kubectl` prints, in the shop's namespace, where arguments hold blanks; it must succeed.
    pub async fn kubectl_with(&self, arguments: &[&str]) -> Result<String> {
        let mut all = vec!["-n", &self.namespace];
        all.extend(arguments);
        self.ground.cluster.output(Program::Kubectl, &all).await
    }

    /// The one pod of a workload, once it has an address.
    pub async fn pod_of(&self, workload: &str) -> Result<Pod> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut pods = self.pods_of(workload).await?;
            pods.retain(|pod| pod.metadata.deletion_timestamp.is_none());
            if pods.len() == 1 && address(&pods[0]).is_some() {
                return pods.pop().context("a pod");
            }
            if Instant::now() > deadline {
                bail!("{workload} has not one pod with an address: {pods:#?}");
            }
            sleep(LOOK).await;
        }
    }

    /// What a pod's sidecar answers at the port that the whole cluster sees: `/metrics`, `/summary`.
    pub async fn ask(&self, pod: &str, path: &str) -> Result<String> {
        let pods = format!("/api/v1/namespaces/{}/pods", self.namespace);
        let command = format!("get --raw {pods}/{pod}:9465/proxy{path}");
        self.ground.kubectl(&command).await
    }

    /// The metrics of a pod's sidecar.
    pub async fn metrics_of(&self, pod: &str) -> Result<Metrics> {
        Ok(Metrics::parse(&self.ask(pod, "/metrics").await?))
    }

    /// Waits until the metrics of a pod's sidecar fit.
    pub async fn until_metrics(
        &self,
        pod: &str,
        what: &str,
        fits: impl Fn(&Metrics) -> bool,
    ) -> Result<Metrics> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let metrics = self.metrics_of(pod).await?;
            if fits(&metrics) {
                return Ok(metrics);
            }
            if Instant::now() > deadline {
                bail!("waiting until {what}; the metrics of {pod}: {metrics:#?}");
            }
            sleep(LOOK).await;
        }
    }

    /// The log of a pod's sidecar; every line must be a JSON object.
    pub async fn log_of(&self, pod: &str) -> Result<Vec<Value>> {
        let log = self.kubectl(&format!("logs {pod} -c zohorelay")).await?;
        log.lines()
            .map(|line| {
                let line: Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
                line.is_object().then_some(line).context("an object")
            })
            .collect()
    }
}

/// The address of a pod.
pub fn address(pod: &Pod) -> Option<String> {
    pod.status.as_ref()?.pod_ip.clone()
}

/// What a person says for a pod, as in `kubectl logs`.
pub fn name(pod: &Pod) -> String {
    pod.name_any()
}
