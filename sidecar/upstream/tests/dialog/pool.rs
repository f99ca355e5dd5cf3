//! When a connection is used again, and when never.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, advance};
use zohorelay_upstream::pool::{AGE_LIMIT, IDLE_LIMIT, MAILS_LIMIT};
use zohorelay_upstream::{Class, Login, Stage};

use crate::script::{ACCEPT, Act, Close, Content, ENVELOPE, Hear, LOGIN, Say, Wait};
use crate::world::World;

fn whole() -> Vec<Act> {
    [LOGIN, ENVELOPE, ACCEPT].concat()
}

/// A connection that serves one mail, then a second later that; and one that serves another.
fn dies_after_one(then: &[Act]) -> World {
    World::new(vec![
        [LOGIN, ENVELOPE, ACCEPT, &[Wait], then].concat(),
        whole(),
    ])
}

/// The first mail, and two seconds in which its connection is idle.
async fn deliver_and_wait(world: &World) {
    world.deliver().await.unwrap();
    assert_eq!(world.pool.idle(), 1);
    advance(Duration::from_secs(2)).await;
    world.settle().await;
    assert_eq!(world.pool.idle(), 1);
}

#[tokio::test(start_paused = true)]
async fn u15_u16_an_idle_connection_that_died_is_replaced_silently() {
    let envelope = |acts: usize, then: Act| [&ENVELOPE[..acts], &[then]].concat();
    let later = Say("421 idle too long\r\n");
    for then in [
        vec![Close],
        vec![later],
        vec![later, Close],
        envelope(1, Close),
        envelope(1, later),
        envelope(3, Close),
        envelope(3, later),
        envelope(5, Close),
        envelope(5, later),
    ] {
        let world = dies_after_one(&then);
        deliver_and_wait(&world).await;
        world
            .deliver()
            .await
            .unwrap_or_else(|failure| panic!("{then:?}: {failure}"));
        let seen = world.seen();
        assert_eq!((seen.dials, seen.contents.len()), (2, 2), "{then:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_replacement_that_dies_too_is_a_failure() {
    let dead = [LOGIN, &[Hear("MAIL"), Close]].concat();
    let world = World::new(vec![[whole(), vec![Hear("MAIL"), Close]].concat(), dead]);
    world.deliver().await.unwrap();
    world.fails("both died", Class::Connect, Stage::Mail).await;
    assert_eq!(world.seen().dials, 2);
}

#[tokio::test(start_paused = true)]
async fn after_the_354_nothing_is_replaced() {
    for (then, class) in [
        (vec![Close], Class::Connect),
        (vec![Content, Close], Class::UnknownOutcome),
        (vec![Content, Say("421 closing\r\n")], Class::Transient),
    ] {
        let world = World::new(vec![
            [whole(), ENVELOPE.to_vec(), then.clone()].concat(),
            whole(),
        ]);
        world.deliver().await.unwrap();
        let failure = world.deliver().await.unwrap_err();
        // A hang-up is seen before or after the dot; neither is tried again.
        let classes = [class, Class::UnknownOutcome];
        assert!(classes.contains(&failure.class), "{then:?}: {failure}");
        assert_eq!(world.seen().dials, 1, "{then:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_on_a_used_connection_is_the_answer_and_closes_it() {
    let refusal = [
        ENVELOPE[0],
        Say("550 5.4.6 Unusual sending activity detected.\r\n"),
    ];
    let world = dies_after_one(&refusal);
    world.deliver().await.unwrap();
    world.fails("550", Class::AccountBlocked, Stage::Mail).await;
    world.settle().await;
    assert_eq!(
        (world.pool.idle(), world.seen().dials, world.seen().ended),
        (0, 1, 1)
    );
    world.deliver().await.unwrap();
    assert_eq!(world.seen().dials, 2);
}

#[tokio::test(start_paused = true)]
async fn u14_a_connection_with_an_unasked_for_reply_is_never_used_again() {
    for acts in [
        vec![Content, Say("250 ok\r\n250 ok\r\n")],
        vec![Content, Say("250 ok\r\n"), Say("250 ok\r\n")],
        vec![Content, Say("250 ok\r\n2")],
        vec![Content, Say("250 ok\r\n"), Wait, Say("250 ok\r\n")],
    ] {
        let world = World::new(vec![[LOGIN, ENVELOPE, &acts].concat(), whole()]);
        world.deliver().await.unwrap();
        advance(Duration::from_secs(2)).await;
        world.settle().await;
        world.deliver().await.unwrap();
        let seen = world.seen();
        assert_eq!((seen.dials, seen.count("MAIL")), (2, 2), "{acts:?}");
        assert_eq!(seen.surprises, Vec::<String>::new());
    }
}

#[tokio::test(start_paused = true)]
async fn u14_a_connection_with_something_left_to_read_does_not_come_back() {
    let acts = [Content, Say("250 ok\r\n250 ok\r\n")];
    let world = World::new(vec![[LOGIN, ENVELOPE, &acts].concat()]);
    world.deliver().await.unwrap();
    assert_eq!(world.pool.idle(), 0);
}

#[tokio::test(start_paused = true)]
async fn second_mail_after_a_timeout_uses_a_fresh_connection() {
    let world = World::new(vec![[LOGIN, ENVELOPE, &[Content]].concat(), whole()]);
    world
        .fails("no reply", Class::UnknownOutcome, Stage::EndOfData)
        .await;
    world.deliver().await.unwrap();
    assert_eq!(world.seen().dials, 2);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_delivery_closes_its_connection_at_every_step() {
    // One delivery on a used connection, dropped after so many polls of the runtime.
    for steps in 0..40 {
        let script = [whole(), ENVELOPE.to_vec(), vec![Content]].concat();
        let world = World::new(vec![script, whole()]);
        world.deliver().await.unwrap();
        tokio::select! {
            biased;
            result = world.deliver() => panic!("{result:?}"),
            () = async { for _ in 0..steps { tokio::task::yield_now().await } } => {}
        }
        world.settle().await;
        let seen = world.seen();
        assert_eq!(
            (world.pool.idle(), world.pool.busy(), seen.ended),
            (0, 0, 1),
            "{steps}"
        );
        world.deliver().await.unwrap();
        assert_eq!(world.seen().dials, 2, "{steps}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_refused_recipient_refuses_the_mail_before_its_body() {
    let script: &[Act] = &[
        Hear("MAIL"),
        Say("250 ok\r\n"),
        Hear("RCPT TO:<a@x.test>"),
        Say("550 5.1.1 User does not exist\r\n"),
        Hear("RCPT TO:<b@x.test>"),
        Say("250 ok\r\n"),
        Hear("RCPT TO:<c@x.test>"),
        Say("452 4.2.2 over quota\r\n"),
    ];
    let world = World::new(vec![[LOGIN, script].concat()]);
    let to = ["a@x.test", "b@x.test", "c@x.test"];
    let failure = world.deliver_to(&to, b"x\r\n").await.unwrap_err();
    assert_eq!(failure.stage, Stage::Rcpt);
    assert_eq!(failure.code_label(), "452");
    assert_eq!(failure.refused_recipients, ["a@x.test", "c@x.test"]);
    world.settle().await;
    let seen = world.seen();
    assert_eq!(
        (seen.count("RCPT"), seen.count("DATA"), seen.ended),
        (3, 0, 1)
    );
    assert_eq!(world.pool.idle(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_with_quit_when_its_time_is_up() {
    let world = World::new(vec![
        [whole(), vec![Hear("QUIT"), Say("221 bye\r\n")]].concat(),
    ]);
    world.deliver().await.unwrap();
    advance(IDLE_LIMIT.checked_sub(Duration::from_secs(1)).unwrap()).await;
    world.pool.sweep().await;
    assert_eq!(world.pool.idle(), 1);
    advance(Duration::from_secs(1)).await;
    world.pool.sweep().await;
    world.settle().await;
    assert_eq!(
        (
            world.pool.idle(),
            world.seen().count("QUIT"),
            world.seen().ended
        ),
        (0, 1, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn a_sweep_removes_connections_that_died() {
    let world = dies_after_one(&[Close]);
    deliver_and_wait(&world).await;
    world.pool.sweep().await;
    assert_eq!(world.pool.idle(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_answer_quit_costs_a_second() {
    let world = World::new(vec![whole(), whole()]);
    let (one, two) = tokio::join!(world.deliver(), world.deliver());
    assert!(one.is_ok() && two.is_ok());
    assert_eq!(world.pool.idle(), 2);
    world.pool.close_idle();
    let start = Instant::now();
    world.pool.sweep().await;
    assert_eq!(start.elapsed(), Duration::from_secs(1));
    assert_eq!(world.seen().count("QUIT"), 2);
}

#[tokio::test(start_paused = true)]
async fn an_expired_connection_is_not_used_even_without_a_sweep() {
    let world = World::new(vec![whole(), whole()]);
    world.deliver().await.unwrap();
    advance(IDLE_LIMIT).await;
    world.deliver().await.unwrap();
    assert_eq!(world.seen().dials, 2);
}

#[tokio::test(start_paused = true)]
async fn an_old_connection_is_replaced_however_busy_it_is() {
    let mails = usize::try_from(AGE_LIMIT.as_secs() / 30).unwrap();
    let mut script = LOGIN.to_vec();
    (0..mails).for_each(|_| script.extend([ENVELOPE, ACCEPT].concat()));
    let world = World::new(vec![script, whole()]);
    for _ in 0..mails {
        world.deliver().await.unwrap();
        advance(Duration::from_secs(30)).await;
    }
    assert_eq!(world.seen().dials, 1);
    world.deliver().await.unwrap();
    assert_eq!(world.seen().dials, 2);
}

#[tokio::test(start_paused = true)]
async fn a_connection_serves_so_many_mails_and_no_more() {
    let mut script = LOGIN.to_vec();
    (0..MAILS_LIMIT).for_each(|_| script.extend([ENVELOPE, ACCEPT].concat()));
    let world = World::new(vec![script, whole()]);
    for _ in 0..MAILS_LIMIT {
        world.deliver().await.unwrap();
    }
    assert_eq!(world.seen().dials, 1);
    world.deliver().await.unwrap();
    assert_eq!((world.seen().dials, world.logins().len()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_retired_pool_keeps_no_connection() {
    let world = World::new(vec![whole()]);
    let retire = async {
        while world.seen().count("DATA") == 0 {
            tokio::task::yield_now().await;
        }
        world.pool.retire();
    };
    let (delivered, ()) = tokio::join!(world.deliver(), retire);
    delivered.unwrap();
    assert_eq!((world.pool.idle(), world.logins()), (0, vec![Login::Ok]));
}

#[tokio::test(start_paused = true)]
async fn fewer_connections_close_the_surplus() {
    let world = World::new(vec![whole(), whole()]);
    let (one, two) = tokio::join!(world.deliver(), world.deliver());
    assert!(one.is_ok() && two.is_ok());
    world.pool.set_connections(1);
    assert_eq!(world.pool.idle(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_comes_back_after_the_places_became_fewer_is_closed() {
    let busy = [LOGIN, ENVELOPE, &[Content, Wait, Say("250 ok\r\n")]].concat();
    let world = World::new(vec![busy, whole()]);
    let second = async {
        while world.seen().count("DATA") == 0 {
            tokio::task::yield_now().await;
        }
        world.deliver().await.unwrap();
        world.pool.set_connections(1);
        assert_eq!((world.pool.idle(), world.pool.busy()), (1, 1));
    };
    let (delivered, ()) = tokio::join!(world.deliver(), second);
    delivered.unwrap();
    assert_eq!((world.pool.idle(), world.pool.busy()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_mail_that_waited_while_the_account_was_refused_does_not_go_over_a_warm_connection() {
    let world = World::new(vec![[whole(), ENVELOPE.to_vec(), ACCEPT.to_vec()].concat()]);
    world.pool.set_connections(1);
    let refusal = async {
        while world.seen().count("DATA") == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(world.pool.busy(), 1);
        world.gate.holds_mails.store(true, Ordering::Relaxed);
    };
    let (first, waited, ()) = tokio::join!(world.deliver(), world.deliver(), refusal);
    first.unwrap();
    let failure = waited.unwrap_err();
    assert_eq!(
        (failure.class, failure.stage),
        (Class::Held, Stage::Connect)
    );
    assert_eq!((world.seen().count("MAIL"), world.pool.idle()), (1, 1));
    world.gate.holds_mails.store(false, Ordering::Relaxed);
    world.deliver().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn mails_go_over_warm_connections_while_logins_are_held() {
    let world = World::new(vec![[whole(), ENVELOPE.to_vec(), ACCEPT.to_vec()].concat()]);
    world.deliver().await.unwrap();
    world.gate.is_shut.store(true, Ordering::Relaxed);
    world.deliver().await.unwrap();
    assert_eq!(world.seen().dials, 1);
}
