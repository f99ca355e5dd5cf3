//! `make images`: writes our images, and what is in them, from programs that are built already.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use zohorelay_images::ours::OURS;
use zohorelay_images::sbom::Sbom;
use zohorelay_images::{Arch, Written};

/// Writes the images of the operator, the sidecar and the simulator as OCI archives, and an SBOM
/// beside each.
#[derive(Debug, Parser)]
struct Cli {
    /// The folder of the release build.
    #[arg(long)]
    binaries: PathBuf,
    /// The folder for the archives.
    #[arg(long, default_value = "target/images")]
    into: PathBuf,
    /// What the programs were built for: amd64 or arm64.
    #[arg(long, default_value_t = Arch::host())]
    arch: Arch,
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> anyhow::Result<()> {
    fs::create_dir_all(&cli.into).with_context(|| format!("creating {}", cli.into.display()))?;
    let sbom = Sbom::of(cli.arch, Path::new("."))?;
    println!(
        "{:<28} {:>9} {:>9}  file, and digest of the manifest",
        "image", "archive", "unpacked"
    );
    for ours in OURS {
        let file = cli.into.join(ours.name).with_extension("tar");
        let written = ours.image(&cli.binaries, cli.arch)?.write(&file)?;
        sbom.write(&ours, &cli.binaries, &file.with_extension("cdx.json"))?;
        row(&written, &file);
    }
    Ok(())
}

fn row(written: &Written, file: &Path) {
    println!(
        "{:<28} {:>9} {:>9}  {} {}",
        written.reference,
        megabytes(written.archive_bytes),
        megabytes(written.unpacked_bytes),
        file.display(),
        written.digest,
    );
}

/// To a tenth, of a million bytes.
fn megabytes(bytes: u64) -> String {
    let tenths = (bytes + 50_000) / 100_000;
    format!("{}.{} MB", tenths / 10, tenths % 10)
}
