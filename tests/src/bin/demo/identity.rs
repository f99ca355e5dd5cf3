//! The identities of the demo: the YAML of `examples/`, led to the simulator and rendered by the
//! operator's program, as anybody without a cluster would.

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tokio::process::Command;
use zoho_simulator::Running;
use zohorelay_tests::program;

/// The name that the simulator's certificate has.
const HOST: &str = "localhost";

/// The document of an example.
pub(crate) async fn document(name: &str, zoho: &Running) -> Result<Value> {
    let folder = tempfile::tempdir()?;
    let yaml = folder.path().join(format!("{name}.yaml"));
    std::fs::write(&yaml, with_server(name, zoho)?)?;
    let rendered = Command::new(program::built("zohorelay-operator", "ZOHORELAY_OPERATOR"))
        .args(["render", "--allowed-upstream-host", HOST, "--into"])
        .arg(folder.path())
        .arg(&yaml)
        .output()
        .await
        .context("running zohorelay-operator render")?;
    if !rendered.status.success() {
        bail!(
            "rendering {name}: {}",
            String::from_utf8_lossy(&rendered.stderr)
        );
    }
    let document = folder.path().join(name).join("identity.json");
    Ok(serde_json::from_slice(&std::fs::read(document)?)?)
}

/// The example with `spec.server`, as a gateway of one's own is named.
fn with_server(name: &str, zoho: &Running) -> Result<String> {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let path = examples.join(format!("{name}.yaml"));
    let text =
        std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let mut objects: Vec<Value> = serde_saphyr::from_multiple(&text)?;
    let identity = objects
        .iter_mut()
        .find(|object| object["kind"] == "MailIdentity");
    identity.context("an identity")?["spec"]["server"] = json!({
        "host": HOST,
        "port": zoho.implicit_tls().context("its port")?.port(),
        "security": "ImplicitTls",
        "caBundle": zoho.ca_pem(),
    });
    let objects = objects.iter().map(serde_saphyr::to_string);
    Ok(objects.collect::<Result<Vec<_>, _>>()?.join("---\n"))
}
