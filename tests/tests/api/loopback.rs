//! Nothing that a test starts can be reached from another machine.

use std::collections::HashSet;
use std::fs;

use zohorelay_cluster::{FaultProxy, shared};

/// Local addresses of the listening TCP sockets of a process, as `/proc/net/tcp` writes them:
/// `0100007F:1F90` is 127.0.0.1:8080.
fn listening(pid: u32) -> Vec<String> {
    let fds = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let inodes: HashSet<String> = fds
        .filter_map(|fd| fs::read_link(fd.ok()?.path()).ok())
        .filter_map(|link| {
            let link = link.to_str()?.strip_prefix("socket:[")?;
            Some(link.strip_suffix(']')?.to_owned())
        })
        .collect();
    ["tcp", "tcp6"]
        .map(|table| fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default())
        .iter()
        .flat_map(|table| table.lines().skip(1))
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let listens = fields[3] == "0A" && inodes.contains(fields[9]);
            listens.then(|| fields[1].to_owned())
        })
        .collect()
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn nothing_of_ours_listens_beyond_loopback() {
    let cluster = shared().await.unwrap();
    let _proxy = FaultProxy::start(cluster).await.unwrap();
    let pids = cluster.pids();
    assert_eq!(pids.len(), 3);
    let sockets: Vec<String> = pids
        .into_iter()
        .chain([std::process::id()])
        .flat_map(listening)
        .collect();
    // The API server's and at least this proxy's.
    assert!(sockets.len() >= 2, "{sockets:?}");
    let beyond: Vec<_> = sockets
        .iter()
        .filter(|socket| !socket.starts_with("0100007F:"))
        .collect();
    assert!(beyond.is_empty(), "{beyond:?}");
}
