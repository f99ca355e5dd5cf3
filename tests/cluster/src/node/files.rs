//! What the programs of a node read.

use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

/// Pods of a node; more than its 110 pods need.
const PODS: &str = "10.88.0.0/23";

/// What the files say.
pub(super) struct Files<'a> {
    pub(super) folder: &'a Path,
    pub(super) address: Ipv4Addr,
    pub(super) plugins: &'a str,
    pub(super) cgroup: &'a str,
    pub(super) sync: Duration,
}

impl Files<'_> {
    pub(super) fn write(&self) -> io::Result<()> {
        let folder = self.folder;
        fs::create_dir_all(folder.join("cni"))?;
        fs::write(folder.join("hosts"), "")?;
        fs::write(
            folder.join("resolv.conf"),
            format!("nameserver {}\n", self.address),
        )?;
        fs::write(folder.join("Corefile"), self.dns())?;
        fs::write(folder.join("containerd.toml"), self.containerd())?;
        for (name, content) in [
            ("cni/10-pods.conflist", self.network()),
            ("kubelet.yaml", self.kubelet()),
            ("kube-proxy.yaml", self.proxy()),
        ] {
            // JSON is YAML.
            fs::write(folder.join(name), format!("{content:#}\n"))?;
        }
        Ok(())
    }

    /// Names of the cluster, and those of the `hosts` file; nothing else exists.
    fn dns(&self) -> String {
        let (address, hosts, kubeconfig) =
            (self.address, self.file("hosts"), self.file("kubeconfig"));
        format!(
            ".:53 {{
    bind {address}
    errors
    hosts {hosts} {{
        ttl 1
        reload 500ms
        fallthrough
    }}
    template ANY ANY {{
        rcode NXDOMAIN
    }}
}}
cluster.local:53 {{
    bind {address}
    errors
    kubernetes cluster.local {{
        kubeconfig {kubeconfig} tests
        ttl 1
    }}
}}
"
        )
    }

    fn containerd(&self) -> String {
        let (root, socket, cni) = (
            self.file("containerd"),
            self.file("containerd.sock"),
            self.file("cni"),
        );
        let plugins = self.plugins;
        // A process without SYS_RESOURCE may not lower its score.
        format!(
            r#"version = 2
root = "{root}"
state = "/run/containerd"

[grpc]
address = "{socket}"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "docker.io/zohorelay/pause:1"
restrict_oom_score_adj = true

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{plugins}"
conf_dir = "{cni}"
"#
        )
    }

    /// Each pod has a link of its own to the node, so each packet between pods is forwarded, and packet
    /// filters see it.
    fn network(&self) -> Value {
        json!({
            "cniVersion": "0.4.0",
            "name": "pods",
            "plugins": [{
                "type": "ptp",
                "ipMasq": false,
                "ipam": {
                    "type": "host-local",
                    "ranges": [[{ "subnet": PODS }]],
                    "routes": [{ "dst": "0.0.0.0/0" }],
                    "dataDir": self.file("addresses"),
                },
            }],
        })
    }

    fn kubelet(&self) -> Value {
        json!({
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": self.address,
            "healthzPort": 0,
            "authentication": {
                "anonymous": { "enabled": false },
                "webhook": { "enabled": true },
                "x509": { "clientCAFile": self.file("ca.crt") },
            },
            "authorization": { "mode": "Webhook" },
            "tlsCertFile": self.file("server.crt"),
            "tlsPrivateKeyFile": self.file("server.key"),
            "containerRuntimeEndpoint": format!("unix://{}", self.file("containerd.sock")),
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": format!("/{}", self.cgroup),
            "failCgroupV1": false,
            "failSwapOn": false,
            "enforceNodeAllocatable": [],
            "clusterDNS": [self.address],
            "clusterDomain": "cluster.local",
            "resolvConf": self.file("resolv.conf"),
            "syncFrequency": format!("{}s", self.sync.as_secs()),
            "podLogsDir": self.file("pods"),
            "volumePluginDir": self.file("volumes"),
            // A full disk of a developer is no reason to evict a test.
            "evictionHard": { "memory.available": "50Mi", "nodefs.available": "1%", "imagefs.available": "1%" },
            "imageGCHighThresholdPercent": 100,
            "imageGCLowThresholdPercent": 99,
        })
    }

    fn proxy(&self) -> Value {
        json!({
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "nftables",
            "clientConnection": { "kubeconfig": self.file("kubeconfig") },
            "clusterCIDR": PODS,
            "hostnameOverride": super::NAME,
            "conntrack": { "maxPerCore": 0 },
            "metricsBindAddress": "127.0.0.1:10249",
            "healthzBindAddress": "127.0.0.1:10256",
        })
    }

    fn file(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }
}
