use super::*;

const MS: Duration = Duration::from_millis(1);

/// Plays a schedule: every question takes `latency` and finds what `find` says.
struct Play {
    schedule: Schedule,
    now: Instant,
    latency: Duration,
    under_way: BTreeSet<(Instant, Ticket)>,
    asked: Vec<(Instant, Ticket)>,
}

impl Play {
    fn new(pods: u64) -> Self {
        let now = Instant::now();
        let mut schedule = Schedule::default();
        for pod in 0..pods {
            schedule.add(Ticket(pod), now);
        }
        Self {
            schedule,
            now,
            latency: MS,
            under_way: BTreeSet::new(),
            asked: Vec::new(),
        }
    }

    fn run(&mut self, time: Duration, find: impl Fn(Ticket) -> Finding) {
        let end = self.now + time;
        while self.now < end {
            if let Some((at, ticket)) = self.under_way.first().copied()
                && at <= self.now
            {
                self.under_way.pop_first();
                self.schedule.done(ticket, find(ticket), self.now);
                continue;
            }
            let ended = self.under_way.first().map(|(at, _)| *at);
            self.now = match self.schedule.next(self.now) {
                Next::Ask(ticket) => {
                    self.asked.push((self.now, ticket));
                    self.under_way.insert((self.now + self.latency, ticket));
                    continue;
                }
                Next::At(at) => ended.map_or(at, |ended| ended.min(at)).min(end),
                Next::Nobody => ended.unwrap_or(end).min(end),
            };
        }
    }

    /// From one turn of a pod to its next, the shortest and the longest.
    fn gaps(&self, ticket: Ticket) -> (Duration, Duration) {
        let turns: Vec<Instant> = (self.asked.iter())
            .filter(|(_, asked)| *asked == ticket)
            .map(|(at, _)| *at)
            .collect();
        let gaps: Vec<Duration> = turns.windows(2).map(|two| two[1] - two[0]).collect();
        (*gaps.iter().min().unwrap(), *gaps.iter().max().unwrap())
    }

    /// The most questions within any second.
    fn rate(&self) -> usize {
        let within = |from: &(Instant, Ticket)| {
            let end = from.0 + Duration::from_secs(1);
            self.asked
                .iter()
                .filter(|(at, _)| (from.0..end).contains(at))
                .count()
        };
        self.asked.iter().map(within).max().unwrap()
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_hundred_pods_are_asked_every_20_seconds() {
    let mut play = Play::new(100);
    play.run(seconds(120), |_| Finding::Calm);
    for pod in 0..100 {
        let (shortest, longest) = play.gaps(Ticket(pod));
        assert!(shortest >= INTERVAL, "{shortest:?}");
        assert!(longest <= INTERVAL + SPACING, "{longest:?}");
    }
    assert!(play.rate() <= 50, "{}", play.rate());
}

#[test]
fn five_thousand_pods_are_asked_every_100_seconds_and_none_more_than_others() {
    let mut play = Play::new(5000);
    play.run(seconds(500), |_| Finding::Calm);
    for pod in 0..5000 {
        assert_eq!(
            play.gaps(Ticket(pod)),
            (seconds(100), seconds(100)),
            "{pod}"
        );
    }
    assert!(
        play.asked
            .windows(2)
            .all(|two| two[1].0 - two[0].0 >= SPACING)
    );
}

#[test]
fn a_pod_with_new_failures_goes_first_and_soon() {
    let mut play = Play::new(5000);
    let find = |ticket| {
        if ticket == Ticket(7) {
            Finding::Failing
        } else {
            Finding::Calm
        }
    };
    play.run(seconds(300), find);
    let (shortest, longest) = play.gaps(Ticket(7));
    assert!(
        shortest >= SOON && longest <= SOON + 3 * SPACING,
        "{shortest:?} {longest:?}"
    );
    let (_, longest) = play.gaps(Ticket(8));
    assert!(longest < seconds(102), "{longest:?}");
}

#[test]
fn failing_pods_take_at_most_every_second_turn_from_the_others() {
    let mut play = Play::new(4000);
    let failing = |ticket: Ticket| ticket.0 < 3000;
    play.run(seconds(600), |ticket| {
        if failing(ticket) {
            Finding::Failing
        } else {
            Finding::Calm
        }
    });
    for pod in 3000..4000 {
        let (_, longest) = play.gaps(Ticket(pod));
        assert!(longest <= seconds(81), "{longest:?}");
    }
    for pod in 0..3000 {
        let (_, longest) = play.gaps(Ticket(pod));
        assert!(longest <= seconds(160), "{longest:?}");
    }
}

#[test]
fn a_pod_that_misses_once_is_asked_again_soon_and_a_silent_one_is_not() {
    for (finding, gap) in [(Finding::Missed, SOON), (Finding::Silent, INTERVAL)] {
        let mut play = Play::new(1);
        play.latency = seconds(2);
        play.run(seconds(100), |_| finding);
        assert_eq!(play.gaps(Ticket(0)), (gap + seconds(2), gap + seconds(2)));
    }
}

#[test]
fn a_pod_is_never_asked_twice_at_once() {
    let now = Instant::now();
    let mut schedule = Schedule::default();
    schedule.add(Ticket(1), now);
    assert_eq!(schedule.next(now), Next::Ask(Ticket(1)));
    schedule.add(Ticket(1), now);
    assert_eq!(schedule.next(now + seconds(60)), Next::Nobody);
    schedule.done(Ticket(1), Finding::Calm, now + seconds(60));
    assert_eq!(
        schedule.next(now + seconds(60)),
        Next::At(now + seconds(80))
    );
}

#[test]
fn a_pod_that_goes_has_no_turn_even_if_it_is_being_asked() {
    let now = Instant::now();
    let mut schedule = Schedule::default();
    for pod in 1..=3 {
        schedule.add(Ticket(pod), now);
    }
    schedule.remove(Ticket(2));
    assert_eq!(schedule.next(now), Next::Ask(Ticket(1)));
    schedule.remove(Ticket(1));
    schedule.done(Ticket(1), Finding::Failing, now);
    assert_eq!(schedule.next(now), Next::At(now + SPACING));
    assert_eq!(schedule.next(now + SPACING), Next::Ask(Ticket(3)));
    schedule.done(Ticket(3), Finding::Failing, now);
    schedule.remove(Ticket(3));
    assert_eq!(schedule.next(now + seconds(60)), Next::Nobody);
}

#[test]
fn a_restart_asks_everybody_anew_and_keeps_the_pace() {
    let now = Instant::now();
    let mut schedule = Schedule::default();
    schedule.add(Ticket(1), now);
    schedule.add(Ticket(2), now);
    assert_eq!(schedule.next(now), Next::Ask(Ticket(1)));
    schedule.restart(now);
    assert_eq!(schedule.next(now), Next::At(now + SPACING));
    assert_eq!(schedule.next(now + SPACING), Next::Ask(Ticket(1)));
    assert_eq!(schedule.next(now + 2 * SPACING), Next::Ask(Ticket(2)));
}
