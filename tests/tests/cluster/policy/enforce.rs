//! What a network plugin does with policies.

use std::net::IpAddr;
use std::process::Command;

use anyhow::Result;
use futures_util::{StreamExt as _, pin_mut, stream};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::ListParams;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{Config, watcher};
use kube::{Api, Client};
use tokio::task::AbortHandle;
use zohorelay_cluster::Node;

use super::rules::{TABLE, World};

/// Enforces all policies of the cluster until it is dropped.
pub(super) struct Enforcer {
    node: &'static Node,
    task: AbortHandle,
}

impl Enforcer {
    /// Those that are there are enforced when this returns.
    pub(super) async fn start(
        client: &Client,
        node: &'static Node,
        outside: IpAddr,
    ) -> Result<Self> {
        let script = read(client, outside).await?;
        assert!(
            script.contains("jump in"),
            "a policy selects pods: {script}"
        );
        node.packets(&script).await?;
        let follow = follow(client.clone(), node, outside, script);
        let task = tokio::spawn(follow).abort_handle();
        Ok(Self { node, task })
    }
}

impl Drop for Enforcer {
    fn drop(&mut self) {
        self.task.abort();
        let mut command = Command::new("nft");
        command.args(["delete", "table", "ip", TABLE]);
        let _ = self.node.inside(&command).output();
    }
}

/// Pods and policies come and go.
async fn follow(client: Client, node: &Node, outside: IpAddr, mut now: String) {
    let pods = watcher(Api::<Pod>::all(client.clone()), Config::default());
    let policies = watcher(Api::<NetworkPolicy>::all(client.clone()), Config::default());
    let changes = stream::select(
        pods.default_backoff().map(drop),
        policies.default_backoff().map(drop),
    );
    pin_mut!(changes);
    while changes.next().await.is_some() {
        match read(&client, outside).await {
            Ok(script) if script == now => {}
            Ok(script) => match node.packets(&script).await {
                Ok(()) => now = script,
                Err(error) => eprintln!("enforcing policies: {error}"),
            },
            Err(error) => eprintln!("reading policies: {error:#}"),
        }
    }
}

async fn read(client: &Client, outside: IpAddr) -> Result<String> {
    let all = ListParams::default();
    World {
        policies: Api::all(client.clone()).list(&all).await?.items,
        pods: Api::all(client.clone()).list(&all).await?.items,
        namespaces: Api::all(client.clone()).list(&all).await?.items,
        outside,
    }
    .script()
}
