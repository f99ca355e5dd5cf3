//! Logins are asked for, one at a time, and reported; a refused one is not tried again.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;
use zohorelay_upstream::{Class, Login, Stage};

use crate::script::{ACCEPT, Act, Close, ENVELOPE, Hear, LOGIN, Say, Tls};
use crate::world::{World, auth_plain};

const REFUSED: &[Act] = &[
    Tls,
    Say("220 mx\r\n"),
    Hear("EHLO"),
    Say("250-mx\r\n250 AUTH LOGIN PLAIN\r\n"),
    Hear("AUTH PLAIN"),
    Say("535 Authentication Failed\r\n"),
];

#[tokio::test(start_paused = true)]
async fn one_refused_login_is_one_auth_and_one_report() {
    let world = World::new(vec![REFUSED.to_vec()]);
    let failure = world.fails("535", Class::AuthFailed, Stage::Auth).await;
    assert_eq!(failure.code_label(), "535");
    world.settle().await;
    assert_eq!(world.seen().lines, ["EHLO relay.example", &auth_plain()]);
    assert_eq!(world.logins(), [Login::Refused(Class::AuthFailed)]);
}

#[tokio::test(start_paused = true)]
async fn a_shut_gate_keeps_even_the_connection_from_being_made() {
    let world = World::new(Vec::new());
    world.gate.is_shut.store(true, Ordering::Relaxed);
    let failure = world.fails("shut", Class::Held, Stage::Connect).await;
    assert_eq!(failure.detail, "the gate is shut");
    assert_eq!((world.seen().dials, world.logins().len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_waited_for_a_refused_login_does_not_log_in() {
    let world = World::new(vec![REFUSED.to_vec(), REFUSED.to_vec()]);
    world.gate.shuts_on_refusal.store(true, Ordering::Relaxed);
    let (one, two) = tokio::join!(world.deliver(), world.deliver());
    let mut ends = [one.unwrap_err(), two.unwrap_err()].map(|end| (end.class, end.stage));
    ends.sort();
    assert_eq!(
        ends,
        [(Class::AuthFailed, Stage::Auth), (Class::Held, Stage::Auth)]
    );
    world.settle().await;
    assert_eq!((world.seen().dials, world.seen().count("AUTH")), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn logins_take_turns_and_connections_do_not() {
    let silent = LOGIN[..5].to_vec();
    let world = World::new(vec![silent.clone(), silent]);
    let start = Instant::now();
    let (one, two) = tokio::join!(world.deliver(), world.deliver());
    for end in [one, two] {
        assert_eq!(end.unwrap_err().class, Class::Timeout);
    }
    // Each AUTH has 15 seconds; TLS and EHLO of both were done in the first.
    assert_eq!(start.elapsed(), Duration::from_secs(30));
    assert_eq!(world.logins(), [Login::Unheard, Login::Unheard]);
}

#[tokio::test(start_paused = true)]
async fn every_begun_login_is_reported_once() {
    let rows: [(&[Act], Class, Login); 9] = [
        (
            &[Say("554 5.1.8 Email Outgoing Blocked\r\n")],
            Class::AccountBlocked,
            Login::Refused(Class::AccountBlocked),
        ),
        (
            &[Say("550 5.7.1 Too many connections\r\n")],
            Class::Transient,
            Login::Unheard,
        ),
        (
            &[Say("421 4.7.0 bye\r\n")],
            Class::Transient,
            Login::Unheard,
        ),
        (
            &[Say("454 4.7.0 Temporary authentication failure\r\n")],
            Class::Transient,
            Login::Unheard,
        ),
        (&[Say("334 \r\n")], Class::Protocol, Login::Unheard),
        (&[Say("354 go\r\n")], Class::Protocol, Login::Unheard),
        (&[Say("250 ok\r\n")], Class::Protocol, Login::Unheard),
        (&[Close], Class::Connect, Login::Unheard),
        (&[], Class::Timeout, Login::Unheard),
    ];
    for (acts, class, login) in rows {
        let world = World::new(vec![[&LOGIN[..5], acts].concat()]);
        world.fails(&format!("{acts:?}"), class, Stage::Auth).await;
        world.settle().await;
        assert_eq!(world.logins(), [login], "{acts:?}");
        assert_eq!(world.seen().lines.len(), 2, "{acts:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_login_that_is_dropped_is_reported_and_frees_the_turn() {
    let world = World::new(vec![
        LOGIN[..5].to_vec(),
        [LOGIN, ENVELOPE, ACCEPT].concat(),
    ]);
    tokio::select! {
        biased;
        result = world.deliver() => panic!("{result:?}"),
        () = async { while world.seen().count("AUTH") == 0 { tokio::task::yield_now().await } } => {}
    }
    assert_eq!(world.logins(), [Login::Unheard]);
    world.deliver().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn no_mechanism_is_no_login() {
    let world = World::new(vec![vec![
        Tls,
        Say("220 mx\r\n"),
        Hear("EHLO"),
        Say("250-mx\r\n250 AUTH XOAUTH2\r\n"),
    ]]);
    world.fails("no AUTH", Class::Protocol, Stage::Auth).await;
    assert_eq!(world.logins(), []);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_speaks_or_hangs_up_before_auth_costs_no_login() {
    for (then, class) in [
        (Say("250 ok\r\n421 bye\r\n"), Class::Protocol),
        (Close, Class::Connect),
    ] {
        let first = LOGIN[..5].to_vec();
        let second = [&LOGIN[..4], &[then]].concat();
        let world = World::new(vec![first, second]);
        let (one, two) = tokio::join!(world.deliver(), world.deliver());
        let classes = [one.unwrap_err().class, two.unwrap_err().class];
        assert_eq!(classes, [Class::Timeout, class]);
        assert_eq!(world.logins().len(), 1, "{then:?}");
    }
}
