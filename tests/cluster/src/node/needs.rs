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
    let is_root = rustix::process::geteuid().is_root();
    let has_program = |program: &str| find(program).is_some();
    check_that(is_root, has_program, plugins().is_some())
}

fn check_that(
    is_root: bool,
    has_program: impl Fn(&str) -> bool,
    has_plugins: bool,
) -> Result<(), NodeError> {
    if !is_root {
        return Err(NodeError::NotRoot);
    }
    let mut missing: Vec<&str> = PROGRAMS
        .iter()
        .filter(|(program, _)| !has_program(program))
        .map(|&(_, package)| package)
        .collect();
    if !has_plugins {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn said(is_root: bool, lacks: &[&str], has_plugins: bool) -> String {
        let has_program = |program: &str| !lacks.contains(&program);
        let error = check_that(is_root, has_program, has_plugins).unwrap_err();
        error.to_string()
    }

    #[test]
    fn who_is_not_root_is_told_of_sudo() {
        let wanted = "starting a node with real pods: it must be root; run it with sudo";
        assert_eq!(said(false, &["nft"], false), wanted);
    }

    #[test]
    fn missing_packages_are_named_once_with_what_installs_them() {
        let wanted = "starting a node with real pods: not installed here: containerd \
                      containernetworking-plugins nftables (names of Debian's packages); \
                      `tests/cluster/install` installs them";
        assert_eq!(said(true, &["nft", "containerd", "ctr"], false), wanted);
        assert!(check_that(true, |_| true, true).is_ok());
    }
}
