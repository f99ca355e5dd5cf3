//! `make bench-operator`: measures the operator against its bars, at a real control plane.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use zohorelay_bench::cells::progress;
use zohorelay_bench::procfs::{self, CoreTicks};
use zohorelay_bench::report::{Report, Row};

use zohorelay_bench_operator::scale::Scale;
use zohorelay_bench_operator::{cores, story};

/// Measures the operator, which `ZOHORELAY_OPERATOR` names.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Exit codes: 0 every bar was reached; 1 one was missed; 2 a measurement could not be made."
)]
struct Args {
    /// A short run with a tenth of everything.
    #[arg(long)]
    quick: bool,

    /// Write the figures to this file too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Where the last report is, for the comparison.
const REPORT: &str = "target/bench/operator.json";
/// For all of it. It takes about seven minutes.
const PATIENCE: Duration = Duration::from_secs(30 * 60);

fn main() -> ExitCode {
    let args = Args::parse();
    match start(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            progress(&format!("{error:#}"));
            ExitCode::from(2)
        }
    }
}

fn start(args: &Args) -> Result<bool> {
    // Before there are other threads: they are bound as this one is.
    cores::leave_to_operator().context("leaving core 0 to the operator")?;
    let runtime = tokio::runtime::Runtime::new().context("starting the runtime")?;
    runtime.block_on(run(args))
}

async fn run(args: &Args) -> Result<bool> {
    let busy_before = busy_now().await?;
    let scale = if args.quick {
        Scale::QUICK
    } else {
        Scale::FULL
    };
    let mut rows: Vec<Row> = Vec::new();
    let measured = tokio::time::timeout(PATIENCE, story::measure(scale, &mut rows)).await;
    let measured = measured.unwrap_or_else(|error| Err(error.into()));
    let report = Report {
        machine: procfs::machine(),
        busy_before,
        quick: args.quick,
        rows,
    };
    let before = Report::load(Path::new(REPORT));
    let table = report.table(before.as_ref());
    std::io::stdout()
        .write_all(table.as_bytes())
        .context("printing the table")?;
    measured?;
    if !args.quick {
        report.store(Path::new(REPORT))?;
    }
    if let Some(path) = &args.json {
        report.store(path)?;
    }
    Ok(report.is_passed())
}

/// How busy the first two cores are while nothing is measured.
async fn busy_now() -> Result<f64> {
    let read = || Ok::<_, anyhow::Error>([CoreTicks::read(0)?, CoreTicks::read(1)?]);
    let before = read()?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let after = read()?;
    let [first, second] = [0, 1].map(|core: usize| after[core].busy_since(before[core]));
    let busy = f64::midpoint(first, second);
    let machine = procfs::machine();
    progress(&format!(
        "{machine}; {:.0} % busy before the start",
        busy * 100.0
    ));
    Ok(busy)
}
