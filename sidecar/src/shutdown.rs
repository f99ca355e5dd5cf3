//! The end of the process. A native sidecar gets SIGTERM after the app's containers ended, or with
//! them when the grace period is spent, and then has two seconds (KEP-753). It cannot tell which,
//! so there is one rule with two moments. A second signal makes both come at once: nobody waits any
//! longer, and still each mail ends with an answer and is counted.

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
    hurried: CancellationToken,
    since: OnceLock<Instant>,
}

impl Shutdown {
    /// SIGTERM came.
    pub fn begin(&self) {
        self.since.get_or_init(Instant::now);
        self.token.cancel();
    }

    /// A second signal came: both moments are now.
    pub fn hurry(&self) {
        self.begin();
        self.hurried.cancel();
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
        self.moment(SOFT).await;
    }

    /// The moment at which everything ends.
    pub async fn hard(&self) {
        self.moment(HARD).await;
    }

    async fn moment(&self, after: Duration) {
        let moment = tokio::time::sleep_until(self.begun().await + after);
        self.hurried.run_until_cancelled(moment).await;
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
    async fn a_second_signal_makes_both_moments_come_at_once() {
        let shutdown = Shutdown::default();
        let moments = async { tokio::join!(shutdown.soft(), shutdown.hard()) };
        let signals = async {
            shutdown.begin();
            tokio::time::sleep(Duration::from_millis(400)).await;
            shutdown.hurry();
        };
        let start = Instant::now();
        tokio::join!(moments, signals);
        assert_eq!(start.elapsed(), Duration::from_millis(400));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_signal_no_moment_comes() {
        let shutdown = Shutdown::default();
        let day = Duration::from_secs(24 * 3600);
        assert!(tokio::time::timeout(day, shutdown.soft()).await.is_err());
        assert!(!shutdown.has_begun());
    }
}
