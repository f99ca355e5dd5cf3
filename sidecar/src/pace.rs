//! Pacing: a token bucket for one identity in one pod.
//!
//! Zoho publishes 50 to 500 messages an hour for a mailbox and blocks it when it is hammered
//! (docs/zoho.md, limits). N pods may send N times the limit: the bucket knows its own pod only.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The longest time that a mail waits for its token; one that would wait longer is refused.
pub const PATIENCE: Duration = Duration::from_secs(5);

const HOUR: Duration = Duration::from_secs(3600);

/// A token bucket that refills evenly.
#[derive(Debug)]
pub struct Pacer {
    /// Time for one token.
    interval: Duration,
    burst: u32,
    /// When the bucket would be full again if nothing more were taken.
    full_at: Mutex<Instant>,
}

/// What a mail gets that asks for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The token is taken; wait so long, then send.
    In(Duration),
    /// No token within [`PATIENCE`]; try again after so long.
    NotBefore(Duration),
}

impl Pacer {
    /// A full bucket: `burst` mails at once, `messages_per_hour` in the long run (both at least 1).
    pub fn new(messages_per_hour: u32, burst: u32) -> Self {
        Self {
            interval: HOUR / messages_per_hour.max(1),
            burst: burst.max(1),
            full_at: Mutex::new(Instant::now()),
        }
    }

    /// Takes a token, if one comes soon enough.
    pub fn take(&self) -> Turn {
        let now = Instant::now();
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let next = (*full_at).max(now) + self.interval;
        let wait = next
            .duration_since(now)
            .saturating_sub(self.interval * self.burst);
        if wait > PATIENCE {
            return Turn::NotBefore(wait);
        }
        *full_at = next;
        Turn::In(wait)
    }

    /// Gives a token back that was not used: the mail never reached its end upstream.
    pub fn give_back(&self) {
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        *full_at = full_at.checked_sub(self.interval).unwrap_or(*full_at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_goes_at_once_and_the_next_mail_is_told_when() {
        let pacer = Pacer::new(45, 5);
        for _ in 0..5 {
            assert_eq!(pacer.take(), Turn::In(Duration::ZERO));
        }
        assert_eq!(pacer.take(), Turn::NotBefore(Duration::from_secs(80)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_that_comes_within_five_seconds_is_waited_for() {
        let pacer = Pacer::new(45, 1);
        assert_eq!(pacer.take(), Turn::In(Duration::ZERO));
        tokio::time::advance(Duration::from_secs(76)).await;
        assert_eq!(pacer.take(), Turn::In(Duration::from_secs(4)));
    }

    #[tokio::test(start_paused = true)]
    async fn an_hour_holds_no_more_than_the_limit_and_the_burst() {
        let pacer = Pacer::new(45, 5);
        let mut sent = 0;
        for _ in 0..3600 {
            while let Turn::In(_) = pacer.take() {
                sent += 1;
            }
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert!((45..=50).contains(&sent), "{sent}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_that_was_not_used_serves_the_next_mail() {
        let pacer = Pacer::new(1, 1);
        assert_eq!(pacer.take(), Turn::In(Duration::ZERO));
        assert!(matches!(pacer.take(), Turn::NotBefore(_)));
        pacer.give_back();
        assert_eq!(pacer.take(), Turn::In(Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_rest_fills_the_bucket_no_higher_than_the_burst() {
        let pacer = Pacer::new(60, 2);
        tokio::time::advance(HOUR * 10).await;
        assert_eq!(pacer.take(), Turn::In(Duration::ZERO));
        assert_eq!(pacer.take(), Turn::In(Duration::ZERO));
        assert!(matches!(pacer.take(), Turn::NotBefore(_)));
    }
}
