//! Commands in the wrong place, of the wrong kind, and too long (S1, S2, S5, S7).

use zoho_simulator::{Action, Fault, Stage};
use zohorelay_tests::app::App;
use zohorelay_tests::memory::resident_bytes;

use super::{FROM, GOOD, TO, app, assert_usable, converse, identity, limits, start, zoho};

const MAIL: (&str, &str) = ("MAIL FROM:<billing@example.com>", "250 2.1.0");
const RCPT: (&str, &str) = ("RCPT TO:<ann@example.org>", "250 2.1.5");
const MIB: usize = 1 << 20;

#[tokio::test]
async fn s1_no_transaction_is_left_after_any_end_of_data() {
    let zoho = zoho().await;
    let document = limits(
        identity("billing", &zoho),
        serde_json::json!({"messageBytes": 4096}),
    );
    let sidecar = start(vec![document], &[]).await;
    zoho.fault(
        Fault::new(Stage::EndOfData, Action::Reply("550 5.7.0 no\r\n".into()))
            .times(1)
            .recipient("refused@example.org"),
    )
    .unwrap();
    let big = format!("{GOOD}X-Fill: {}\r\n", "x".repeat(5000));
    let foreign = "From: evil@example.net\r\n";
    let mails = [
        ("accepted", TO, GOOD, 250),
        ("refused by policy", TO, foreign, 553),
        ("refused upstream", &["refused@example.org"], GOOD, 554),
        ("too large", TO, big.as_str(), 552),
    ];
    let mut app = app(&sidecar).await;
    for (what, to, header, code) in mails {
        app.begin(FROM, to).await.unwrap();
        app.write(format!("{header}\r\nbody\r\n.\r\n").as_bytes())
            .await
            .unwrap();
        let reply = app.reply().await.unwrap();
        assert_eq!(reply.code, code, "{what}: {reply:?}");
        let left = [
            ("RCPT TO:<x@example.org>", "503 5.5.1"),
            ("DATA", "503 5.5.1"),
        ];
        converse(&mut app, &left).await;
    }
    assert_usable(&mut app).await;
    assert_eq!(zoho.mails().len(), 2);
}

#[tokio::test]
async fn s2_a_bad_command_within_a_transaction_leaves_it_whole() {
    let zoho = zoho().await;
    let sidecar = start(vec![identity("billing", &zoho)], &[]).await;
    let mut app = app(&sidecar).await;
    for (bad, answer) in [
        ("BDAT 5", "502 5.5.1"),
        ("VRFY \u{fc}", "553 5.6.7"),
        ("NONSENSE", "500 5.5.1"),
        ("MAIL FROM:<other@example.com>", "503 5.5.1"),
    ] {
        converse(&mut app, &[MAIL, RCPT, (bad, answer), ("DATA", "354")]).await;
        app.write(format!("{GOOD}\r\nbody\r\n.\r\n").as_bytes())
            .await
            .unwrap();
        assert_eq!(app.reply().await.unwrap().code, 250, "{bad}");
    }
    let mails = zoho.mails();
    assert_eq!(mails.len(), 4);
    assert!(
        mails
            .iter()
            .all(|mail| mail.recipients == TO && mail.reverse_path == FROM)
    );
}

#[tokio::test]
async fn s5_starttls_that_is_not_offered_is_refused_and_what_follows_is_plain() {
    let zoho = zoho().await;
    let sidecar = start(vec![identity("billing", &zoho)], &[]).await;
    let mut app = app(&sidecar).await;
    for (sent, codes) in [
        ("STARTTLS\r\nNOOP\r\n", vec![502, 250]),
        ("starttls\r\nmail from:<x>\r\nQUIT\r\n", vec![502, 501, 221]),
    ] {
        app.write(sent.as_bytes()).await.unwrap();
        for code in codes {
            assert_eq!(app.reply().await.unwrap().code, code, "{sent:?}");
        }
    }
    assert_eq!(app.reply_or_end().await.unwrap(), None);
}

#[tokio::test]
async fn s7_a_line_up_to_4096_bytes_is_a_command_and_a_longer_one_is_refused_once() {
    let zoho = zoho().await;
    let sidecar = start(vec![identity("billing", &zoho)], &[]).await;
    let mut app = app(&sidecar).await;
    for length in [512, 513, 1000, 1001, 4096] {
        let command = format!("NOOP {}", "x".repeat(length - "NOOP \r\n".len()));
        converse(&mut app, &[(&command, "250 2.0.0")]).await;
    }
    for length in [4097, 12_288, 100_000] {
        let command = format!("NOOP {}", "x".repeat(length - "NOOP \r\n".len()));
        converse(&mut app, &[(&command, "500 5.5.6"), ("NOOP", "250 2.0.0")]).await;
    }
    assert_usable(&mut app).await;
}

#[tokio::test]
async fn s7_ten_mebibytes_without_an_end_take_no_memory_and_one_reply() {
    let zoho = zoho().await;
    let sidecar = start(vec![identity("billing", &zoho)], &[]).await;
    let mut app = app(&sidecar).await;
    assert_usable(&mut app).await;
    let before = resident_bytes(sidecar.pid());
    for byte in [b'x', b'\r', b' ', 0, 0xff] {
        app.write(&vec![byte; 10 * MIB]).await.unwrap();
        let grown = resident_bytes(sidecar.pid()).saturating_sub(before);
        assert!(grown < 2 * MIB as u64, "{byte:#x}: {grown} bytes more");
        app.write(b"\r\n").await.unwrap();
        let reply = app.reply().await.unwrap();
        assert_eq!(reply.code, 500, "{byte:#x}: {reply:?}");
        assert!(reply.text.starts_with("5.5.6"), "{reply:?}");
        assert_usable(&mut app).await;
    }
}

#[tokio::test]
async fn s8_bytes_that_are_no_text_are_refused_and_the_next_command_works() {
    let zoho = zoho().await;
    let sidecar = start(vec![identity("billing", &zoho)], &[]).await;
    let mut app: App = app(&sidecar).await;
    for bytes in [
        &b"\x80\x81\r\n"[..],
        b"NO\0OP\r\n",
        b"NOOP\rNOOP\r\n",
        b"\r\n",
    ] {
        app.write(bytes).await.unwrap();
        let reply = app.reply().await.unwrap();
        assert!((500..=501).contains(&reply.code), "{bytes:?}: {reply:?}");
    }
    assert_usable(&mut app).await;
}
