//! The server as attacker, once a mail is under way: `docs/proof.md` U8 to U16 and what follows our
//! dot.

use zohorelay_upstream::Class::{
    Connect, Protocol, RateLimited, RecipientRefused, RelayDenied, Timeout, Transient,
    UnknownOutcome,
};
use zohorelay_upstream::{Class, Stage};

use crate::hostile::{GREETED, OFFERED, all_fail};
use crate::script::{
    Act, Close, Content, Hear, LOGIN, STARTTLS, Say, SayForEver, SomeContent, Stall, Tls,
    UP_TO_354, UP_TO_DATA,
};
use crate::world::World;

#[tokio::test(start_paused = true)]
async fn u8_and_u10_blank_and_endless_replies_end_the_connection() {
    all_fail(
        "ImplicitTls",
        &[
            (
                GREETED,
                &[Say("250-   \r\n250 AUTH PLAIN\r\n")],
                Protocol,
                Stage::Ehlo,
            ),
            (
                GREETED,
                &[Say("250-mx\r\n250 \t \r\n")],
                Protocol,
                Stage::Ehlo,
            ),
            (GREETED, &[SayForEver("250-x\r\n")], Protocol, Stage::Ehlo),
            (
                GREETED,
                &[SayForEver("250-xxxxxxxx")],
                Protocol,
                Stage::Ehlo,
            ),
            (
                &[Tls],
                &[SayForEver("220-x\r\n")],
                Protocol,
                Stage::Greeting,
            ),
            (&[Tls], &[SayForEver("\r")], Protocol, Stage::Greeting),
            (
                LOGIN,
                &[Hear("MAIL"), SayForEver("250-x\r\n")],
                Protocol,
                Stage::Mail,
            ),
            (
                LOGIN,
                &[Hear("MAIL"), Say("25"), Close],
                Connect,
                Stage::Mail,
            ),
            (UP_TO_DATA, &[Say("250 a\r\n")], Protocol, Stage::Data),
            (UP_TO_DATA, &[Say("334 a\r\n")], Protocol, Stage::Data),
        ],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn u11_a_malformed_or_foreign_reply_is_never_taken_for_good() {
    let rows = [
        "250-a\r\n550 b\r\n",
        "550-a\r\n250 b\r\n",
        "25\r\n",
        "2500 x\r\n",
        "250x\r\n",
        "250 a\0b\r\n",
        "250 a\rb\r\n",
        "250 a\n",
        "150 a\r\n",
        "354 a\r\n",
        "221 bye\r\n",
    ];
    for reply in rows {
        let world = World::new(vec![[LOGIN, &[Hear("MAIL"), Say(reply)]].concat()]);
        world.fails(reply, Protocol, Stage::Mail).await;
        world.settle().await;
        assert_eq!((world.pool.idle(), world.seen().ended), (0, 1), "{reply:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn u12_nothing_of_one_reply_is_carried_into_the_next() {
    let script: &[Act] = &[
        Hear("MAIL"),
        Say("250 ok\r\n"),
        Hear("RCPT"),
        Say("550 5.1.1 no such user\r\n"),
        Hear("RCPT"),
        Say("451 \r\n"),
    ];
    let world = World::new(vec![[LOGIN, script].concat()]);
    let failure = world
        .deliver_to(&["a@x.test", "b@x.test"], b"")
        .await
        .unwrap_err();
    let reply = failure.reply.unwrap();
    assert_eq!(
        (reply.code(), reply.enhanced(), reply.text().as_str()),
        (451, None, "")
    );
}

#[tokio::test(start_paused = true)]
async fn u13_a_verdict_before_our_dot_is_never_a_success() {
    all_fail(
        "ImplicitTls",
        &[
            (
                UP_TO_DATA,
                &[Say("354 go\r\n250 done\r\n")],
                Protocol,
                Stage::EndOfData,
            ),
            (
                UP_TO_DATA,
                &[Say("354 go\r\n354 go\r\n")],
                Protocol,
                Stage::EndOfData,
            ),
            (
                UP_TO_DATA,
                &[Say("354 go\r\n250-do")],
                Timeout,
                Stage::EndOfData,
            ),
            (
                UP_TO_DATA,
                &[Say("354 go\r\n553 Relaying disallowed\r\n")],
                RelayDenied,
                Stage::EndOfData,
            ),
            (
                UP_TO_DATA,
                &[Say("354 go\r\n\r\n")],
                Protocol,
                Stage::EndOfData,
            ),
            // One step early all along.
            (
                LOGIN,
                &[Hear("MAIL"), Say("250 ok\r\n250 ok\r\n")],
                Protocol,
                Stage::Rcpt,
            ),
            (
                OFFERED,
                &[Say("235 ok\r\n250 ok\r\n")],
                Protocol,
                Stage::Mail,
            ),
            (
                &[Tls],
                &[Say("220 mx\r\n250 AUTH PLAIN\r\n")],
                Protocol,
                Stage::Ehlo,
            ),
        ],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn u13_a_refusal_during_the_upload_stops_it_and_is_relayed() {
    let refusals: [(&[Act], Class); 4] = [
        (
            &[
                SomeContent(100_000),
                Say("550 5.4.6 Unusual sending activity detected.\r\n"),
                Close,
            ],
            Class::AccountBlocked,
        ),
        (
            &[
                SomeContent(1),
                Say("552 Mail rate exceeded limit\r\n"),
                Close,
            ],
            RateLimited,
        ),
        (
            &[SomeContent(100_000), Say("421 shutting down\r\n"), Stall],
            Transient,
        ),
        (
            &[SomeContent(100_000), Say("250 thank you\r\n"), Stall],
            Protocol,
        ),
    ];
    let content =
        b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd\r\n".repeat(64_000);
    for (acts, class) in refusals {
        let world = World::new(vec![[UP_TO_354, acts].concat()]);
        let failure = world
            .deliver_to(&["a@example.org"], &content)
            .await
            .unwrap_err();
        assert_eq!(
            (failure.class, failure.stage),
            (class, Stage::EndOfData),
            "{failure}"
        );
        assert!(failure.reply.is_some());
        assert!(!world.progress.our_dot_sent());
        assert_eq!(world.pool.idle(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn u15_a_421_ends_a_fresh_connection_at_every_step() {
    const LATER: Act = Say("421 try later\r\n");
    all_fail(
        "ImplicitTls",
        &[
            (&[Tls], &[LATER], Transient, Stage::Greeting),
            (GREETED, &[LATER], Transient, Stage::Ehlo),
            (OFFERED, &[LATER], Transient, Stage::Auth),
            (LOGIN, &[Hear("MAIL"), LATER], Transient, Stage::Mail),
            (
                LOGIN,
                &[Hear("MAIL"), Say("250 ok\r\n"), Hear("RCPT"), LATER],
                Transient,
                Stage::Rcpt,
            ),
            (UP_TO_DATA, &[LATER], Transient, Stage::Data),
        ],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn u16_a_hang_up_is_named_at_every_step() {
    all_fail(
        "ImplicitTls",
        &[
            (GREETED, &[Close], Connect, Stage::Ehlo),
            (OFFERED, &[Close], Connect, Stage::Auth),
            (LOGIN, &[Close], Connect, Stage::Mail),
            (LOGIN, &[Hear("MAIL"), Close], Connect, Stage::Mail),
            (
                LOGIN,
                &[Hear("MAIL"), Say("250 ok\r\n"), Hear("RCPT"), Close],
                Connect,
                Stage::Rcpt,
            ),
            (UP_TO_DATA, &[Close], Connect, Stage::Data),
        ],
    )
    .await;
    all_fail(
        "StartTls",
        &[
            (&STARTTLS[..2], &[Close], Connect, Stage::Ehlo),
            (STARTTLS, &[Close], Connect, Stage::Tls),
            (STARTTLS, &[Say("220 go\r\n"), Close], Connect, Stage::Tls),
            (
                STARTTLS,
                &[Say("220 go\r\n"), Tls, Close],
                Connect,
                Stage::Ehlo,
            ),
        ],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn after_our_dot_all_but_a_clear_answer_is_unknown() {
    let rows: [(&[Act], Class); 13] = [
        (&[Content, Close], UnknownOutcome),
        (&[Content, Say("220 mx\r\n")], UnknownOutcome),
        (&[Content, Say("221 bye\r\n")], UnknownOutcome),
        (&[Content], UnknownOutcome),
        (&[Content, Say("25"), Close], UnknownOutcome),
        (&[Content, Say("250-a\r\n"), Close], UnknownOutcome),
        (&[Content, Say("250-a\r\n550 b\r\n")], UnknownOutcome),
        (&[Content, Say("354 more\r\n")], UnknownOutcome),
        (&[Content, Say("garbage\r\n")], UnknownOutcome),
        (&[Content, SayForEver("250-a\r\n")], UnknownOutcome),
        (&[Content, Say("421 closing\r\n")], Transient),
        (
            &[
                Content,
                Say("553 Sender is not allowed to relay emails\r\n"),
            ],
            RelayDenied,
        ),
        (
            &[Content, Say("550 Invalid Recipients\r\n")],
            RecipientRefused,
        ),
    ];
    for (acts, class) in rows {
        let world = World::new(vec![[UP_TO_354, acts].concat()]);
        world
            .fails(&format!("{acts:?}"), class, Stage::EndOfData)
            .await;
        assert!(world.progress.our_dot_sent());
        assert_eq!((world.pool.idle(), world.seen().dials), (0, 1));
    }
}
