//! What this machine must have for a node.

use std::env;
use std::path::{Path, PathBuf};

use super::NodeError;

/// Programs, and the Debian packages that have them.
const PROGRAMS: [(&str, &str); 10] = [
    ("bash", "bash"),
    ("busybox", "busybox-static"),
    ("containerd", "containerd"),
    ("ctr", "containerd"),
    ("ip", "iproute2"),
    ("mount", "mount"),
    ("nft", "nftables"),
    ("nsenter", "util-linux"),
    ("runc", "runc"),
    ("unshare", "util-linux"),
];

/// Where distributions put the network plugins.
const PLUGINS: [&str; 3] = ["/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni"];

/// Fails with what to install.
pub(super) fn check() -> Result<(), NodeError> {
    if !rustix::process::geteuid().is_root() {
        return Err(NodeError::NotRoot);
    }
    let mut missing: Vec<&str> = PROGRAMS
        .iter()
        .filter(|(program, _)| find(program).is_none())
        .map(|&(_, package)| package)
        .collect();
    if plugins().is_none() {
        missing.push("containernetworking-plugins");
    }
    missing.sort_unstable();
    missing.dedup();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(NodeError::Missing(missing.join(" ")))
    }
}

/// The folder with the network plugins.
pub(super) fn plugins() -> Option<&'static str> {
    PLUGINS
        .into_iter()
        .find(|folder| Path::new(folder).join("ptp").exists())
}

pub(super) fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}
