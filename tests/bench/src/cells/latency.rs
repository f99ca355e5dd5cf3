//! What the sidecar adds to the time of one mail.

use super::{Bench, progress};
use crate::load::Plan;
use crate::percentile::percentile;
use crate::report::Row;

const ROUNDS: u32 = 5;

/// One session kept through the sidecar against one kept straight to the sink, in turns, so that a
/// slow moment of the machine meets both.
pub fn added(bench: &mut Bench) -> anyhow::Result<()> {
    progress("latency at one session, through the sidecar and straight");
    let sidecar = bench.start_sidecar(&["bench"])?;
    let mails = if bench.quick { 100 } else { 1000 };
    let (mut through, mut straight) = (Vec::new(), Vec::new());
    send(bench, bench.through(&sidecar, 1), 20)?;
    for _ in 0..ROUNDS {
        straight.extend(send(bench, bench.straight(1), mails)?);
        through.extend(send(bench, bench.through(&sidecar, 1), mails)?);
    }
    let mut at = |percent| {
        let milliseconds = |value: Option<u32>| f64::from(value.unwrap_or(u32::MAX)) / 1e6;
        (
            milliseconds(percentile(&mut through, percent)),
            milliseconds(percentile(&mut straight, percent)),
        )
    };
    let ((through_50, straight_50), (through_99, straight_99)) = (at(50.0), at(99.0));
    let row = Row::new(
        "added latency at one session, p50",
        through_50 - straight_50,
        "ms",
    );
    let note = format!(
        "p50 {through_50:.3} against {straight_50:.3}; p99 {through_99:.3} against {straight_99:.3}"
    );
    bench.rows.push(row.at_most(0.4).note(note));
    Ok(())
}

/// Sends `mails` mails in one session and returns their times.
fn send(bench: &mut Bench, plan: Plan, mails: u64) -> anyhow::Result<Vec<u32>> {
    let plan = Plan {
        mails_per_session: Some(mails),
        ..plan
    };
    let (_, tally) = bench.send_all(plan, || {})?;
    Ok(tally.times)
}
