//! What a build is named by: the same key, the same programs.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// Hash of a module's `go.mod`, `go.sum` and Go files, and of what else the build depends on.
pub(super) fn key(source: &Path, also: &[&str]) -> io::Result<String> {
    let mut files = Vec::new();
    collect(source, &mut files)?;
    files.sort();
    let mut hash = Fnv::new();
    for path in files {
        let name = path.strip_prefix(source).unwrap_or(&path);
        hash.add(name.to_string_lossy().as_bytes());
        hash.add(&fs::read(&path)?);
    }
    for text in also {
        hash.add(text.as_bytes());
    }
    Ok(hash.hex())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.extension().and_then(|extension| extension.to_str());
        if path.is_dir() {
            collect(&path, files)?;
        } else if matches!(name, Some("go" | "mod" | "sum")) {
            files.push(path);
        }
    }
    Ok(())
}

/// FNV-1a with 64 bits: the same on each machine and with each compiler, and nobody attacks it.
struct Fnv(u64);

impl Fnv {
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    /// Adds a part and its length, so that two parts are not one.
    fn add(&mut self, part: &[u8]) {
        for byte in part.len().to_le_bytes().iter().chain(part) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
    }

    fn hex(&self) -> String {
        format!("{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_changes_with_each_thing_that_is_built_from() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("go.mod"), "module a").unwrap();
        fs::write(folder.path().join("README.md"), "not built").unwrap();
        let first = key(folder.path(), &["go1.26.8", "-trimpath"]).unwrap();
        assert_eq!(
            first,
            key(folder.path(), &["go1.26.8", "-trimpath"]).unwrap()
        );
        assert_ne!(
            first,
            key(folder.path(), &["go1.26.9", "-trimpath"]).unwrap()
        );
        fs::write(folder.path().join("README.md"), "still not built").unwrap();
        assert_eq!(
            first,
            key(folder.path(), &["go1.26.8", "-trimpath"]).unwrap()
        );
        fs::write(folder.path().join("main.go"), "package main").unwrap();
        assert_ne!(
            first,
            key(folder.path(), &["go1.26.8", "-trimpath"]).unwrap()
        );
    }
}
