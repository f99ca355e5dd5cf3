//! Memory of the sidecar: idle, with idle sessions, with large mails.

use std::time::Duration;

use super::{Bench, progress};
use crate::load::{After, Plan};
use crate::mail;
use crate::procfs::{self, MemoryKind};
use crate::report::Row;

const MIB: f64 = 1024.0 * 1024.0;
const IDENTITIES: &[&str] = &["bench", "alerts"];

/// Idle after 100 mails, then with 100 idle sessions, then with sessions that have each sent a mail.
pub fn idle(bench: &mut Bench) -> anyhow::Result<()> {
    let sidecar = bench.start_sidecar(IDENTITIES)?;
    let plan = Plan {
        mails_per_session: Some(10),
        ..bench.through(&sidecar, 10)
    };
    bench.send_all(plan, || {})?;
    let wait = bench.time(Duration::from_secs(60), Duration::from_secs(5));
    progress(&format!(
        "idle memory: waiting {} s after 100 mails",
        wait.as_secs()
    ));
    bench.reactor.idle(wait)?;
    let name = "idle memory after 100 mails, two identities";
    let (row, kind) = memory_row(name, procfs::memory_bytes(sidecar.pid())?);
    let after = format!("{kind} {} s after the mails", wait.as_secs());
    bench.rows.push(row.at_most(5.0).note(after));

    progress("memory with 100 idle sessions");
    let hundred = Plan {
        after: After::Stay,
        ..bench.through(&sidecar, 100)
    };
    let plan = Plan {
        mails_per_session: Some(0),
        ..hundred.clone()
    };
    let (sessions, _) = bench.send_all(plan, || {})?;
    bench.reactor.idle(Duration::from_secs(1))?;
    let (row_idle, kind) = memory_row(
        "memory with 100 idle sessions",
        procfs::memory_bytes(sidecar.pid())?,
    );
    bench.rows.push(
        row_idle
            .at_most(8.0)
            .note(format!("{kind}; each greeted and answered EHLO")),
    );
    drop(sessions);

    let plan = Plan {
        mails_per_session: Some(1),
        ..hundred
    };
    let (sessions, _) = bench.send_all(plan, || {})?;
    bench.reactor.idle(Duration::from_secs(1))?;
    let name = "memory with 100 sessions after a mail each";
    let (row_used, kind) = memory_row(name, procfs::memory_bytes(sidecar.pid())?);
    bench.rows.push(row_used.note(kind));
    drop(sessions);
    Ok(())
}

/// Ten mails of 25 MiB at once in a fresh sidecar: the highest of samples every 20 ms.
pub fn large_mails(bench: &mut Bench) -> anyhow::Result<()> {
    progress("memory with ten mails of 25 MiB at once");
    let sidecar = bench.start_sidecar(IDENTITIES)?;
    let content = mail::content_and_dot(mail::SENDER, mail::LARGE_BYTES).into();
    let plan = Plan {
        mails_per_session: Some(1),
        content,
        ..bench.through(&sidecar, 10)
    };
    let mut peak = procfs::memory_bytes(sidecar.pid())?;
    let mut samples = 0;
    bench.send_all(plan, || {
        if let Ok(memory) = procfs::memory_bytes(sidecar.pid()) {
            samples += 1;
            if memory.0 > peak.0 {
                peak = memory;
            }
        }
    })?;
    let (row, kind) = memory_row("peak memory, ten mails of 25 MiB at once", peak);
    #[allow(clippy::cast_precision_loss)]
    let resident = procfs::peak_rss_bytes(sidecar.pid())? as f64 / MIB;
    let note = format!("{kind}, highest of {samples} samples; VmHWM {resident:.1} MiB");
    bench.rows.push(row.at_most(40.0).note(note));
    Ok(())
}

fn memory_row(name: &str, (bytes, kind): (u64, MemoryKind)) -> (Row, &'static str) {
    #[allow(clippy::cast_precision_loss)]
    let mebibytes = bytes as f64 / MIB;
    let kind = match kind {
        MemoryKind::Pss => "PSS",
        MemoryKind::Rss => "RSS (as root it is PSS)",
    };
    (Row::new(name, mebibytes, "MiB"), kind)
}
