//! Packet filters on the node for the packets of one pod, in a table of their own.

use std::fmt::Write as _;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use zohorelay_cluster::Node;

/// Ports of the simulator's pod: where packets to 465 and 587 of Zoho's hosts end.
pub(crate) const SMTPS: u16 = 8465;
/// See [`SMTPS`].
pub(crate) const SUBMISSION: u16 = 8587;

/// The filters of one pod. They go when this is dropped.
#[derive(Debug)]
pub(crate) struct Filter {
    node: &'static Node,
    table: String,
    pod: String,
}

impl Filter {
    /// None yet. `name` is that of the test.
    pub(crate) async fn new(node: &'static Node, name: &str, pod: &str) -> Result<Self> {
        let table = format!("test_{}", name.replace('-', "_"));
        let known = "set known { type inet_service; flags dynamic; }";
        let chain = "chain forward { type filter hook forward priority 0; }";
        let script = format!("table ip {table} {{\n{known}\n{chain}\n}}");
        node.packets(&script).await?;
        let pod = pod.to_owned();
        Ok(Self { node, table, pod })
    }

    /// From now on these rules hold for packets from the pod to other pods, and no others. In each, `@known`
    /// are the ports of the pod that [`Filter::learn`] learned.
    pub(crate) async fn rules(&self, rules: &[&str]) -> Result<()> {
        let (table, pod) = (&self.table, &self.pod);
        let mut script = format!("flush chain ip {table} forward\n");
        for rule in rules {
            writeln!(script, "add rule ip {table} forward ip saddr {pod} {rule}")?;
        }
        Ok(self.node.packets(&script).await?)
    }

    /// From now on, learns which connections of the pod to the simulator's port carry packets.
    pub(super) async fn learn(&self, port: u16) -> Result<()> {
        let table = &self.table;
        self.node
            .packets(&format!("flush set ip {table} known"))
            .await?;
        let rule = format!("tcp dport {port} add @known {{ tcp sport }}");
        self.rules(&[&rule]).await
    }

    /// From now on nothing comes through between the pod and the simulator's port.
    pub(super) async fn cut(&self, port: u16) -> Result<()> {
        let (table, pod) = (&self.table, &self.pod);
        let there = format!("tcp dport {port} drop");
        let back = format!("ip daddr {pod} tcp sport {port} drop");
        self.rules(&[&there]).await?;
        let script = format!("add rule ip {table} forward {back}");
        Ok(self.node.packets(&script).await?)
    }

    /// Nothing is filtered any more.
    pub(crate) async fn repair(&self) -> Result<()> {
        self.rules(&[]).await
    }

    /// How many packets a rule `counter …` met.
    pub(super) async fn counted(&self) -> Result<u64> {
        let mut command = Command::new("nft");
        command.args(["list", "table", "ip", &self.table]);
        let output = tokio::process::Command::from(self.node.inside(&command))
            .output()
            .await?;
        ensure!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout)?;
        let counters = text.split("counter packets ").skip(1);
        let counts = counters.map(|rest| rest.split(' ').next().unwrap_or_default());
        counts.map(|n| n.parse::<u64>().context("a count")).sum()
    }
}

impl Drop for Filter {
    fn drop(&mut self) {
        let mut command = Command::new("nft");
        command.args(["delete", "table", "ip", &self.table]);
        let _ = self.node.inside(&command).output();
    }
}
