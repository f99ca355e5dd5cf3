//! `zohorelay-cluster`: a control plane for hand trials.

use std::fs::{self, File};
use std::io::Write as _;
use std::net::IpAddr;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::{Args, Parser, Subcommand, ValueEnum};
use rustix::process::{Pid, Signal, kill_process};
use tokio::signal::unix::{SignalKind, signal};
use zohorelay_cluster::binaries::{Binaries, Program};
use zohorelay_cluster::{NodeOptions, Options, Running};
use zohorelay_images::{Arch, Image};

/// A real Kubernetes on this machine: a control plane on loopback, and with root a node with real pods.
#[derive(Debug, Parser)]
#[command(name = "zohorelay-cluster", version)]
struct Cli {
    #[command(subcommand)]
    command: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Build the programs that are missing.
    Build {
        /// The names of those that are wanted, such as `prometheus`. Default: all that usual tests need.
        #[arg(value_parser = program)]
        programs: Vec<Program>,
    },
    /// Start one in the background and print how to reach it.
    Up(Shape),
    /// Stop it.
    Down,
    /// Write an image with one program.
    Image {
        /// Its name, without registry and version.
        #[arg(long)]
        name: String,
        /// The program, which becomes `/NAME` of the last part of the name.
        #[arg(long)]
        program: PathBuf,
        /// A file that it needs: its path in the image, and where it is. May be repeated.
        #[arg(long = "file", value_name = "PATH=FILE", value_parser = file)]
        files: Vec<(String, PathBuf)>,
        /// The archive.
        #[arg(long)]
        into: PathBuf,
    },
    /// Run one until SIGTERM or SIGINT.
    #[command(hide = true)]
    Serve(Shape),
}

/// What it is.
#[derive(Clone, Debug, Args)]
struct Shape {
    /// What it has.
    #[arg(long, value_enum, default_value_t)]
    role: Role,
    /// An image for the node, as an archive. May be repeated.
    #[arg(long = "image", value_name = "ARCHIVE")]
    images: Vec<PathBuf>,
    /// A name outside the cluster that pods can resolve; no others exist. May be repeated.
    #[arg(long = "host", value_name = "NAME=ADDRESS", value_parser = host)]
    hosts: Vec<(String, IpAddr)>,
}

fn host(text: &str) -> Result<(String, IpAddr), String> {
    let (name, address) = text.split_once('=').ok_or("write NAME=ADDRESS")?;
    let address = address
        .parse()
        .map_err(|error| format!("{error}: {address}"))?;
    Ok((name.to_owned(), address))
}

impl Shape {
    fn arguments(&self) -> Vec<String> {
        let role = ["--role".to_owned(), self.role.name().to_owned()];
        let images = self
            .images
            .iter()
            .map(|path| format!("--image={}", path.display()));
        let hosts = self
            .hosts
            .iter()
            .map(|(name, address)| format!("--host={name}={address}"));
        role.into_iter().chain(images).chain(hosts).collect()
    }

    async fn start(&self) -> Result<Running> {
        let running = Running::start(self.role.options()).await?;
        match running.node() {
            Some(node) => {
                for image in &self.images {
                    node.load_image(image).await?;
                }
                let hosts = self
                    .hosts
                    .iter()
                    .map(|(name, address)| (name.as_str(), *address));
                node.set_hosts(&hosts.collect::<Vec<_>>())?;
            }
            None if self.images.is_empty() && self.hosts.is_empty() => {}
            None => bail!("--image and --host are for a node: add --role node"),
        }
        Ok(running)
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Role {
    /// etcd, API server and controllers: pods stay Pending.
    #[default]
    ControlPlane,
    /// With a node: real pods. Needs root.
    Node,
}

/// Those of a control plane, then those of a node.
const PROGRAMS: [Program; 9] = [
    Program::Etcd,
    Program::KubeApiserver,
    Program::KubeControllerManager,
    Program::Kubectl,
    Program::Helm,
    Program::KubeScheduler,
    Program::Kubelet,
    Program::KubeProxy,
    Program::Coredns,
];

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::ControlPlane => "control-plane",
            Self::Node => "node",
        }
    }

    fn programs(self) -> &'static [Program] {
        match self {
            Self::ControlPlane => &PROGRAMS[..5],
            Self::Node => &PROGRAMS,
        }
    }

    fn options(self) -> Options {
        Options {
            node: (self == Self::Node).then(NodeOptions::default),
            ..Options::default()
        }
    }
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Task::Build { programs } => build(&programs),
        Task::Up(shape) => up(&shape),
        Task::Down => down(),
        Task::Image {
            name,
            program,
            files,
            into,
        } => image(&name, &program, &files, &into),
        Task::Serve(shape) => serve(&shape),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn program(name: &str) -> Result<Program, String> {
    let found = Program::ALL
        .into_iter()
        .find(|program| program.name() == name);
    found.ok_or_else(|| format!("there is no program {name}"))
}

fn build(wanted: &[Program]) -> Result<()> {
    let binaries = Binaries::from_env();
    let usual = || {
        Program::ALL
            .into_iter()
            .filter(|program| program.is_usual())
    };
    let wanted = match wanted {
        [] => usual().collect(),
        named => named.to_vec(),
    };
    for program in wanted {
        println!("{}", binaries.find(program)?.display());
    }
    Ok(())
}

/// The files of the one that runs in the background.
struct Run {
    folder: PathBuf,
}

impl Run {
    fn new() -> Result<Self> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = here.ancestors().nth(2).context("the project's folder")?;
        let folder = root.join("target/cluster/run");
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        Ok(Self { folder })
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The process that runs: the one that holds the lock on the file with its id.
    fn pid(&self) -> Option<Pid> {
        let file = File::open(self.file("pid")).ok()?;
        if file.try_lock().is_ok() {
            return None;
        }
        let text = fs::read_to_string(self.file("pid")).ok()?;
        Pid::from_raw(text.trim().parse().ok()?)
    }

    fn tell(&self) -> Result<()> {
        let kubeconfig = fs::read_link(self.file("kubeconfig"))?;
        println!("export KUBECONFIG={}", kubeconfig.display());
        println!("export PATH={}", commands()?);
        println!("# stop it with: make cluster-down");
        Ok(())
    }
}

/// The search path with the kubectl and the helm of these versions before it.
fn commands() -> Result<String> {
    let mut folders = Vec::new();
    for program in [Program::Kubectl, Program::Helm] {
        let path = Binaries::from_env().find(program)?;
        folders.extend(path.parent().map(Path::to_owned));
    }
    folders.dedup();
    let usual = std::env::var_os("PATH").unwrap_or_default();
    folders.extend(std::env::split_paths(&usual));
    let joined = std::env::join_paths(folders)?;
    Ok(joined.to_string_lossy().into_owned())
}

fn up(shape: &Shape) -> Result<()> {
    let run = Run::new()?;
    if run.pid().is_some() {
        return run.tell();
    }
    // Here, so that the person who waits sees how it goes.
    for &program in shape.role.programs() {
        Binaries::from_env().find(program)?;
    }
    let _ = fs::remove_file(run.file("kubeconfig"));
    let log = File::create(run.file("log"))?;
    let mut child = Command::new(std::env::current_exe()?)
        .arg("serve")
        .args(shape.arguments())
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .process_group(0)
        .spawn()?;
    runtime()?.block_on(async {
        while !run.file("kubeconfig").exists() {
            if let Some(status) = child.try_wait()? {
                let log = fs::read_to_string(run.file("log")).unwrap_or_default();
                bail!("it ended with {status}:\n{log}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        run.tell()
    })
}

fn down() -> Result<()> {
    let run = Run::new()?;
    let Some(pid) = run.pid() else {
        println!("nothing runs");
        return Ok(());
    };
    kill_process(pid, Signal::TERM)?;
    // It holds the lock to its end.
    File::open(run.file("pid"))?.lock()?;
    println!("stopped");
    Ok(())
}

fn serve(shape: &Shape) -> Result<()> {
    let run = Run::new()?;
    let mut pid = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(run.file("pid"))?;
    pid.try_lock().context("another one runs")?;
    pid.set_len(0)?;
    write!(pid, "{}", std::process::id())?;
    runtime()?.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let running = shape.start().await?;
        std::os::unix::fs::symlink(running.kubeconfig(), run.file("kubeconfig"))?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        drop(running);
        Ok(fs::remove_file(run.file("kubeconfig"))?)
    })
}

fn file(text: &str) -> Result<(String, PathBuf), String> {
    let (path, file) = text.split_once('=').ok_or("write PATH=FILE")?;
    Ok((path.to_owned(), file.into()))
}

fn image(name: &str, program: &Path, files: &[(String, PathBuf)], into: &Path) -> Result<()> {
    let path = format!("/{}", name.rsplit('/').next().unwrap_or(name));
    let mut image = Image::new(name, env!("CARGO_PKG_VERSION"), Arch::host());
    // May be run, as libraries must; what comes last is what the image runs.
    for (path, file) in files {
        image = image.program(file, path)?;
    }
    image.program(program, &path)?.write(into)?;
    Ok(())
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?)
}
