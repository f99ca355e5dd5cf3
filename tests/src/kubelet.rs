//! Volumes as the kubelet writes them: what a program sees are links through `..data` to a folder with a
//! date in its name, and a change swaps `..data` in one rename. It is not the file that changes, and
//! for moments it may not be there.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

const FILE: &str = "identity.json";
const DATA: &str = "..data";

/// The folder `identities/NAME`, mounted from a Secret.
#[derive(Debug)]
pub struct Volume {
    folder: PathBuf,
    writes: u32,
}

impl Volume {
    /// The empty volume of an identity that is not published yet.
    pub fn mount(identities: &Path, name: &str) -> Result<Self> {
        let folder = identities.join(name);
        fs::create_dir_all(&folder)?;
        Ok(Self { folder, writes: 0 })
    }

    /// Where programs see the file.
    pub fn path(&self) -> PathBuf {
        self.folder.join(FILE)
    }

    /// The Secret has this document.
    pub fn publish(&mut self, document: &Value) -> Result<()> {
        self.publish_bytes(&serde_json::to_vec(document)?)
    }

    /// The Secret has these bytes.
    pub fn publish_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.swap(|folder| Ok(fs::write(folder.join(FILE), bytes)?))?;
        link(&self.folder, &format!("{DATA}/{FILE}"), FILE)
    }

    /// Something that cannot be read stands where the file was.
    pub fn publish_unreadable(&mut self) -> Result<()> {
        self.swap(|folder| Ok(fs::create_dir(folder.join(FILE))?))?;
        link(&self.folder, &format!("{DATA}/{FILE}"), FILE)
    }

    /// The Secret is gone: an optional volume becomes empty.
    pub fn withdraw(&mut self) -> Result<()> {
        self.swap(|_| Ok(()))?;
        Ok(fs::remove_file(self.path())?)
    }

    fn swap(&mut self, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        self.writes += 1;
        swap(&self.folder, self.writes, fill)
    }
}

/// A projected volume with the documents of all identities of a pod: each is a folder, which is a link
/// too, and all change at once.
#[derive(Debug)]
pub struct Projection {
    folder: PathBuf,
    writes: u32,
}

impl Projection {
    /// An empty volume in a folder that is there.
    #[must_use]
    pub fn mount(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            writes: 0,
        }
    }

    /// The volume has just these files, by their paths `NAME/identity.json`.
    pub fn publish(&mut self, files: &[(String, Vec<u8>)]) -> Result<()> {
        self.writes += 1;
        swap(&self.folder, self.writes, |folder| {
            for (path, bytes) in files {
                let path = folder.join(path);
                fs::create_dir_all(path.parent().context("a folder")?)?;
                fs::write(path, bytes)?;
            }
            Ok(())
        })?;
        let names: BTreeSet<&str> = files
            .iter()
            .filter_map(|(path, _)| path.split('/').next())
            .collect();
        for name in &names {
            link(&self.folder, &format!("{DATA}/{name}"), name)?;
        }
        self.remove_links_but(&names)
    }

    fn remove_links_but(&self, names: &BTreeSet<&str>) -> Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            let name = entry?.file_name();
            let name = name.to_str().context("a name of our own")?;
            if !name.starts_with("..") && !names.contains(name) {
                fs::remove_file(self.folder.join(name))?;
            }
        }
        Ok(())
    }
}

/// A new folder, filled, put in place of the old one by one rename.
fn swap(folder: &Path, writes: u32, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let name = format!("..2026_11_23_10_00_00.{writes:09}");
    let new = folder.join(&name);
    fs::create_dir(&new)?;
    fill(&new)?;
    let old = fs::read_link(folder.join(DATA));
    link(folder, &name, DATA)?;
    if let Ok(old) = old {
        fs::remove_dir_all(folder.join(old))?;
    }
    Ok(())
}

/// Makes or replaces a link, in one step.
fn link(folder: &Path, target: &str, name: &str) -> Result<()> {
    let new = folder.join(format!("{name}_tmp"));
    match fs::remove_file(&new) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    symlink(target, &new)?;
    fs::rename(&new, folder.join(name)).with_context(|| format!("swapping {name}"))
}
