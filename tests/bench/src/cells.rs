//! The measurements, one file a subject.

pub mod latency;
pub mod memory;
pub mod program;
pub mod rate;

use std::io::Write as _;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, bail};

use crate::certificate::Certificates;
use crate::load::{After, Load, Plan, Tally};
use crate::mail;
use crate::reactor::Reactor;
use crate::report::Row;
use crate::sidecar::{Setup, Sidecar};

const LIMIT: Duration = Duration::from_secs(120);

/// What all measurements share.
pub struct Bench {
    /// Load and sink.
    pub reactor: Reactor,
    /// Both ends of TLS.
    pub certificates: Certificates,
    /// The program to measure.
    pub program: PathBuf,
    /// Short times, rough figures.
    pub quick: bool,
    /// The figures so far.
    pub rows: Vec<Row>,
    small: Rc<[u8]>,
}

impl Bench {
    /// Makes certificates and opens the sink.
    pub fn new(program: PathBuf, quick: bool) -> anyhow::Result<Self> {
        let certificates = Certificates::generate()?;
        let reactor =
            Reactor::new(Some(certificates.server.clone())).context("opening the sink")?;
        let small = mail::content_and_dot(mail::SENDER, mail::SMALL_BYTES).into();
        Ok(Self {
            reactor,
            certificates,
            program,
            quick,
            rows: Vec::new(),
            small,
        })
    }

    fn start_sidecar(&self, identities: &'static [&'static str]) -> anyhow::Result<Sidecar> {
        Sidecar::start(&Setup {
            program: self.program.clone(),
            identities,
            sink_port: self.reactor.sink.address().port(),
            authority_pem: self.certificates.authority_pem.clone(),
        })
    }

    /// 4 KiB mails to the sidecar over kept sessions, without an end.
    fn through(&self, sidecar: &Sidecar, sessions: usize) -> Plan {
        Plan {
            server: sidecar.smtp,
            tls: None,
            log_in: false,
            sessions,
            keep: true,
            pace: None,
            mails_per_session: None,
            after: After::Quit,
            content: self.small.clone(),
        }
    }

    /// The same straight to the sink.
    fn straight(&self, sessions: usize) -> Plan {
        Plan {
            server: self.reactor.sink.address(),
            tls: Some(self.certificates.client.clone()),
            log_in: true,
            sessions,
            keep: true,
            pace: None,
            mails_per_session: None,
            after: After::Quit,
            content: self.small.clone(),
        }
    }

    /// Runs a plan that ends and checks that the sink took each mail once. The load comes back because
    /// resting sessions live as long as it.
    fn send_all(&mut self, plan: Plan, mut tick: impl FnMut()) -> anyhow::Result<(Load, Tally)> {
        let mails = plan.mails_per_session.unwrap_or(0) * plan.sessions as u64;
        let before = self.reactor.sink.seen().mails;
        let mut load = Load::start(self.reactor.poll(), plan)?;
        let ticked = || {
            tick();
            Ok(())
        };
        self.reactor.run_to_end(&mut load, LIMIT, ticked)?;
        let tally = load.take_tally();
        if let Some(trouble) = &tally.first_trouble {
            bail!("{} mails failed: {trouble}", tally.refused + tally.broken);
        }
        let taken = self.reactor.sink.seen().mails - before;
        if taken != mails {
            bail!("the sink took {taken} of {mails} mails");
        }
        Ok((load, tally))
    }

    fn time(&self, whole: Duration, quick: Duration) -> Duration {
        if self.quick { quick } else { whole }
    }
}

/// A line of progress on standard error.
pub fn progress(line: &str) {
    let _ = writeln!(std::io::stderr(), "bench: {line}");
}
