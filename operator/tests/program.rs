//! The program itself, where it refuses to start.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn run(kubeconfig: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_zohorelay-operator"))
        .args(["run", "--operator-namespace=mail", "--sidecar-image=i"])
        .env_clear()
        .env("KUBECONFIG", kubeconfig)
        .output()
        .unwrap()
}

#[test]
fn a_kubeconfig_that_cannot_be_used_is_told_in_one_line_with_the_remedy_and_never_quoted() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kubeconfig");
    let user = "users:\n- name: me\n  user:\n    token: canary-8f3a\n";
    for broken in [
        format!("{user}    client-key-data canary-8f3a\n"),
        "users: canary-8f3a\n".to_owned(),
        format!("{user}current-context: here\n"),
    ] {
        fs::write(&file, &broken).unwrap();
        let output = run(&file);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(64), "{told}");
        assert_eq!(told.lines().count(), 1, "{told}");
        assert!(told.contains("reading the kubeconfig: "), "{told}");
        assert!(told.contains("set KUBECONFIG to the path"), "{told}");
        assert!(!told.contains("canary-8f3a"), "{told}");
    }
    let told = run(&folder.path().join("none")).stderr;
    let told = String::from_utf8(told).unwrap();
    assert!(told.contains("/none: No such file"), "{told}");
}
