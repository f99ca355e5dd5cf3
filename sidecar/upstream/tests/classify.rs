//! What Zoho was seen to answer, byte for byte, through the reader of replies and the classifier.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "classify/rows.rs"]
mod rows;

use std::collections::BTreeSet;

use proptest::prelude::*;
use rows::Row;
use zohorelay_smtp::reply::{EnhancedCode, Reply, ReplyDecoder};
use zohorelay_upstream::classify::{classify, known_code};
use zohorelay_upstream::failure::{Class, Stage};

fn stage_of(row: &Row) -> Stage {
    Stage::ALL
        .into_iter()
        .find(|stage| stage.as_str() == row.stage)
        .unwrap()
}

fn decode_whole(wire: &[u8]) -> Reply {
    let (reply, consumed) = ReplyDecoder::new().decode(wire).unwrap().unwrap();
    assert_eq!(consumed, wire.len());
    reply
}

fn decode_cut(wire: &[u8], at: usize) -> Reply {
    let mut decoder = ReplyDecoder::new();
    assert_eq!(decoder.decode(&wire[..at]), Ok(None), "a part is no reply");
    decoder.decode(wire).unwrap().unwrap().0
}

fn assert_class(row: &Row, reply: &Reply) {
    let class = classify(stage_of(row), reply);
    let shown = String::from_utf8_lossy(&row.wire);
    assert_eq!(class.as_str(), row.class, "line {}: {shown}", row.line);
}

#[test]
fn every_known_reply_has_its_class() {
    for row in rows::read() {
        assert_class(&row, &decode_whole(&row.wire));
    }
}

#[test]
fn a_reply_split_over_two_packets_at_any_byte_has_the_same_class() {
    for row in rows::read() {
        for at in 0..row.wire.len() {
            assert_class(&row, &decode_cut(&row.wire, at));
        }
    }
}

#[test]
fn every_row_of_the_tables_that_has_a_reply_is_in_the_file() {
    let seen: BTreeSet<String> = rows::read().into_iter().map(|row| row.fact).collect();
    let zoho = (1..=22).map(|row| format!("R{row}"));
    let inbound = (1..=10).map(|row| format!("I{row}"));
    for row in zoho.chain(inbound) {
        assert!(seen.contains(&row), "{row} is missing");
    }
}

#[test]
fn every_code_of_the_tables_is_a_label() {
    for row in rows::read().iter().filter(|row| row.fact != "-") {
        let code = decode_whole(&row.wire).code();
        assert_eq!(
            known_code(code),
            Some(code.to_string().as_str()),
            "line {}",
            row.line
        );
    }
    assert_eq!(known_code(599), None);
}

fn doc(name: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/");
    std::fs::read_to_string(format!("{folder}{name}")).unwrap()
}

#[test]
fn every_class_has_a_section_and_a_symptom_in_troubleshooting() {
    let page = doc("troubleshooting.md");
    for class in Class::ALL {
        assert!(
            page.contains(&format!("\n## {class}\n")),
            "{class} has no section"
        );
        assert!(
            page.contains(&format!("[{class}](#{class}) |")),
            "{class} has no symptom"
        );
    }
}

#[test]
fn every_known_reply_stands_on_the_page_that_the_rules_cite() {
    let page = doc("zoho.md");
    for row in rows::read().iter().filter(|row| row.fact != "-") {
        let start = format!("\n| {} | ", row.fact);
        let line = page
            .split_once(&start)
            .and_then(|(_, rest)| rest.lines().next());
        let line = line.unwrap_or_else(|| panic!("{} is not on the page", row.fact));
        assert!(line.contains(&row.class), "{}: {}", row.fact, row.class);
    }
}

proptest! {
    /// Whatever an application puts into its From, the refusal of it is a relay denial.
    #[test]
    fn no_echoed_from_can_trip_the_breaker(
        from in "[ -~]{0,60}",
        words in prop::sample::select(vec![
            "",
            "Mail rate exceeded limit",
            "550 5.4.6 Unusual sending activity detected",
            "Authentication failed:554 5.1.8 Sender Address Blocked",
        ]),
        enhanced in prop::sample::select(vec![None, Some(EnhancedCode(5, 7, 1))]),
    ) {
        let reply = Reply::new(553, enhanced, format!("Relaying disallowed as {from}{words}"));
        prop_assert_eq!(classify(Stage::EndOfData, &reply), Class::RelayDenied);
    }

    /// A recipient's address is the application's text too.
    #[test]
    fn no_echoed_recipient_can_trip_the_breaker(
        local in r"[ !#-\[\]-~]{0,40}",
        words in prop::sample::select(vec![
            "Mail rate exceeded limit",
            "Email Outgoing Blocked",
            "Authentication failed",
        ]),
        rest in prop::sample::select(vec!["User unknown", "Something new"]),
    ) {
        for echo in [format!("<\"{words}{local}\"@example.org>"), format!("<\"{local}> {words}\"@example.org>")] {
            let reply = Reply::new(550, None, format!("{echo} {rest}"));
            let class = classify(Stage::Rcpt, &reply);
            prop_assert!(matches!(class, Class::RecipientRefused | Class::Unclassified), "{}", class);
        }
    }

    /// No reply, however odd, ends the program; a 2yz or 3yz is never a refusal with a scope.
    #[test]
    fn every_reply_has_a_class_at_every_stage(code in 200_u16..600, text in ".{0,80}") {
        for stage in Stage::ALL {
            let class = classify(stage, &Reply::new(code, None, text.clone()));
            if code < 400 {
                prop_assert!(matches!(class, Class::Protocol | Class::UnknownOutcome));
            }
        }
    }
}
