//! One program that runs, with its log.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;

use super::StartError;
use super::guardian::{Guard, Guardian};

/// Lines of a log in an error.
const TAIL: usize = 15;

#[derive(Debug)]
pub(super) struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
    // Last, so that the process has ended when its id is forgotten.
    guard: Guard,
}

impl Process {
    /// Starts it; its output goes on in `NAME.log` of the folder.
    pub(super) fn start(
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
            guard,
        })
    }

    pub(super) fn pid(&self) -> u32 {
        self.guard.pid()
    }

    /// How it ended, if it did.
    pub(super) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    pub(super) fn failure(&self, what: &str) -> StartError {
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
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
