//! The document: <https://cyclonedx.org/docs/1.5/json/>.
//!
//! It has no serial number and no time, which are optional and would be others each time.

use serde_json::{Value, json};

use super::tree::{Package, Tree};
use crate::digest::sha256;
use crate::ours::{Ours, VERSION};

/// The certificate authorities come from this package; it is data in the image, linked to nothing.
pub(super) fn document(tree: &Tree, ours: &Ours, program: &[u8]) -> Value {
    let root = format!("{} {VERSION}", ours.program);
    let packages = tree.below(&root);
    let components: Vec<_> = packages
        .iter()
        .filter(|(id, _)| **id != root)
        .map(|(id, package)| component("library", id, package))
        .collect();
    let dependencies: Vec<_> = packages
        .iter()
        .map(|(id, package)| {
            let on: Vec<_> = package.dependencies.iter().map(|id| purl(id)).collect();
            json!({"ref": purl(id), "dependsOn": on})
        })
        .collect();
    let mut main = component("application", &root, packages[root.as_str()]);
    main["hashes"] = json!([{"alg": "SHA-256", "content": sha256(program)}]);
    json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": main},
        "components": components,
        "dependencies": dependencies,
    })
}

fn component(kind: &str, id: &str, package: &Package) -> Value {
    let (name, version) = id.split_once(' ').unwrap_or((id, ""));
    let mut component = json!({
        "type": kind,
        "bom-ref": purl(id),
        "name": name,
        "version": version,
        "purl": purl(id),
        // Before SPDX had its OR, cargo had a slash.
        "licenses": [{"expression": package.license.replace('/', " OR ")}],
    });
    if let Some(checksum) = &package.checksum {
        component["hashes"] = json!([{"alg": "SHA-256", "content": checksum}]);
    }
    if !package.repository.is_empty() {
        component["externalReferences"] = json!([{"type": "vcs", "url": package.repository}]);
    }
    component
}

/// <https://github.com/package-url/purl-spec/blob/main/types-doc/cargo-definition.md>
fn purl(id: &str) -> String {
    let (name, version) = id.split_once(' ').unwrap_or((id, ""));
    format!("pkg:cargo/{name}@{}", version.replace('+', "%2B"))
}
