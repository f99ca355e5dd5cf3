use serde_json::json;
use zohorelay_smtp::reply::Reply;
use zohorelay_upstream::Stage;

use super::*;
use crate::identity::validate::fixtures::draft;

const SECOND: Duration = Duration::from_secs(1);
const NOW: Timestamp = Timestamp::UNIX_EPOCH;

/// A login `name@domain`, as identity `name` has it.
fn document(name: &str, domain: &str) -> Document {
    let address = format!("{name}@{domain}");
    draft(&json!({"metadata": {"name": name}, "spec": {"address": address}})).document
}

fn object(name: &str) -> ObjectRef<MailIdentity> {
    ObjectRef::new(name).within("shop")
}

struct Bench {
    logins: Logins,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        Self {
            logins: Logins::new(Spacing::new(SECOND, 10 * SECOND)),
            now: Instant::now(),
        }
    }

    fn look(&mut self, name: &str, document: &Document) -> Attempt {
        self.know(name, document, None).attempt
    }

    fn know(&mut self, name: &str, document: &Document, release: Option<&str>) -> Known {
        let key = AttemptKey::of(document);
        let release = release.map(str::to_owned);
        self.logins
            .look(&object(name), key, release, (NOW, self.now))
    }

    fn ask(&mut self, name: &str, document: &Document) {
        self.look(name, document);
        self.logins.ask(&object(name), document);
    }

    /// The mail address of the login that may begin now.
    fn begin(&mut self) -> Option<(Arc<AttemptKey>, String)> {
        match self.logins.next(self.now) {
            Next::Begin { key, document } => Some((key, document.login.username)),
            Next::At(_) | Next::Idle => None,
        }
    }

    /// When the next login may begin, from now.
    fn wait(&mut self) -> Option<Duration> {
        match self.logins.next(self.now) {
            Next::At(at) => Some(at - self.now),
            Next::Begin { .. } | Next::Idle => None,
        }
    }

    fn end(&mut self, key: &Arc<AttemptKey>, result: Result<(), &Failure>) -> usize {
        let (_, told) = self.logins.ended(key, result, (NOW, self.now), 0.5);
        told.len()
    }
}

fn refused(class: Class) -> Failure {
    Failure::new(class, Stage::Auth, "smtp.zoho.com", "logging in").with_reply(Reply::new(
        535,
        None,
        "Authentication Failed",
    ))
}

fn unheard() -> Failure {
    Failure::new(Class::Timeout, Stage::Auth, "smtp.zoho.com", "logging in")
}

#[test]
fn two_identities_with_one_login_share_one_try_and_both_are_told() {
    let mut bench = Bench::new();
    let document = document("billing", "example.com");
    bench.ask("billing", &document);
    bench.ask("invoices", &document);
    bench.ask("billing", &document);
    assert_eq!(bench.look("invoices", &document), Attempt::Waiting);
    let (key, _) = bench.begin().unwrap();
    bench.ask("invoices", &document);
    assert!(matches!(bench.logins.next(bench.now), Next::Idle));
    assert_eq!(bench.end(&key, Ok(())), 2);
    assert_eq!(
        bench.look("billing", &document),
        Attempt::Accepted { at: NOW }
    );
}

#[test]
fn a_refused_login_is_never_offered_again_even_after_all_its_identities_went() {
    let mut bench = Bench::new();
    let document = document("billing", "example.com");
    bench.ask("billing", &document);
    let (key, _) = bench.begin().unwrap();
    bench.end(&key, Err(&refused(Class::AuthFailed)));
    bench.now += Duration::from_secs(86_400);
    bench.ask("billing", &document);
    assert!(matches!(bench.logins.next(bench.now), Next::Idle));
    bench.logins.forget(&object("billing"));
    bench.ask("another", &document);
    assert!(matches!(bench.logins.next(bench.now), Next::Idle));
    assert!(matches!(
        bench.look("another", &document),
        Attempt::Refused { code: 535, .. }
    ));
}

#[test]
fn a_blocked_account_may_be_asked_for_again() {
    let mut bench = Bench::new();
    let document = document("billing", "example.com");
    bench.ask("billing", &document);
    let (key, _) = bench.begin().unwrap();
    bench.end(&key, Err(&refused(Class::AccountBlocked)));
    bench.now += Duration::from_secs(3600);
    bench.ask("billing", &document);
    assert!(bench.begin().is_some());
}

#[test]
fn a_refused_login_is_offered_once_more_for_each_request() {
    let mut bench = Bench::new();
    let document = document("billing", "example.com");
    bench.ask("billing", &document);
    let (key, _) = bench.begin().unwrap();
    bench.end(&key, Err(&refused(Class::AuthFailed)));
    for value in ["1", "2"] {
        bench.now += 60 * SECOND;
        assert!(
            !bench
                .know("billing", &document, Some(value))
                .is_release_tried
        );
        bench.ask("billing", &document);
        let (key, _) = bench.begin().unwrap();
        assert!(
            !bench
                .know("billing", &document, Some(value))
                .is_release_tried
        );
        bench.end(&key, Err(&refused(Class::AuthFailed)));
        // What the status says of it may be read late.
        for _ in 0..2 {
            assert!(
                bench
                    .know("billing", &document, Some(value))
                    .is_release_tried
            );
            bench.ask("billing", &document);
            assert!(matches!(bench.logins.next(bench.now), Next::Idle));
        }
    }
}

#[test]
fn a_request_is_answered_only_by_a_login_that_began_after_it() {
    let mut bench = Bench::new();
    let document = document("billing", "example.com");
    bench.ask("billing", &document);
    bench.ask("invoices", &document);
    bench.know("invoices", &document, Some("1"));
    let (key, _) = bench.begin().unwrap();
    bench.know("billing", &document, Some("1"));
    bench.end(&key, Err(&refused(Class::AuthFailed)));
    assert!(
        bench
            .know("invoices", &document, Some("1"))
            .is_release_tried
    );
    assert!(!bench.know("billing", &document, Some("1")).is_release_tried);
    bench.logins.ask(&object("billing"), &document);
    bench.now += 10 * SECOND;
    let (key, _) = bench.begin().unwrap();
    bench.end(&key, Ok(()));
    let known = bench.know("billing", &document, Some("1"));
    assert_eq!(
        (known.is_release_tried, known.attempt),
        (true, Attempt::Accepted { at: NOW })
    );
}

#[test]
fn a_request_without_a_verdict_is_tried_again_ever_later() {
    let mut bench = Bench::new();
    let document = document("billing", "example.com");
    bench.ask("billing", &document);
    let (key, _) = bench.begin().unwrap();
    bench.end(&key, Err(&refused(Class::AuthFailed)));
    bench.now += 60 * SECOND;
    for pause in [30, 60] {
        bench.know("billing", &document, Some("1"));
        bench.ask("billing", &document);
        let (key, _) = bench.begin().unwrap();
        bench.end(&key, Err(&unheard()));
        let known = bench.know("billing", &document, Some("1"));
        assert!(!known.is_release_tried && matches!(known.attempt, Attempt::Refused { .. }));
        bench.ask("billing", &document);
        assert_eq!(bench.wait(), Some(pause * SECOND));
        bench.now += pause * SECOND;
    }
}

#[test]
fn what_is_queued_is_dropped_when_nobody_asks_for_it_any_more() {
    let mut bench = Bench::new();
    let document = document("billing", "example.com");
    bench.ask("billing", &document);
    bench.ask("invoices", &document);
    bench.logins.withdraw(&object("billing"));
    assert_eq!(bench.look("billing", &document), Attempt::Waiting);
    bench.logins.forget(&object("invoices"));
    assert_eq!(bench.look("billing", &document), Attempt::Untried);
    assert!(matches!(bench.logins.next(bench.now), Next::Idle));
    bench.ask("billing", &document);
    bench.logins.withdraw_all();
    assert!(matches!(bench.logins.next(bench.now), Next::Idle));
    bench.ask("billing", &document);
    assert!(bench.begin().is_some());
}

#[test]
fn a_login_is_due_while_it_waits_for_its_turn_or_is_under_way_and_not_while_it_is_put_off() {
    let mut bench = Bench::new();
    let document = document("billing", "example.com");
    let is_due = |bench: &mut Bench| bench.know("billing", &document, None).is_due;
    assert!(!is_due(&mut bench));
    bench.ask("billing", &document);
    assert!(is_due(&mut bench), "queued");
    let (key, _) = bench.begin().unwrap();
    assert!(is_due(&mut bench), "under way");
    bench.end(&key, Err(&unheard()));
    assert!(!is_due(&mut bench), "ended");
    bench.ask("billing", &document);
    assert!(!is_due(&mut bench), "put off");
    bench.now += 31 * SECOND;
    assert!(is_due(&mut bench), "queued again");
}

#[test]
fn logins_are_begun_in_the_order_of_asking_but_for_domains_whose_turn_has_not_come() {
    let mut bench = Bench::new();
    for (name, domain) in [
        ("a", "one.example"),
        ("b", "one.example"),
        ("c", "two.example"),
    ] {
        bench.ask(name, &document(name, domain));
    }
    assert_eq!(bench.begin().unwrap().1, "a@one.example");
    assert_eq!(bench.wait(), Some(SECOND));
    bench.now += SECOND;
    assert_eq!(bench.begin().unwrap().1, "c@two.example");
    assert_eq!(bench.wait(), Some(9 * SECOND));
    bench.now += 9 * SECOND;
    assert_eq!(bench.begin().unwrap().1, "b@one.example");
}

#[test]
fn without_a_verdict_the_tries_are_spaced_out_from_30_s_to_15_min_however_often_it_is_asked() {
    let mut bench = Bench::new();
    let document = document("billing", "example.com");
    let mut pauses = Vec::new();
    bench.ask("billing", &document);
    for _ in 0..7 {
        let (key, _) = bench.begin().unwrap();
        bench.end(&key, Err(&unheard()));
        for _ in 0..3 {
            bench.ask("billing", &document);
        }
        let pause = bench.wait().unwrap();
        pauses.push(pause.as_secs());
        bench.now += pause;
    }
    assert_eq!(pauses, [30, 60, 120, 240, 480, 900, 900]);
}

#[test]
fn a_login_that_was_cut_short_counts_as_one_without_a_verdict() {
    let mut bench = Bench::new();
    let document = document("billing", "example.com");
    bench.ask("billing", &document);
    let (key, _) = bench.begin().unwrap();
    bench.logins.cut_short(&key, bench.now, 0.5);
    assert_eq!(bench.look("billing", &document), Attempt::Untried);
    bench.ask("billing", &document);
    assert_eq!(bench.wait(), Some(30 * SECOND));
}

#[test]
fn what_nobody_has_any_more_is_neither_tried_nor_remembered() {
    let mut bench = Bench::new();
    bench.ask("billing", &document("billing", "example.com"));
    bench.ask("billing", &document("renamed", "example.com"));
    assert_eq!(bench.logins.entries.len(), 1);
    assert_eq!(bench.begin().unwrap().1, "renamed@example.com");
    bench.logins.forget(&object("billing"));
    assert_eq!(bench.logins.identities().count(), 0);
}

#[test]
fn refused_logins_of_the_past_are_bounded() {
    let mut bench = Bench::new();
    for number in 0..REFUSED + 50 {
        let document = document("billing", &format!("d{number}.example"));
        bench.ask("billing", &document);
        let (key, _) = bench.begin().unwrap();
        bench.end(&key, Err(&refused(Class::AuthFailed)));
        bench.now += SECOND;
    }
    assert_eq!(bench.logins.entries.len(), REFUSED + 1);
}
