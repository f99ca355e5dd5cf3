//! What `cargo tree` tells of the programs' dependencies, `Cargo.lock` of their contents, and the
//! compilers of what they add.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use super::SbomError;
use super::added::added;
use super::run::run;
use crate::Arch;
use crate::ours::OURS;

/// A package by its name and version, as in `serde 1.0.229`.
pub(super) type Id = String;

/// A package that is in an image.
#[derive(Debug, Default)]
pub(super) struct Package {
    /// Its type in the document.
    pub(super) kind: &'static str,
    /// <https://github.com/package-url/purl-spec>
    pub(super) purl: String,
    pub(super) license: String,
    pub(super) repository: String,
    /// SHA-256 of what the registry gave; `None` for our own.
    pub(super) checksum: Option<String>,
    pub(super) dependencies: BTreeSet<Id>,
}

/// All packages of the programs.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) packages: BTreeMap<Id, Package>,
}

impl Tree {
    /// Of the programs in [`OURS`], built together.
    pub(super) fn of(arch: Arch, workspace: &Path) -> Result<Self, SbomError> {
        let lock = workspace.join("Cargo.lock");
        let checksums =
            fs::read_to_string(&lock).map_err(|source| SbomError::Read { path: lock, source })?;
        let checksums = read_lock(&checksums);
        let mut tree = Self::read(&cargo_tree(arch, workspace)?)?;
        let added = added(arch, checksums.keys())?;
        for ours in OURS {
            if let Some(program) = tree.packages.get_mut(&ours.id()) {
                program.dependencies.extend(added.keys().cloned());
            }
        }
        tree.packages.extend(added);
        for (id, checksum) in checksums {
            if let Some(package) = tree.packages.get_mut(&id) {
                package.checksum = Some(checksum);
            }
        }
        Ok(tree)
    }

    /// A package, all that it depends on, and so on; the package too.
    pub(super) fn below(&self, root: &str) -> BTreeMap<&str, &Package> {
        let mut found = BTreeMap::new();
        let mut open = vec![root];
        while let Some(id) = open.pop() {
            if let Some((id, package)) = self.packages.get_key_value(id)
                && found.insert(id.as_str(), package).is_none()
            {
                open.extend(package.dependencies.iter().map(String::as_str));
            }
        }
        found
    }

    /// Lines of `DEPTH|NAME vVERSION …|LICENSE|REPOSITORY`; one that ends with `(*)` was there
    /// before with all that it depends on.
    fn read(text: &str) -> Result<Self, SbomError> {
        let mut tree = Self::default();
        let mut path: Vec<Id> = Vec::new();
        for line in text.lines().filter(|line| !line.is_empty()) {
            let (depth, id, license, repository) =
                read_line(line).ok_or_else(|| SbomError::Tree {
                    line: line.to_owned(),
                })?;
            path.truncate(depth);
            if let Some(parent) = path.last().and_then(|id| tree.packages.get_mut(id)) {
                parent.dependencies.insert(id.clone());
            }
            let package = tree.packages.entry(id.clone()).or_default();
            package.kind = if depth == 0 { "application" } else { "library" };
            package.purl = cargo_purl(&id);
            license.clone_into(&mut package.license);
            repository.clone_into(&mut package.repository);
            path.push(id);
        }
        Ok(tree)
    }
}

fn read_line(line: &str) -> Option<(usize, Id, &str, &str)> {
    let mut fields = line.trim_end_matches(" (*)").split('|');
    let depth = fields.next()?.parse().ok()?;
    let mut package = fields.next()?.split(' ');
    let name = package.next()?;
    let version = package.next()?.strip_prefix('v')?;
    Some((
        depth,
        format!("{name} {version}"),
        fields.next()?,
        fields.next()?,
    ))
}

/// `-e normal,no-proc-macro`: what is linked, not what builds or tests it.
fn cargo_tree(arch: Arch, workspace: &Path) -> Result<String, SbomError> {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(workspace);
    cargo.args(["tree", "--locked", "--target", arch.target()]);
    cargo.args(["-e", "normal,no-proc-macro", "--prefix", "depth"]);
    cargo.args(["--format", "|{p}|{l}|{r}"]);
    for ours in OURS {
        cargo.args(["-p", ours.program]);
    }
    run(&mut cargo, "cargo tree")
}

/// <https://github.com/package-url/purl-spec/blob/main/types-doc/cargo-definition.md>
pub(super) fn cargo_purl(id: &str) -> String {
    let (name, version) = id.split_once(' ').unwrap_or((id, ""));
    format!("pkg:cargo/{name}@{}", version.replace('+', "%2B"))
}

/// The checksums in a `Cargo.lock`.
fn read_lock(text: &str) -> BTreeMap<Id, String> {
    text.split("[[package]]")
        .filter_map(|package| {
            let value = |key: &str| {
                package.lines().find_map(|line| {
                    let value = line.strip_prefix(key)?.strip_prefix(" = ")?;
                    Some(value.trim_matches('"').to_owned())
                })
            };
            let id = format!("{} {}", value("name")?, value("version")?);
            Some((id, value("checksum")?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_seen_before_keeps_its_dependencies() {
        let text = "0|a v1.0.0 (/a)|MIT|r\n1|b v2.0.0|MIT|r\n2|c v3.0.0|MIT|r\n\n\
                    0|d v1.0.0 (/d)|MIT|r\n1|b v2.0.0|MIT|r (*)\n";
        let tree = Tree::read(text).unwrap();
        let below_d: Vec<_> = tree.below("d 1.0.0").into_keys().collect();
        assert_eq!(below_d, ["b 2.0.0", "c 3.0.0", "d 1.0.0"]);
    }

    #[test]
    fn a_dependency_belongs_to_the_package_above_it() {
        let text = "0|a v1.0.0|||\n1|b v1.0.0||\n2|c v1.0.0||\n1|d v1.0.0||\n";
        let tree = Tree::read(text).unwrap();
        let of_a = &tree.packages["a 1.0.0"].dependencies;
        assert_eq!(of_a.iter().collect::<Vec<_>>(), ["b 1.0.0", "d 1.0.0"]);
    }

    #[test]
    fn a_line_that_is_none_of_a_tree_is_an_error() {
        assert!(Tree::read("warning: something").is_err());
    }

    #[test]
    fn a_checksum_belongs_to_name_and_version() {
        let lock = "[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nchecksum = \"ab\"\n\n\
                    [[package]]\nname = \"ours\"\nversion = \"0.1.0\"\n";
        let read = read_lock(lock);
        assert_eq!(read.len(), 1);
        assert_eq!(read["a 1.0.0"], "ab");
    }
}
