//! The server as attacker: one row of `docs/proof.md` U1 to U9 after the other, each on a fresh
//! connection. Every row ends with a named failure, no login in the clear, and no success.

use std::sync::Arc;

use zohorelay_upstream::Class::{
    Connect, Protocol, Timeout, Tls as TlsClass, Transient, Unclassified,
};
use zohorelay_upstream::{Class, Stage};

use crate::authority::{Presented, server};
use crate::script::{Act, Close, EHLO_REPLY, Hear, STARTTLS, Say, SayBytes, SomeContent, Tls};
use crate::world::World;

pub(crate) const GREETED: &[Act] = &[Tls, Say("220 mx\r\n"), Hear("EHLO")];
pub(crate) const OFFERED: &[Act] = &[
    Tls,
    Say("220 mx\r\n"),
    Hear("EHLO"),
    Say(EHLO_REPLY),
    Hear("AUTH"),
];
const NOTHING: &[Act] = &[];

/// What went before, what the server does then, and how the mail fails.
pub(crate) type Row = (&'static [Act], &'static [Act], Class, Stage);

pub(crate) async fn all_fail(security: &str, rows: &[Row]) {
    let tls = server(Presented::Good);
    for (index, (before, then, class, stage)) in rows.iter().enumerate() {
        let name = format!("row {index}: {then:?}");
        let world = World::with(security, Arc::clone(&tls), vec![[*before, *then].concat()]);
        world.fails(&name, *class, *stage).await;
        world.settle().await;
        let seen = world.seen();
        assert_eq!(seen.contents, Vec::<Vec<u8>>::new(), "{name}");
        assert_eq!(seen.surprises, Vec::<String>::new(), "{name}");
        assert_eq!(seen.count("HELO"), 0, "{name}");
        assert_eq!((seen.dials, seen.ended), (1, 1), "{name}");
        assert!(seen.count("AUTH") <= 1, "{name}");
        assert_eq!((world.pool.idle(), world.pool.busy()), (0, 0), "{name}");
        assert!(!world.progress.our_dot_sent(), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn u1_to_u3_bytes_after_the_reply_to_starttls_end_the_connection() {
    all_fail(
        "StartTls",
        &[
            (
                STARTTLS,
                &[Say("220 go\r\n250-x\r\n250 AUTH PLAIN\r\n"), Tls],
                Protocol,
                Stage::Tls,
            ),
            (
                STARTTLS,
                &[Say("220 go\r\n250-x"), Tls],
                Protocol,
                Stage::Tls,
            ),
            (STARTTLS, &[Say("220 go\r\n\0"), Tls], Protocol, Stage::Tls),
            (
                STARTTLS,
                &[Say("220 go\r\n"), Say("250 AUTH PLAIN\r\n"), Tls],
                Protocol,
                Stage::Tls,
            ),
            // After the first byte of our handshake was read.
            (
                STARTTLS,
                &[Say("220 go\r\n"), SomeContent(1), Say("250 AUTH PLAIN\r\n")],
                Protocol,
                Stage::Tls,
            ),
        ],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn u4_and_u5_without_starttls_there_is_no_login() {
    let refused = |code: &'static str, class| (STARTTLS, [Say(code)], class);
    all_fail(
        "StartTls",
        &[(
            &STARTTLS[..2],
            &[Say("250-mx\r\n250-AUTH PLAIN\r\n250 SIZE 1\r\n")],
            TlsClass,
            Stage::Tls,
        )],
    )
    .await;
    for (before, then, class) in [
        refused("502 no\r\n", TlsClass),
        refused("454 not now\r\n", TlsClass),
        refused("530 no\r\n", TlsClass),
        refused("354 go\r\n", Protocol),
        refused("221 bye\r\n", Protocol),
        refused("250 ok\r\n", Protocol),
        refused("421 later\r\n", Transient),
    ] {
        let world = World::starttls(vec![[before, &then].concat()]);
        let failure = world.fails(&format!("{then:?}"), class, Stage::Tls).await;
        assert!(failure.reply.is_some());
        assert_eq!(world.seen().clear, b"EHLO relay.example\r\nSTARTTLS\r\n");
    }
}

#[tokio::test(start_paused = true)]
async fn u6_a_refused_ehlo_is_not_followed_by_helo() {
    let rows = [
        ("220 x\r\n", Protocol),
        ("221 x\r\n", Protocol),
        ("251 x\r\n", Protocol),
        ("354 x\r\n", Protocol),
        ("421 x\r\n", Transient),
        ("500 x\r\n", Protocol),
        ("501 x\r\n", Protocol),
        ("502 x\r\n", Protocol),
        ("503 x\r\n", Protocol),
        ("504 x\r\n", Protocol),
        ("530 x\r\n", Protocol),
        ("550 x\r\n", Unclassified),
        ("299 x\r\n", Protocol),
        ("590 x\r\n", Unclassified),
    ];
    for (reply, class) in rows {
        let world = World::new(vec![[GREETED, &[Say(reply)]].concat()]);
        world.fails(reply, class, Stage::Ehlo).await;
        assert_eq!(world.seen().lines, ["EHLO relay.example"], "{reply}");

        let clear = [Say("220 mx\r\n"), Hear("EHLO"), Say(reply)];
        let world = World::starttls(vec![clear.to_vec()]);
        world.fails(reply, class, Stage::Ehlo).await;
        assert_eq!(world.seen().clear, b"EHLO relay.example\r\n", "{reply}");
    }
}

#[tokio::test(start_paused = true)]
async fn u7_a_greeting_that_is_none_ends_the_connection() {
    let rows = [
        ("221 x\r\n", Protocol),
        ("250 x\r\n", Protocol),
        ("354 x\r\n", Protocol),
        ("421 x\r\n", Transient),
        ("500 x\r\n", Protocol),
        ("530 x\r\n", Protocol),
        ("554 x\r\n", Unclassified),
        ("hello\r\n", Protocol),
        ("* OK IMAP4rev1\r\n", Protocol),
        ("220-a\r\n221 b\r\n", Protocol),
    ];
    for (greeting, class) in rows {
        let world = World::new(vec![vec![Tls, Say(greeting)]]);
        world.fails(greeting, class, Stage::Greeting).await;
        assert_eq!(world.seen().lines, Vec::<String>::new());
        let world = World::starttls(vec![vec![Say(greeting)]]);
        world.fails(greeting, class, Stage::Greeting).await;
        assert_eq!(world.seen().clear, b"");
    }
    all_fail(
        "StartTls",
        &[
            // TLS is spoken at once on the port of STARTTLS.
            (
                NOTHING,
                &[SayBytes(b"\x15\x03\x01\x00\x02\x02\x28")],
                Protocol,
                Stage::Greeting,
            ),
            (NOTHING, &[Close], Connect, Stage::Greeting),
            (NOTHING, NOTHING, Timeout, Stage::Greeting),
        ],
    )
    .await;
    all_fail(
        "ImplicitTls",
        &[
            (NOTHING, &[Close], Connect, Stage::Tls),
            (NOTHING, &[Say("220 mx\r\n")], TlsClass, Stage::Tls),
            (NOTHING, &[Tls, Close], Connect, Stage::Greeting),
        ],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn u9_only_what_is_offered_inside_tls_counts() {
    let clear: &[Act] = &[
        Say("220 mx\r\n"),
        Hear("EHLO"),
        Say("250-mx\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN\r\n"),
        Hear("STARTTLS"),
        Say("220 go\r\n"),
        Tls,
        Hear("EHLO"),
    ];
    for reply in [
        "250 mx\r\n",
        "250-mx\r\n250 AUTH CRAM-MD5\r\n",
        "250 AUTH PLAIN\r\n",
    ] {
        let world = World::starttls(vec![[clear, &[Say(reply)]].concat()]);
        world.fails(reply, Protocol, Stage::Auth).await;
        assert_eq!(world.seen().lines, ["EHLO relay.example"]);
        assert_eq!(world.logins(), []);
    }
}
