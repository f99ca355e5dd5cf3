//! The program itself: its size and how fast it listens.

use std::fs;

use anyhow::Context;

use super::{Bench, progress};
use crate::elf;
use crate::percentile::median;
use crate::report::Row;

const STARTS: usize = 20;

/// Size of the program; void where it is not static or not stripped.
pub fn size(bench: &mut Bench) -> anyhow::Result<()> {
    let path = bench.program.display().to_string();
    let file = fs::read(&bench.program).with_context(|| format!("reading {path}"))?;
    #[allow(clippy::cast_precision_loss)]
    let mebibytes = file.len() as f64 / (1024.0 * 1024.0);
    let void = match elf::linkage(&file) {
        None => Some("not a 64-bit ELF file".to_owned()),
        Some(linkage) if !linkage.is_static => Some("linked dynamically".to_owned()),
        Some(linkage) if !linkage.is_stripped => Some("has its symbols".to_owned()),
        Some(_) => None,
    };
    let row = Row::new("program, static and stripped", mebibytes, "MiB");
    bench.rows.push(row.at_most(8.0).note(path).void_if(void));
    Ok(())
}

/// From exec to the line "listening", two identities, median of 20.
pub fn start(bench: &mut Bench) -> anyhow::Result<()> {
    let starts = if bench.quick { STARTS / 4 } else { STARTS };
    progress(&format!("from exec to listening, {starts} starts"));
    let mut times = Vec::new();
    for _ in 0..starts {
        let sidecar = bench.start_sidecar(&["bench", "alerts"])?;
        times.push(sidecar.start_time.as_secs_f64() * 1000.0);
    }
    let middle = median(&mut times).unwrap_or(f64::INFINITY);
    let (best, worst) = (times.first(), times.last());
    let note = format!(
        "median; best {:.1}, worst {:.1}",
        best.copied().unwrap_or_default(),
        worst.copied().unwrap_or_default()
    );
    let row = Row::new("from exec to listening", middle, "ms");
    bench.rows.push(row.at_most(30.0).note(note));
    Ok(())
}
