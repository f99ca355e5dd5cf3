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
    /// Finds nodes for pods.
    KubeScheduler,
    /// Runs pods.
    Kubelet,
    /// Leads traffic to Services.
    KubeProxy,
    /// Names of Services, and of what stands outside.
    Coredns,
    /// Installs charts.
    Helm,
    /// Judges objects as kstatus does: JSON a line in, verdict a line out.
    Kstatus,
    /// Judges objects by a health script as Argo CD does.
    ArgocdHealth,
    /// Scrapes pods, and evaluates rules.
    Prometheus,
    /// Makes Prometheus' configuration of the kinds `PodMonitor` and `PrometheusRule`.
    PrometheusOperator,
}

impl Program {
    /// Every program.
    pub const ALL: [Self; 13] = [
        Self::Etcd,
        Self::KubeApiserver,
        Self::KubeControllerManager,
        Self::Kubectl,
        Self::KubeScheduler,
        Self::Kubelet,
        Self::KubeProxy,
        Self::Coredns,
        Self::Helm,
        Self::Kstatus,
        Self::ArgocdHealth,
        Self::Prometheus,
        Self::PrometheusOperator,
    ];

    /// Whether it is built for all tests, and not only when it is asked for by its name.
    pub fn is_usual(self) -> bool {
        self != Self::PrometheusOperator
    }

    /// Name of its file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::KubeApiserver => "kube-apiserver",
            Self::KubeControllerManager => "kube-controller-manager",
            Self::Kubectl => "kubectl",
            Self::KubeScheduler => "kube-scheduler",
            Self::Kubelet => "kubelet",
            Self::KubeProxy => "kube-proxy",
            Self::Coredns => "coredns",
            Self::Helm => "helm",
            Self::Kstatus => "kstatus",
            Self::ArgocdHealth => "argocd-health",
            Self::Prometheus => "prometheus",
            Self::PrometheusOperator => "prometheus-operator",
        }
    }

    fn module(self) -> Module {
        match self {
            Self::Etcd => ETCD,
            Self::KubeApiserver | Self::KubeControllerManager | Self::Kubectl => KUBE,
            Self::KubeScheduler | Self::Kubelet | Self::KubeProxy => NODE,
            Self::Coredns => COREDNS,
            Self::Helm => HELM,
            Self::Kstatus | Self::ArgocdHealth => JUDGE,
            Self::Prometheus => PROMETHEUS,
            Self::PrometheusOperator => PROMETHEUS_OPERATOR,
        }
    }
}

/// What is built from a Go module under `tests/cluster/go`.
#[derive(Clone, Copy, Debug)]
struct Module {
    /// The module's folder, which another version than the default one has after a dash.
    name: &'static str,
    /// What the folder of the programs has after that, where a module has programs for several purposes.
    purpose: &'static str,
    /// The requirement in go.mod whose version is that of the programs.
    versioned_by: Option<&'static str>,
    /// Build tags, with commas between them.
    tags: &'static str,
    /// What the linker writes into the programs, as it does for their releases.
    stamps: &'static [Stamp],
    /// Programs and their packages.
    packages: &'static [(Program, &'static str)],
    /// How long the first build takes on two cores, for the person who waits.
    takes: &'static str,
}

/// A variable of a program that holds a part of the version of a module.
#[derive(Clone, Copy, Debug)]
struct Stamp {
    /// The variable, with its package.
    variable: &'static str,
    part: Part,
    /// The requirement in go.mod that has the version.
    of: &'static str,
}

/// A part of a version.
#[derive(Clone, Copy, Debug)]
enum Part {
    Whole,
    Major,
    Minor,
}

const fn stamp(variable: &'static str, part: Part, of: &'static str) -> Stamp {
    Stamp { variable, part, of }
}

const KUBE: Module = Module {
    name: "kube",
    purpose: "",
    versioned_by: Some("k8s.io/kubernetes"),
    tags: "",
    // Else Kubernetes calls itself v0.0.0, and clients stumble over that.
    stamps: &[
        stamp(
            "k8s.io/component-base/version.gitVersion",
            Part::Whole,
            "k8s.io/kubernetes",
        ),
        stamp(
            "k8s.io/component-base/version.gitMajor",
            Part::Major,
            "k8s.io/kubernetes",
        ),
        stamp(
            "k8s.io/component-base/version.gitMinor",
            Part::Minor,
            "k8s.io/kubernetes",
        ),
    ],
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

/// Beside the control plane, and of its version.
const NODE: Module = Module {
    purpose: "-node",
    packages: &[
        (Program::Kubelet, "k8s.io/kubernetes/cmd/kubelet"),
        (Program::KubeProxy, "k8s.io/kubernetes/cmd/kube-proxy"),
        (
            Program::KubeScheduler,
            "k8s.io/kubernetes/cmd/kube-scheduler",
        ),
    ],
    takes: "about 2 minutes on two cores after the control plane",
    ..KUBE
};

const COREDNS: Module = Module {
    name: "coredns",
    purpose: "",
    versioned_by: Some("github.com/coredns/coredns"),
    tags: "",
    stamps: &[],
    packages: &[(Program::Coredns, ".")],
    takes: "about a minute on two cores",
};

const ETCD: Module = Module {
    name: "etcd",
    purpose: "",
    versioned_by: Some("go.etcd.io/etcd/server/v3"),
    tags: "",
    stamps: &[],
    packages: &[(Program::Etcd, "go.etcd.io/etcd/server/v3")],
    takes: "about 20 seconds on two cores",
};

const HELM: Module = Module {
    name: "helm",
    purpose: "",
    versioned_by: Some("helm.sh/helm/v4"),
    tags: "",
    stamps: &[],
    packages: &[(Program::Helm, "helm.sh/helm/v4/cmd/helm")],
    takes: "about 2 minutes on two cores",
};

const HELM_3: Module = Module {
    versioned_by: Some("helm.sh/helm/v3"),
    // Else it takes any cluster that it does not ask for one of Kubernetes 1.20.
    stamps: &[
        stamp(
            "helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor",
            Part::Minor,
            "k8s.io/client-go",
        ),
        stamp(
            "helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor",
            Part::Minor,
            "k8s.io/client-go",
        ),
    ],
    packages: &[(Program::Helm, "helm.sh/helm/v3/cmd/helm")],
    ..HELM
};

const JUDGE: Module = Module {
    name: "judge",
    purpose: "",
    versioned_by: None,
    tags: "",
    stamps: &[],
    packages: &[
        (Program::Kstatus, "./kstatus"),
        (Program::ArgocdHealth, "./argocd-health"),
    ],
    takes: "about 20 seconds on two cores",
};

const PROMETHEUS: Module = Module {
    name: "prometheus",
    purpose: "",
    versioned_by: Some("github.com/prometheus/prometheus"),
    // The other service discoveries are SDKs of clouds that a test node never asks.
    tags: "remove_all_sd,enable_kubernetes_sd",
    stamps: &[],
    packages: &[(
        Program::Prometheus,
        "github.com/prometheus/prometheus/cmd/prometheus",
    )],
    takes: "about 2 minutes on two cores",
};

/// Apart from Prometheus: it does not build with the modules of a newer one.
const PROMETHEUS_OPERATOR: Module = Module {
    name: "prometheus-operator",
    purpose: "",
    versioned_by: Some("github.com/prometheus-operator/prometheus-operator"),
    tags: "",
    stamps: &[],
    packages: &[(
        Program::PrometheusOperator,
        "github.com/prometheus-operator/prometheus-operator/cmd/operator",
    )],
    takes: "about 2 minutes on two cores",
};

/// Where programs come from.
#[derive(Clone, Debug)]
pub struct Binaries {
    assets: Option<PathBuf>,
    cache: PathBuf,
    sources: PathBuf,
    kubernetes: Option<String>,
    helm: Option<String>,
}

impl Binaries {
    /// As the environment says: `KUBEBUILDER_ASSETS`, `ZOHORELAY_CACHE`, and for another version than
    /// the default one `ZOHORELAY_KUBERNETES` (`1.33`, from the folder `kube-1.33` beside `kube`) and
    /// `ZOHORELAY_HELM` (`3`, from `helm-3`).
    pub fn from_env() -> Self {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let target = here.ancestors().nth(2).unwrap_or(here).join("target");
        Self {
            assets: env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from),
            cache: env::var_os("ZOHORELAY_CACHE")
                .map_or_else(|| target.join("cluster"), PathBuf::from),
            sources: here.join("go"),
            kubernetes: version("ZOHORELAY_KUBERNETES"),
            helm: version("ZOHORELAY_HELM"),
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
        let (module, folder) = self.origin(program);
        let bin = build::ensure(&module, &self.sources.join(folder), &self.cache)?;
        Ok(bin.join(program.name()))
    }

    /// A program in the folder of `KUBEBUILDER_ASSETS`; one of another version would not do.
    fn asset(&self, program: Program) -> Option<PathBuf> {
        if self.version_of(program).is_some() {
            return None;
        }
        let path = self.assets.as_ref()?.join(program.name());
        path.is_file().then_some(path)
    }

    /// What a program is built from, and the folder of that.
    fn origin(&self, program: Program) -> (Module, String) {
        let version = self.version_of(program);
        let module = match (program, version) {
            (Program::Helm, Some("3")) => HELM_3,
            _ => program.module(),
        };
        let folder = match version {
            Some(version) => format!("{}-{version}", module.name),
            None => module.name.to_owned(),
        };
        (module, folder)
    }

    /// The version that is asked for, if it is not the default one.
    fn version_of(&self, program: Program) -> Option<&str> {
        match program {
            Program::KubeApiserver
            | Program::KubeControllerManager
            | Program::Kubectl
            | Program::KubeScheduler
            | Program::Kubelet
            | Program::KubeProxy => self.kubernetes.as_deref(),
            Program::Helm => self.helm.as_deref(),
            Program::Etcd
            | Program::Coredns
            | Program::Kstatus
            | Program::ArgocdHealth
            | Program::Prometheus
            | Program::PrometheusOperator => None,
        }
    }
}

fn version(variable: &str) -> Option<String> {
    env::var(variable).ok().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn binaries(assets: Option<&Path>) -> Binaries {
        Binaries {
            assets: assets.map(Path::to_owned),
            kubernetes: None,
            helm: None,
            ..Binaries::from_env()
        }
    }

    #[test]
    fn each_version_has_a_folder_whose_go_mod_names_it() {
        let others = Binaries {
            kubernetes: Some("1.33".to_owned()),
            helm: Some("3".to_owned()),
            ..binaries(None)
        };
        for (binaries, program, version) in [
            (&binaries(None), Program::Kubectl, "v1."),
            (&binaries(None), Program::Helm, "v4."),
            (&binaries(None), Program::Etcd, "v3."),
            (&others, Program::Kubectl, "v1.33."),
            (&others, Program::Helm, "v3."),
            (&others, Program::Etcd, "v3."),
        ] {
            let (module, folder) = binaries.origin(program);
            let manifest = binaries.sources.join(folder).join("go.mod");
            let text = fs::read_to_string(manifest).unwrap();
            let found = build::version_of(module.versioned_by.unwrap(), &text).unwrap();
            assert!(found.starts_with(version), "{program:?}: {found}");
        }
    }

    #[test]
    fn a_program_that_is_there_serves_unless_another_version_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        for program in [Program::Kubectl, Program::Helm] {
            fs::write(folder.path().join(program.name()), "").unwrap();
        }
        let any = binaries(Some(folder.path()));
        let older_kubernetes = any.clone().kubernetes("1.33");
        let helm_3 = Binaries {
            helm: Some("3".to_owned()),
            ..any.clone()
        };
        let served = |binaries: &Binaries| {
            [Program::Kubectl, Program::Helm].map(|program| binaries.asset(program).is_some())
        };
        assert_eq!(served(&any), [true, true]);
        assert_eq!(served(&older_kubernetes), [false, true]);
        assert_eq!(served(&helm_3), [true, false]);
    }

    #[test]
    fn the_oldest_kubernetes_that_the_chart_admits_is_one_that_is_tried() {
        let sources = binaries(None).sources;
        let chart = sources.join("../../../charts/zohorelay/Chart.yaml");
        let chart = fs::read_to_string(chart).unwrap();
        let bound = chart.lines().find_map(|line| {
            line.strip_prefix("kubeVersion: \">=")?
                .strip_suffix(".0-0\"")
        });
        let folder = sources.join(format!("kube-{}", bound.unwrap()));
        assert!(folder.join("go.mod").is_file(), "{}", folder.display());
    }
}
