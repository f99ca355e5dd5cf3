//! One program that runs, with its log.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;

use rustix::process::{Pid, Signal, kill_process};

use crate::control_plane::StartError;
use crate::control_plane::guardian::{Guard, Guardian};
use crate::node::namespaces::child_of;

/// Lines of a log in an error.
const TAIL: usize = 15;

#[derive(Debug)]
pub(crate) struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
    /// Whether it is the child of the one that was started, which led it into namespaces.
    inside: bool,
    // Last, so that the process has ended when its id is forgotten.
    guard: Guard,
}

impl Process {
    /// Starts it; its output goes on in `NAME.log` of the folder.
    pub(crate) fn start(
        name: &'static str,
        mut command: Command,
        folder: &Path,
        guardian: &Arc<Guardian>,
    ) -> Result<Self, StartError> {
        let log = folder.join(format!("{name}.log"));
        let file = File::options().append(true).create(true).open(&log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .current_dir(folder)
            .process_group(0)
            .spawn()?;
        let guard = Guard::new(guardian, child.id());
        Ok(Self {
            name,
            child,
            log,
            inside: false,
            guard,
        })
    }

    /// The same with a command that leads a program into namespaces, and waits for it there.
    pub(crate) fn start_inside(
        name: &'static str,
        command: Command,
        folder: &Path,
        guardian: &Arc<Guardian>,
    ) -> Result<Self, StartError> {
        let mut process = Self::start(name, command, folder, guardian)?;
        process.inside = true;
        Ok(process)
    }

    /// The program's id, as this machine counts.
    pub(crate) fn pid(&self) -> u32 {
        let led = self.inside.then(|| child_of(self.guard.pid())).flatten();
        led.unwrap_or(self.guard.pid())
    }

    /// How it ended, if it did.
    pub(crate) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    pub(crate) fn failure(&self, what: &str) -> StartError {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        StartError::Process {
            name: self.name,
            what: what.to_owned(),
            log: self.log.clone(),
            tail: lines[lines.len().saturating_sub(TAIL)..].join("\n"),
        }
    }
}

impl Drop for Process {
    /// At once: there is nothing to save.
    fn drop(&mut self) {
        if let Some(led) = self.inside.then(|| child_of(self.guard.pid())).flatten()
            && let Some(pid) = i32::try_from(led).ok().and_then(Pid::from_raw)
        {
            let _ = kill_process(pid, Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
