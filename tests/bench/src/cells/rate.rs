//! Mails a second, and what they cost.

use std::time::{Duration, Instant};

use super::{Bench, progress};
use crate::cores;
use crate::load::{Load, Plan, Tally};
use crate::percentile::{median, percentile};
use crate::procfs::{self, CoreTicks};
use crate::report::Row;
use crate::sidecar::Sidecar;
use crate::sink::Seen;

const SESSIONS: usize = 20;
/// The most sessions of any cell.
const MOST_SESSIONS: u64 = 50;
const RUNS: usize = 3;
const BUSY_LIMIT: f64 = 0.90;
const DRAIN_LIMIT: Duration = Duration::from_secs(30);

/// One measured stretch of load.
struct Stretch {
    tally: Tally,
    seconds: f64,
    /// How busy each core was, from 0 to 1.
    bench_core: f64,
    sidecar_core: f64,
    sidecar_cpu: Duration,
    sink: Seen,
}

impl Stretch {
    #[allow(clippy::cast_precision_loss)]
    fn rate(&self) -> f64 {
        self.tally.accepted as f64 / self.seconds
    }

    #[allow(clippy::cast_precision_loss)]
    fn cpu_per_thousand(&self) -> f64 {
        self.sidecar_cpu.as_secs_f64() * 1000.0 / self.tally.accepted.max(1) as f64
    }

    /// Why the stretch says nothing at all: not all mails got through.
    fn trouble(&self) -> Option<String> {
        let trouble = self.tally.refused + self.tally.broken;
        if trouble > 0 {
            let first = self.tally.first_trouble.as_deref().unwrap_or_default();
            return Some(format!("{trouble} mails failed, first {first}"));
        }
        // Mails under way at either end of the stretch are counted on one side only.
        let (accepted, taken) = (self.tally.accepted, self.sink.mails);
        (accepted.abs_diff(taken) > 2 * MOST_SESSIONS)
            .then(|| format!("the sink took {taken} of {accepted} mails"))
    }

    /// Why the stretch says nothing about the sidecar: the load may have been what was slow.
    fn void(&self) -> Option<String> {
        let busy = self.bench_core;
        let is_void = busy >= BUSY_LIMIT;
        self.trouble()
            .or_else(|| is_void.then(|| format!("core 1 was {:.0} % busy", busy * 100.0)))
    }

    fn note(&self) -> String {
        let mut times = self.tally.times.clone();
        let mut at = |percent| {
            percentile(&mut times, percent).map_or(0.0, |nanoseconds| f64::from(nanoseconds) / 1e6)
        };
        format!(
            "p50 {:.2} ms, p99 {:.2} ms; core 0 {:.0} %, core 1 {:.0} % busy; {} new upstream connections",
            at(50.0),
            at(99.0),
            self.sidecar_core * 100.0,
            self.bench_core * 100.0,
            self.sink.connections,
        )
    }
}

/// The sink alone: what it takes from the same load over kept connections.
pub fn sink_alone(bench: &mut Bench) -> anyhow::Result<()> {
    progress("sink alone, 20 kept connections, load and sink on core 1");
    let plan = bench.straight(SESSIONS);
    let stretch = measure(bench, plan, None, bench.time(LONG, SHORT))?;
    let note = stretch.note();
    let row = Row::new("sink alone, 20 kept connections", stretch.rate(), "mails/s");
    bench
        .rows
        .push(row.at_least(10_000.0).note(note).void_if(stretch.trouble()));

    progress("sink alone, a new TLS connection a mail, 20 at a time");
    let plan = Plan {
        keep: false,
        ..bench.straight(SESSIONS)
    };
    let stretch = measure(bench, plan, None, bench.time(MIDDLE, SHORT))?;
    let row = Row::new(
        "straight, new TLS connection a mail, 20",
        stretch.rate(),
        "mails/s",
    );
    bench
        .rows
        .push(row.note(stretch.note()).void_if(stretch.trouble()));
    Ok(())
}

/// The main cell is offered 5,000 mails a second, more than its bar: without an end the load fills its core
/// and the cell says nothing. How far the sidecar goes without it stands in the rows by sessions.
const PACE: Duration = Duration::from_micros(200);
const LONG: Duration = Duration::from_secs(10);
const MIDDLE: Duration = Duration::from_secs(4);
const SHORT: Duration = Duration::from_secs(2);

/// The main cell: 20 sessions, one connection a mail, the upstream pool warm.
pub fn main_cell(bench: &mut Bench) -> anyhow::Result<()> {
    let sidecar = bench.start_sidecar(&["bench"])?;
    warm_up(bench, &sidecar)?;
    let runs = if bench.quick { 1 } else { RUNS };
    let mut stretches = Vec::new();
    for run in 1..=runs {
        progress(&format!(
            "20 sessions, one connection a mail, run {run} of {runs}"
        ));
        let plan = Plan {
            keep: false,
            pace: Some(PACE),
            ..bench.through(&sidecar, SESSIONS)
        };
        let stretch = measure(bench, plan, Some(&sidecar), bench.time(LONG, SHORT))?;
        progress(&format!(
            "{:.0} mails/s; {}",
            stretch.rate(),
            stretch.note()
        ));
        stretches.push(stretch);
    }
    let middle = median(&mut stretches.iter().map(Stretch::rate).collect::<Vec<_>>());
    stretches.retain(|stretch| Some(stretch.rate()) == middle);
    for stretch in stretches.iter().take(1) {
        let note = format!("median of {runs}, 5000 offered; {}", stretch.note());
        let name = "20 sessions, one connection a mail";
        let rate = Row::new(name, stretch.rate(), "mails/s")
            .at_least(3000.0)
            .note(note);
        let cpu = Row::new(
            "CPU of the sidecar per 1,000 mails",
            stretch.cpu_per_thousand(),
            "s",
        );
        bench.rows.push(rate.void_if(stretch.void()));
        bench.rows.push(
            cpu.at_most(0.35)
                .note("same run")
                .void_if(stretch.trouble()),
        );
    }
    Ok(())
}

/// For information: how the rate follows the number of sessions.
pub fn by_sessions(bench: &mut Bench) -> anyhow::Result<()> {
    let sidecar = bench.start_sidecar(&["bench"])?;
    warm_up(bench, &sidecar)?;
    for (keep, name) in [(true, "kept"), (false, "one connection a mail")] {
        for sessions in [1, 5, 20, 50] {
            progress(&format!("{sessions} sessions, {name}"));
            let plan = Plan {
                keep,
                ..bench.through(&sidecar, sessions)
            };
            let stretch = measure(bench, plan, Some(&sidecar), bench.time(MIDDLE, SHORT))?;
            let void = stretch.void();
            let row = Row::new(format!("{name}, {sessions}"), stretch.rate(), "mails/s");
            let cpu = stretch.cpu_per_thousand();
            let note = format!("CPU {cpu:.3} s per 1,000; {}", stretch.note());
            bench.rows.push(row.note(note).void_if(void));
        }
    }
    Ok(())
}

/// Sends until the pool has all its connections, or for a few seconds.
fn warm_up(bench: &mut Bench, sidecar: &Sidecar) -> anyhow::Result<()> {
    let mut load = Load::start(bench.reactor.poll(), bench.through(sidecar, SESSIONS))?;
    for _ in 0..20 {
        bench
            .reactor
            .run_for(&mut load, Duration::from_millis(200))?;
        if bench.reactor.sink.open_connections() >= SESSIONS {
            break;
        }
    }
    load.drain();
    bench
        .reactor
        .run_to_end(&mut load, DRAIN_LIMIT, || Ok(()))?;
    let tally = load.take_tally();
    let open = bench.reactor.sink.open_connections();
    progress(&format!(
        "warm: {open} upstream connections, {} mails",
        tally.accepted
    ));
    if let Some(trouble) = tally.first_trouble {
        progress(&format!(
            "{} refused, {} broken: {trouble}",
            tally.refused, tally.broken
        ));
        progress(&format!("log of the sidecar: {}", sidecar.last_words(3)));
    }
    Ok(())
}

/// Runs the load for a second to settle, then measures for `time`, then lets it end.
fn measure(
    bench: &mut Bench,
    plan: Plan,
    sidecar: Option<&Sidecar>,
    time: Duration,
) -> anyhow::Result<Stretch> {
    let cpu = || {
        sidecar.map_or(Ok(Duration::ZERO), |sidecar| {
            procfs::cpu_time(sidecar.pid())
        })
    };
    let mut load = Load::start(bench.reactor.poll(), plan)?;
    bench.reactor.run_for(&mut load, Duration::from_secs(1))?;
    load.take_tally();
    let sink = bench.reactor.sink.seen();
    let cores = (
        CoreTicks::read(cores::SIDECAR)?,
        CoreTicks::read(cores::BENCH)?,
    );
    let (cpu_before, start) = (cpu()?, Instant::now());
    bench.reactor.run_for(&mut load, time)?;
    let seconds = start.elapsed().as_secs_f64();
    let sidecar_cpu = cpu()?.saturating_sub(cpu_before);
    let sidecar_core = CoreTicks::read(cores::SIDECAR)?.busy_since(cores.0);
    let bench_core = CoreTicks::read(cores::BENCH)?.busy_since(cores.1);
    let tally = load.take_tally();
    let after = bench.reactor.sink.seen();
    let sink = Seen {
        mails: after.mails - sink.mails,
        connections: after.connections - sink.connections,
        logins: after.logins - sink.logins,
    };
    load.drain();
    bench
        .reactor
        .run_to_end(&mut load, DRAIN_LIMIT, || Ok(()))?;
    Ok(Stretch {
        tally,
        seconds,
        bench_core,
        sidecar_core,
        sidecar_cpu,
        sink,
    })
}
