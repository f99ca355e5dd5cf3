//! Each fault does what it says, at each stage where it may stand.

use zoho_simulator::{Action, EndlessReply, Fault, FaultError, Options, Running, Stage, Then};

use crate::client::{AUTH, CONTENT, Client, Left, MAIL, RCPT, options, start, within};

/// Stages that answer one command, and the usual reply there.
const REPLIES: [(Stage, &str); 6] = [
    (
        Stage::Ehlo,
        "250-mx.zohomail.com Hello a (localhost (127.0.0.1))\r\n250-AUTH LOGIN PLAIN\r\n\
         250 SIZE 53477376\r\n",
    ),
    (Stage::Auth, "235 Authentication Successful\r\n"),
    (Stage::Mail, "250 Sender <billing@example.com> OK\r\n"),
    (Stage::Rcpt, "250 Recipient <you@example.net> OK\r\n"),
    (
        Stage::Data,
        "354 Ok Send data ending with <CRLF>.<CRLF>\r\n",
    ),
    (Stage::EndOfData, "250 Message received\r\n"),
];

/// A simulator with one fault, and a client whose command at that stage was just sent.
async fn at(stage: Stage, action: Action) -> (Running, Client) {
    let running = start(options()).await;
    running.fault(Fault::new(stage, action)).unwrap();
    let mut client = Client::tls(&running).await;
    client.reply().await;
    let dot = format!("{CONTENT}.\r\n");
    let commands = [
        (Stage::Ehlo, "EHLO a\r\n"),
        (Stage::Auth, AUTH),
        (Stage::Mail, MAIL),
        (Stage::Rcpt, RCPT),
        (Stage::Data, "DATA\r\n"),
        (Stage::EndOfData, &dot),
    ];
    for (here, command) in commands {
        client.send(command).await;
        if here == stage {
            break;
        }
        client.reply().await;
    }
    (running, client)
}

fn stored(running: &Running) -> usize {
    running.mail_count()
}

#[tokio::test]
async fn reply_sends_its_bytes_verbatim_and_the_session_goes_on() {
    for (stage, _) in REPLIES {
        let (running, mut client) = at(stage, Action::Reply("499 \x07odd\r\n".into())).await;
        assert_eq!(client.reply().await, "499 \x07odd\r\n", "{stage:?}");
        assert_eq!(client.ask("NOOP\r\n").await, "250 OK\r\n", "{stage:?}");
        assert_eq!((stored(&running), running.faults()[0].fired), (0, 1));
    }
}

#[tokio::test]
async fn a_white_ehlo_line_and_bytes_that_are_not_text_can_be_sent() {
    let bytes = b"250-   \r\n250 AUTH PLAIN \xff\x00\r\n".to_vec();
    let (_running, mut client) = at(Stage::Ehlo, Action::Reply(bytes.clone().into())).await;
    assert_eq!(client.take(bytes.len()).await, bytes);
}

#[tokio::test]
async fn a_reply_is_believed_a_scripted_250_to_the_dot_stores_the_mail() {
    let (running, mut client) = at(Stage::EndOfData, Action::Reply("250 other\r\n".into())).await;
    assert_eq!(client.reply().await, "250 other\r\n");
    assert_eq!(stored(&running), 1);
}

#[tokio::test]
async fn reply_then_close_sends_its_bytes_and_a_fin() {
    for (stage, _) in REPLIES {
        let (_running, mut client) = at(stage, Action::ReplyThenClose("421 x\r\n".into())).await;
        assert_eq!(
            client.rest().await,
            (b"421 x\r\n".to_vec(), Left::Closed),
            "{stage:?}"
        );
    }
}

#[tokio::test]
async fn half_a_reply_is_followed_by_silence_a_fin_or_a_reset() {
    for (stage, _) in REPLIES {
        for then in [Then::Stall, Then::Close, Then::Reset] {
            let half = Action::HalfReply {
                text: "25".into(),
                then,
            };
            let (_running, mut client) = at(stage, half).await;
            if then == Then::Reset {
                assert_eq!(client.rest().await.1, Left::Reset, "{stage:?}");
                continue;
            }
            assert_eq!(client.take(2).await, b"25");
            client.hang_up().await;
            assert_eq!(
                client.rest().await,
                (Vec::new(), Left::Closed),
                "{stage:?} {then:?}"
            );
        }
    }
}

#[tokio::test]
async fn stall_says_nothing_until_the_client_hangs_up() {
    for (stage, _) in REPLIES {
        let (running, mut client) = at(stage, Action::Stall).await;
        client.send("NOOP\r\n").await;
        client.hang_up().await;
        assert_eq!(client.rest().await, (Vec::new(), Left::Closed), "{stage:?}");
        assert_eq!(stored(&running), 0);
    }
}

#[tokio::test]
async fn reset_and_close_differ_in_what_the_client_sees() {
    for (stage, _) in REPLIES {
        let (_running, mut client) = at(stage, Action::Reset).await;
        assert_eq!(client.rest().await, (Vec::new(), Left::Reset), "{stage:?}");
        let (_running, mut client) = at(stage, Action::Close).await;
        assert_eq!(client.rest().await, (Vec::new(), Left::Closed), "{stage:?}");
    }
}

#[tokio::test]
async fn split_delayed_and_doubled_replies_are_the_usual_ones() {
    for (stage, usual) in REPLIES {
        for action in [Action::SplitReply, Action::Delay { ms: 1 }] {
            let (_running, mut client) = at(stage, action).await;
            assert_eq!(client.reply().await, usual);
        }
        let (_running, mut client) = at(stage, Action::ExtraReply("250 more\r\n".into())).await;
        let doubled = format!("{usual}250 more\r\n");
        assert_eq!(client.take(doubled.len()).await, doubled.as_bytes());
    }
}

#[tokio::test]
async fn an_endless_reply_has_no_end_and_no_second_line_when_it_is_one() {
    for (kind, has_lines) in [(EndlessReply::Lines, true), (EndlessReply::Line, false)] {
        let (_running, mut client) = at(Stage::Mail, Action::EndlessReply(kind)).await;
        let bytes = client.take(200_000).await;
        assert!(bytes.starts_with(b"250-"));
        assert_eq!(bytes.windows(2).any(|two| two == b"\r\n"), has_lines);
    }
}

#[tokio::test]
async fn a_mail_whose_reply_is_lost_is_stored_and_known_as_unanswered() {
    for then in [Then::Stall, Then::Close, Then::Reset] {
        let (running, mut client) = at(Stage::EndOfData, Action::AcceptThen(then)).await;
        if then == Then::Stall {
            within(running.wait_until(|running| stored(running) == 1)).await;
            client.hang_up().await;
        }
        let left = if then == Then::Reset {
            Left::Reset
        } else {
            Left::Closed
        };
        assert_eq!(client.rest().await, (Vec::new(), left));
        assert_eq!(stored(&running), 1);
        assert!(!running.mails()[0].answered);
    }
}

#[tokio::test]
async fn an_early_reply_comes_within_the_content_and_its_mail_is_not_stored() {
    let running = start(options()).await;
    let early = Action::EarlyReply("250 Message received\r\n".into());
    running
        .fault(Fault::new(Stage::Content, early).after_bytes(10).times(1))
        .unwrap();
    let mut client = Client::logged_in(&running).await;
    for command in [MAIL, RCPT, "DATA\r\n"] {
        client.ask(command).await;
    }
    client.send(&CONTENT[..9]).await;
    client.send(&CONTENT[9..10]).await;
    assert_eq!(client.reply().await, "250 Message received\r\n");
    client.send(&CONTENT[10..]).await;
    assert_eq!(
        client.ask(".\r\nNOOP\r\n").await,
        "250 OK\r\n",
        "the dot gets no reply"
    );
    assert_eq!(stored(&running), 0);
    assert_eq!(client.mail(CONTENT).await, "250 Message received\r\n");
    assert_eq!(stored(&running), 1);
}

#[tokio::test]
async fn the_connection_can_end_within_the_content() {
    let rows = [
        (Action::Reset, &b""[..], Left::Reset),
        (Action::Close, b"", Left::Closed),
        (
            Action::ReplyThenClose("550 no\r\n".into()),
            b"550 no\r\n",
            Left::Closed,
        ),
    ];
    for (action, text, left) in rows {
        let running = start(options()).await;
        running
            .fault(Fault::new(Stage::Content, action).after_bytes(1000))
            .unwrap();
        let mut client = Client::logged_in(&running).await;
        for command in [MAIL, RCPT, "DATA\r\n"] {
            client.ask(command).await;
        }
        client.send("x".repeat(1000)).await;
        assert_eq!(client.rest().await, (text.to_vec(), left));
        assert_eq!(stored(&running), 0);
    }
}

#[tokio::test]
async fn an_idle_fault_strikes_after_the_reply_to_a_mail() {
    let running = start(options()).await;
    running
        .fault(Fault::new(
            Stage::Idle,
            Action::ReplyThenClose("421 x\r\n".into()),
        ))
        .unwrap();
    let mut client = Client::logged_in(&running).await;
    assert_eq!(client.mail(CONTENT).await, "250 Message received\r\n");
    assert_eq!(client.rest().await, (b"421 x\r\n".to_vec(), Left::Closed));
}

#[tokio::test]
async fn filters_and_counts_choose_whom_a_fault_strikes() {
    let running = start(options()).await;
    let no = || Action::Reply("450 no\r\n".into());
    let faults = [
        Fault::new(Stage::Rcpt, no()).nth(2).times(1),
        Fault::new(Stage::Rcpt, no()).recipient("BAD@example.net"),
        Fault::new(Stage::Mail, no()).account("other@example.com"),
        Fault::new(Stage::Mail, no())
            .account("Billing@example.com")
            .nth(2),
        Fault::new(Stage::EndOfData, no()).recipient("last@example.net"),
    ];
    for fault in faults {
        running.fault(fault).unwrap();
    }
    let mut client = Client::logged_in(&running).await;
    let rows = [
        (MAIL, "250 "),
        (RCPT, "250 "),
        (RCPT, "450 "),
        ("RCPT TO:<bad@example.net>\r\n", "450 "),
        ("RSET\r\n", "250 "),
        (MAIL, "450 "),
        (MAIL, "250 "),
        (RCPT, "250 "),
        (RCPT, "250 "),
        ("RCPT TO:<last@example.net>\r\n", "250 "),
        ("DATA\r\n", "354 "),
        ("From: billing@example.com\r\n\r\n.\r\n", "450 "),
    ];
    for (step, (command, code)) in rows.into_iter().enumerate() {
        assert!(
            client.ask(command).await.starts_with(code),
            "step {step}: {command}"
        );
    }
    let fired: Vec<u32> = running.faults().iter().map(|armed| armed.fired).collect();
    assert_eq!(fired, [1, 1, 0, 1, 1]);
    running.clear_faults();
    assert_eq!(client.mail(CONTENT).await, "250 Message received\r\n");
}

#[tokio::test]
async fn a_fault_that_means_nothing_is_refused_when_it_is_armed() {
    let running = start(options()).await;
    let rows = [
        Fault::new(Stage::Mail, Action::AcceptThen(Then::Reset)),
        Fault::new(Stage::Data, Action::EarlyReply("250 x\r\n".into())),
        Fault::new(Stage::Greeting, Action::RefuseHandshake),
        Fault::new(Stage::Connect, Action::SplitReply),
    ];
    for fault in rows {
        assert!(matches!(
            running.fault(fault),
            Err(FaultError::Unsuitable { .. })
        ));
    }
    let never = Fault::new(Stage::Mail, Action::Reset).times(0);
    assert_eq!(running.fault(never), Err(FaultError::CountsFromOne));
    let bad = vec![Fault::new(Stage::Tls, Action::SplitReply)];
    assert!(
        zoho_simulator::Simulator::start(Options {
            faults: bad,
            ..options()
        })
        .await
        .is_err()
    );
}

#[tokio::test]
async fn a_content_fault_strikes_at_its_byte_though_the_dot_came_in_the_same_write() {
    let running = start(options()).await;
    let early = Action::EarlyReply("550 no\r\n".into());
    running
        .fault(Fault::new(Stage::Content, early).after_bytes(10))
        .unwrap();
    let mut client = Client::logged_in(&running).await;
    for mail in 1..=2 {
        assert_eq!(client.mail(CONTENT).await, "550 no\r\n");
        assert_eq!(
            client.ask("NOOP\r\n").await,
            "250 OK\r\n",
            "one early reply a content"
        );
        assert_eq!((stored(&running), running.faults()[0].fired), (0, mail));
    }
}

#[tokio::test]
async fn a_scripted_250_to_a_foreign_mail_stores_it_and_keeps_the_connection() {
    let running = start(options()).await;
    let reply = Action::Reply("250 ok\r\n".into());
    running.fault(Fault::new(Stage::EndOfData, reply)).unwrap();
    let mut client = Client::logged_in(&running).await;
    for mail in 1..=2 {
        assert_eq!(
            client.mail("From: root@example.org\r\n\r\n").await,
            "250 ok\r\n"
        );
        assert_eq!(stored(&running), mail);
    }
}

#[tokio::test]
async fn a_reply_before_a_close_survives_what_the_client_still_sends() {
    let running = start(options()).await;
    let action = Action::ReplyThenClose("550 no\r\n".into());
    running
        .fault(Fault::new(Stage::Content, action).after_bytes(1000))
        .unwrap();
    let mut client = Client::logged_in(&running).await;
    for command in [MAIL, RCPT, "DATA\r\n"] {
        client.ask(command).await;
    }
    client.send("x".repeat(4_000_000)).await;
    assert_eq!(client.rest().await, (b"550 no\r\n".to_vec(), Left::Closed));
}
