//! Faults before the session is secured: connect, greeting, STARTTLS and the handshake.

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use zoho_simulator::{Action, Fault, Options, Raw, Stage};

use crate::client::{Client, Left, connect_tls, options, start, trusting, within};

#[tokio::test]
async fn a_split_reply_comes_byte_by_byte() {
    let running = start(options()).await;
    running
        .fault(Fault::new(Stage::Greeting, Action::SplitReply))
        .unwrap();
    let mut tcp = TcpStream::connect(running.starttls().unwrap())
        .await
        .unwrap();
    let mut byte = [0; 64];
    let first = within(tcp.read(&mut byte)).await.unwrap();
    assert!(first < 8, "{first} bytes came at once");
}

#[tokio::test]
async fn garbage_depends_on_the_seed_and_the_connection_only() {
    let garbage = async |seed| {
        let running = start(Options { seed, ..options() }).await;
        running
            .fault(Fault::new(Stage::Greeting, Action::Garbage))
            .unwrap();
        let first = Client::clear(&running).await.take(258).await;
        let second = Client::clear(&running).await.take(258).await;
        (first, second)
    };
    let (one, other) = (garbage(7).await, garbage(8).await);
    assert_eq!(one, garbage(7).await);
    assert_ne!(one.0, one.1);
    assert_ne!(one.0, other.0);
}

/// Writes until the socket takes no more for long, or 16 MiB are through.
async fn flood(tcp: &TcpStream) -> usize {
    let (mut sent, mut idle_turns, block) = (0, 0, vec![b'x'; 65_536]);
    while sent < 16 << 20 && idle_turns < 5000 {
        match tcp.try_write(&block) {
            Ok(count) => (sent, idle_turns) = (sent + count, 0),
            Err(_) => idle_turns += 1,
        }
        tokio::task::yield_now().await;
    }
    sent
}

#[tokio::test]
async fn stop_reading_blocks_the_client_and_stall_does_not() {
    for (action, blocks) in [(Action::StopReading, true), (Action::Stall, false)] {
        let running = start(options()).await;
        running.fault(Fault::new(Stage::Greeting, action)).unwrap();
        let tcp = TcpStream::connect(running.starttls().unwrap())
            .await
            .unwrap();
        let sent = flood(&tcp).await;
        assert_eq!(sent < 16 << 20, blocks, "{sent}");
    }
}

#[tokio::test]
async fn faults_on_connect_strike_before_any_byte() {
    for (action, left) in [(Action::Close, Left::Closed), (Action::Reset, Left::Reset)] {
        let running = start(options()).await;
        running.fault(Fault::new(Stage::Connect, action)).unwrap();
        assert_eq!(
            Client::clear(&running).await.rest().await,
            (Vec::new(), left)
        );
        let address = running.implicit_tls().unwrap();
        assert!(
            connect_tls(trusting(&running), address, "localhost")
                .await
                .is_err()
        );
    }
}

#[tokio::test]
async fn the_tls_stage_refuses_resets_or_speaks_in_clear_on_both_ports() {
    let refused = vec![0x15, 3, 3, 0, 2, 2, 40];
    let rows = [
        (Action::RefuseHandshake, refused, Left::Closed),
        (Action::Reset, Vec::new(), Left::Reset),
        (Action::Close, Vec::new(), Left::Closed),
        (
            Action::ReplyThenClose("220 in clear\r\n".into()),
            b"220 in clear\r\n".to_vec(),
            Left::Closed,
        ),
    ];
    for (action, bytes, left) in rows {
        let running = start(options()).await;
        running
            .fault(Fault::new(Stage::Tls, action.clone()))
            .unwrap();
        let mut client = Client::clear(&running).await;
        client.reply().await;
        client.ask("EHLO a\r\n").await;
        client.ask("STARTTLS\r\n").await;
        // Any bytes stand for the client's handshake.
        client.send([0x16, 3, 1]).await;
        assert_eq!(client.rest().await, (bytes, left), "{action:?}");
        let address = running.implicit_tls().unwrap();
        assert!(
            connect_tls(trusting(&running), address, "localhost")
                .await
                .is_err()
        );
    }
}

#[tokio::test]
async fn bytes_are_injected_with_the_220_or_once_the_handshake_has_come() {
    let text = Raw::from("250 AUTH PLAIN\r\n");
    for late in [false, true] {
        let running = start(options()).await;
        let action = Action::InjectAfterStartTls {
            text: text.clone(),
            late,
        };
        running.fault(Fault::new(Stage::Starttls, action)).unwrap();
        let mut client = Client::clear(&running).await;
        client.reply().await;
        client.ask("EHLO a\r\n").await;
        client.send("STARTTLS\r\n").await;
        if late {
            assert_eq!(client.reply().await, "220 Ready to start TLS.\r\n");
            assert!(
                client.secure(&running).await.is_err(),
                "clear bytes break the handshake"
            );
        } else {
            let both = b"220 Ready to start TLS.\r\n250 AUTH PLAIN\r\n";
            assert_eq!(client.take(both.len()).await, both);
        }
    }
}

#[tokio::test]
async fn starttls_can_be_missing_or_refused_and_tls_does_not_begin() {
    let running = start(options()).await;
    let no_starttls = Action::Reply("250-x\r\n250 AUTH PLAIN\r\n".into());
    running
        .fault(Fault::new(Stage::Ehlo, no_starttls).nth(1))
        .unwrap();
    running
        .fault(Fault::new(
            Stage::Starttls,
            Action::Reply("454 no\r\n".into()),
        ))
        .unwrap();
    let mut client = Client::clear(&running).await;
    client.reply().await;
    assert_eq!(
        client.ask("EHLO a\r\n").await,
        "250-x\r\n250 AUTH PLAIN\r\n"
    );
    assert_eq!(client.ask("STARTTLS\r\n").await, "454 no\r\n");
    assert!(
        client.ask("EHLO a\r\n").await.contains("STARTTLS"),
        "nth 1 is over"
    );
}
