//! The programs of a control plane: found where the user has them, else built once.
//!
//! `KUBEBUILDER_ASSETS`, the convention of controller-runtime's envtest, names a folder that has them.
//! What is not there is built from the Go modules in `tests/cluster/go` into `target/cluster` (or the
//! folder that `ZOHORELAY_CACHE` names), keyed by what it is built from.

mod build;
mod key;

use std::env;
use std::path::{Path, PathBuf};

pub use self::build::BuildError;

/// A program that tests run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// The database of the API server.
    Etcd,
    /// The API server.
    KubeApiserver,
    /// Controllers: garbage collection, namespaces, service accounts, Deployments, Jobs.
    KubeControllerManager,
    /// The command line.
    Kubectl,
    /// Installs charts.
    Helm,
    /// Judges objects as kstatus does: JSON a line in, verdict a line out.
    Kstatus,
    /// Judges objects by a health script as Argo CD does.
    ArgocdHealth,
}

impl Program {
    /// Every program.
    pub const ALL: [Self; 7] = [
        Self::Etcd,
        Self::KubeApiserver,
        Self::KubeControllerManager,
        Self::Kubectl,
        Self::Helm,
        Self::Kstatus,
        Self::ArgocdHealth,
    ];

    /// Name of its file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::KubeApiserver => "kube-apiserver",
            Self::KubeControllerManager => "kube-controller-manager",
            Self::Kubectl => "kubectl",
            Self::Helm => "helm",
            Self::Kstatus => "kstatus",
            Self::ArgocdHealth => "argocd-health",
        }
    }

    fn module(self) -> Module {
        match self {
            Self::Etcd => ETCD,
            Self::KubeApiserver | Self::KubeControllerManager | Self::Kubectl => KUBE,
            Self::Helm => HELM,
            Self::Kstatus | Self::ArgocdHealth => JUDGE,
        }
    }
}

/// A Go module under `tests/cluster/go` and what is built from it.
#[derive(Clone, Copy, Debug)]
struct Module {
    /// Its folder.
    name: &'static str,
    /// The requirement in go.mod whose version is that of the programs.
    versioned_by: Option<&'static str>,
    /// The variables that hold the version: without them Kubernetes calls itself v0.0.0, and clients
    /// stumble over that.
    version_variables: Option<&'static str>,
    /// Programs and their packages.
    packages: &'static [(Program, &'static str)],
    /// How long the first build takes on two cores, for the person who waits.
    takes: &'static str,
}

const KUBE: Module = Module {
    name: "kube",
    versioned_by: Some("k8s.io/kubernetes"),
    version_variables: Some("k8s.io/component-base/version"),
    packages: &[
        (
            Program::KubeApiserver,
            "k8s.io/kubernetes/cmd/kube-apiserver",
        ),
        (
            Program::KubeControllerManager,
            "k8s.io/kubernetes/cmd/kube-controller-manager",
        ),
        (Program::Kubectl, "k8s.io/kubernetes/cmd/kubectl"),
    ],
    takes: "about 5 minutes on two cores for Kubernetes as a whole",
};

const ETCD: Module = Module {
    name: "etcd",
    versioned_by: Some("go.etcd.io/etcd/server/v3"),
    version_variables: None,
    packages: &[(Program::Etcd, "go.etcd.io/etcd/server/v3")],
    takes: "about 20 seconds on two cores",
};

const HELM: Module = Module {
    name: "helm",
    versioned_by: Some("helm.sh/helm/v4"),
    version_variables: None,
    packages: &[(Program::Helm, "helm.sh/helm/v4/cmd/helm")],
    takes: "about 2 minutes on two cores",
};

const JUDGE: Module = Module {
    name: "judge",
    versioned_by: None,
    version_variables: None,
    packages: &[
        (Program::Kstatus, "./kstatus"),
        (Program::ArgocdHealth, "./argocd-health"),
    ],
    takes: "about 20 seconds on two cores",
};

/// Where programs come from.
#[derive(Clone, Debug)]
pub struct Binaries {
    assets: Option<PathBuf>,
    cache: PathBuf,
    sources: PathBuf,
    kubernetes: Option<String>,
}

impl Binaries {
    /// As the environment says: `KUBEBUILDER_ASSETS`, `ZOHORELAY_CACHE`, and `ZOHORELAY_KUBERNETES`,
    /// a minor version such as `1.33` that has its own folder `kube-1.33` beside `kube`.
    pub fn from_env() -> Self {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let target = here.ancestors().nth(2).unwrap_or(here).join("target");
        Self {
            assets: env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from),
            cache: env::var_os("ZOHORELAY_CACHE")
                .map_or_else(|| target.join("cluster"), PathBuf::from),
            sources: here.join("go"),
            kubernetes: env::var("ZOHORELAY_KUBERNETES").ok(),
        }
    }

    /// Another Kubernetes than the default one, by its minor version.
    #[must_use]
    pub fn kubernetes(mut self, minor: &str) -> Self {
        self.kubernetes = Some(minor.to_owned());
        self
    }

    /// Path of a program, which is built first where it is missing: minutes, with a line of progress
    /// on stderr each half minute. Blocks the thread.
    pub fn find(&self, program: Program) -> Result<PathBuf, BuildError> {
        if let Some(path) = self.asset(program) {
            return Ok(path);
        }
        let module = program.module();
        let source = self.sources.join(self.folder_of(&module));
        let bin = build::ensure(&module, &source, &self.cache)?;
        Ok(bin.join(program.name()))
    }

    /// A program in the folder of `KUBEBUILDER_ASSETS`; one of another version would not do.
    fn asset(&self, program: Program) -> Option<PathBuf> {
        if self.kubernetes.is_some() && program.module().name == KUBE.name {
            return None;
        }
        let path = self.assets.as_ref()?.join(program.name());
        path.is_file().then_some(path)
    }

    fn folder_of(&self, module: &Module) -> String {
        match &self.kubernetes {
            Some(minor) if module.name == KUBE.name => format!("{}-{minor}", module.name),
            _ => module.name.to_owned(),
        }
    }
}
