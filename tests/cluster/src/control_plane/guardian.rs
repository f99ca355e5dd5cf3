//! Ends what was started when this program is gone, however it went.
//!
//! A static is never dropped, and a killed program drops nothing. So a shell waits on a pipe whose
//! other end only this program holds: when it closes, the shell ends the processes that it was told of
//! and takes the folder away. (`PR_SET_PDEATHSIG` would not do: it fires when the *thread* that started
//! a process ends, and each test has a thread of its own.)

use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

const SCRIPT: &str = r#"
trap '' INT TERM HUP
pids=
keep=$2
cgroup=
while read -r word pid; do
  case $word in
    watch) pids="$pids $pid" ;;
    forget) left=; for p in $pids; do [ "$p" = "$pid" ] || left="$left $p"; done; pids=$left ;;
    keep) keep=true ;;
    cgroup) cgroup=$pid ;;
  esac
done
[ -z "$pids" ] || kill -9 $pids
# The kernel takes a moment to end what was in there.
for turn in $([ -z "$cgroup" ] || seq 50); do
  find /sys/fs/cgroup -depth -type d -path "*/$cgroup*" -exec rmdir {} + 2>/dev/null
  [ -n "$(find /sys/fs/cgroup -type d -name "$cgroup" 2>/dev/null)" ] || break
  sleep 0.1
done
[ "$keep" = true ] || rm -rf "$1" || { sleep 1; rm -rf "$1"; }
"#;

/// The shell and our end of its pipe.
#[derive(Debug)]
pub(crate) struct Guardian {
    shell: Child,
    pipe: Mutex<Option<ChildStdin>>,
}

impl Guardian {
    pub(crate) fn start(folder: &Path, keep: bool) -> io::Result<Self> {
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT, "guardian"])
            .arg(folder)
            .arg(keep.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C goes to the group of the program in front.
            .process_group(0)
            .spawn()?;
        let pipe = Mutex::new(shell.stdin.take());
        Ok(Self { shell, pipe })
    }

    pub(crate) fn watch(&self, pid: u32) {
        self.say(&format!("watch {pid}\n"));
    }

    /// Before the id can be somebody else's.
    pub(crate) fn forget(&self, pid: u32) {
        self.say(&format!("forget {pid}\n"));
    }

    pub(crate) fn keep_folder(&self) {
        self.say("keep\n");
    }

    /// Takes the cgroups of that name, and what is below them, away in the end.
    pub(crate) fn remove_cgroup(&self, name: &str) {
        self.say(&format!("cgroup {name}\n"));
    }

    /// A guardian that is gone cannot be helped: its end of the pipe is closed.
    fn say(&self, line: &str) {
        let mut pipe = self.pipe.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pipe) = pipe.as_mut() {
            let _ = pipe.write_all(line.as_bytes());
        }
    }
}

impl Drop for Guardian {
    fn drop(&mut self) {
        self.pipe
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let _ = self.shell.wait();
    }
}

/// A process that does not outlive this program; dropped when the process has ended by itself.
#[derive(Debug)]
pub struct Guard {
    guardian: Arc<Guardian>,
    pid: u32,
}

impl Guard {
    pub(crate) fn new(guardian: &Arc<Guardian>, pid: u32) -> Self {
        guardian.watch(pid);
        Self {
            guardian: guardian.clone(),
            pid,
        }
    }

    /// The process' id.
    pub fn pid(&self) -> u32 {
        self.pid
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.guardian.forget(self.pid);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    fn sleeper() -> Child {
        Command::new("sleep").arg("600").spawn().unwrap()
    }

    #[test]
    fn what_is_watched_ends_with_the_program_and_what_is_forgotten_goes_on() {
        let folder = tempfile::tempdir().unwrap().keep();
        let guardian = Arc::new(Guardian::start(&folder, false).unwrap());
        let (mut watched, mut forgotten) = (sleeper(), sleeper());
        let guard = Guard::new(&guardian, watched.id());
        drop(Guard::new(&guardian, forgotten.id()));

        // As the end of this program does, close the pipe and nothing else.
        guardian.pipe.lock().unwrap().take();
        assert_eq!(watched.wait().unwrap().signal(), Some(9));
        drop(guard);
        drop(guardian);
        assert!(!folder.exists());
        assert!(forgotten.try_wait().unwrap().is_none());
        forgotten.kill().unwrap();
        forgotten.wait().unwrap();
    }

    #[test]
    fn a_folder_that_is_to_be_kept_stays() {
        let folder = tempfile::tempdir().unwrap();
        let guardian = Guardian::start(folder.path(), false).unwrap();
        guardian.keep_folder();
        drop(guardian);
        assert!(folder.path().exists());
    }
}
