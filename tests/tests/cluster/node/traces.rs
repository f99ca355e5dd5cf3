//! What a node is on this machine, and what is left of it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use zohorelay_cluster::Running;

/// By what it would be known.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Traces {
    folder: PathBuf,
    /// `net:[4026532000]` and the like.
    namespaces: Vec<String>,
    /// The number of its link: names are taken again.
    link: String,
}

impl Traces {
    /// Of a node that runs.
    pub(crate) fn of(running: &Running) -> Self {
        let link = running.node().unwrap().address().octets()[2];
        let pid = running.pids()[0];
        let namespace = |kind| fs::read_link(format!("/proc/{pid}/ns/{kind}")).unwrap();
        let namespaces = ["net", "mnt", "pid"].map(namespace);
        Self {
            folder: running.folder().to_owned(),
            namespaces: namespaces.map(|it| it.display().to_string()).into(),
            link: index(&Path::new("/sys/class/net").join(format!("zr{link}"))).unwrap(),
        }
    }

    /// What is there of it, a line each: processes, mounts, its link, cgroups, the folder.
    pub(crate) fn left(&self) -> Vec<String> {
        let name = self.folder.file_name().unwrap().to_str().unwrap();
        let mut left: Vec<String> = entries("/proc")
            .into_iter()
            .filter(|process| self.is_of(process, name))
            .map(|process| format!("process {}", process.display()))
            .collect();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let mounts = mounts.lines().filter(|line| line.contains(name));
        left.extend(mounts.map(|line| format!("mount {line}")));
        let links = entries("/sys/class/net").into_iter();
        let links = links.filter(|link| index(link).as_ref() == Some(&self.link));
        left.extend(links.map(|link| format!("link {}", link.display())));
        let hierarchies = entries("/sys/fs/cgroup").into_iter();
        let cgroups = hierarchies.chain(["/sys/fs/cgroup".into()]);
        let cgroups = cgroups
            .map(|folder| folder.join(name))
            .filter(|it| it.exists());
        left.extend(cgroups.map(|folder| format!("cgroup {}", folder.display())));
        if self.folder.exists() {
            left.push(format!("folder {}", self.folder.display()));
        }
        left
    }

    fn is_of(&self, process: &Path, name: &str) -> bool {
        let is_inside = ["net", "mnt", "pid"].iter().any(|kind| {
            let namespace = fs::read_link(process.join("ns").join(kind)).unwrap_or_default();
            self.namespaces.contains(&namespace.display().to_string())
        });
        let names_it = |file| {
            let text = fs::read(process.join(file)).unwrap_or_default();
            String::from_utf8_lossy(&text).contains(name)
        };
        // A pod has namespaces of its own, but is in the node's cgroup.
        is_inside || names_it("cgroup") || names_it("cmdline")
    }
}

fn index(link: &Path) -> Option<String> {
    fs::read_to_string(link.join("ifindex")).ok()
}

fn entries(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect()
}

/// Local addresses of the listening sockets (TCP, and UDP) that a process sees, with their inodes, as
/// `/proc/net/tcp` writes them: `0100007F:1F90` is 127.0.0.1:8080.
pub(crate) fn listening(process: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (table, state) in [("tcp", "0A"), ("tcp6", "0A"), ("udp", "07"), ("udp6", "07")] {
        let text = fs::read_to_string(process.join("net").join(table)).unwrap_or_default();
        for line in text.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            if fields[3] == state {
                found.push((fields[1].to_owned(), fields[9].to_owned()));
            }
        }
    }
    found
}

/// Inodes of the sockets of this program and of all that it started.
pub(crate) fn sockets_of_ours() -> BTreeSet<String> {
    let processes = entries("/proc");
    let mut ours = BTreeSet::from([std::process::id()]);
    let parents: Vec<(u32, u32)> = processes.iter().filter_map(|it| parent(it)).collect();
    loop {
        let before = ours.len();
        let children = parents.iter().filter(|(_, parent)| ours.contains(parent));
        let children: Vec<u32> = children.map(|(child, _)| *child).collect();
        ours.extend(children);
        if ours.len() == before {
            break;
        }
    }
    let fds = ours
        .iter()
        .filter_map(|pid| fs::read_dir(format!("/proc/{pid}/fd")).ok());
    let links = fds
        .flatten()
        .filter_map(|fd| fs::read_link(fd.ok()?.path()).ok());
    let inode = |link: PathBuf| {
        let link = link.to_str()?.strip_prefix("socket:[")?;
        Some(link.strip_suffix(']')?.to_owned())
    };
    links.filter_map(inode).collect()
}

fn parent(process: &Path) -> Option<(u32, u32)> {
    let pid = process.file_name()?.to_str()?.parse().ok()?;
    let stat = fs::read_to_string(process.join("stat")).ok()?;
    // The name before it may hold anything.
    let (_, rest) = stat.rsplit_once(") ")?;
    Some((pid, rest.split(' ').nth(1)?.parse().ok()?))
}
