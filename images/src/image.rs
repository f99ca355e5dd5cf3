//! An image: files in one layer, who runs them, and what they are.

mod archive;
mod layer;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::{fs, process};

use serde_json::{Value, json};

use crate::{Arch, trust};

/// User and group of the programs; also distroless' *nonroot*.
pub const USER: u32 = 65532;
pub(crate) const PASSWD: &str = "nonroot:x:65532:65532:nonroot:/:/sbin/nologin\n";
pub(crate) const GROUP: &str = "nonroot:x:65532:\n";
/// Of everything: an image must not tell when it was built.
const CREATED: &str = "1970-01-01T00:00:00Z";

/// Why no image was written.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// A file for the image cannot be read.
    #[error("reading {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The files cannot be packed: a path is too long for an archive.
    #[error("packing the files of {reference}")]
    Pack {
        /// The image.
        reference: String,
        /// What the packer said.
        source: io::Error,
    },
    /// The archive cannot be written.
    #[error("writing {}", path.display())]
    Write {
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// A file of an image.
#[derive(Debug, Clone)]
struct File {
    content: Vec<u8>,
    mode: u32,
}

/// An image to be written.
#[derive(Debug, Clone)]
pub struct Image {
    repository: String,
    version: String,
    arch: Arch,
    files: BTreeMap<String, File>,
    entrypoint: Vec<String>,
    labels: BTreeMap<String, String>,
}

/// An archive that was written.
#[derive(Debug)]
pub struct Written {
    /// The image's name, as in a pod: `zohorelay/app:0.1.0`.
    pub reference: String,
    /// The digest of its manifest: `sha256:…`.
    pub digest: String,
    /// The size of the archive, in bytes: what is stored and pulled.
    pub archive_bytes: u64,
    /// The sum of its files, in bytes: what a node unpacks.
    pub unpacked_bytes: u64,
}

impl Image {
    /// An image that holds nothing but the names of its user and its group ([`USER`]).
    ///
    /// `repository` is a name as in `docker.io/REPOSITORY`; `version` becomes the tag.
    pub fn new(repository: &str, version: &str, arch: Arch) -> Self {
        let image = Self {
            repository: repository.to_owned(),
            version: version.to_owned(),
            arch,
            files: BTreeMap::new(),
            entrypoint: Vec::new(),
            labels: BTreeMap::new(),
        };
        image
            .file("/etc/passwd", PASSWD)
            .file("/etc/group", GROUP)
            .label("org.opencontainers.image.version", version)
    }

    /// Adds a file that everybody may read.
    #[must_use]
    pub fn file(self, path: &str, content: impl Into<Vec<u8>>) -> Self {
        self.with(path, content.into(), 0o644)
    }

    /// Adds the program `from` at `path`, and runs it where a container names no command.
    pub fn program(self, from: &Path, path: &str) -> Result<Self, ImageError> {
        let content = fs::read(from).map_err(|source| ImageError::Read {
            path: from.to_owned(),
            source,
        })?;
        let mut image = self.with(path, content, 0o755);
        image.entrypoint = vec![path.to_owned()];
        Ok(image)
    }

    /// What the program is told where a container names no command.
    #[must_use]
    pub fn arguments(mut self, arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(|&argument| argument.to_owned());
        self.entrypoint.extend(arguments);
        self
    }

    /// Adds the certificate authorities of the web ([`trust::bundle`]).
    #[must_use]
    pub fn certificates(self) -> Self {
        self.file(trust::BUNDLE_PATH, trust::bundle())
    }

    /// Adds a label, which is an annotation of the manifest too.
    #[must_use]
    pub fn label(mut self, key: &str, value: &str) -> Self {
        self.labels.insert(key.to_owned(), value.to_owned());
        self
    }

    fn with(mut self, path: &str, content: Vec<u8>, mode: u32) -> Self {
        let path = path.trim_start_matches('/').to_owned();
        self.files.insert(path, File { content, mode });
        self
    }

    /// The name, as in a pod.
    pub fn reference(&self) -> String {
        format!("{}:{}", self.repository, self.version)
    }

    /// Writes the archive to `path`: either the whole of it, or nothing.
    pub fn write(&self, path: &Path) -> Result<Written, ImageError> {
        let (bytes, digest) = self.archive().map_err(|source| ImageError::Pack {
            reference: self.reference(),
            source,
        })?;
        let part = path.with_extension(format!("{}.part", process::id()));
        fs::write(&part, &bytes)
            .and_then(|()| fs::rename(&part, path))
            .map_err(|source| ImageError::Write {
                path: path.to_owned(),
                source,
            })?;
        Ok(Written {
            reference: self.reference(),
            digest,
            archive_bytes: bytes.len() as u64,
            unpacked_bytes: self.files.values().map(|f| f.content.len() as u64).sum(),
        })
    }

    /// The bytes of the archive, and the digest of the manifest in it.
    fn archive(&self) -> io::Result<(Vec<u8>, String)> {
        let layer = layer::layer(&self.files)?;
        let parts = archive::Parts {
            repository: &self.repository,
            version: &self.version,
            config: self.config(&layer.diff_id),
            layer: &layer.compressed,
            annotations: &self.labels,
        };
        archive::archive(&parts)
    }

    /// <https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md>
    fn config(&self, diff_id: &str) -> Value {
        json!({
            "architecture": self.arch.name(),
            "os": "linux",
            "created": CREATED,
            "config": {
                "User": format!("{USER}:{USER}"),
                "Entrypoint": self.entrypoint,
                "WorkingDir": "/",
                "Labels": self.labels,
            },
            "rootfs": {"type": "layers", "diff_ids": [diff_id]},
            "history": [{"created": CREATED, "created_by": "zohorelay-images"}],
        })
    }
}
