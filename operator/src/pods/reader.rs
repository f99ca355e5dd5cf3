//! Asks the sidecars for their summaries, as [`schedule`](super::schedule) says.

use std::time::Duration;

use jiff::Timestamp;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::index::{Respondent, Ticket};
use super::schedule::{Next, SPACING};
use super::shared::Shared;
use super::summary::{self, Report, TIMEOUT};
use crate::leadership::Leadership;

/// At most so many questions under way, each with up to 64 KiB of an answer. So many are enough for the
/// pace of the schedule even where nobody answers.
const QUESTIONS_MAX: usize = 100;
const _: () = assert!(SPACING.as_millis() * QUESTIONS_MAX as u128 >= TIMEOUT.as_millis());
/// While that many are under way; one ends within its timeout.
const LONG: Duration = Duration::from_secs(3600);

type Answer = (Ticket, Option<Box<[Report]>>);

/// Asks while this replica leads. Never returns.
pub(super) async fn run(shared: &Shared, mut leadership: Leadership) {
    loop {
        leadership.acquired().await;
        shared.lock().restart(Instant::now().into_std());
        tokio::select! {
            () = read(shared) => {}
            () = lost(&mut leadership) => {}
        }
    }
}

async fn lost(leadership: &mut Leadership) {
    while leadership.is_leader() {
        leadership.changed().await;
    }
}

/// Never returns; dropping it ends the questions that are under way.
async fn read(shared: &Shared) {
    let mut questions: JoinSet<Answer> = JoinSet::new();
    loop {
        let again_at = ask_who_is_due(shared, &mut questions);
        tokio::select! {
            Some(ended) = questions.join_next() => {
                if let Ok((ticket, answer)) = ended {
                    shared.hear(ticket, answer, Instant::now().into_std(), Timestamp::now());
                }
            }
            () = sleep_until(again_at) => {}
            () = shared.askable.notified() => {}
        }
    }
}

/// Returns when to look again, if nothing happens before.
fn ask_who_is_due(shared: &Shared, questions: &mut JoinSet<Answer>) -> Instant {
    let now = Instant::now();
    let mut state = shared.lock();
    while questions.len() < QUESTIONS_MAX {
        match state.schedule.next(now.into_std()) {
            Next::Ask(ticket) => {
                if let Some(respondent) = state.index.respondent(ticket) {
                    questions.spawn(ask(ticket, respondent));
                } else {
                    state.schedule.remove(ticket);
                }
            }
            Next::At(instant) => return instant.into(),
            Next::Nobody => break,
        }
    }
    now + LONG
}

async fn ask(ticket: Ticket, respondent: Respondent) -> Answer {
    let Respondent {
        address,
        namespace,
        identities,
    } = respondent;
    match summary::read(address).await {
        Ok(summary) => {
            let reports = summary.of_pod(&namespace, &identities, Timestamp::now());
            (ticket, Some(reports))
        }
        Err(error) => {
            tracing::debug!(%error, %namespace, "a sidecar does not tell how it is");
            (ticket, None)
        }
    }
}
