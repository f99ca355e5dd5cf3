use super::*;

fn refuse(breaker: &Breaker, class: Class, now: Instant) {
    breaker.admit(now).unwrap().failed(class, now);
}

#[tokio::test(start_paused = true)]
async fn a_refused_login_holds_every_mail_for_about_an_hour() {
    let breaker = Breaker::default();
    let start = Instant::now();
    refuse(&breaker, Class::AuthFailed, start);
    assert!(breaker.admit(start + MINUTE * 47).is_err());
    assert!(breaker.admit(start + MINUTE * 73).is_ok());
}

#[tokio::test(start_paused = true)]
async fn only_one_mail_is_the_trial() {
    let breaker = Breaker::default();
    let start = Instant::now();
    refuse(&breaker, Class::AuthFailed, start);
    let later = start + HOUR * 2;
    let trial = breaker.admit(later).unwrap();
    assert!(breaker.admit(later).is_err());
    trial.accepted();
    assert!(breaker.admit(later).is_ok());
    assert_eq!(breaker.open(), None);
}

#[tokio::test(start_paused = true)]
async fn a_refused_trial_doubles_the_time_up_to_twelve_hours() {
    let breaker = Breaker::default();
    let mut now = Instant::now();
    for hours in [1_u32, 2, 4, 8, 12, 12] {
        refuse(&breaker, Class::AuthFailed, now);
        let span = breaker.open().unwrap().until - now;
        assert!(span >= HOUR.mul_f64(0.79) * hours && span <= HOUR.mul_f64(1.21) * hours);
        now = breaker.open().unwrap().until;
    }
}

#[tokio::test(start_paused = true)]
async fn mails_that_were_under_way_do_not_prolong_it() {
    let breaker = Breaker::default();
    let now = Instant::now();
    let under_way: Vec<_> = (0..5).map(|_| breaker.admit(now).unwrap()).collect();
    for pass in under_way {
        pass.failed(Class::AccountBlocked, now);
    }
    assert_eq!(breaker.open().unwrap().refusals, 1);
}

#[tokio::test(start_paused = true)]
async fn a_mail_that_was_under_way_may_lengthen_it_and_never_shortens_it() {
    let now = Instant::now();
    for (first, second) in [
        (Class::AuthFailed, Class::RateLimited),
        (Class::RateLimited, Class::AuthFailed),
    ] {
        let breaker = Breaker::default();
        let passes = [first, second].map(|class| (breaker.admit(now).unwrap(), class));
        for (pass, class) in passes {
            pass.failed(class, now);
        }
        assert_eq!(breaker.open().unwrap().reason, Reason::AuthFailed);
        assert!(breaker.admit(now + MINUTE * 47).is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn a_trial_that_fails_for_another_cause_is_free_again_and_the_breaker_stays_open() {
    let breaker = Breaker::default();
    let start = Instant::now();
    refuse(&breaker, Class::AccountBlocked, start);
    let later = start + HOUR;
    assert!(breaker.admit(later).unwrap().is_trial());
    breaker.admit(later).unwrap().failed(Class::Connect, later);
    assert_eq!(breaker.open().unwrap().refusals, 1);
    let trial = breaker.admit(later).unwrap();
    assert!(trial.is_trial());
    assert!(breaker.admit(later).is_err(), "one trial at a time");
}

#[tokio::test(start_paused = true)]
async fn only_the_trial_may_go_once_it_is_open() {
    let breaker = Breaker::default();
    let start = Instant::now();
    assert_eq!(breaker.holds_mails(start), None);
    refuse(&breaker, Class::AuthFailed, start);
    let later = start + HOUR * 2;
    assert!(breaker.holds_mails(later).is_some(), "no trial under way");
    let trial = breaker.admit(later).unwrap();
    assert_eq!(breaker.holds_mails(later), None);
    trial.failed(Class::AuthFailed, later);
    assert!(breaker.holds_mails(later).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_trial_whose_app_left_is_free_again() {
    let breaker = Breaker::default();
    let start = Instant::now();
    refuse(&breaker, Class::RateLimited, start);
    drop(breaker.admit(start + HOUR).unwrap());
    assert!(breaker.admit(start + HOUR).unwrap().is_trial());
}

#[tokio::test(start_paused = true)]
async fn a_good_login_closes_it_only_for_a_refused_login() {
    let breaker = Breaker::default();
    let now = Instant::now();
    refuse(&breaker, Class::AccountBlocked, now);
    breaker.logged_in();
    assert!(breaker.open().is_some());
    breaker.close();
    refuse(&breaker, Class::AuthFailed, now);
    breaker.logged_in();
    assert_eq!(breaker.open(), None);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_about_the_mail_leaves_it_closed() {
    let breaker = Breaker::default();
    for class in [Class::RelayDenied, Class::Connect, Class::RecipientRefused] {
        refuse(&breaker, class, Instant::now());
    }
    assert_eq!(breaker.open(), None);
}

/// The span of the opening, in units, without its jitter.
fn assert_span(open: Option<Open>, now: Instant, expected: Duration) {
    let span = open.unwrap().until - now;
    assert!(
        span >= expected.mul_f64(0.79) && span <= expected.mul_f64(1.21),
        "{span:?} for {expected:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_login_without_verdict_holds_logins_for_a_minute_and_then_ever_longer_but_no_mails() {
    let breaker = Breaker::default();
    let mut now = Instant::now();
    for minutes in [1_u32, 2, 4, 8, 16, 32, 60, 60] {
        assert_eq!(breaker.holds_logins(now), None);
        breaker.login_unheard(now);
        let hold = breaker.holds_logins(now);
        assert_span(hold, now, MINUTE * minutes);
        assert_eq!(breaker.holds_mails(now), None);
        assert!(!breaker.admit(now).unwrap().is_trial());
        now = hold.unwrap().until;
    }
}

#[tokio::test(start_paused = true)]
async fn a_hold_of_logins_is_shown_while_it_lasts_and_ends_with_a_good_login_or_a_new_account() {
    let end: [fn(&Breaker); 2] = [Breaker::logged_in, Breaker::close];
    for end in end {
        let breaker = Breaker::default();
        let now = Instant::now();
        breaker.login_unheard(now);
        assert_eq!(breaker.open().unwrap().reason, Reason::AuthFailed);
        breaker.admit(now).unwrap().accepted();
        assert!(
            breaker.holds_logins(now).is_some(),
            "over a warm connection"
        );
        end(&breaker);
        assert_eq!((breaker.holds_logins(now), breaker.open()), (None, None));
        breaker.login_unheard(now);
        assert_span(breaker.holds_logins(now), now, MINUTE);
    }
    let breaker = Breaker::default();
    breaker.login_unheard(Instant::now());
    tokio::time::advance(MINUTE * 2).await;
    assert_eq!(breaker.open(), None);
}

#[tokio::test(start_paused = true)]
async fn a_refused_login_is_not_tried_sooner_than_after_a_wrong_password() {
    for reason in Reason::ALL {
        let breaker = Breaker::default();
        let mut now = Instant::now();
        for hours in [1_u32, 2, 4, 8, 12] {
            breaker.trip_login(reason, now);
            breaker.trip(reason, now);
            assert_eq!(breaker.open().unwrap().reason, reason);
            assert_span(breaker.open(), now, HOUR * hours);
            now = breaker.open().unwrap().until;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_login_lengthens_what_a_refused_mail_had_opened() {
    let breaker = Breaker::default();
    let now = Instant::now();
    breaker.trip(Reason::AccountBlocked, now);
    breaker.trip_login(Reason::AccountBlocked, now);
    assert_span(breaker.open(), now, HOUR);
    assert_eq!(breaker.open().unwrap().refusals, 1);
}

#[tokio::test(start_paused = true)]
async fn the_doubling_goes_on_when_reasons_alternate_until_a_mail_is_accepted() {
    let breaker = Breaker::default();
    let mut now = Instant::now();
    for (class, span) in [
        (Class::AccountBlocked, MINUTE * 15),
        (Class::RateLimited, MINUTE * 20),
        (Class::AccountBlocked, HOUR),
        (Class::AuthFailed, HOUR * 8),
    ] {
        refuse(&breaker, class, now);
        assert_span(breaker.open(), now, span);
        now = breaker.open().unwrap().until;
    }
    // The password is good again, and the mail that follows is refused.
    let trial = breaker.admit(now).unwrap();
    breaker.logged_in();
    trial.failed(Class::RateLimited, now);
    assert_span(breaker.open(), now, HOUR * 2);
    assert_eq!(breaker.open().unwrap().refusals, 5);
    now = breaker.open().unwrap().until;
    breaker.admit(now).unwrap().accepted();
    refuse(&breaker, Class::RateLimited, now);
    assert_span(breaker.open(), now, MINUTE * 10);
}

#[tokio::test(start_paused = true)]
async fn a_mail_over_a_closed_breaker_ends_the_doubling() {
    let breaker = Breaker::default();
    let now = Instant::now();
    refuse(&breaker, Class::AuthFailed, now);
    breaker.logged_in();
    breaker.admit(now).unwrap().accepted();
    refuse(&breaker, Class::AuthFailed, now);
    assert_eq!(breaker.open().unwrap().refusals, 1);
}

#[tokio::test(start_paused = true)]
async fn news_of_an_old_mail_neither_closes_a_newer_opening_nor_ends_a_newer_trial() {
    let start = Instant::now();
    let breaker = Breaker::default();
    let under_way = breaker.admit(start).unwrap();
    refuse(&breaker, Class::RateLimited, start);
    let later = start + HOUR;
    let first_trial = breaker.admit(later).unwrap();
    under_way.failed(Class::AuthFailed, later);
    let opened = breaker.open();
    first_trial.accepted();
    assert_eq!(breaker.open(), opened);

    let breaker = Breaker::default();
    let under_way = breaker.admit(start).unwrap();
    refuse(&breaker, Class::RateLimited, start);
    let first_trial = breaker.admit(later).unwrap();
    under_way.failed(Class::AuthFailed, later);
    let latest = later + HOUR * 3;
    let second_trial = breaker.admit(latest).unwrap();
    drop(first_trial);
    assert!(breaker.admit(latest).is_err(), "one trial at a time");
    drop(second_trial);
    assert!(breaker.admit(latest).unwrap().is_trial());
}

#[tokio::test(start_paused = true)]
async fn a_trial_of_before_a_raised_retry_ends_nothing_of_after() {
    let start = Instant::now();
    let later = start + HOUR;
    let breaker = Breaker::default();
    refuse(&breaker, Class::RateLimited, start);
    let trial = breaker.admit(later).unwrap();
    breaker.close();
    refuse(&breaker, Class::AuthFailed, later);
    trial.accepted();
    assert!(breaker.open().is_some());
}

#[tokio::test(start_paused = true)]
async fn who_comes_during_a_trial_is_asked_to_wait_a_minute() {
    let breaker = Breaker::default();
    let start = Instant::now();
    refuse(&breaker, Class::RateLimited, start);
    let due = breaker.open().unwrap().until;
    for now in [due, due + HOUR] {
        let held = breaker.holds_mails(now).unwrap();
        assert_eq!(held.until, now + MINUTE, "no trial under way");
        let _trial = breaker.admit(now).unwrap();
        assert_eq!(breaker.admit(now).unwrap_err().until, now + MINUTE);
    }
    assert_eq!(breaker.admit(start).unwrap_err().until, due);
}
