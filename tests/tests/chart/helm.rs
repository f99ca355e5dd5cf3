//! helm without a cluster.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rcgen::{CertificateParams, KeyPair};
use serde_json::Value;
use tempfile::TempDir;
use zohorelay_cluster::binaries::{Binaries, Program};

use crate::objects;

/// The release that the tests render.
pub(crate) const RELEASE: &str = "zohorelay";
/// Its namespace.
pub(crate) const NAMESPACE: &str = "zohorelay-system";

/// A file or folder of the project.
pub(crate) fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .join(path)
}

/// The text of a file of the project.
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(project(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The chart's folder.
pub(crate) fn chart() -> String {
    project("charts/zohorelay")
        .into_os_string()
        .into_string()
        .unwrap()
}

/// What `helm template` prints with these `--set` values.
pub(crate) fn text(values: &[&str]) -> String {
    let output = template(values, &[]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{values:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

/// The objects that are rendered with these values.
pub(crate) fn render(values: &[&str]) -> Vec<Value> {
    objects::parse(&text(values))
}

/// Why the chart is not rendered.
pub(crate) fn refusal(values: &[&str], more: &[&str]) -> String {
    let output = template(values, more);
    assert!(!output.status.success(), "{values:?} was taken");
    String::from_utf8(output.stderr).unwrap()
}

/// `helm` with these arguments, without any cluster.
pub(crate) fn run(arguments: &[&str]) -> Output {
    let home = TempDir::new().unwrap();
    Command::new(Binaries::from_env().find(Program::Helm).unwrap())
        .args(arguments)
        .env("HOME", home.path())
        .env("KUBECONFIG", "/dev/null")
        .output()
        .unwrap()
}

/// A certificate that an API server can read, as PEM.
pub(crate) fn ca_bundle() -> String {
    let key = KeyPair::generate().unwrap();
    CertificateParams::default()
        .self_signed(&key)
        .unwrap()
        .pem()
}

fn template(values: &[&str], more: &[&str]) -> Output {
    let chart = chart();
    let mut arguments = vec!["template", RELEASE, &chart, "--namespace", NAMESPACE];
    arguments.extend(values.iter().flat_map(|value| ["--set", value]));
    arguments.extend(more);
    run(&arguments)
}
