//! The dialogue to the letter, and the protocol's order (`docs/zoho.md session`, R7, R8, R19-R21).

use crate::client::{AUTH, CONTENT, Client, Left, MAIL, RCPT, options, start, within};

const BANNER: &str = "220 mx.zohomail.com SMTP Server ready April 18, 2024 6:40:27 AM PDT\r\n";
const HELLO: &str = "250-mx.zohomail.com Hello relay.example (localhost (127.0.0.1))\r\n";

#[tokio::test]
async fn a_session_by_starttls_reads_as_zohos_to_the_letter() {
    let running = start(options()).await;
    let mut client = Client::clear(&running).await;
    assert_eq!(client.reply().await, BANNER);
    assert_eq!(
        client.ask("EHLO relay.example\r\n").await,
        format!("{HELLO}250-STARTTLS\r\n250 SIZE 53477376\r\n")
    );
    assert_eq!(
        client.ask("STARTTLS\r\n").await,
        "220 Ready to start TLS.\r\n"
    );
    let mut client = client.secure(&running).await.unwrap();
    let inside = [
        (
            "EHLO relay.example",
            format!("{HELLO}250-AUTH LOGIN PLAIN\r\n250 SIZE 53477376\r\n"),
        ),
        ("AUTH LOGIN", "334 VXNlcm5hbWU6\r\n".into()),
        (
            "YmlsbGluZ0BleGFtcGxlLmNvbQ==",
            "334 UGFzc3dvcmQ6\r\n".into(),
        ),
        ("YXBw", "235 Authentication Successful\r\n".into()),
        (
            "MAIL FROM:<billing@example.com> SIZE=550",
            "250 Sender <billing@example.com> OK\r\n".into(),
        ),
        ("RCPT TO:<c@d>", "250 Recipient <c@d> OK\r\n".into()),
        (
            "DATA",
            "354 Ok Send data ending with <CRLF>.<CRLF>\r\n".into(),
        ),
        (
            "From: billing@example.com\r\n\r\nx\r\n.",
            "250 Message received\r\n".into(),
        ),
        ("RSET", "250 state reset OK\r\n".into()),
    ];
    for (command, reply) in inside {
        assert_eq!(
            client.ask(&format!("{command}\r\n")).await,
            reply,
            "{command}"
        );
    }
    assert!(client.ask("QUIT\r\n").await.starts_with("221 "));
    assert_eq!(client.rest().await, (Vec::new(), Left::Closed));
    within(running.wait_until(|running| running.connections()[0].ended.is_some())).await;
    let record = running.connections().remove(0);
    assert_eq!(record.ended.as_deref(), Some("QUIT"));
    assert!(
        record.tls && !record.auth_in_clear && !record.pipelined,
        "{record:?}"
    );
    assert!(
        !record.transcript.concat().contains("YXBw"),
        "no password in a transcript"
    );
}

#[tokio::test]
async fn implicit_tls_lists_auth_and_no_starttls() {
    let running = start(options()).await;
    let mut client = Client::tls(&running).await;
    assert_eq!(client.reply().await, BANNER);
    let ehlo = client.ask("EHLO relay.example\r\n").await;
    assert_eq!(
        ehlo,
        format!("{HELLO}250-AUTH LOGIN PLAIN\r\n250 SIZE 53477376\r\n")
    );
    let again = client.ask("STARTTLS\r\n").await;
    assert_eq!(
        again,
        "500 mx.zohomail.com Syntax error, command unrecognized: STARTTLS\r\n"
    );
}

#[tokio::test]
async fn commands_out_of_order_get_zohos_texts() {
    let running = start(options()).await;
    let mut client = Client::clear(&running).await;
    client.reply().await;
    let needs_tls = "530 Must issue a STARTTLS command first.\r\n";
    let needs_ehlo = "503 Must issue a EHLO/HELO command first.\r\n";
    let rows = [
        (MAIL, needs_ehlo),
        (AUTH, needs_ehlo),
        ("STARTTLS\r\n", needs_ehlo),
        ("EHLO\r\n", "501 Domain address required: EHLO\r\n"),
        (
            "HELO a\r\n",
            "250 mx.zohomail.com Hello a (localhost (127.0.0.1))\r\n",
        ),
        (MAIL, needs_tls),
        (AUTH, needs_tls),
        (
            "RECEIVED: from x\r\n",
            "500 mx.zohomail.com Syntax error, command unrecognized: RECEIVED:\r\n",
        ),
    ];
    for (command, reply) in rows {
        assert_eq!(client.ask(command).await, reply, "{command}");
    }
    assert!(running.connections()[0].auth_in_clear);
    assert_eq!(
        running.logins("billing@example.com").total,
        0,
        "AUTH in clear is no login"
    );

    let mut client = Client::tls(&running).await;
    client.reply().await;
    client.ask("EHLO a\r\n").await;
    assert_eq!(
        client.ask(MAIL).await,
        "530 5.5.1 Authentication Required.\r\n"
    );
    client.ask(AUTH).await;
    for command in [RCPT, "DATA\r\n"] {
        assert!(client.ask(command).await.starts_with("503 "), "{command}");
    }
    client.ask(MAIL).await;
    assert!(
        client.ask("DATA\r\n").await.starts_with("503 "),
        "DATA without a recipient"
    );
    let eight_bit = client
        .ask("RSET\r\nMAIL FROM:<billing@example.com> BODY=8BITMIME\r\n")
        .await;
    assert_eq!(eight_bit, "250 state reset OK\r\n");
    assert!(
        client.reply().await.starts_with("555 "),
        "8BITMIME is not offered"
    );
    assert!(
        running.connections()[1].pipelined,
        "two commands in one write are noted"
    );
}

#[tokio::test]
async fn what_was_said_before_starttls_is_forgotten() {
    let running = start(options()).await;
    let mut client = Client::clear(&running).await;
    client.reply().await;
    client.ask("EHLO a\r\n").await;
    client.ask("STARTTLS\r\n").await;
    let mut client = client.secure(&running).await.unwrap();
    assert_eq!(
        client.ask(AUTH).await,
        "503 Must issue a EHLO/HELO command first.\r\n"
    );
}

#[tokio::test]
async fn bytes_pipelined_after_starttls_end_the_connection_without_tls() {
    let running = start(options()).await;
    let mut client = Client::clear(&running).await;
    client.reply().await;
    client.ask("EHLO a\r\n").await;
    client.send("STARTTLS\r\nEHLO b\r\n").await;
    assert_eq!(client.rest().await, (Vec::new(), Left::Closed));
    let ended = running.connections()[0].ended.clone();
    assert_eq!(
        ended.as_deref(),
        Some("protocol error: bytes in clear after STARTTLS")
    );
}

#[tokio::test]
async fn only_crlf_ends_a_command() {
    let running = start(options()).await;
    let mut client = Client::clear(&running).await;
    client.reply().await;
    let reply = client.ask("EHLO a\nNOOP\rQUIT\n\r\n").await;
    assert!(reply.starts_with("250-"), "one command, not four: {reply}");
    assert_eq!(client.ask("NOOP\r\n").await, "250 OK\r\n");
    assert!(running.connections()[0].malformed_command);
}

#[tokio::test]
async fn logins_follow_zohos_rules_over_the_wire() {
    let running = start(options()).await;
    // base64 of authorisation NUL user name NUL password
    let rows = [
        (
            "YmlsbGluZ0BleGFtcGxlLmNvbQBiaWxsaW5nQGV4YW1wbGUuY29tAGFwcA==",
            "535",
        ),
        ("AGludm9pY2VzQGV4YW1wbGUuY29tAGFwcA==", "535"),
        ("AGJpbGxpbmdAZXhhbXBsZS5jb20AYXB", "501"),
        ("AGJpbGxpbmdAZXhhbXBsZS5jb20AYXBw", "235"),
    ];
    let mut client = Client::tls(&running).await;
    client.reply().await;
    client.ask("EHLO a\r\n").await;
    for (response, code) in rows {
        let reply = client.ask(&format!("AUTH PLAIN {response}\r\n")).await;
        assert!(reply.starts_with(code), "{response}: {reply}");
    }
    let counts = running.logins("billing@example.com");
    assert_eq!((counts.ok, counts.refused, counts.total), (1, 1, 2));
    assert_eq!(running.logins("invoices@example.com").refused, 1);
}

#[tokio::test]
async fn two_runs_of_one_session_are_the_same_to_the_byte() {
    let mut seen = Vec::new();
    for _ in 0..2 {
        let running = start(options()).await;
        let mut client = Client::logged_in(&running).await;
        client.mail(CONTENT).await;
        seen.push((running.connections().remove(0).transcript, running.mails()));
    }
    assert_eq!(seen[0], seen[1]);
}

#[tokio::test]
async fn stop_ends_open_connections() {
    let running = start(options()).await;
    let mut client = Client::logged_in(&running).await;
    within(running.stop()).await;
    client.hang_up().await;
}
