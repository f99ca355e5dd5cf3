//! Rows of S12 and S13: bounded, in linear time. A quadratic step over 256 KiB would take minutes.

use std::time::{Duration, Instant};

use zohorelay_config::ForeignFrom::{Attach, Pass, Reject, Rewrite};
use zohorelay_sidecar::calendar::CalendarScanner;
use zohorelay_sidecar::header::HEADER_LIMIT_BYTES;
use zohorelay_sidecar::policy::{RefusalReason, from_addresses};

use super::*;

/// As many repetitions as a header takes.
fn full_of(start: &str, repeated: &str, end: &str) -> String {
    let room = HEADER_LIMIT_BYTES - start.len() - end.len() - 2;
    format!("{start}{}{end}\r\n", repeated.repeat(room / repeated.len()))
}

#[test]
fn s12_a_header_full_of_anything_is_judged_in_linear_time() {
    let folded = "From: billing@example.com, ";
    let attacks = [
        full_of("From: ", "(", "\r\n"),
        full_of("From: ", "()", " billing@example.com\r\n"),
        full_of("From: (", "\\(", ") billing@example.com\r\n"),
        full_of("From: ", "\"", "\r\n"),
        full_of("From: \"", "\\\"", "\" <billing@example.com>\r\n"),
        full_of("From: ", "<", "\r\n"),
        full_of("From: ", "<@a,", "\r\n"),
        full_of("From: <", "@a,", ":billing@example.com>\r\n"),
        full_of("From: ", "a@[", "\r\n"),
        full_of("From: ", "a,", "\r\n"),
        full_of("From: ", "a@b.example,", "\r\n"),
        full_of("From: ", "a ", "<billing@example.com>\r\n"),
        full_of("From: ", "a.", "@example.com\r\n"),
        full_of("From: ", "=?a?q?(", "\r\n"),
        full_of("From: ", "=?a?q?b ", "<billing@example.com>\r\n"),
        full_of("From: ", "=?a?q?b?= ", "<billing@example.com>\r\n"),
        full_of("From: ", "\u{f6}", " <billing@example.com>\r\n"),
        full_of("From: ", "\r\n ", "billing@example.com\r\n"),
        full_of("From", " ", ": billing@example.com\r\n"),
        full_of(folded, "\r\n ", "evil@x.example\r\n"),
        full_of("", "From: billing@example.com\r\n", "\r\n"),
        full_of("", "From: (((((((((((((((((\r\n", "\r\n"),
        full_of("", "Bcc: a\r\n", "From: a@x.example\r\n"),
        full_of("", "a:\r\n", "\r\n"),
        full_of("", "Sender: ((((((((\r\n", "\r\n"),
        full_of("", "DKIM-Signature: h\r\n", "\r\n"),
        full_of("DKIM-Signature: h=", "a:", "\r\n"),
        full_of("DKIM-Signature: ", ";", "\r\n"),
        full_of("Message-ID: ", "<", "\r\n"),
        full_of("To: ", "a@b.example, ", "\r\nFrom: a@x.example\r\n"),
    ];
    let start = Instant::now();
    for attack in &attacks {
        let header = HeaderBlock::parse(attack.as_bytes(), true).unwrap();
        assert!(from_addresses(&header).len() <= 32);
        for policy in [Reject, Rewrite, Attach, Pass] {
            if let Ok(prepared) = judged(&document(policy), &arrival(), attack.as_bytes()) {
                assert!(prepared.head.len() < 2 * HEADER_LIMIT_BYTES);
                assert!(prepared.message_id.len() <= 256);
            }
        }
    }
    assert!(
        start.elapsed() < Duration::from_secs(30),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn s13_a_comment_nested_10_000_deep_is_refused() {
    let from = format!(
        "From: {}{} billing@example.com\r\n\r\n",
        "(".repeat(10_000),
        ")".repeat(10_000)
    );
    assert_eq!(refused(Reject, &from).why, RefusalReason::Unreadable);
    let from = format!(
        "From: {}{} billing@example.com\r\n\r\n",
        "(".repeat(16),
        ")".repeat(16)
    );
    let respelled = "From: \"((((((((((((((()))))))))))))))\" <billing@example.com>\r\n";
    assert!(sent(Reject, &from).contains(respelled));
}

#[test]
fn s12_10_000_from_fields_are_refused_and_what_is_shown_is_short() {
    let refusal = refused(Reject, &"From: billing@example.com\r\n".repeat(9_000));
    assert_eq!(refusal.why, RefusalReason::SeveralFields);
    assert_eq!(refusal.from, "billing@example.com");
    let refusal = refused(Pass, &full_of("From: ", "\u{f6}\t\u{1}", "<\r\n"));
    assert_eq!(refusal.from.len(), 320);
    assert!(
        refusal
            .from
            .bytes()
            .all(|byte| (b' '..0x7f).contains(&byte))
    );
}

#[test]
fn s12_a_from_folded_50_000_times_is_unfolded() {
    let mail = full_of("From:", &"\r\n ".repeat(50_000), "billing@example.com\r\n");
    assert!(sent(Reject, &mail).contains("From: <billing@example.com>\r\n"));
}

#[test]
fn s12_a_body_full_of_delimiters_is_scanned_in_linear_time() {
    let prefix = "x".repeat(60);
    let mut scanner = CalendarScanner::new();
    for depth in 0..10_000 {
        let boundary = format!("{prefix}{depth}");
        scanner.scan(b"Content-Type: multipart/mixed; boundary=");
        scanner.scan(format!("{boundary}\r\n\r\n--{boundary}\r\n").as_bytes());
    }
    let start = Instant::now();
    scanner.scan(format!("--{prefix}\r\n").repeat(100_000).as_bytes());
    assert!(
        start.elapsed() < Duration::from_secs(30),
        "{:?}",
        start.elapsed()
    );
    assert!(!scanner.found());
}
