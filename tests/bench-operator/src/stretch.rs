//! An operator that runs, and what it spends on each stretch of its work.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use tokio::time::sleep;
use zohorelay_bench::cells::progress;
use zohorelay_bench::procfs;
use zohorelay_bench::report::Row;
use zohorelay_tests::memory::{peak_bytes, resident_bytes};
use zohorelay_tests::metrics::Metrics;
use zohorelay_tests::operator::Operator;

use crate::admission::{Calls, Load};
use crate::audit::Requests;
use crate::world::{HOME, World};
use crate::{cores, pods};

/// Between two looks at the audit log.
const LOOK: Duration = Duration::from_millis(100);
/// Between two looks at the metrics, each of which is work for the operator.
const SCRAPE: Duration = Duration::from_secs(1);
/// Between two lines of progress.
const TELL: Duration = Duration::from_secs(10);
/// For whatever is waited for.
const PATIENCE: Duration = Duration::from_secs(300);
/// Where calls begin later than that, once in a hundred times, the machine is too busy to measure.
const LATE_MS: f64 = 5.0;
/// What an admission may take at most, 99 times of 100, in milliseconds.
const ADMISSION_MS: f64 = 10.0;

const MIB: f64 = 1024.0 * 1024.0;

/// An operator that runs, since a moment.
pub struct Run {
    operator: Operator,
    load: Option<Load>,
    /// Just before its process was made.
    pub begun: Instant,
}

/// A part of its work, which began with the run or with the end of the last one.
#[derive(Debug)]
pub struct Stretch {
    name: &'static str,
    begun: Instant,
    cpu_before: Duration,
    logins_before: u64,
    /// What it asked of the API server.
    pub requests: Requests,
}

impl Run {
    /// Starts one; it listens.
    pub async fn start(world: &mut World) -> Result<Self> {
        world.audit.skip()?;
        let options = world.options().await?;
        let begun = Instant::now();
        let operator = Operator::start(&world.cluster, options).await?;
        cores::bind(operator.pid()).context("binding the operator to its core")?;
        Ok(Self {
            operator,
            load: None,
            begun,
        })
    }

    /// Begins a stretch; the first one has all that the process did.
    pub fn stretch(
        &self,
        world: &mut World,
        name: &'static str,
        is_first: bool,
    ) -> Result<Stretch> {
        if !is_first {
            world.audit.skip()?;
        }
        Ok(Stretch {
            name,
            begun: if is_first { self.begun } else { Instant::now() },
            cpu_before: if is_first {
                Duration::ZERO
            } else {
                procfs::cpu_time(self.operator.pid())?
            },
            logins_before: world.logins(),
            requests: Requests::default(),
        })
    }

    /// Waits until it says that it is ready.
    pub async fn until_ready(&self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while self.operator.get("/ready").await?.0 != 200 {
            if Instant::now() > deadline {
                bail!("the operator is not ready; its log:\n{}", self.log_end());
            }
            sleep(LOOK).await;
        }
        Ok(())
    }

    /// Calls its webhook from now on.
    pub async fn call_the_webhook(&mut self, world: &World) -> Result<()> {
        let secrets: Api<Secret> = Api::namespaced(world.client.clone(), HOME);
        let secret = secrets.get("zohorelay-webhook").await?;
        let data = secret.data.unwrap_or_default();
        let authority = data.get("ca.crt").context("ca.crt of the webhook")?;
        let pod = pods::plain("id-0000");
        self.load = Some(Load::start(self.operator.webhook, &authority.0, &pod)?);
        Ok(())
    }

    /// The calls of the webhook since the last time.
    pub fn calls(&self) -> Calls {
        self.load.as_ref().map(Load::take).unwrap_or_default()
    }

    /// Waits until the operator asked the API server for all that `count` counts.
    pub async fn until_asked(
        &self,
        world: &mut World,
        stretch: &mut Stretch,
        count: impl Fn(&Requests) -> usize,
        wanted: usize,
    ) -> Result<Duration> {
        let mut patience = Patience::new(stretch.name);
        loop {
            world.audit.read_into(&mut stretch.requests)?;
            let have = count(&stretch.requests);
            if have >= wanted {
                return Ok(stretch.begun.elapsed());
            }
            patience.look(have, wanted, self)?;
            sleep(LOOK).await;
        }
    }

    /// Waits until a sum in the metrics is this.
    pub async fn until_counted(
        &self,
        stretch: &Stretch,
        count: impl Fn(&Metrics) -> f64,
        wanted: usize,
    ) -> Result<Duration> {
        let mut patience = Patience::new(stretch.name);
        loop {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let have = count(&self.operator.metrics().await?) as usize;
            if have == wanted {
                return Ok(stretch.begun.elapsed());
            }
            patience.look(have, wanted, self)?;
            sleep(SCRAPE).await;
        }
    }

    /// Ends a stretch: what it took stands in rows.
    pub fn end(&self, world: &mut World, mut stretch: Stretch) -> Result<Ended> {
        world.audit.read_into(&mut stretch.requests)?;
        let cpu = procfs::cpu_time(self.operator.pid())?.saturating_sub(stretch.cpu_before);
        let took = stretch.begun.elapsed();
        let name = stretch.name;
        #[allow(clippy::cast_precision_loss)]
        let total = stretch.requests.total() as f64;
        let rows = vec![
            Row::new(
                format!("{name}: CPU of the operator"),
                cpu.as_secs_f64(),
                "s",
            )
            .note(format!("in {:.0} s", took.as_secs_f64())),
            Row::new(format!("{name}: requests to the API server"), total, "")
                .note(stretch.requests.to_string()),
        ];
        let logins = world.logins() - stretch.logins_before;
        Ok(Ended { rows, logins })
    }

    /// Its memory now.
    pub fn memory(&self, name: &str, bar: f64) -> Result<Row> {
        let pid = self.operator.pid();
        #[allow(clippy::cast_precision_loss)]
        let mib = |bytes: u64| bytes as f64 / MIB;
        let (pss, kind) = procfs::memory_bytes(pid)?;
        let note = match kind {
            procfs::MemoryKind::Pss => format!("RSS; PSS {:.1}", mib(pss)),
            procfs::MemoryKind::Rss => "RSS; its PSS is for root to read".to_owned(),
        };
        let row = Row::new(name, mib(resident_bytes(pid)), "MiB").at_most(bar);
        Ok(row.note(format!(
            "{note}; the most so far {:.1}",
            mib(peak_bytes(pid))
        )))
    }

    /// SIGTERM, and its end.
    pub async fn stop(self) -> Result<()> {
        drop(self.load);
        let status = self.operator.stop().await?;
        if !status.success() {
            bail!("the operator ended with {status}");
        }
        Ok(())
    }

    fn log_end(&self) -> String {
        let log = self.operator.log();
        log[log.len().saturating_sub(20)..].join("\n")
    }
}

/// What a stretch took.
#[derive(Debug)]
pub struct Ended {
    /// CPU time and requests.
    pub rows: Vec<Row>,
    /// Logins at the simulated Zoho meanwhile.
    pub logins: u64,
}

/// The row of some calls of the webhook.
pub fn admission(name: &str, mut calls: Calls) -> Row {
    let name = format!("admission at 50 pods/s, {name}: p99");
    let (times, late) = match calls.times() {
        Ok(times) => times,
        Err(error) => return Row::failed(name, format!("{error:#}")),
    };
    let late = (late > LATE_MS).then(|| format!("the calls began {late:.0} ms late (p99)"));
    let note = format!(
        "p50 {:.2}, max {:.1}, of {} calls",
        times.p50,
        times.max,
        calls.count()
    );
    let row = Row::new(name, times.p99, "ms").at_most(ADMISSION_MS);
    row.note(note).void_if(late)
}

/// Waits, but not for ever, and says so.
struct Patience {
    what: &'static str,
    deadline: Instant,
    tell_at: Instant,
}

impl Patience {
    fn new(what: &'static str) -> Self {
        let now = Instant::now();
        Self {
            what,
            deadline: now + PATIENCE,
            tell_at: now + TELL,
        }
    }

    fn look(&mut self, have: usize, wanted: usize, run: &Run) -> Result<()> {
        let now = Instant::now();
        if now > self.deadline {
            bail!(
                "{}: {have} of {wanted}; the log ends:\n{}",
                self.what,
                run.log_end()
            );
        }
        if now > self.tell_at {
            self.tell_at = now + TELL;
            progress(&format!("  {have} of {wanted}"));
        }
        Ok(())
    }
}
