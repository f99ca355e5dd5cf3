//! The cgroup below which the kubelet puts its pods. The guardian takes it away.

use std::fs;
use std::io;
use std::path::PathBuf;

/// Makes it in each hierarchy: one with cgroup v2, one for each controller with v1.
pub(super) fn create(name: &str) -> io::Result<()> {
    for hierarchy in hierarchies()? {
        fs::create_dir_all(hierarchy.join(name))?;
    }
    Ok(())
}

fn hierarchies() -> io::Result<Vec<PathBuf>> {
    let mounts = fs::read_to_string("/proc/mounts")?;
    Ok(mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            let (folder, kind) = (fields.next()?, fields.next()?);
            matches!(kind, "cgroup" | "cgroup2").then(|| PathBuf::from(folder))
        })
        .collect())
}
