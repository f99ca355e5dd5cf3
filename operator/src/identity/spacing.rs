//! When the next login may begin. PURE.
//!
//! Many logins in a short time look like an attack, to Zoho as to anybody: they are spaced over all,
//! and further apart for one mail domain, which most often is one organisation.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

/// Domains remembered at most before those whose time has passed are forgotten.
const DOMAINS: usize = 256;

/// When logins began.
#[derive(Debug)]
pub struct Spacing {
    interval: Duration,
    domain_interval: Duration,
    last: Option<Instant>,
    by_domain: HashMap<String, Instant>,
}

impl Spacing {
    /// At least `interval` between two logins, and `domain_interval` between two of one mail domain.
    pub fn new(interval: Duration, domain_interval: Duration) -> Self {
        Self {
            interval,
            domain_interval,
            last: None,
            by_domain: HashMap::new(),
        }
    }

    /// From when on a login of `domain` may begin; a time that has passed means at once.
    pub fn earliest(&self, domain: &str, now: Instant) -> Instant {
        let after = |began: Option<Instant>, interval| began.map_or(now, |began| began + interval);
        let over_all = after(self.last, self.interval);
        let own = after(self.by_domain.get(domain).copied(), self.domain_interval);
        over_all.max(own)
    }

    /// A login of `domain` begins.
    pub fn begin(&mut self, domain: &str, now: Instant) {
        if self.by_domain.len() >= DOMAINS {
            let interval = self.domain_interval;
            self.by_domain.retain(|_, began| *began + interval > now);
        }
        self.last = Some(now);
        self.by_domain.insert(domain.to_owned(), now);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_first_login_may_begin_at_once_and_another_domain_after_the_short_interval() {
        let now = Instant::now();
        let mut spacing = Spacing::new(SECOND, 10 * SECOND);
        assert_eq!(spacing.earliest("a.example", now), now);
        spacing.begin("a.example", now);
        assert_eq!(spacing.earliest("b.example", now), now + SECOND);
        assert_eq!(spacing.earliest("a.example", now), now + 10 * SECOND);
    }

    proptest! {
        #[test]
        fn whoever_keeps_to_it_never_comes_closer_than_the_intervals(
            wishes in prop::collection::vec((0..400_u16, 0..3000_u64), 1..600)
        ) {
            let mut spacing = Spacing::new(SECOND, 10 * SECOND);
            let mut now = Instant::now();
            let mut begun: Vec<(u16, Instant)> = Vec::new();
            for (domain, pause) in wishes {
                now += Duration::from_millis(pause);
                let name = domain.to_string();
                now = now.max(spacing.earliest(&name, now));
                spacing.begin(&name, now);
                begun.push((domain, now));
            }
            prop_assert!(begun.windows(2).all(|two| two[1].1 - two[0].1 >= SECOND));
            for (at, (domain, began)) in begun.iter().enumerate() {
                let before = begun[..at].iter().rev().find(|(other, _)| other == domain);
                prop_assert!(before.is_none_or(|(_, other)| *began - *other >= 10 * SECOND));
            }
        }
    }
}
