//! What the tests of injection share.

use serde_json::{Value, json};

use super::Settings;
use crate::args::SidecarArgs;

/// The flags as they are by default, and an image.
pub(super) fn args() -> SidecarArgs {
    SidecarArgs {
        image: "registry.example.com/zohorelay-sidecar:0.1.0".to_owned(),
        image_pull_policy: None,
        image_pull_secrets: Vec::new(),
        run_as_user: "65532".to_owned(),
        cpu_request: "10m".to_owned(),
        cpu_limit: None,
        memory_request: "16Mi".to_owned(),
        memory_limit: "64Mi".to_owned(),
        sidecar_log: "info".to_owned(),
    }
}

pub(super) fn settings() -> Settings {
    Settings::from_args(&args()).unwrap()
}

/// A pod that asks for the identity billing.
pub(super) fn pod() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "web",
            "labels": {"zohorelay.dev/inject": "true"},
            "annotations": {"zohorelay.dev/identities": "billing"},
        },
        "spec": {"containers": [{"name": "app", "image": "registry.example.com/shop:1.0"}]},
    })
}

/// The same with another annotation.
pub(super) fn annotated(key: &str, value: &str) -> Value {
    let mut pod = pod();
    pod["metadata"]["annotations"][key] = json!(value);
    pod
}
