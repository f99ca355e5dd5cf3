//! Waiting for a peer that answers within microseconds, as one on this machine does: the app, or a
//! gateway beside us. Falling asleep and being woken takes longer than such an answer, so we look
//! for it a moment before. A peer that took longer the last time is slept for at once: Zoho is
//! never waited for in this way.

use std::pin::pin;
use std::time::{Duration, Instant};

/// How long to look. Two wake-ups on an idle machine take about as long.
const LOOKING: Duration = Duration::from_micros(150);

/// How near one peer is.
#[derive(Debug)]
pub struct Nearness {
    looking: Duration,
    was_near: bool,
}

impl Default for Nearness {
    fn default() -> Self {
        Self::within(LOOKING)
    }
}

impl Nearness {
    /// A peer that is near if it answers so soon.
    fn within(looking: Duration) -> Self {
        Self {
            looking,
            was_near: false,
        }
    }

    /// Waits for its next answer. The clock is the machine's, since what is saved is its time.
    pub async fn wait<F: Future>(&mut self, answer: F) -> F::Output {
        let mut answer = pin!(answer);
        let start = Instant::now();
        while self.was_near {
            tokio::select! {
                biased;
                output = &mut answer => return output,
                () = std::future::ready(()) => tokio::task::yield_now().await,
            }
            self.was_near = start.elapsed() < self.looking;
        }
        let output = answer.await;
        self.was_near = start.elapsed() < self.looking;
        output
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Poll;

    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    /// Ready at the fourth look, and wakes nobody.
    async fn unannounced() {
        let mut looks = 0;
        poll_fn(|_| {
            looks += 1;
            if looks > 3 {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_was_near_is_looked_for_without_being_woken() {
        let mut near = Nearness::within(LONG);
        near.wait(std::future::ready(())).await;
        near.wait(unannounced()).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_is_slept_for_until_it_was_near_and_when_it_is_no_more() {
        for was_near in [false, true] {
            let mut far = Nearness::within(Duration::ZERO);
            far.was_near = was_near;
            let slept = tokio::time::timeout(LONG, far.wait(unannounced())).await;
            assert!(slept.is_err(), "{was_near}");
            assert!(!far.was_near);
        }
    }
}
