//! From fields that parsers read differently (S13): what the policy lets pass, Zoho's own naive
//! reading lets pass too; all else is refused here.

use super::{FROM, TO, app, failures, rejecting, start, zoho};

const ROWS: &[(&str, u16)] = &[
    ("From: billing@example.com", 250),
    ("From: BILLING@EXAMPLE.COM", 250),
    ("From:\r\n billing@example.com", 250),
    ("From: Billing\r\n <billing@example.com>", 250),
    ("From : billing@example.com", 250),
    ("From: billing@example.com (evil@example.net)", 250),
    ("From: (evil@example.net) billing@example.com", 250),
    ("From: \"evil@example.net\" <billing@example.com>", 250),
    (
        "From: =?utf-8?q?=0D=0ABcc:_v@example.net?= <billing@example.com>",
        250,
    ),
    ("From: billing@example.com\r\nSender: evil@example.net", 250),
    ("From: billing@example.com, evil@example.net", 553),
    ("From: billing@example.com, billing@example.com", 553),
    ("From: evil@example.net, billing@example.com", 553),
    ("From: billing@example.com\r\nFrom: evil@example.net", 553),
    ("From: billing@example.com\r\nfrom : evil@example.net", 553),
    ("From: billing@example.com <evil@example.net>", 553),
    ("From: \"<billing@example.com>\" <evil@example.net>", 553),
    ("From: <billing@example.com> <evil@example.net>", 553),
    ("From: <evil@example.net> billing@example.com", 553),
    ("From: (billing@example.com) evil@example.net", 553),
    (
        "From: =?utf-8?q?billing=40example.com?= <evil@example.net>",
        553,
    ),
    ("From: =?utf-8?q?billing=40example.com?=", 553),
    ("From: all: billing@example.com, evil@example.net;", 553),
    ("From: undisclosed:;", 553),
    ("From: billing+tag@example.com", 553),
    ("From: billing@example.com.", 553),
    ("From: billing@example.com@example.net", 553),
    ("From: billing@example.com\u{fe0f}", 553),
    ("From: b\u{131}lling@example.com", 553),
    ("From: <@example.net:billing@example.com", 553),
    ("From: \"billing@example.com", 553),
];

#[tokio::test]
async fn s13_no_from_passes_the_policy_that_zoho_reads_as_another() {
    let zoho = zoho().await;
    let sidecar = start(vec![rejecting(&zoho)], &[]).await;
    let mut app = app(&sidecar).await;
    let mut passed = 0;
    for (from, code) in ROWS {
        let reply = app.send(FROM, TO, &format!("{from}\r\n")).await.unwrap();
        assert_eq!(reply.code, *code, "{from}: {reply:?}");
        passed += usize::from(*code == 250);
        assert_eq!(zoho.mails().len(), passed, "{from}");
    }
    let metrics = sidecar.metrics().await.unwrap();
    assert_eq!(failures(&metrics, "relay_denied"), 0.0, "Zoho refused none");
    for mail in zoho.mails() {
        let text = String::from_utf8_lossy(&mail.content).into_owned();
        assert!(!text.contains("\r\nSender:"), "{text}");
        assert!(!text.contains("\r\nBcc:"), "{text}");
    }
}
