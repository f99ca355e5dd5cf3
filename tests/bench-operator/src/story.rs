//! What is measured, in the order in which it happens.

use anyhow::Result;
use tokio::time::sleep_until;
use zohorelay_bench::cells::progress;
use zohorelay_bench::report::Row;
use zohorelay_tests::metrics::Metrics;

use crate::scale::Scale;
use crate::sidecars::Sidecars;
use crate::stretch::{Run, admission};
use crate::world::World;
use crate::{identities, pods};

/// Bars, in MiB.
const IDLE_MIB: f64 = 15.0;
const FULL_MIB: f64 = 60.0;

/// Measures everything; what was measured before an error is in `rows`.
pub async fn measure(scale: Scale, rows: &mut Vec<Row>) -> Result<()> {
    let mut world = World::start(scale).await?;
    idle(&mut world, rows).await?;
    progress(&format!("making {} identities", scale.identities()));
    identities::create(&world).await?;
    let run = new_identities(&mut world, rows).await?;
    let sidecars = Sidecars::start(&identities::published(&world).await?).await?;
    new_pods(&mut world, &run, &sidecars, rows).await?;
    run.stop().await?;
    again(&mut world, rows).await
}

/// Nothing to look after: memory, then the webhook alone.
async fn idle(world: &mut World, rows: &mut Vec<Row>) -> Result<()> {
    let Scale { idle, quiet, .. } = world.scale;
    progress(&format!("nothing to do: {} s", idle.as_secs()));
    let mut run = Run::start(world).await?;
    let stretch = run.stretch(world, "idle", true)?;
    run.until_ready().await?;
    sleep_until((run.begun + idle).into()).await;
    let name = format!("idle memory, {} s after the start", idle.as_secs());
    rows.push(run.memory(&name, IDLE_MIB)?);
    rows.extend(run.end(world, stretch)?.rows);
    progress(&format!("admission alone: {} s", quiet.as_secs()));
    let stretch = run.stretch(world, "admission alone", false)?;
    run.call_the_webhook(world).await?;
    tokio::time::sleep(quiet).await;
    rows.push(admission("alone", run.calls()));
    rows.extend(run.end(world, stretch)?.rows);
    run.stop().await
}

/// Identities that nobody has looked at yet.
async fn new_identities(world: &mut World, rows: &mut Vec<Row>) -> Result<Run> {
    let all = world.scale.identities();
    let name = "new identities";
    progress("an operator that finds them, 100 logins a second");
    let mut run = Run::start(world).await?;
    let mut stretch = run.stretch(world, name, true)?;
    run.call_the_webhook(world).await?;
    let written = |requests: &crate::audit::Requests| requests.written.len();
    let took = run.until_asked(world, &mut stretch, written, all).await?;
    let row = Row::new(
        format!("{name}: from the start to all {all} published"),
        took.as_secs_f64(),
        "s",
    );
    rows.push(row.note("logins at 100/s"));
    let took = run.until_counted(&stretch, ready, all).await?;
    rows.push(Row::new(
        format!("{name}: to all {all} Ready"),
        took.as_secs_f64(),
        "s",
    ));
    rows.push(admission("meanwhile", run.calls()));
    let ended = run.end(world, stretch)?;
    rows.push(logins(name, ended.logins, all));
    rows.extend(ended.rows);
    Ok(run)
}

/// Pods that come while it runs, and are asked.
async fn new_pods(
    world: &mut World,
    run: &Run,
    sidecars: &Sidecars,
    rows: &mut Vec<Row>,
) -> Result<()> {
    let all = world.scale.pods();
    progress(&format!("making {all} pods"));
    let stretch = run.stretch(world, "new pods", false)?;
    pods::create(world, sidecars).await?;
    progress("asking them, 50 a second");
    run.until_counted(&stretch, current, all).await?;
    let name = format!(
        "memory with {} identities and {all} pods",
        world.scale.identities()
    );
    rows.push(run.memory(&format!("{name}, all new"), FULL_MIB)?);
    rows.push(admission("while pods come", run.calls()));
    rows.extend(run.end(world, stretch)?.rows);
    Ok(())
}

/// Another start, with everything there.
async fn again(world: &mut World, rows: &mut Vec<Row>) -> Result<()> {
    let (identities, all) = (world.scale.identities(), world.scale.pods());
    let name = "restart";
    progress("the operator again, where all is published");
    let mut run = Run::start(world).await?;
    let mut stretch = run.stretch(world, name, true)?;
    run.call_the_webhook(world).await?;
    let read = |requests: &crate::audit::Requests| requests.read.len();
    let took = run
        .until_asked(world, &mut stretch, read, identities)
        .await?;
    let title = format!("{name}: to all {identities} looked at");
    rows.push(Row::new(title, took.as_secs_f64(), "s"));
    let took = run.until_counted(&stretch, ready, identities).await?;
    let title = format!("{name}: to all {identities} Ready");
    rows.push(Row::new(title, took.as_secs_f64(), "s"));
    rows.push(admission("meanwhile again", run.calls()));
    let ended = run.end(world, stretch)?;
    rows.push(logins(name, ended.logins, 0));
    rows.extend(ended.rows);

    progress("asking the pods, 50 a second");
    let stretch = run.stretch(world, "asking all pods", false)?;
    let took = run.until_counted(&stretch, current, all).await?;
    let title = format!("asking all pods: to all {all} current");
    rows.push(Row::new(title, took.as_secs_f64(), "s"));
    let title = format!("memory with {identities} identities and {all} pods, after a restart");
    rows.push(run.memory(&title, FULL_MIB)?);
    rows.push(admission("while pods are asked", run.calls()));
    rows.extend(run.end(world, stretch)?.rows);
    run.stop().await
}

fn ready(metrics: &Metrics) -> f64 {
    metrics.value("zohorelay_operator_identity_ready", &[])
}

fn current(metrics: &Metrics) -> f64 {
    metrics.value("zohorelay_operator_pods", &[("state", "current")])
}

/// Each login that is not needed is one too many.
fn logins(name: &str, made: u64, needed: usize) -> Row {
    #[allow(clippy::cast_precision_loss)]
    let (made, needed) = (made as f64, needed as f64);
    Row::new(format!("{name}: logins"), made, "").at_most(needed)
}
