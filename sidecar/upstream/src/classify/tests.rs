//! Each letter of each pattern carries weight: a changed one makes a known reply come out wrong.

#[path = "../../tests/classify/rows.rs"]
mod rows;

use zohorelay_smtp::reply::{Reply, ReplyDecoder};

use super::*;

struct Known {
    /// Where it stands in the file, for messages.
    name: String,
    stage: Stage,
    reply: Reply,
    class: Class,
}

fn known_replies() -> Vec<Known> {
    rows::read().iter().map(known_reply).collect()
}

fn known_reply(row: &rows::Row) -> Known {
    let mut stages = Stage::ALL.into_iter();
    let mut classes = Class::ALL.into_iter();
    Known {
        name: format!("line {} ({})", row.line, row.fact),
        stage: stages.find(|stage| stage.as_str() == row.stage).unwrap(),
        reply: ReplyDecoder::new().decode(&row.wire).unwrap().unwrap().0,
        class: classes.find(|class| class.as_str() == row.class).unwrap(),
    }
}

/// The first reply that has another class by `rules`.
fn first_wrong<'a>(rules: &[Rule], known: &'a [Known]) -> Option<&'a str> {
    let is_wrong = |known: &&Known| classify_by(rules, known.stage, &known.reply) != known.class;
    known.iter().find(is_wrong).map(|known| known.name.as_str())
}

/// The pattern with the letter at `at` changed. Patterns are ASCII.
fn with_letter_changed(pattern: &str, at: usize) -> &'static str {
    let letter = if pattern.as_bytes()[at] == b'q' {
        "z"
    } else {
        "q"
    };
    let changed = format!("{}{letter}{}", &pattern[..at], &pattern[at + 1..]);
    Box::leak(changed.into_boxed_str())
}

#[test]
fn changing_any_letter_of_any_pattern_makes_a_known_reply_come_out_wrong() {
    let known = known_replies();
    let rules = all_rules();
    assert_eq!(first_wrong(&rules, &known), None);
    for index in 0..rules.len() {
        let rule = rules[index];
        let mut changed = rules.clone();
        for at in 0..rule.start.len() {
            changed[index].start = with_letter_changed(rule.start, at);
            assert!(
                first_wrong(&changed, &known).is_some(),
                "{:?} byte {at}",
                rule.start
            );
        }
        changed[index].start = rule.start;
        for at in 0..rule.then.len() {
            changed[index].then = with_letter_changed(rule.then, at);
            assert!(
                first_wrong(&changed, &known).is_some(),
                "{:?} byte {at}",
                rule.then
            );
        }
    }
}

#[test]
fn dropping_any_rule_makes_a_known_reply_come_out_wrong() {
    let known = known_replies();
    let rules = all_rules();
    assert_eq!(first_wrong(&rules, &known), None);
    for index in 0..rules.len() {
        let mut fewer = rules.clone();
        let dropped = fewer.remove(index);
        assert!(first_wrong(&fewer, &known).is_some(), "{:?}", dropped.start);
    }
}

#[test]
fn patterns_are_written_as_texts_are_folded_and_none_hides_another() {
    let rules = all_rules();
    for (index, rule) in rules.iter().enumerate() {
        for pattern in [rule.start, rule.then] {
            assert_eq!(pattern, pattern.to_ascii_lowercase());
            assert!(pattern.is_ascii() && !pattern.contains("  "), "{pattern:?}");
        }
        let hides = |other: &Rule| other.start.starts_with(rule.start);
        assert!(!rules[index + 1..].iter().any(hides), "{:?}", rule.start);
    }
}

#[test]
fn relay_denial_is_tried_before_all_else() {
    let rules = all_rules();
    let denials = rules
        .iter()
        .take_while(|rule| rule.class == Class::RelayDenied)
        .count();
    assert_eq!(
        denials,
        rules
            .iter()
            .filter(|rule| rule.class == Class::RelayDenied)
            .count()
    );
    assert!(denials > 0);
}
