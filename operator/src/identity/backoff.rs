//! How long to wait before another try. PURE.

use std::time::Duration;

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

#[cfg(test)]
mod tests {
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

    #[test]
    fn jitter_is_a_fifth_to_either_side() {
        assert_eq!(BACKOFF.delay(1, 0.0), Duration::from_millis(800));
        assert_eq!(BACKOFF.delay(1, 1.0), Duration::from_millis(1200));
    }
}
