//! The network, mounts and processes of a node, apart from those of this machine.
//!
//! Everything that the node starts or mounts is in there, so it ends with the first process of the pid
//! namespace: the kernel kills the rest, and mounts, links and packet filters go with the last of them.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader};
use std::net::Ipv4Addr;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use super::NodeError;
use crate::control_plane::guardian::{Guard, Guardian};

/// Its mounts are its own, and what programs leave in these folders goes with it. Then it waits, and
/// as the first process it reaps those whose parents are gone.
const FIRST: &str = r#"
set -e
mount --make-rshared /
for folder in /run /var/lib /var/log; do mount -t tmpfs none "$folder"; done
ip link set lo up
sysctl -qw net.ipv4.ip_forward=1
echo made
while :; do sleep 3600 & wait $!; done
"#;

/// Runs on one machine at once; each has a link of its own.
const LINKS: u8 = 64;

/// They end when dropped.
#[derive(Debug)]
pub(crate) struct Namespaces {
    outer: Child,
    first: u32,
    /// Which link.
    number: u8,
    _guard: Guard,
}

impl Namespaces {
    /// Makes them, and a link between them and this machine.
    pub(crate) fn new(folder: &Path, guardian: &Arc<Guardian>) -> Result<Self, NodeError> {
        let log = folder.join("namespaces.log");
        let mut outer = Command::new("unshare")
            .args(["--mount", "--net", "--pid", "--fork", "--kill-child"])
            .args(["--mount-proc", "bash", "-c", FIRST])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log)?)
            // Ctrl-C goes to the group of the program in front.
            .process_group(0)
            .spawn()?;
        let guard = Guard::new(guardian, outer.id());
        let mut said = String::new();
        if let Some(pipe) = outer.stdout.take() {
            BufReader::new(pipe).read_line(&mut said)?;
        }
        if said.is_empty() {
            let said = fs::read_to_string(log).unwrap_or_default();
            return Err(NodeError::Namespaces(said.trim().to_owned()));
        }
        let first = child_of(outer.id())
            .ok_or_else(|| NodeError::Namespaces("its first process is gone".to_owned()))?;
        let mut namespaces = Self {
            outer,
            first,
            number: 0,
            _guard: guard,
        };
        namespaces.number = namespaces.link()?;
        Ok(namespaces)
    }

    /// The node's address.
    pub(crate) fn address(&self) -> Ipv4Addr {
        Ipv4Addr::new(198, 18, self.number, 2)
    }

    /// The same command in there.
    pub(crate) fn enter(&self, command: &Command) -> Command {
        let mut inside = Command::new("nsenter");
        inside
            .arg("--target")
            .arg(self.first.to_string())
            .args(["--mount", "--net", "--pid", "--"])
            .arg(command.get_program())
            .args(command.get_args());
        inside
    }

    /// Of 198.18.0.0/15, which is for tests between machines (RFC 2544) and routed nowhere.
    fn link(&self) -> Result<u8, NodeError> {
        let number = self.free_link()?;
        for what in [
            format!("addr add 198.18.{number}.1/30 dev zr{number}"),
            format!("link set zr{number} up"),
        ] {
            run(ip(&what))?;
        }
        for what in [
            format!("addr add 198.18.{number}.2/30 dev eth0"),
            "link set eth0 up".to_owned(),
            // Replaced by a pod's address on the way, but the kernel wants a route before.
            "route add 10.96.0.0/16 dev eth0".to_owned(),
        ] {
            run(self.enter(&ip(&what)))?;
        }
        Ok(number)
    }

    /// Makes the first link whose number no other run has.
    fn free_link(&self) -> Result<u8, NodeError> {
        let mut number = 0;
        loop {
            let peer = format!("peer name eth0 netns {}", self.first);
            match run(ip(&format!("link add zr{number} type veth {peer}"))) {
                Ok(()) => return Ok(number),
                Err(error) if number + 1 == LINKS => return Err(error),
                Err(_) => number += 1,
            }
        }
    }
}

fn ip(what: &str) -> Command {
    let mut command = Command::new("ip");
    command.args(what.split(' '));
    command
}

/// Runs a short command; its error says what the command said.
fn run(mut command: Command) -> Result<(), NodeError> {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(NodeError::failed(&command, &output))
}

/// The process that another one forked.
pub(crate) fn child_of(pid: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        let _: io::Result<()> = self.outer.kill();
        let _ = self.outer.wait();
    }
}
