//! What is in each image beside the programs' packages: two libraries that the compilers link, and
//! the certificate authorities.

use std::collections::BTreeMap;
use std::process::Command;

use super::SbomError;
use super::run::run;
use super::tree::{Id, Package, cargo_purl};
use crate::Arch;

/// The package with the certificate authorities, which no program links.
const AUTHORITIES: &str = "webpki-root-certs";

/// `locked` are the packages of `Cargo.lock`.
pub(super) fn added<'a>(
    arch: Arch,
    locked: impl IntoIterator<Item = &'a Id>,
) -> Result<BTreeMap<Id, Package>, SbomError> {
    let std = format!("rust-std {}", rust()?);
    let libc = format!("glibc {}", glibc(arch)?);
    let authorities = locked
        .into_iter()
        .find(|id| id.split(' ').next() == Some(AUTHORITIES))
        .ok_or(SbomError::Unknown {
            package: AUTHORITIES,
        })?;
    let package = |kind, purl, license: &str, repository: &str| Package {
        kind,
        purl,
        license: license.to_owned(),
        repository: repository.to_owned(),
        ..Package::default()
    };
    let data = package(
        "data",
        cargo_purl(authorities),
        "CDLA-Permissive-2.0",
        "https://github.com/rustls/webpki-roots",
    );
    let std_package = package(
        "library",
        generic_purl(&std),
        "MIT OR Apache-2.0",
        "https://github.com/rust-lang/rust",
    );
    let libc_package = package(
        "library",
        generic_purl(&libc),
        "LGPL-2.1-or-later",
        "https://sourceware.org/git/glibc.git",
    );
    Ok(BTreeMap::from([
        (authorities.clone(), data),
        (std, std_package),
        (libc, libc_package),
    ]))
}

fn generic_purl(id: &str) -> String {
    format!("pkg:generic/{}", id.replacen(' ', "@", 1))
}

/// The version of Rust's standard library, which is the compiler's.
fn rust() -> Result<String, SbomError> {
    let told = run(Command::new("rustc").arg("-vV"), "rustc")?;
    let release = told.lines().find_map(|line| line.strip_prefix("release: "));
    release.map(str::to_owned).ok_or(SbomError::Unknown {
        package: "rust-std",
    })
}

/// The version of the C library, which the C compiler's headers tell.
fn glibc(arch: Arch) -> Result<String, SbomError> {
    let compiler = match arch {
        arch if arch == Arch::host() => "cc",
        Arch::Amd64 => "x86_64-linux-gnu-gcc",
        Arch::Arm64 => "aarch64-linux-gnu-gcc",
    };
    let mut command = Command::new(compiler);
    command.args([
        "-E",
        "-dM",
        "-x",
        "c",
        "-include",
        "features.h",
        "/dev/null",
    ]);
    let macros = run(&mut command, compiler)?;
    let value = |name: &str| {
        macros.lines().find_map(|line| {
            let (found, value) = line.strip_prefix("#define ")?.split_once(' ')?;
            (found == name).then_some(value)
        })
    };
    match (value("__GLIBC__"), value("__GLIBC_MINOR__")) {
        (Some(major), Some(minor)) => Ok(format!("{major}.{minor}")),
        _ => Err(SbomError::Unknown { package: "glibc" }),
    }
}
