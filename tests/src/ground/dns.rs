//! Zoho's host names lead to the simulator, for all pods and for the operator.

use std::net::IpAddr;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use zoho_simulator::PUBLISHED_HOSTS;

use super::{Ground, zoho};
use crate::objects::api;

/// Namespace of a cluster's own parts.
const PARTS: &str = "kube-system";

/// Makes every published host of Zoho's lead to the simulator, whose Service has this address. Where the
/// cluster's DNS is none that it knows, a person must have done so.
pub(super) async fn lead_zoho_to(ground: &Ground, address: IpAddr) -> Result<()> {
    if let Some(node) = ground.node() {
        let hosts = PUBLISHED_HOSTS.map(|(host, _)| (host, address));
        return Ok(node.set_hosts(&hosts)?);
    }
    let maps = api::<ConfigMap>(&ground.client().await?, PARTS);
    let Some(map) = maps.get_opt("coredns").await? else {
        eprintln!("no CoreDNS here: Zoho's hosts must lead to {address} already");
        return Ok(());
    };
    let file = map.data.unwrap_or_default().remove("Corefile");
    let file = rewritten(&file.context("a Corefile")?);
    let patch = Patch::Merge(json!({"data": {"Corefile": file}}));
    maps.patch("coredns", &PatchParams::default(), &patch)
        .await?;
    // It reads the file again after half a minute, or when it starts.
    let restart = format!("rollout restart deployment/coredns -n {PARTS}");
    ground.kubectl(&restart).await?;
    let status = format!("rollout status deployment/coredns -n {PARTS} --timeout=60s");
    ground.kubectl(&status).await.map(drop)
}

/// A Corefile in which Zoho's names stand for the simulator's.
fn rewritten(file: &str) -> String {
    let simulator = format!("{}.{}.svc.cluster.local", zoho::NAME, zoho::NAMESPACE);
    let rule = |host: &str| format!("    rewrite name exact {host} {simulator}\n");
    let rules: String = PUBLISHED_HOSTS.iter().map(|(host, _)| rule(host)).collect();
    let is_ours = |line: &&str| !line.contains(&simulator);
    let rest: String = file
        .lines()
        .filter(is_ours)
        .flat_map(|line| [line, "\n"])
        .collect();
    rest.replacen(".:53 {\n", &format!(".:53 {{\n{rules}"), 1)
}

#[cfg(test)]
mod tests {
    use super::rewritten;

    #[test]
    fn a_corefile_is_rewritten_once_however_often_it_is_done() {
        let file =
            ".:53 {\n    errors\n    hosts /etc/coredns/NodeHosts {\n      fallthrough\n    }\n}\n";
        let once = rewritten(file);
        let rule =
            ".:53 {\n    rewrite name exact smtp.zoho.com simulator.zoho.svc.cluster.local\n";
        assert!(once.starts_with(rule), "{once}");
        assert!(once.ends_with("      fallthrough\n    }\n}\n"), "{once}");
        assert_eq!(rewritten(&once), once);
    }
}
