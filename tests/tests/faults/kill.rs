//! SIGKILL at any moment under load: no mail that an app was told is taken is missing.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use tokio::task::JoinSet;
use zoho_simulator::{Account, Options, Running, Simulator};
use zohorelay_tests::app::App;
use zohorelay_tests::document::document;
use zohorelay_tests::ledger::{Ledger, Told};
use zohorelay_tests::sidecar::{self, Sidecar};

use crate::world::{ADDRESS, TO};

/// Simulators side by side.
const LANES: u64 = 4;
/// Sidecars that are killed, one after the other, at each simulator.
const RUNS: u64 = 50;
const APPS: u64 = 3;
/// More than a run comes to before its end.
const MAILS: u64 = 12;
/// The kill comes after up to so many things that happen at the simulator.
const LATEST: usize = 240;

/// Mails of one app on one connection, until it breaks.
async fn load(smtp: SocketAddr, run: String) -> Vec<(String, Told)> {
    let mut told = Vec::new();
    let Ok(mut app) = App::connect(smtp).await else {
        return told;
    };
    for mail in 0..MAILS {
        let id = format!("<{run}-{mail}@example.com>");
        let header = format!("From: {ADDRESS}\r\nMessage-ID: {id}\r\nSubject: load\r\n");
        let Ok(reply) = app.send(ADDRESS, TO, &header).await else {
            told.push((id, Told::Nothing));
            break;
        };
        told.push((id, Told::Code(reply.code)));
    }
    told
}

async fn run(zoho: &Running, name: String, kill_after: usize) -> Vec<(String, Told)> {
    let document = document("billing", ADDRESS, "app-password", zoho);
    let options = sidecar::Options::with(vec![document]);
    let mut sidecar = Sidecar::start(options).await.unwrap();
    let mut apps = JoinSet::new();
    for app in 0..APPS {
        apps.spawn(load(sidecar.smtp, format!("{name}-{app}")));
    }
    let mut happened = 0;
    let moment = zoho.wait_until(|_| {
        happened += 1;
        happened > kill_after
    });
    let mut told = Vec::new();
    tokio::select! {
        () = moment => {}
        Some(first) = apps.join_next() => told.extend(first.unwrap()),
    }
    sidecar.kill().unwrap();
    while let Some(app) = apps.join_next().await {
        told.extend(app.unwrap());
    }
    told
}

/// What became of the mails of a lane.
#[derive(Default)]
struct Counts {
    accepted: usize,
    /// Whose app was told nothing.
    cut: usize,
    /// Of those the ones that the upstream took.
    taken: usize,
    /// How the last line of each connection begins.
    last_lines: BTreeMap<String, usize>,
}

async fn lane(seed: u64) -> Counts {
    let mut random = fastrand::Rng::with_seed(seed);
    let account = Account::new(ADDRESS, "app-password");
    let zoho = Simulator::start(Options::with_account(account))
        .await
        .unwrap();
    let (mut ledger, mut cut) = (Ledger::default(), 0);
    for number in 0..RUNS {
        let kill_after = random.usize(..LATEST);
        for (id, told) in run(&zoho, format!("{seed}-{number}"), kill_after).await {
            assert!(
                matches!(told, Told::Code(250) | Told::Nothing),
                "{id}: {told:?}"
            );
            cut += usize::from(told == Told::Nothing);
            ledger.note(&id, told);
        }
    }
    let verdict = ledger.judge(&zoho.mails());
    verdict.assert_sound(cut);
    let mut last_lines = BTreeMap::new();
    for record in zoho.connections() {
        let line = record.transcript.last().cloned().unwrap_or_default();
        let start: Vec<_> = line.split(' ').take(3).collect();
        *last_lines.entry(start.join(" ")).or_default() += 1;
    }
    Counts {
        accepted: ledger.accepted(),
        cut,
        taken: verdict.differing.len(),
        last_lines,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_sidecar_loses_no_mail_that_was_acknowledged() {
    let mut lanes: JoinSet<_> = (0..LANES).map(lane).collect();
    let mut all = Counts::default();
    while let Some(lane) = lanes.join_next().await {
        let lane = lane.unwrap();
        all.accepted += lane.accepted;
        all.cut += lane.cut;
        all.taken += lane.taken;
        for (line, count) in lane.last_lines {
            *all.last_lines.entry(line).or_default() += count;
        }
    }
    println!(
        "{} kills: {} accepted, {} cut off, {} of those were taken; last lines: {:?}",
        LANES * RUNS,
        all.accepted,
        all.cut,
        all.taken,
        all.last_lines
    );
    assert!(all.accepted > 0 && all.cut > 0, "the kills came at work");
    for stage in ["250 Sender", "250 Recipient", "354 Ok", "250 Message"] {
        let is_last = all.last_lines.contains_key(&format!("S: {stage}"));
        assert!(is_last, "no kill right after {stage}");
    }
}
