//! Which programs are here: `target/interop/available`, written by `tests/interop/install.sh`.

use std::io::Write;
use std::path::{Path, PathBuf};

/// A file of `tests/interop`.
pub(crate) fn script(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("interop")
        .join(path)
}

/// Where the programs are that no package of the system brings.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/interop")
}

/// The path of a program, or None after saying that `what` is left out.
pub(crate) fn program(name: &str, what: &str) -> Option<PathBuf> {
    let path = folder().join("available");
    let list = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; run `make test-interop`", path.display()));
    let mut lines = list.lines().filter_map(|line| line.split_once('='));
    let found = lines.find(|(part, _)| *part == name);
    let (_, found) = found.unwrap_or_else(|| panic!("{name} is not in {}", path.display()));
    let Some(why) = found.strip_prefix("missing: ") else {
        return Some(found.into());
    };
    assert!(
        std::env::var_os("CI").is_none_or(|ci| ci != "true"),
        "{what}: {why}"
    );
    say(&format!("left out: {what}: {why}"));
    None
}

/// Prints a line that the test harness does not swallow.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "interop: {line}");
}
