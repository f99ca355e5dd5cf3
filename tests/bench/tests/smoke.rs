//! Load and sink in one process: what one counts, the other counts too.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use zohorelay_bench::certificate::Certificates;
use zohorelay_bench::load::{After, Load, Plan};
use zohorelay_bench::mail;
use zohorelay_bench::reactor::Reactor;
use zohorelay_bench::sink::Seen;

const LIMIT: Duration = Duration::from_secs(60);

fn plan(reactor: &Reactor, tls: Option<Arc<ClientConfig>>, keep: bool, size_bytes: usize) -> Plan {
    Plan {
        server: reactor.sink.address(),
        log_in: tls.is_some(),
        tls,
        sessions: 5,
        keep,
        pace: None,
        mails_per_session: Some(10),
        after: After::Quit,
        content: mail::content_and_dot(mail::SENDER, size_bytes).into(),
    }
}

fn run(reactor: &mut Reactor, plan: Plan) -> Load {
    let mut load = Load::start(reactor.poll(), plan).unwrap();
    reactor.run_to_end(&mut load, LIMIT, || Ok(())).unwrap();
    load
}

/// Lets the sink see the last connections close.
fn settle(reactor: &mut Reactor) {
    while reactor.sink.open_connections() > 0 {
        reactor.turn(None, LIMIT).unwrap();
    }
}

#[test]
fn fifty_mails_over_kept_tls_connections_are_counted_on_both_sides() {
    let certificates = Certificates::generate().unwrap();
    let mut reactor = Reactor::new(Some(certificates.server)).unwrap();
    let plan = plan(&reactor, Some(certificates.client), true, mail::SMALL_BYTES);
    let tally = run(&mut reactor, plan).take_tally();
    assert_eq!(
        (tally.accepted, tally.refused, tally.broken),
        (50, 0, 0),
        "{tally:?}"
    );
    assert_eq!(tally.times.len(), 50);
    settle(&mut reactor);
    assert_eq!(
        reactor.sink.seen(),
        Seen {
            mails: 50,
            connections: 5,
            logins: 5
        }
    );
}

#[test]
fn fifty_mails_over_new_tls_connections_take_fifty_connections() {
    let certificates = Certificates::generate().unwrap();
    let mut reactor = Reactor::new(Some(certificates.server)).unwrap();
    let plan = plan(
        &reactor,
        Some(certificates.client),
        false,
        mail::SMALL_BYTES,
    );
    let tally = run(&mut reactor, plan).take_tally();
    assert_eq!(tally.accepted, 50, "{tally:?}");
    settle(&mut reactor);
    assert_eq!(
        reactor.sink.seen(),
        Seen {
            mails: 50,
            connections: 50,
            logins: 50
        }
    );
}

#[test]
fn fifty_mails_over_new_plain_connections_take_fifty_connections() {
    let mut reactor = Reactor::new(None).unwrap();
    let plan = plan(&reactor, None, false, mail::SMALL_BYTES);
    let tally = run(&mut reactor, plan).take_tally();
    assert_eq!(
        (tally.accepted, tally.refused, tally.broken),
        (50, 0, 0),
        "{tally:?}"
    );
    settle(&mut reactor);
    assert_eq!(
        reactor.sink.seen(),
        Seen {
            mails: 50,
            connections: 50,
            logins: 0
        }
    );
}

#[test]
fn a_server_that_refuses_is_counted_as_refusing_and_nothing_hangs() {
    let certificates = Certificates::generate().unwrap();
    let mut reactor = Reactor::new(Some(certificates.server)).unwrap();
    let plan = plan(&reactor, Some(certificates.client), true, mail::SMALL_BYTES);
    let tally = run(
        &mut reactor,
        Plan {
            log_in: false,
            ..plan
        },
    )
    .take_tally();
    assert_eq!((tally.accepted, tally.refused, tally.broken), (0, 50, 0));
    assert_eq!(
        tally.first_trouble.as_deref(),
        Some("after Mail: 530 Authentication required")
    );
    assert_eq!(reactor.sink.seen().mails, 0);
}

#[test]
fn a_mail_larger_than_every_buffer_arrives_once() {
    for tls in [true, false] {
        let certificates = Certificates::generate().unwrap();
        let mut reactor = Reactor::new(tls.then_some(certificates.server)).unwrap();
        let client = tls.then_some(certificates.client);
        let plan = plan(&reactor, client, true, 8 * 1024 * 1024);
        let plan = Plan {
            sessions: 1,
            mails_per_session: Some(1),
            ..plan
        };
        let tally = run(&mut reactor, plan).take_tally();
        assert_eq!(tally.accepted, 1, "{tally:?}");
        assert_eq!(reactor.sink.seen().mails, 1);
    }
}

#[test]
fn sessions_that_rest_stay_connected() {
    let certificates = Certificates::generate().unwrap();
    let mut reactor = Reactor::new(Some(certificates.server)).unwrap();
    let plan = plan(&reactor, Some(certificates.client), true, mail::SMALL_BYTES);
    let plan = Plan {
        mails_per_session: Some(0),
        after: After::Stay,
        ..plan
    };
    let load = run(&mut reactor, plan);
    assert_eq!(reactor.sink.open_connections(), 5);
    drop(load);
    settle(&mut reactor);
    assert_eq!(
        reactor.sink.seen(),
        Seen {
            mails: 0,
            connections: 5,
            logins: 5
        }
    );
}
