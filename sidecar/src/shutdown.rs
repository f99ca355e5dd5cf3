//! The end of the process. A native sidecar gets SIGTERM after the app's containers ended, or with
//! them when the grace period is spent, and then has two seconds (KEP-753). It cannot tell which,
//! so there is one rule with two moments.

use std::sync::OnceLock;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Mails whose dot we have not sent may go on for so long.
const SOFT: Duration = Duration::from_secs(1);

/// Mails whose dot we have sent wait for their reply for so long.
const HARD: Duration = Duration::from_millis(1800);

/// See the module.
#[derive(Debug, Default)]
pub struct Shutdown {
    token: CancellationToken,
    since: OnceLock<Instant>,
}

impl Shutdown {
    /// SIGTERM came.
    pub fn begin(&self) {
        self.since.get_or_init(Instant::now);
        self.token.cancel();
    }

    /// Whether it came.
    pub fn has_begun(&self) -> bool {
        self.token.is_cancelled()
    }

    /// For tasks that end at once.
    pub fn token(&self) -> &CancellationToken {
        &self.token
    }

    /// When it came.
    pub async fn begun(&self) -> Instant {
        self.token.cancelled().await;
        *self.since.get_or_init(Instant::now)
    }

    /// The moment at which mails without our dot end.
    pub async fn soft(&self) {
        tokio::time::sleep_until(self.begun().await + SOFT).await;
    }

    /// The moment at which everything ends.
    pub async fn hard(&self) {
        tokio::time::sleep_until(self.begun().await + HARD).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn its_moments_count_from_the_first_signal() {
        let shutdown = Shutdown::default();
        tokio::time::advance(Duration::from_secs(100)).await;
        let start = Instant::now();
        shutdown.begin();
        tokio::time::advance(Duration::from_millis(400)).await;
        shutdown.begin();
        assert!(shutdown.has_begun());
        shutdown.soft().await;
        assert_eq!(start.elapsed(), SOFT);
        shutdown.hard().await;
        assert_eq!(start.elapsed(), HARD);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_signal_no_moment_comes() {
        let shutdown = Shutdown::default();
        let day = Duration::from_secs(24 * 3600);
        assert!(tokio::time::timeout(day, shutdown.soft()).await.is_err());
        assert!(!shutdown.has_begun());
    }
}
