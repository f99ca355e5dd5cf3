//! Network policies as rules of nftables.

use std::fmt::Write as _;
use std::net::IpAddr;

use anyhow::{Result, bail};
use k8s_openapi::api::core::v1::{Namespace, Pod};
use k8s_openapi::api::networking::v1::{NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt as _;
use kube::core::{Selector, SelectorExt as _};

/// The table that holds them.
pub(super) const TABLE: &str = "policies";

/// What they are made of.
pub(super) struct World {
    pub(super) policies: Vec<NetworkPolicy>,
    pub(super) pods: Vec<Pod>,
    pub(super) namespaces: Vec<Namespace>,
    /// A Service that stands for hosts outside of the cluster: for packets to it the port of the Service
    /// counts, where else that of the pod does.
    pub(super) outside: IpAddr,
}

#[derive(Clone, Copy, PartialEq)]
enum Way {
    In,
    Out,
}

impl World {
    /// A script that replaces all rules. A packet is dropped if a pod at one of its ends is under a policy
    /// of that direction and no rule of all such policies allows it.
    pub(super) fn script(&self) -> Result<String> {
        let mut chains = String::new();
        let mut judge = "ct state established,related accept\n".to_owned();
        for (number, pod) in self.pods.iter().enumerate() {
            let Some(address) = address(pod) else {
                continue;
            };
            for (way, name, end) in [(Way::In, "in", "daddr"), (Way::Out, "out", "saddr")] {
                let Some(rules) = self.rules(pod, way)? else {
                    continue;
                };
                writeln!(chains, "chain {name}{number} {{\n{rules}counter drop\n}}")?;
                writeln!(judge, "ip {end} {address} jump {name}{number}")?;
            }
        }
        let mut hooks = String::new();
        for hook in ["forward", "input", "output"] {
            let kind = format!("type filter hook {hook} priority 10;");
            writeln!(hooks, "chain {hook} {{\n{kind}\njump judge\n}}")?;
        }
        Ok(format!(
            "table ip {TABLE} {{ }}\ndelete table ip {TABLE}\n\
             table ip {TABLE} {{\n{chains}chain judge {{\n{judge}}}\n{hooks}}}\n"
        ))
    }

    /// What a pod is allowed; `None` if no policy of that direction selects it.
    fn rules(&self, pod: &Pod, way: Way) -> Result<Option<String>> {
        let mut rules = None;
        for policy in &self.policies {
            let Some(spec) = &policy.spec else { continue };
            let is_here = policy.namespace() == pod.namespace();
            let types = spec.policy_types.clone().unwrap_or_default();
            let kind = if way == Way::In { "Ingress" } else { "Egress" };
            let selector = spec.pod_selector.clone().unwrap_or_default();
            if !is_here || !types.iter().any(|of| of == kind) || !fits(&selector, pod)? {
                continue;
            }
            let rules = rules.get_or_insert_with(String::new);
            let ingress = spec.ingress.iter().flatten();
            let ingress = ingress.map(|rule| (rule.from.as_deref(), rule.ports.as_deref()));
            let egress = spec.egress.iter().flatten();
            let egress = egress.map(|rule| (rule.to.as_deref(), rule.ports.as_deref()));
            let all: Vec<_> = if way == Way::In {
                ingress.collect()
            } else {
                egress.collect()
            };
            let namespace = policy.namespace().unwrap_or_default();
            for (peers, ports) in all {
                let peers = self.peers(peers.unwrap_or_default(), &namespace, way)?;
                for peer in peers {
                    for port in self.ports(ports.unwrap_or_default(), pod, way)? {
                        writeln!(rules, "{peer} {port} return")?;
                    }
                }
            }
        }
        Ok(rules)
    }

    /// Matches of the other end; one that matches all if no peer is named.
    fn peers(&self, peers: &[NetworkPolicyPeer], namespace: &str, way: Way) -> Result<Vec<String>> {
        let end = if way == Way::In {
            "ip saddr"
        } else {
            "ip daddr"
        };
        if peers.is_empty() {
            return Ok(vec![String::new()]);
        }
        let mut matches = Vec::new();
        for peer in peers {
            if let Some(block) = &peer.ip_block {
                let mut text = format!("{end} {}", block.cidr);
                for except in block.except.iter().flatten() {
                    write!(text, " {end} != {except}")?;
                }
                matches.push(text);
                continue;
            }
            for pod in &self.pods {
                if self.is_peer(pod, peer, namespace)? {
                    matches.extend(address(pod).map(|address| format!("{end} {address}")));
                }
            }
        }
        Ok(matches)
    }

    fn is_peer(&self, pod: &Pod, peer: &NetworkPolicyPeer, namespace: &str) -> Result<bool> {
        let name = pod.namespace().unwrap_or_default();
        let is_there = match &peer.namespace_selector {
            None => name == namespace,
            Some(selector) => {
                let found = self
                    .namespaces
                    .iter()
                    .find(|found| found.name_any() == name);
                found.map_or(Ok(false), |found| fits(selector, found))?
            }
        };
        let selector = peer.pod_selector.clone().unwrap_or_default();
        Ok(is_there && fits(&selector, pod)?)
    }

    /// Matches of the port; one that matches all if none is named.
    fn ports(&self, ports: &[NetworkPolicyPort], pod: &Pod, way: Way) -> Result<Vec<String>> {
        if ports.is_empty() {
            return Ok(vec![String::new()]);
        }
        let outside = self.outside;
        let mut matches = Vec::new();
        for port in ports {
            let protocol = port.protocol.as_deref().unwrap_or("TCP").to_lowercase();
            let first = match &port.port {
                None => "0-65535".to_owned(),
                Some(IntOrString::Int(number)) => number.to_string(),
                Some(IntOrString::String(name)) if way == Way::In => match named_port(pod, name) {
                    Some(number) => number.to_string(),
                    None => continue,
                },
                Some(IntOrString::String(name)) => bail!("the name {name} of a port to go out to"),
            };
            let range = match port.end_port {
                Some(last) => format!("{first}-{last}"),
                None => first,
            };
            if way == Way::In {
                matches.push(format!("{protocol} dport {range}"));
                continue;
            }
            let to = "ct original ip daddr";
            matches.push(format!("{to} != {outside} {protocol} dport {range}"));
            matches.push(format!(
                "{to} {outside} meta l4proto {protocol} ct original proto-dst {range}"
            ));
        }
        Ok(matches)
    }
}

fn fits(selector: &LabelSelector, object: &impl kube::ResourceExt) -> Result<bool> {
    Ok(Selector::try_from(selector.clone())?.matches(object.labels()))
}

fn named_port(pod: &Pod, name: &str) -> Option<i32> {
    let spec = pod.spec.as_ref()?;
    let containers = spec
        .init_containers
        .iter()
        .flatten()
        .chain(&spec.containers);
    let mut ports = containers.flat_map(|container| container.ports.iter().flatten());
    let port = ports.find(|port| port.name.as_deref() == Some(name))?;
    Some(port.container_port)
}

/// Of a pod with a network of its own that has not ended.
fn address(pod: &Pod) -> Option<&str> {
    let status = pod.status.as_ref()?;
    let has_ended = matches!(status.phase.as_deref(), Some("Succeeded" | "Failed"));
    let is_host = pod.spec.as_ref()?.host_network == Some(true);
    status.pod_ip.as_deref().filter(|_| !has_ended && !is_host)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(namespace: &str, name: &str, address: &str) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"namespace": namespace, "name": name, "labels": {"app": name}},
            "spec": {"containers": [{"name": "c", "ports": [{"name": "web", "containerPort": 8080}]}]},
            "status": {"podIP": address},
        }))
        .unwrap()
    }

    #[test]
    fn a_selected_pod_is_allowed_what_a_rule_names_and_nothing_else() {
        let policy = serde_json::from_value(json!({
            "metadata": {"namespace": "a", "name": "p"},
            "spec": {
                "podSelector": {"matchLabels": {"app": "server"}},
                "policyTypes": ["Ingress", "Egress"],
                "ingress": [{"ports": [{"port": "web"}]}],
                "egress": [{
                    "to": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "peer"}}}],
                    "ports": [{"protocol": "TCP", "port": 9465}],
                }],
            },
        }));
        let namespaces = ["a", "b"]
            .map(|name| serde_json::from_value(json!({"metadata": {"name": name}})).unwrap());
        let world = World {
            policies: vec![policy.unwrap()],
            pods: vec![
                pod("a", "server", "10.0.0.1"),
                pod("b", "server", "10.0.0.2"),
                pod("b", "peer", "10.0.0.3"),
            ],
            namespaces: namespaces.to_vec(),
            outside: [10, 96, 0, 9].into(),
        };
        let script = world.script().unwrap();
        let expected = "\
chain in0 {
 tcp dport 8080 return
counter drop
}
chain out0 {
ip daddr 10.0.0.3 ct original ip daddr != 10.96.0.9 tcp dport 9465 return
ip daddr 10.0.0.3 ct original ip daddr 10.96.0.9 meta l4proto tcp ct original proto-dst 9465 return
counter drop
}
chain judge {
ct state established,related accept
ip daddr 10.0.0.1 jump in0
ip saddr 10.0.0.1 jump out0
}
";
        assert!(script.contains(expected), "{script}");
    }
}
