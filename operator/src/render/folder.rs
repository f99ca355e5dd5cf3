//! Writing a document where a sidecar reads it, whole or not at all.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use zohorelay_config::Document;
use zohorelay_crds::keys::DOCUMENT_KEY;

use super::RenderError;

/// Writes `INTO/NAME/identity.json`: the folders 0700, the file 0600, replaced in one step.
pub(super) fn write(into: &Path, document: &Document) -> Result<PathBuf, RenderError> {
    let folder = into.join(&document.name);
    let path = folder.join(DOCUMENT_KEY);
    let json = document
        .to_json()
        .map_err(|error| failed(&path, io::Error::other(error)))?;
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)
        .map_err(|error| failed(&folder, error))?;
    replace(&folder, &path, &json).map_err(|error| failed(&path, error))?;
    Ok(path)
}

fn replace(folder: &Path, path: &Path, content: &[u8]) -> io::Result<()> {
    let draft = folder.join(format!(".{DOCUMENT_KEY}.{}", std::process::id()));
    let written = create(&draft, content).and_then(|()| fs::rename(&draft, path));
    if written.is_err() {
        // What a failed attempt left holds the password.
        let _ = fs::remove_file(&draft);
    }
    written?;
    File::open(folder)?.sync_all()
}

fn create(draft: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(draft)?;
    file.write_all(content)?;
    file.sync_all()
}

fn failed(path: &Path, source: io::Error) -> RenderError {
    RenderError::Write {
        path: path.to_owned(),
        source,
    }
}
