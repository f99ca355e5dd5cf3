//! What is linked into a program, as `CycloneDX`: for scanners that look for known faults.
//!
//! All programs are built by one command, in which cargo unites the features of their common
//! dependencies; so this asks cargo about all of them at once too.

mod added;
mod document;
mod run;
mod tree;

use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::Arch;
use crate::ours::Ours;
use tree::Tree;

/// Why there is no SBOM.
#[derive(Debug, thiserror::Error)]
pub enum SbomError {
    /// A program that tells what is linked cannot be run.
    #[error("running {program}")]
    Run {
        /// Which.
        program: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// It failed.
    #[error("{program} failed: {stderr}")]
    Failed {
        /// Which.
        program: &'static str,
        /// What it said.
        stderr: String,
    },
    /// It wrote what we cannot read.
    #[error("reading the line {line:?} of cargo tree")]
    Tree {
        /// The line.
        line: String,
    },
    /// It did not tell of a package that must be in the image.
    #[error("finding out the version of {package}")]
    Unknown {
        /// Which.
        package: &'static str,
    },
    /// A file cannot be read.
    #[error("reading {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The SBOM cannot be written.
    #[error("writing {}", path.display())]
    Write {
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What is linked into the programs of one release build.
#[derive(Debug)]
pub struct Sbom {
    tree: Tree,
}

impl Sbom {
    /// Asks cargo in the folder `workspace`.
    pub fn of(arch: Arch, workspace: &Path) -> Result<Self, SbomError> {
        Ok(Self {
            tree: Tree::of(arch, workspace)?,
        })
    }

    /// Writes that of one program in the folder `binaries` to `path`.
    pub fn write(&self, ours: &Ours, binaries: &Path, path: &Path) -> Result<(), SbomError> {
        let binary = binaries.join(ours.program);
        let program = fs::read(&binary).map_err(|source| SbomError::Read {
            path: binary.clone(),
            source,
        })?;
        let document = document::document(&self.tree, ours, &program)?;
        fs::write(path, format!("{document:#}\n")).map_err(|source| SbomError::Write {
            path: path.to_owned(),
            source,
        })
    }
}
