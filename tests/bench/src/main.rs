//! `make bench`: measures the sidecar against its bars.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Parser, ValueEnum};
use zohorelay_bench::cells::{Bench, latency, memory, program, progress, rate};
use zohorelay_bench::cores;
use zohorelay_bench::procfs::{self, CoreTicks};
use zohorelay_bench::report::{QUIET, Report, Row};

/// Measures the sidecar side by side with sending straight to a sink.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Exit codes: 0 measured, whatever the figures; 1 with --strict when a bar was missed; 2 the bench itself could not run."
)]
struct Args {
    /// The sidecar to measure, a release build [default: zohorelay-sidecar beside this program].
    #[arg(long, value_name = "FILE")]
    sidecar: Option<PathBuf>,

    /// A short run with rough figures.
    #[arg(long)]
    quick: bool,

    /// End with 1 when a bar was missed.
    #[arg(long)]
    strict: bool,

    /// Write the figures to this file too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Measure only these subjects, and keep no report.
    #[arg(long, value_enum, value_name = "SUBJECT")]
    only: Vec<Subject>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Subject {
    /// What the sink takes: needs no sidecar.
    Sink,
    /// Size of the program.
    Size,
    /// From exec to listening.
    Start,
    /// 20 sessions, one connection a mail.
    Rate,
    /// Added latency at one session.
    Latency,
    /// Idle memory.
    Idle,
    /// Memory with large mails.
    Large,
    /// Rates at 1, 5, 20 and 50 sessions.
    Sessions,
}

const ALL: [Subject; 8] = [
    Subject::Sink,
    Subject::Size,
    Subject::Start,
    Subject::Rate,
    Subject::Latency,
    Subject::Large,
    Subject::Idle,
    Subject::Sessions,
];

/// Where the last report is, for the comparison.
const REPORT: &str = "target/bench/bench.json";

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(is_passed) if args.strict && !is_passed => ExitCode::from(1),
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            progress(&format!("{error:#}"));
            ExitCode::from(2)
        }
    }
}

fn run(args: &Args) -> anyhow::Result<bool> {
    let subjects = if args.only.is_empty() {
        ALL.to_vec()
    } else {
        args.only.clone()
    };
    let sidecar = sidecar_path(args)?;
    if subjects.iter().any(|subject| *subject != Subject::Sink) && !sidecar.is_file() {
        bail!(
            "no sidecar at {}: build it with `cargo build --release -p zohorelay-sidecar`, \
             or name it with --sidecar",
            sidecar.display()
        );
    }
    if !cores::has(cores::SIDECAR)? || !cores::has(cores::BENCH)? {
        bail!("two cores are needed: core 0 for the sidecar, core 1 for load and sink");
    }
    cores::pin(cores::BENCH).context("binding the bench to core 1")?;
    let mut bench = Bench::new(sidecar, args.quick)?;
    let busy_before = busy_now(&mut bench)?;
    let mut failures = 0;
    for subject in subjects {
        if let Err(error) = measure(&mut bench, subject) {
            failures += 1;
            progress(&format!("{error:#}"));
            bench.rows.push(Row::failed(
                format!("{subject:?}").to_lowercase(),
                format!("{error:#}"),
            ));
        }
    }
    let report = Report {
        machine: procfs::machine(),
        busy_before,
        quick: args.quick,
        rows: bench.rows,
    };
    publish(args, &report)?;
    if failures > 0 {
        bail!("{failures} measurements could not be made");
    }
    Ok(report.is_passed())
}

/// Prints the table beside the report before, and keeps the report of a whole run.
fn publish(args: &Args, report: &Report) -> anyhow::Result<()> {
    let before = Report::load(Path::new(REPORT));
    let table = report.table(before.as_ref());
    std::io::stdout()
        .write_all(table.as_bytes())
        .context("printing the table")?;
    if args.only.is_empty() {
        report.store(Path::new(REPORT))?;
    }
    args.json
        .as_deref()
        .map_or(Ok(()), |path| report.store(path))
}

fn sidecar_path(args: &Args) -> anyhow::Result<PathBuf> {
    if let Some(path) = &args.sidecar {
        return Ok(path.clone());
    }
    let own = std::env::current_exe().context("finding this program")?;
    Ok(own.with_file_name("zohorelay-sidecar"))
}

/// How busy the two cores are while nothing is measured: others on the machine make figures noisy.
fn busy_now(bench: &mut Bench) -> anyhow::Result<f64> {
    let read = || Ok::<_, anyhow::Error>([CoreTicks::read(0)?, CoreTicks::read(1)?]);
    let before = read()?;
    bench.reactor.idle(Duration::from_secs(1))?;
    let after = read()?;
    let [first, second] = [0, 1].map(|core: usize| after[core].busy_since(before[core]));
    let busy = f64::midpoint(first, second);
    progress(&format!(
        "{}; {:.0} % busy before the start",
        procfs::machine(),
        busy * 100.0
    ));
    if busy > QUIET {
        progress("something else is running: the figures will be noisy");
    }
    Ok(busy)
}

fn measure(bench: &mut Bench, subject: Subject) -> anyhow::Result<()> {
    match subject {
        Subject::Sink => rate::sink_alone(bench).context("measuring the sink"),
        Subject::Size => program::size(bench).context("measuring the program"),
        Subject::Start => program::start(bench).context("measuring the start"),
        Subject::Rate => rate::main_cell(bench).context("measuring the rate"),
        Subject::Latency => latency::added(bench).context("measuring the latency"),
        Subject::Idle => memory::idle(bench).context("measuring idle memory"),
        Subject::Large => memory::large_mails(bench).context("measuring large mails"),
        Subject::Sessions => rate::by_sessions(bench).context("measuring by sessions"),
    }
}
