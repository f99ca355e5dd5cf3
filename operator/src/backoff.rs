//! How long to wait before another try.

use std::time::Duration;

use futures_util::{Stream, StreamExt as _, stream};
use kube::runtime::utils::{Backoff as Delays, StreamBackoff};
use kube::runtime::watcher;
use tokio::time::Instant;

/// Delays that double from `first` to `last`, each up to a fifth shorter or longer.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// Before the second try.
    pub first: Duration,
    /// Never more than this, and the jitter.
    pub last: Duration,
}

impl Backoff {
    /// The delay after so many `failures` in a row, from 1. `chance` is from 0 to 1 and decides the
    /// jitter.
    pub fn delay(self, failures: u32, chance: f64) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let delay = self.first.saturating_mul(1 << doublings).min(self.last);
        delay.mul_f64(0.8 + 0.4 * chance.clamp(0.0, 1.0))
    }
}

/// Between two tries of a watch.
const WATCH: Backoff = Backoff {
    first: Duration::from_secs(1),
    last: Duration::from_secs(20),
};
/// A watch that failed so long ago is a new one.
const CALM: Duration = Duration::from_secs(60);

/// A watch that slows down while it fails, and that never gets stuck (see [`again`]). kube's own delays
/// begin anew with each sign of life, and every new list begins with one: then a list that is refused for
/// ever is asked for each second. These begin anew only after a minute without a failure.
pub fn of_watch<S, T>(begin: impl FnMut() -> S) -> impl Stream<Item = watcher::Result<T>>
where
    S: Stream<Item = watcher::Result<T>>,
{
    StreamBackoff::new(again(begin), WatchBackoff::default())
}

/// A watch that is begun anew, with a list, where the API server answers that its version is too old or
/// the kind unknown. kube does so where an event says it, but after the status code it asks for the same
/// version again: one that is too old stays so for ever.
pub fn again<S, T>(mut begin: impl FnMut() -> S) -> impl Stream<Item = watcher::Result<T>>
where
    S: Stream<Item = watcher::Result<T>>,
{
    let first = Box::pin(begin());
    stream::unfold((first, begin), async |(mut events, mut begin)| {
        let event = events.next().await?;
        if matches!(&event, Err(watcher::Error::WatchStartFailed(kube::Error::Api(status)))
            if matches!(status.code, 404 | 410))
        {
            events.set(begin());
        }
        Some((event, (events, begin)))
    })
}

/// See [`of_watch`].
#[derive(Debug, Default)]
pub struct WatchBackoff {
    failures: u32,
    last: Option<Instant>,
}

impl Iterator for WatchBackoff {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        if self.last.is_some_and(|last| last.elapsed() > CALM) {
            self.failures = 0;
        }
        self.last = Some(Instant::now());
        self.failures = self.failures.saturating_add(1);
        Some(WATCH.delay(self.failures, fastrand::f64()))
    }
}

impl Delays for WatchBackoff {
    /// A sign of life is not yet recovery: the time that passed decides.
    fn reset(&mut self) {}
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;

    use super::*;

    const BACKOFF: Backoff = Backoff {
        first: Duration::from_secs(1),
        last: Duration::from_secs(300),
    };

    #[test]
    fn delays_double_up_to_the_last() {
        let seconds: Vec<u64> = (1..=11)
            .map(|failures| BACKOFF.delay(failures, 0.5).as_secs())
            .collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(BACKOFF.delay(u32::MAX, 0.5).as_secs(), 300);
    }

    fn failure(code: u16) -> watcher::Error {
        let status = kube::core::Status::failure("by a test", "Test").with_code(code);
        watcher::Error::WatchStartFailed(kube::Error::Api(Box::new(status)))
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_that_shows_life_before_each_failure_is_slowed_down_all_the_same() {
        let start = tokio::time::Instant::now();
        let life = |n| if n % 2 == 0 { Ok(n) } else { Err(failure(500)) };
        let lives = || stream::iter((0..20).map(life));
        let seen: Vec<watcher::Result<u32>> = of_watch(lives).collect().await;
        assert_eq!(seen.len(), 20);
        assert!(
            start.elapsed() > Duration::from_secs(60),
            "{:?}",
            start.elapsed()
        );
    }

    #[tokio::test]
    async fn a_watch_from_a_version_that_is_too_old_is_begun_anew_and_other_failures_leave_it() {
        let mut begun = 0;
        let watches = again(|| {
            begun += 1;
            let end = if begun < 3 {
                failure(410)
            } else {
                failure(500)
            };
            stream::iter([Ok(begun), Err(end)])
        });
        let seen: Vec<Option<u32>> = watches.map(Result::ok).collect().await;
        assert_eq!(seen, [Some(1), None, Some(2), None, Some(3), None]);
    }

    #[test]
    fn jitter_is_a_fifth_to_either_side() {
        assert_eq!(BACKOFF.delay(1, 0.0), Duration::from_millis(800));
        assert_eq!(BACKOFF.delay(1, 1.0), Duration::from_millis(1200));
    }
}
