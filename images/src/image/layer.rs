//! The files of an image as a layer: a compressed archive that depends on nothing but them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write as _};

use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};
use tar::{Builder, EntryType, Header};

use super::File;
use crate::digest::sha256;

/// Of the header of gzip (RFC 1952): "unknown", where a library would name this machine's.
const NO_SYSTEM: u8 = 255;

pub(super) struct Layer {
    pub(super) compressed: Vec<u8>,
    /// The digest of what is compressed.
    pub(super) diff_id: String,
}

pub(super) fn layer(files: &BTreeMap<String, File>) -> io::Result<Layer> {
    let plain = plain(files)?;
    Ok(Layer {
        diff_id: format!("sha256:{}", sha256(&plain)),
        compressed: compress(&plain)?,
    })
}

/// Folders before what is in them, as some readers need it.
fn plain(files: &BTreeMap<String, File>) -> io::Result<Vec<u8>> {
    let mut tar = Builder::new(Vec::new());
    let folders: BTreeSet<_> = files.keys().flat_map(|path| parents(path)).collect();
    for folder in folders {
        append(&mut tar, EntryType::Directory, folder, 0o755, &[])?;
    }
    for (path, file) in files {
        append(&mut tar, EntryType::Regular, path, file.mode, &file.content)?;
    }
    tar.into_inner()
}

/// `etc/` and `etc/ssl/` of `etc/ssl/cert.pem`.
fn parents(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[..=at])
}

/// Adds an entry of root's, of the year 1970.
pub(super) fn append(
    tar: &mut Builder<Vec<u8>>,
    kind: EntryType,
    path: &str,
    mode: u32,
    content: &[u8],
) -> io::Result<()> {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_path(path)?;
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(content.len() as u64);
    header.set_cksum();
    tar.append(&header, content)
}

fn compress(plain: &[u8]) -> io::Result<Vec<u8>> {
    let header = GzBuilder::new().mtime(0).operating_system(NO_SYSTEM);
    let mut gzip: GzEncoder<_> = header.write(Vec::new(), Compression::best());
    gzip.write_all(plain)?;
    gzip.finish()
}
