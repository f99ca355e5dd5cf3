//! `zohorelay-cluster`: a control plane for hand trials.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::{Parser, Subcommand};
use rustix::process::{Pid, Signal, kill_process};
use tokio::signal::unix::{SignalKind, signal};
use zohorelay_cluster::binaries::{Binaries, Program};
use zohorelay_cluster::{Options, Running};

/// A real Kubernetes control plane on loopback, without root.
#[derive(Debug, Parser)]
#[command(name = "zohorelay-cluster", version)]
struct Cli {
    #[command(subcommand)]
    command: Task,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum Task {
    /// Build the programs that are missing.
    Build,
    /// Start a control plane in the background and print how to reach it.
    Up,
    /// Stop it.
    Down,
    /// Run a control plane until SIGTERM or SIGINT.
    #[command(hide = true)]
    Serve,
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Task::Build => build(),
        Task::Up => up(),
        Task::Down => down(),
        Task::Serve => serve(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<()> {
    let binaries = Binaries::from_env();
    for program in Program::ALL {
        println!("{}", binaries.find(program)?.display());
    }
    Ok(())
}

/// What a control plane needs; here, so that the person who waits sees how it goes.
fn build_control_plane() -> Result<()> {
    let binaries = Binaries::from_env();
    for program in [
        Program::Etcd,
        Program::KubeApiserver,
        Program::KubeControllerManager,
        Program::Kubectl,
    ] {
        binaries.find(program)?;
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
        let kubectl = Binaries::from_env().find(Program::Kubectl)?;
        println!("export KUBECONFIG={}", kubeconfig.display());
        println!("# kubectl: {}", kubectl.display());
        println!("# stop it with: make cluster-down");
        Ok(())
    }
}

fn up() -> Result<()> {
    let run = Run::new()?;
    if run.pid().is_some() {
        return run.tell();
    }
    build_control_plane()?;
    let _ = fs::remove_file(run.file("kubeconfig"));
    let log = File::create(run.file("log"))?;
    let mut child = Command::new(std::env::current_exe()?)
        .arg("serve")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .process_group(0)
        .spawn()?;
    runtime()?.block_on(async {
        while !run.file("kubeconfig").exists() {
            if let Some(status) = child.try_wait()? {
                let log = fs::read_to_string(run.file("log")).unwrap_or_default();
                bail!("the control plane ended with {status}:\n{log}");
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

fn serve() -> Result<()> {
    let run = Run::new()?;
    let mut pid = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(run.file("pid"))?;
    pid.try_lock().context("another control plane runs")?;
    pid.set_len(0)?;
    write!(pid, "{}", std::process::id())?;
    runtime()?.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let running = Running::start(Options::default()).await?;
        std::os::unix::fs::symlink(running.kubeconfig(), run.file("kubeconfig"))?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        drop(running);
        Ok(fs::remove_file(run.file("kubeconfig"))?)
    })
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?)
}
