//! The document: <https://cyclonedx.org/docs/1.5/json/>.
//!
//! It has no serial number and no time, which are optional and would be others each time.

use serde_json::{Value, json};

use super::SbomError;
use super::tree::{Package, Tree};
use crate::digest::sha256;
use crate::ours::Ours;

/// Of the image of `ours`, around the bytes of `program`.
pub(super) fn document(tree: &Tree, ours: &Ours, program: &[u8]) -> Result<Value, SbomError> {
    let root = ours.id();
    let packages = tree.below(&root);
    let mut main = match packages.get(root.as_str()) {
        Some(package) => component(&root, package),
        None => {
            return Err(SbomError::Unknown {
                package: ours.program,
            });
        }
    };
    main["hashes"] = hashes(&sha256(program));
    let others = packages.iter().filter(|(id, _)| **id != root);
    let components: Vec<_> = others.map(|(id, package)| component(id, package)).collect();
    let dependencies: Vec<_> = packages
        .iter()
        .map(|(id, package)| json!({"ref": id, "dependsOn": package.dependencies}))
        .collect();
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": main},
        "components": components,
        "dependencies": dependencies,
    }))
}

fn component(id: &str, package: &Package) -> Value {
    let (name, version) = id.split_once(' ').unwrap_or((id, ""));
    let mut component = json!({
        "type": package.kind,
        "bom-ref": id,
        "name": name,
        "version": version,
        "purl": package.purl,
        // Before SPDX had its OR, cargo had a slash.
        "licenses": [{"expression": package.license.replace('/', " OR ")}],
    });
    if let Some(checksum) = &package.checksum {
        component["hashes"] = hashes(checksum);
    }
    if !package.repository.is_empty() {
        component["externalReferences"] = json!([{"type": "vcs", "url": package.repository}]);
    }
    component
}

fn hashes(sha256: &str) -> Value {
    json!([{"alg": "SHA-256", "content": sha256}])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;
    use crate::Arch;
    use crate::ours::OURS;

    const WORKSPACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

    fn sbom(name: &str) -> Value {
        let tree = Tree::of(Arch::host(), Path::new(WORKSPACE)).unwrap();
        let ours = OURS.iter().find(|ours| ours.name == name).unwrap();
        document(&tree, ours, b"a program").unwrap()
    }

    fn names(sbom: &Value) -> BTreeSet<&str> {
        let components = sbom["components"].as_array().unwrap().iter();
        components.map(|c| c["name"].as_str().unwrap()).collect()
    }

    #[test]
    fn the_sidecar_holds_what_it_links_and_no_more() {
        let sbom = sbom("sidecar");
        assert_eq!(sbom["metadata"]["component"]["name"], "zohorelay-sidecar");
        let names = names(&sbom);
        for linked in [
            "zohorelay-smtp",
            "rustls",
            "ring",
            "glibc",
            "rust-std",
            "webpki-root-certs",
        ] {
            assert!(names.contains(linked), "{linked}");
        }
        // The operator's, of the tests, of build scripts, and a macro.
        for other in ["kube-client", "proptest", "cc", "thiserror-impl"] {
            assert!(!names.contains(other), "{other}");
        }
    }

    #[test]
    fn everything_has_a_licence_and_what_is_not_ours_its_checksum() {
        let sbom = sbom("operator");
        for component in sbom["components"].as_array().unwrap() {
            let name = component["name"].as_str().unwrap();
            let licence = component["licenses"][0]["expression"].as_str().unwrap();
            assert!(!licence.is_empty(), "{name}");
            let ours = name.starts_with("zohorelay-") || ["glibc", "rust-std"].contains(&name);
            assert_eq!(component["hashes"].is_null(), ours, "{name}");
        }
    }

    #[test]
    fn every_dependency_is_a_component() {
        let sbom = sbom("simulator");
        let components = sbom["components"].as_array().unwrap().iter();
        let known: BTreeSet<_> = components
            .map(|c| &c["bom-ref"])
            .map(Value::to_string)
            .collect();
        let edges = sbom["dependencies"].as_array().unwrap().iter();
        let on = edges.flat_map(|edge| edge["dependsOn"].as_array().unwrap());
        for id in on {
            assert!(known.contains(&id.to_string()), "{id}");
        }
    }
}
