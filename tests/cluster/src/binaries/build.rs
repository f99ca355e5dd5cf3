//! Builds a Go module once and keeps what came out.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use super::{Module, Part, Program, Stamp, key};

/// How often a build says that it is still there.
const PROGRESS: Duration = Duration::from_secs(30);

const FLAGS: [&str; 2] = ["-trimpath", "-buildvcs=false"];

/// Why a program cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// There is no Go.
    #[error(
        "looking for {program}: go is not installed; install Go 1.26 or later (https://go.dev/dl), or \
         set KUBEBUILDER_ASSETS to a folder that has etcd, kube-apiserver, kube-controller-manager, \
         kubectl and helm"
    )]
    NoGo {
        /// What was to be built.
        program: String,
    },
    /// Go is too old, and may not or cannot fetch a newer one.
    #[error(
        "building {program}: go is too old; install Go 1.26 or later (https://go.dev/dl), or let it \
         fetch its successor (GOTOOLCHAIN=auto):\n{output}"
    )]
    OldGo {
        /// What was to be built.
        program: String,
        /// The end of what Go said.
        output: String,
    },
    /// The module proxy cannot be reached.
    #[error(
        "building {program}: the Go modules could not be fetched; check the network, or GOPROXY \
         (`go env GOPROXY`), and run `make cluster-build` again:\n{output}"
    )]
    NoNetwork {
        /// What was to be built.
        program: String,
        /// The end of what Go said.
        output: String,
    },
    /// Go refused.
    #[error("building {program}: go build failed:\n{output}")]
    Failed {
        /// What was to be built.
        program: String,
        /// The end of what Go said.
        output: String,
    },
    /// There is no such module, so no such version.
    #[error("building {program}: there is no {folder}; see tests/cluster/README.md")]
    NoModule {
        /// What was to be built.
        program: String,
        /// Where its go.mod should be.
        folder: PathBuf,
    },
    /// A file or folder cannot be read or written.
    #[error("building {program}: {path}: {source}")]
    File {
        /// What was to be built.
        program: String,
        /// The path.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

/// The folder with the programs of a module: the one that is there, or one that is built now.
pub(super) fn ensure(module: &Module, source: &Path, cache: &Path) -> Result<PathBuf, BuildError> {
    let job = Job::of(module, source)?;
    let folder = cache.join(format!("{}-{}", job.folder, job.key));
    let bin = folder.join("bin");
    if bin.is_dir() {
        return Ok(bin);
    }
    fs::create_dir_all(cache).map_err(job.file_error(cache))?;
    let _lock = job.lock(&cache.join(format!("{}-{}.lock", job.folder, job.key)))?;
    if bin.is_dir() {
        return Ok(bin);
    }
    let unfinished = cache.join(format!("{}-{}.unfinished", job.folder, job.key));
    for &(program, package) in module.packages {
        job.build(program, package, &unfinished.join("bin"))?;
    }
    // Whole or not at all: an ended build leaves nothing that looks finished.
    fs::rename(&unfinished, &folder).map_err(job.file_error(&folder))?;
    Ok(bin)
}

/// One build of one module.
struct Job<'a> {
    module: &'a Module,
    source: &'a Path,
    folder: String,
    version: Option<String>,
    linking: String,
    key: String,
}

impl<'a> Job<'a> {
    fn of(module: &'a Module, source: &'a Path) -> Result<Self, BuildError> {
        let mut job = Self {
            module,
            source,
            folder: source
                .file_name()
                .map(|name| name.to_string_lossy().into_owned() + module.purpose)
                .unwrap_or_default(),
            version: None,
            linking: "-s -w".to_owned(),
            key: String::new(),
        };
        let manifest = source.join("go.mod");
        let text = fs::read_to_string(&manifest).map_err(|_| BuildError::NoModule {
            program: module.name.to_owned(),
            folder: source.to_owned(),
        })?;
        job.version = module
            .versioned_by
            .and_then(|requirement| version_of(requirement, &text));
        job.linking.extend(stamps(module.stamps, &text));
        let go = job.go_version()?;
        let flags = FLAGS.concat() + module.tags;
        job.key = key::key(source, &[&go, &job.linking, &flags]).map_err(job.file_error(source))?;
        Ok(job)
    }

    fn go_version(&self) -> Result<String, BuildError> {
        let mut command = self.go(&["env", "GOVERSION"]);
        let output = spawned(command.output(), self.module.name)?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// No C compiler is needed, and the programs run anywhere.
    fn go(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("go");
        command
            .current_dir(self.source)
            .env("CGO_ENABLED", "0")
            .env("GOWORK", "off")
            .args(arguments);
        command
    }

    /// Two runs do not build at once: the second waits for the first and takes what it made.
    fn lock(&self, path: &Path) -> Result<File, BuildError> {
        let file = File::create(path).map_err(self.file_error(path))?;
        if file.try_lock().is_err() {
            say(&format!(
                "another run builds {}; waiting for it",
                self.folder
            ));
            file.lock().map_err(self.file_error(path))?;
        }
        Ok(file)
    }

    fn build(&self, program: Program, package: &str, into: &Path) -> Result<(), BuildError> {
        fs::create_dir_all(into).map_err(self.file_error(into))?;
        let name = program.name();
        let version = self.version.as_deref().unwrap_or_default();
        let title = format!("building {name} {}", version.trim_start_matches('v'));
        let title = title.trim_end().to_owned();
        say(&format!("{title}, {}", self.module.takes));
        let path = into.join(name);
        let mut command = self.go(&["build"]);
        command.args(FLAGS).arg("-ldflags").arg(&self.linking);
        command.args(["-tags", self.module.tags]);
        command.arg("-o").arg(&path).arg(package);
        let began = Instant::now();
        let output = spawned(with_progress(command, &title, began), name)?;
        if !output.status.success() {
            return Err(failure(name, &String::from_utf8_lossy(&output.stderr)));
        }
        say(&format!("{title}: done in {} s", began.elapsed().as_secs()));
        Ok(())
    }

    fn file_error(&self, path: &Path) -> impl FnOnce(io::Error) -> BuildError + use<> {
        let (program, path) = (self.module.name.to_owned(), path.to_owned());
        move |source| BuildError::File {
            program,
            path,
            source,
        }
    }
}

/// What a start of `go` came to, in our words.
fn spawned(result: io::Result<Output>, program: &str) -> Result<Output, BuildError> {
    result.map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => BuildError::NoGo {
            program: program.to_owned(),
        },
        _ => BuildError::File {
            program: program.to_owned(),
            path: "go".into(),
            source,
        },
    })
}

/// Runs a command to its end, with a line each half minute.
fn with_progress(mut command: Command, title: &str, began: Instant) -> io::Result<Output> {
    let (sender, done) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || sender.send(command.output()));
        loop {
            match done.recv_timeout(PROGRESS) {
                Ok(result) => return result,
                Err(RecvTimeoutError::Timeout) => {
                    say(&format!("{title} … {} s", began.elapsed().as_secs()));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(io::Error::other("the thread that waits for go ended"));
                }
            }
        }
    })
}

/// To the person who waits, whatever the test runner does with a test's output.
fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// The version that a go.mod requires of a module.
pub(super) fn version_of(requirement: &str, manifest: &str) -> Option<String> {
    manifest.lines().find_map(|line| {
        let mut words = line.split_whitespace().filter(|word| *word != "require");
        (words.next() == Some(requirement)).then(|| words.next().map(str::to_owned))?
    })
}

/// The linker's flags.
fn stamps<'a>(stamps: &'a [Stamp], manifest: &'a str) -> impl Iterator<Item = String> + 'a {
    stamps.iter().filter_map(|stamp| {
        let version = version_of(stamp.of, manifest)?;
        let value = match stamp.part {
            Part::Whole => &version,
            Part::Major => version.trim_start_matches('v').split('.').next()?,
            Part::Minor => version.split('.').nth(1)?,
        };
        Some(format!(" -X {}={value}", stamp.variable))
    })
}

fn failure(program: &str, output: &str) -> BuildError {
    const NETWORK: [&str; 6] = [
        "dial tcp",
        "no such host",
        "i/o timeout",
        "proxyconnect",
        "connection refused",
        "module lookup disabled",
    ];
    const OLD: [&str; 2] = ["requires go >=", "invalid go version"];
    let said = |signs: &[&str]| signs.iter().any(|sign| output.contains(sign));
    let program = program.to_owned();
    let lines: Vec<&str> = output.lines().collect();
    let last = lines[lines.len().saturating_sub(20)..].join("\n");
    if said(&OLD) {
        return BuildError::OldGo {
            program,
            output: last,
        };
    }
    if said(&NETWORK) {
        return BuildError::NoNetwork {
            program,
            output: last,
        };
    }
    BuildError::Failed {
        program,
        output: last,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "\
module m

go 1.26.0

require (
\tk8s.io/kubernetes v1.37.2
\tk8s.io/kubernetes-fork v9.9.9 // indirect
)
";

    #[test]
    fn the_version_is_that_of_the_requirement() {
        let version = version_of("k8s.io/kubernetes", MANIFEST).unwrap();
        assert_eq!(version, "v1.37.2");
        assert_eq!(version_of("k8s.io/api", MANIFEST), None);
    }

    #[test]
    fn programs_are_told_the_parts_of_their_version() {
        let linking: String = stamps(super::super::KUBE.stamps, MANIFEST).collect();
        let variable = "k8s.io/component-base/version.git";
        assert_eq!(
            linking,
            format!(" -X {variable}Version=v1.37.2 -X {variable}Major=1 -X {variable}Minor=37")
        );
    }

    #[test]
    fn an_old_go_and_a_missing_network_are_told_from_a_build_that_fails() {
        let old = failure(
            "etcd",
            "go: go.mod requires go >= 1.26.0 (running go 1.25.3; GOTOOLCHAIN=local)",
        );
        assert!(matches!(old, BuildError::OldGo { .. }), "{old}");
        let network = failure(
            "etcd",
            "go: m@v1: Get \"https://p\": dial tcp: lookup p: no such host",
        );
        assert!(matches!(network, BuildError::NoNetwork { .. }), "{network}");
        let broken = failure("etcd", "./main.go:3:1: syntax error");
        assert!(matches!(broken, BuildError::Failed { .. }), "{broken}");
    }
}
