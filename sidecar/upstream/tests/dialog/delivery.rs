//! What goes right, and exactly how it looks on the wire.

use tokio::time::Instant;
use zohorelay_upstream::{Class, Login, Stage, Submission, verify};

use crate::script::{
    ACCEPT, Act, Content, ENVELOPE, Hear, LOGIN, LOGIN_AFTER_STARTTLS, STARTTLS, Say, Tls,
};
use crate::world::{DEADLINE, MAIL, PATIENCE, World, auth_plain, target};

#[tokio::test(start_paused = true)]
async fn a_mail_over_implicit_tls_is_delivered_byte_for_byte() {
    let world = World::new(vec![[LOGIN, ENVELOPE, ACCEPT].concat()]);
    let reply = world.deliver().await.unwrap();
    assert_eq!(
        (reply.code(), reply.text().as_str()),
        (250, "Message received")
    );
    let seen = world.seen();
    assert_eq!(
        seen.lines,
        [
            "EHLO relay.example",
            &auth_plain(),
            &format!("MAIL FROM:<billing@example.com> SIZE={}", MAIL.len()),
            "RCPT TO:<a@example.org>",
            "DATA",
        ]
    );
    assert_eq!(seen.contents, [format!("{MAIL}.\r\n").into_bytes()]);
    assert_eq!(seen.clear, b"");
    assert!(world.progress.our_dot_sent());
    assert_eq!(world.progress.stage(), Stage::EndOfData);
    assert_eq!(world.logins(), [Login::Ok]);
}

#[tokio::test(start_paused = true)]
async fn a_mail_over_starttls_says_nothing_but_ehlo_in_the_clear() {
    let world = World::starttls(vec![
        [
            STARTTLS,
            &[Say("220 go\r\n")],
            LOGIN_AFTER_STARTTLS,
            ENVELOPE,
            ACCEPT,
        ]
        .concat(),
    ]);
    world.deliver().await.unwrap();
    let seen = world.seen();
    assert_eq!(seen.clear, b"EHLO relay.example\r\nSTARTTLS\r\n");
    assert_eq!(
        seen.lines[..2],
        ["EHLO relay.example".to_owned(), auth_plain()]
    );
    assert_eq!(seen.surprises, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn the_second_mail_uses_the_connection_of_the_first() {
    let world = World::new(vec![[LOGIN, ENVELOPE, ACCEPT, ENVELOPE, ACCEPT].concat()]);
    world.deliver().await.unwrap();
    assert_eq!((world.pool.idle(), world.pool.busy()), (1, 0));
    world.deliver().await.unwrap();
    assert_eq!(world.seen().dials, 1);
    assert_eq!(world.logins(), [Login::Ok]);
}

#[tokio::test(start_paused = true)]
async fn lower_case_keywords_split_replies_and_bare_codes_are_understood() {
    let script: &[Act] = &[
        Tls,
        Say("22"),
        Say("0-mx.zohomail.com\r\n220"),
        Say(" ready\r\n"),
        Hear("EHLO"),
        Say("250-mx\r\n250-auth login plain\r\n250-\r\n250 size 1000\r\n"),
        Hear("AUTH PLAIN "),
        Say("235\r\n"),
        Hear("MAIL FROM:<billing@example.com> SIZE="),
        Say("250\r\n"),
        Hear("RCPT"),
        Say("251 forwarded\r\n"),
        Hear("DATA"),
        Say("354\r\n"),
        Content,
        Say("250\r\n"),
    ];
    let world = World::new(vec![script.to_vec()]);
    assert_eq!(world.deliver().await.unwrap().code(), 250);
    assert_eq!(world.seen().surprises, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_server_with_auth_login_only_gets_auth_login() {
    let login: &[Act] = &[
        Tls,
        Say("220 mx\r\n"),
        Hear("EHLO"),
        Say("250-mx\r\n250 AUTH LOGIN\r\n"),
        Hear("AUTH LOGIN"),
        Say("334 VXNlcm5hbWU6\r\n"),
        Hear("YmlsbGluZ0BleGFtcGxlLmNvbQ=="),
        Say("334 UGFzc3dvcmQ6\r\n"),
        Hear("Y29ycmVjdCBob3JzZSBiYXR0ZXJ5IHN0YXBsZQ=="),
        Say("235 ok\r\n"),
        // Without SIZE in the EHLO reply, none in MAIL.
        Hear("MAIL FROM:<billing@example.com>"),
        Say("250 ok\r\n"),
    ];
    let world = World::new(vec![[login, &ENVELOPE[2..], ACCEPT].concat()]);
    world.deliver().await.unwrap();
    assert_eq!(world.seen().surprises, Vec::<String>::new());
    assert_eq!(
        world.seen().count("MAIL FROM:<billing@example.com> SIZE"),
        0
    );
}

#[tokio::test(start_paused = true)]
async fn an_empty_mail_is_a_lone_dot() {
    let world = World::new(vec![[LOGIN, ENVELOPE, ACCEPT].concat()]);
    world.deliver_to(&["a@example.org"], b"").await.unwrap();
    assert_eq!(world.seen().contents, [b".\r\n"]);
}

#[tokio::test(start_paused = true)]
async fn a_delivery_can_be_moved_between_threads() {
    fn must_be_send<T: Send>(delivery: T) -> T {
        delivery
    }
    let world = World::new(vec![[LOGIN, ENVELOPE, ACCEPT].concat()]);
    let recipients = ["a@example.org".to_owned()];
    let mut content = MAIL.as_bytes();
    let mail = Submission {
        reverse_path: "billing@example.com",
        recipients: &recipients,
        size_bytes: MAIL.len() as u64,
        content: &mut content,
        deadline: Instant::now() + DEADLINE,
        final_reply_timeout: PATIENCE,
    };
    must_be_send(world.pool.deliver(mail, &world.progress))
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_mail_over_the_servers_size_is_refused_without_a_command_and_keeps_the_connection() {
    let login: &[Act] = &[
        Tls,
        Say("220 mx\r\n"),
        Hear("EHLO"),
        Say("250-mx\r\n250-AUTH PLAIN\r\n250 SIZE 30\r\n"),
        Hear("AUTH"),
        Say("235 ok\r\n"),
    ];
    let world = World::new(vec![[login, ENVELOPE, ACCEPT].concat()]);
    for _ in 0..2 {
        let failure = world
            .deliver_to(&["a@example.org"], &[b'x'; 31])
            .await
            .unwrap_err();
        assert_eq!(
            (failure.class, failure.stage),
            (Class::MessageRefused, Stage::Mail)
        );
        assert_eq!(failure.reply, None);
    }
    assert_eq!(world.seen().count("MAIL"), 0);
    world.deliver().await.unwrap();
    assert_eq!(world.logins(), [Login::Ok]);
}

#[tokio::test(start_paused = true)]
async fn verify_logs_in_once_and_quits() {
    let world = World::new(vec![[LOGIN, &[Hear("QUIT"), Say("221 bye\r\n")]].concat()]);
    let deadline = tokio::time::Instant::now() + DEADLINE;
    let target = target("ImplicitTls", &world.server);
    verify(&target, deadline).await.unwrap();
    assert_eq!(
        world.seen().lines,
        ["EHLO relay.example", &auth_plain(), "QUIT"]
    );
}
