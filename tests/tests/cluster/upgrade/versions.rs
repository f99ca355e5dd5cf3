//! The two versions: today's, and the one that tests/cluster/previous names.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use tokio::process::Command;
use tokio::sync::OnceCell;
use zohorelay_images::{Arch, Image};
use zohorelay_tests::ground::cluster::Cluster;
use zohorelay_tests::ground::{Ground, RELEASE, SYSTEM, VALUES};

/// The tag of the images of the version before.
const TAG: &str = "previous";
const PROGRAMS: [(&str, &str); 2] = [
    ("zohorelay/operator", "zohorelay-operator"),
    ("zohorelay/sidecar", "zohorelay-sidecar"),
];

/// What can be installed.
pub(super) struct Version {
    /// The folder of its chart.
    pub(super) chart: PathBuf,
    /// Its images, and what tests need.
    pub(super) values: Vec<&'static str>,
    /// The image of its operator.
    pub(super) operator: String,
    /// The sidecar that it puts into pods.
    pub(super) sidecar: String,
    /// The folder with its programs.
    programs: PathBuf,
}

impl Version {
    /// As in this tree, with the images of `make images`.
    pub(super) fn today() -> Self {
        let programs = format!("target/{}/release", Arch::host().target());
        Self {
            chart: project("charts/zohorelay"),
            values: VALUES.to_vec(),
            operator: concat!("zohorelay/operator:", env!("CARGO_PKG_VERSION")).to_owned(),
            sidecar: concat!("zohorelay/sidecar:", env!("CARGO_PKG_VERSION")).to_owned(),
            programs: project(&programs),
        }
    }

    /// The one before.
    pub(super) async fn previous() -> Result<Self> {
        let folder = folder().await?;
        let mut values = VALUES.to_vec();
        values.extend(["image.tag=previous", "sidecar.image.tag=previous"]);
        Ok(Self {
            chart: folder.join("tree/charts/zohorelay"),
            values,
            operator: format!("zohorelay/operator:{TAG}"),
            sidecar: format!("zohorelay/sidecar:{TAG}"),
            programs: folder.to_owned(),
        })
    }

    /// What its chart renders with the same values as any other.
    async fn rendered(&self, ground: &Ground) -> Result<String> {
        let chart = self.chart.to_str().context("a path in UTF-8")?;
        ground
            .helm(&["template", RELEASE, chart, "-n", SYSTEM])
            .await
    }

    fn program(&self, name: &str) -> Result<Vec<u8>> {
        let path = self.programs.join(name);
        fs::read(&path).with_context(|| path.display().to_string())
    }
}

/// Fails where the version before is today's: then an upgrade from it would show nothing.
pub(super) async fn assert_they_differ(ground: &Ground) -> Result<()> {
    let (previous, today) = (Version::previous().await?, Version::today());
    let mut differing = Vec::new();
    if previous.rendered(ground).await? != today.rendered(ground).await? {
        differing.push("chart");
    }
    for (_, program) in PROGRAMS {
        if previous.program(program)? != today.program(program)? {
            differing.push(program);
        }
    }
    println!(
        "cluster: the version before differs in: {}",
        differing.join(", ")
    );
    ensure!(
        !differing.is_empty(),
        "tests/cluster/previous names what is here today"
    );
    Ok(())
}

/// Makes the images of the version before known to the cluster.
pub(super) async fn load_previous(cluster: &Cluster) -> Result<()> {
    let folder = folder().await?;
    let archives = tempfile::tempdir()?;
    for (repository, program) in PROGRAMS {
        let archive = archives.path().join(program);
        Image::new(repository, TAG, Arch::host())
            .program(&folder.join(program), &format!("/{program}"))?
            .certificates()
            .write(&archive)?;
        cluster.load(&archive).await?;
    }
    Ok(())
}

/// Where the version before is built, which takes minutes the first time.
async fn folder() -> Result<&'static Path> {
    static FOLDER: OnceCell<PathBuf> = OnceCell::const_new();
    FOLDER.get_or_try_init(build).await.map(PathBuf::as_path)
}

/// The script refuses what has the sources of today.
async fn build() -> Result<PathBuf> {
    let script = project("tests/cluster/build-previous");
    let output = Command::new(&script)
        .stderr(Stdio::inherit())
        .output()
        .await?;
    ensure!(
        output.status.success(),
        "{}: {}",
        script.display(),
        output.status
    );
    Ok(String::from_utf8(output.stdout)?.trim().into())
}

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}
