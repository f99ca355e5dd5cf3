//! Mails that are built to cost more than they weigh (S12).

use serde_json::json;
use zohorelay_tests::memory::{peak_bytes, resident_bytes};

use super::{FROM, GOOD, TO, app, assert_usable, identity, start, zoho};

const MIB: u64 = 1 << 20;

/// The most that a mail may hold in memory: its prefix, one chunk of the network and copies of
/// the header, with room for the allocator.
const GROWTH_LIMIT_BYTES: u64 = 8 * MIB;

#[tokio::test]
async fn s12_header_and_mime_bombs_are_refused_or_sent_in_bounded_memory() {
    let zoho = zoho().await;
    let mut document = identity("billing", &zoho);
    document["senderPolicy"] = json!({"foreignFrom": "Reject", "foreignCalendar": "Attach"});
    let sidecar = start(vec![document], &[]).await;
    let mut app = app(&sidecar).await;
    assert_usable(&mut app).await;
    let before = resident_bytes(sidecar.pid());
    for (what, content, answer) in bombs() {
        app.begin(FROM, TO).await.unwrap();
        app.write(content.as_bytes()).await.unwrap();
        app.write(b"\r\n.\r\n").await.unwrap();
        let reply = app.reply().await.unwrap();
        let said = format!("{} {}", reply.code, reply.text);
        assert!(said.starts_with(answer), "{what}: {said}");
        let grown = peak_bytes(sidecar.pid()).saturating_sub(before);
        assert!(grown < GROWTH_LIMIT_BYTES, "{what}: {grown} bytes more");
        assert_usable(&mut app).await;
    }
    let policy_failures = zoho
        .connections()
        .iter()
        .filter(|c| c.ended.is_some())
        .count();
    assert_eq!(
        policy_failures, 0,
        "no bomb reached Zoho to be refused there"
    );
}

/// What it is, its content, and how the answer begins.
fn bombs() -> Vec<(&'static str, String, &'static str)> {
    let body = "\r\nbody\r\n";
    let level = |level: u32| {
        let inner = level + 1;
        format!("--b{level}\r\nContent-Type: multipart/mixed; boundary=b{inner}\r\n\r\n")
    };
    let nested = format!(
        "{GOOD}MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b0\r\n\r\n{}",
        (0..10_000).map(level).collect::<String>()
    );
    vec![
        (
            "one field of 10 MiB",
            format!("{GOOD}X-Big: {}\r\n{body}", "x".repeat(10 << 20)),
            "554 5.6.0",
        ),
        (
            "one folded field of 10 MiB",
            format!("{GOOD}X-Big:{}\r\n{body}", "\r\n xxxxxxxx".repeat(1 << 20)),
            "554 5.6.0",
        ),
        (
            "100,000 fields",
            format!("{GOOD}{}{body}", "X: y\r\n".repeat(100_000)),
            "554 5.6.0",
        ),
        (
            "as many fields as a header holds",
            format!("{GOOD}{}{body}", "X:\r\n".repeat(60_000)),
            "250 ",
        ),
        (
            "10,000 From fields",
            format!("{}{body}", "From: billing@example.com\r\n".repeat(9_000)),
            "553 5.7.1",
        ),
        (
            "a From folded 50,000 times",
            format!(
                "From:{} billing@example.com\r\n{body}",
                "\r\n ".repeat(50_000)
            ),
            "250 ",
        ),
        (
            "a From of 50,000 addresses",
            format!("From: {}a@b\r\n{body}", "a@b,".repeat(50_000)),
            "553 5.7.1",
        ),
        (
            "a comment nested 100,000 deep",
            format!("From: {}billing@example.com\r\n{body}", "(".repeat(100_000)),
            "553 5.7.1",
        ),
        ("multipart nested 10,000 deep", nested, "250 "),
        (
            "a foreign multipart of 100,000 parts",
            format!(
                "From: evil@example.net\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n{}",
                "--b\r\nContent-Type: text/plain\r\n\r\nx\r\n".repeat(100_000)
            ),
            "553 5.7.1",
        ),
    ]
}
