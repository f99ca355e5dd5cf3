//! The simulator's time: what tests advance, plus what tokio's clock says has passed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// The first date of the banner: April 18, 2024 6:40:27 AM, Zoho's local time, as seconds since
/// 1970 (`docs/zoho.md session`).
const FIRST_BANNER_SECONDS: u64 = 1_713_422_427;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// A clock that starts at zero and that tests may advance.
#[derive(Debug)]
pub(crate) struct Clock {
    started: Instant,
    advanced_seconds: AtomicU64,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self {
            started: Instant::now(),
            advanced_seconds: AtomicU64::new(0),
        }
    }

    /// Time since the start: decides what lies within the rolling hour.
    pub(crate) fn now(&self) -> Duration {
        self.started.elapsed() + self.advanced()
    }

    /// The part of `now` that was asked for.
    pub(crate) fn advanced(&self) -> Duration {
        Duration::from_secs(self.advanced_seconds.load(Ordering::Relaxed))
    }

    pub(crate) fn advance(&self, seconds: u64) -> Duration {
        // Saturates so that a test cannot wrap the clock; a century is plenty.
        let _ = self
            .advanced_seconds
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |old| {
                Some(old.saturating_add(seconds).min(100 * 366 * 86_400))
            });
        self.now()
    }

    /// The banner's date. It moves only when a test advances the clock, so that a session is the
    /// same to the byte in every run.
    pub(crate) fn banner_date(&self) -> String {
        banner_date(FIRST_BANNER_SECONDS + self.advanced().as_secs())
    }
}

/// `April 18, 2024 6:40:27 AM PDT`, from seconds since 1970 in local time.
fn banner_date(seconds: u64) -> String {
    let (mut day, time) = (seconds / 86_400, seconds % 86_400);
    let mut year = 1970;
    while day >= days_in_year(year) {
        day -= days_in_year(year);
        year += 1;
    }
    let mut month = 0;
    while day >= days_in_month(year, month) {
        day -= days_in_month(year, month);
        month += 1;
    }
    let name = MONTHS[month];
    let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
    let half = if hour < 12 { "AM" } else { "PM" };
    let hour = (hour + 11) % 12 + 1;
    format!(
        "{name} {}, {year} {hour}:{minute:02}:{second:02} {half} PDT",
        day + 1
    )
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_in_year(year: u64) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

/// `month` counts from 0.
fn days_in_month(year: u64, month: usize) -> u64 {
    match month {
        1 if is_leap(year) => 29,
        1 => 28,
        3 | 5 | 8 | 10 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn banner_date_moves_only_when_a_test_advances_the_clock() {
        let clock = Clock::start();
        assert_eq!(clock.banner_date(), "April 18, 2024 6:40:27 AM PDT");
        tokio::time::advance(Duration::from_secs(100)).await;
        assert_eq!(clock.banner_date(), "April 18, 2024 6:40:27 AM PDT");
        clock.advance(6 * 3600);
        assert_eq!(clock.banner_date(), "April 18, 2024 12:40:27 PM PDT");
        assert_eq!(clock.now(), Duration::from_secs(6 * 3600 + 100));
    }

    #[test]
    fn banner_date_knows_leap_days_midnight_and_new_year() {
        assert_eq!(banner_date(0), "January 1, 1970 12:00:00 AM PDT");
        assert_eq!(
            banner_date(951_782_400),
            "February 29, 2000 12:00:00 AM PDT"
        );
        assert_eq!(
            banner_date(1_735_689_599),
            "December 31, 2024 11:59:59 PM PDT"
        );
    }
}
