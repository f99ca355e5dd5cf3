//! The archive: an OCI image layout in a tar file, which `docker load` can read too.

use std::collections::BTreeMap;
use std::io;

use serde_json::{Value, json};
use tar::{Builder, EntryType};

use super::layer::append;
use crate::digest::sha256;

const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// Where containerd, and with it kubelet, look for a name without a registry.
const DEFAULT_REGISTRY: &str = "docker.io";

/// What goes into an archive.
pub(super) struct Parts<'a> {
    pub(super) repository: &'a str,
    pub(super) version: &'a str,
    pub(super) config: Value,
    pub(super) layer: &'a [u8],
    pub(super) annotations: &'a BTreeMap<String, String>,
}

/// The bytes of the archive, and the digest of the manifest in it.
///
/// <https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md>
pub(super) fn archive(parts: &Parts<'_>) -> io::Result<(Vec<u8>, String)> {
    let config = parts.config.to_string().into_bytes();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor(CONFIG, &config),
        "layers": [descriptor(LAYER, parts.layer)],
        "annotations": parts.annotations,
    });
    let manifest = manifest.to_string().into_bytes();
    let (layout, index, docker) = (layout(), index(parts, &manifest), docker(parts, &config));
    let blobs = [&config[..], parts.layer, &manifest]
        .map(|blob| (format!("blobs/sha256/{}", sha256(blob)), blob));
    let files: BTreeMap<_, _> = [
        ("oci-layout".to_owned(), &layout[..]),
        ("index.json".to_owned(), &index),
        ("manifest.json".to_owned(), &docker),
    ]
    .into_iter()
    .chain(blobs)
    .collect();

    let mut tar = Builder::new(Vec::new());
    for folder in ["blobs/", "blobs/sha256/"] {
        append(&mut tar, EntryType::Directory, folder, 0o755, &[])?;
    }
    for (path, content) in files {
        append(&mut tar, EntryType::Regular, &path, 0o644, content)?;
    }
    Ok((tar.into_inner()?, digest(&manifest)))
}

fn digest(blob: &[u8]) -> String {
    format!("sha256:{}", sha256(blob))
}

fn descriptor(media_type: &str, blob: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": digest(blob), "size": blob.len()})
}

fn layout() -> Vec<u8> {
    json!({"imageLayoutVersion": "1.0.0"})
        .to_string()
        .into_bytes()
}

/// Names the image twice: the whole name for containerd, and the tag for all others.
fn index(parts: &Parts<'_>, manifest: &[u8]) -> Vec<u8> {
    let mut image = descriptor(MANIFEST, manifest);
    image["platform"] = json!({"architecture": parts.config["architecture"], "os": "linux"});
    image["annotations"] = json!({
        "io.containerd.image.name":
            format!("{DEFAULT_REGISTRY}/{}:{}", parts.repository, parts.version),
        "org.opencontainers.image.ref.name": parts.version,
    });
    json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [image]})
        .to_string()
        .into_bytes()
}

/// What `docker load` reads before version 25, and its name for the image since.
fn docker(parts: &Parts<'_>, config: &[u8]) -> Vec<u8> {
    json!([{
        "Config": format!("blobs/sha256/{}", sha256(config)),
        "RepoTags": [format!("{}:{}", parts.repository, parts.version)],
        "Layers": [format!("blobs/sha256/{}", sha256(parts.layer))],
    }])
    .to_string()
    .into_bytes()
}
