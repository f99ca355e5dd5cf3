use serde_json::{Value, json};

use super::*;

const ALL: Range = None;

fn at(time: &str) -> Timestamp {
    format!("2026-11-23T{time}Z").parse().unwrap()
}

/// The leader of these tests begins at ten.
fn book() -> Book {
    Book::new(at("10:00:00"))
}

fn key(name: &str) -> NamespacedName {
    NamespacedName::new("shop", name)
}

fn words(identities: &Value) -> String {
    json!({"version": 1, "identities": identities}).to_string()
}

fn denied(time: &str) -> String {
    words(&json!({"billing": {
        "sent": 2, "failed": {"relay_denied": 1},
        "lastFailures": {"relay_denied": {"stage": "end_of_data", "code": 553, "at": at(time)}},
    }}))
}

fn end(life: i64, time: &str, message: impl Into<Box<str>>) -> End {
    End {
        life,
        finished_at: at(time),
        message: message.into(),
    }
}

fn note(book: &mut Book, pod: &str, ends: &[End], now: &str) -> Noted {
    let pod = Pod {
        key: &key(pod),
        uid: "u",
        identities: &["billing".into(), "alerts".into()],
    };
    book.note(pod, 1, ends, at(now))
}

fn count(book: &mut Book, now: &str) -> Vec<Vec<(Class, u64)>> {
    count_after(book, None, now)
}

fn count_after(book: &mut Book, through: Option<&str>, now: &str) -> Vec<Vec<(Class, u64)>> {
    let (ended, _) = book.count(&key("billing"), through.map(at), true, at(now));
    ended.iter().map(|it| it.failures().collect()).collect()
}

const DENIED_ONCE: [(Class, u64); 1] = [(Class::RelayDenied, 1)];

#[test]
fn each_end_of_a_container_is_counted_once_however_often_its_pod_is_seen() {
    let mut book = book();
    let first = end(0, "10:00:03", denied("10:00:02"));
    let noted = note(&mut book, "job", std::slice::from_ref(&first), "10:00:04");
    assert_eq!(noted.identities, [key("billing")].into());
    assert_eq!(count(&mut book, "10:00:05"), [DENIED_ONCE]);
    for now in ["10:00:05", "11:00:00"] {
        let again = note(&mut book, "job", std::slice::from_ref(&first), now);
        assert_eq!(again, Noted::default());
    }
    // It ran again: the first end now stands as the last one.
    let second = end(1, "10:01:00", denied("10:00:59"));
    note(
        &mut book,
        "job",
        &[first.clone(), second.clone()],
        "10:01:01",
    );
    assert_eq!(count(&mut book, "10:01:02"), [DENIED_ONCE]);
    // A list that shows it again, much later.
    book.end_list(&ALL, 1);
    note(&mut book, "job", &[first, second], "18:00:00");
    assert!(count(&mut book, "18:00:00").is_empty());
}

#[test]
fn a_successor_of_the_same_name_is_another_pod() {
    let mut book = book();
    let ends = [end(0, "10:00:03", denied("10:00:02"))];
    note(&mut book, "job", &ends, "10:00:04");
    let successor = Pod {
        key: &key("job"),
        uid: "v",
        identities: &["billing".into()],
    };
    book.note(successor, 1, &ends, at("10:00:05"));
    assert_eq!(count(&mut book, "10:00:06").len(), 2);
}

#[test]
fn what_ended_before_this_leader_counts_if_it_is_recent_and_no_leader_counted_it() {
    for (ended, through, now, counts) in [
        ("09:59:00", None, "10:00:01", true),
        ("09:59:00", Some("09:58:59"), "10:00:01", true),
        ("09:59:00", Some("09:59:00"), "10:00:01", false),
        ("09:49:00", None, "10:00:01", false),
        // In its own time it counts, however late the node tells.
        ("10:00:00", None, "11:00:00", true),
        ("10:00:30", Some("10:00:40"), "10:00:50", true),
    ] {
        let mut book = book();
        let noted = note(&mut book, "job", &[end(0, ended, denied(ended))], now);
        assert_eq!(
            noted.identities.len(),
            1,
            "conditions hear of it all the same"
        );
        let counted = count_after(&mut book, through, now);
        assert_eq!(
            counted.len(),
            usize::from(counts),
            "{ended} {through:?} {now}"
        );
        let mut delivery = Delivery::default();
        book.add_to(&key("billing"), &mut delivery);
        assert_eq!(delivery.ended_through.is_some(), counts);
        assert_eq!(delivery.kinds.len(), 1);
        assert_eq!(&*delivery.kinds[0].newest.pod, "job");
    }
}

#[test]
fn failures_that_were_scraped_long_before_the_end_are_not_counted_then() {
    let mut book = book();
    let words = words(&json!({"billing": {
        "sent": 900, "failed": {"relay_denied": 3, "timeout": 1},
        "lastFailures": {
            "relay_denied": {"at": at("10:00:00")}, "timeout": {"at": at("14:59:00")},
        },
    }}));
    note(&mut book, "web", &[end(0, "15:00:00", words)], "15:00:01");
    assert_eq!(count(&mut book, "15:00:02"), [[(Class::Timeout, 1)]]);
}

#[test]
fn counting_waits_for_somebody_who_reads_the_zeros_but_not_for_ever() {
    let mut book = book();
    note(
        &mut book,
        "job",
        &[end(0, "10:00:03", denied("10:00:02"))],
        "10:00:04",
    );
    let (billing, none) = (key("billing"), None);
    for (is_read, now, expected) in [
        (false, "10:00:05", (0, true)),
        (false, "10:02:03", (0, true)),
        (false, "10:02:04", (1, false)),
        (false, "10:02:05", (0, false)),
    ] {
        let (ended, waits) = book.count(&billing, none, is_read, at(now));
        assert_eq!((ended.len(), waits), expected, "{now}");
    }
    note(
        &mut book,
        "job",
        &[end(1, "10:03:03", denied("10:03:02"))],
        "10:03:04",
    );
    let (ended, waits) = book.count(&billing, none, true, at("10:03:05"));
    assert_eq!((ended.len(), waits), (1, false));
}

#[test]
fn a_pod_speaks_for_the_identities_that_it_names_and_for_no_other() {
    let mut book = book();
    let words = words(&json!({
        "alerts": {"sent": 1}, "payroll": {"sent": 9, "failed": {"auth_failed": 9}},
    }));
    let noted = note(&mut book, "job", &[end(0, "10:00:03", words)], "10:00:04");
    assert_eq!(noted.identities, [key("alerts")].into());
    assert!(
        book.count(&key("payroll"), None, true, at("10:00:05"))
            .0
            .is_empty()
    );
}

#[test]
fn words_that_cannot_be_read_are_counted_and_nothing_else_comes_of_them() {
    for message in [
        "null",
        "{}",
        "OCI runtime create failed",
        r#"{"identities":{"billing":{"sent":-1}}}"#,
        r#"{"identities":{"billing":{"sent":1,"lastAccepted":"yesterday"}}}"#,
        &"[".repeat(4000),
        &words(&json!({"billing": {"sent": 1, "more": "x".repeat(5000)}})),
    ] {
        let mut book = book();
        let noted = note(&mut book, "job", &[end(0, "10:00:03", message)], "10:00:04");
        let expected = Noted {
            malformed: 1,
            ..Noted::default()
        };
        assert_eq!(noted, expected, "{message}");
    }
    // Killed before it said anything.
    let noted = note(&mut book(), "job", &[end(0, "10:00:03", "")], "10:00:04");
    assert_eq!(noted, Noted::default());
}

#[test]
fn people_are_told_of_new_failures_that_need_somebody() {
    let mut book = book();
    let words = words(&json!({"billing": {
        "failed": {"relay_denied": 1, "recipient_refused": 1, "tls": 1},
        "lastFailures": {
            "relay_denied": {"at": at("10:20:00")}, "recipient_refused": {"at": at("10:20:00")},
            "tls": {"at": at("10:00:00")},
        },
    }}));
    let noted = note(&mut book, "job", &[end(0, "10:20:01", words)], "10:20:02");
    let told: Vec<_> = noted.first.iter().map(|it| it.failure.class).collect();
    assert_eq!(told, [Class::RelayDenied]);
    assert_eq!(
        (&*noted.first[0].uid, &*noted.first[0].identity),
        ("u", "billing")
    );
}

#[test]
fn what_is_gone_is_forgotten() {
    let mut book = book();
    note(
        &mut book,
        "job",
        &[end(0, "10:00:03", denied("10:00:02"))],
        "10:00:04",
    );
    note(&mut book, "living", &[], "10:00:04");
    assert_eq!(
        book.pods.len(),
        1,
        "a pod of which nothing ended takes no room"
    );
    book.end_list(&Some("bank".into()), 2);
    assert_eq!(book.pods.len(), 1);
    book.end_list(&ALL, 2);
    assert!(book.pods.is_empty());
    book.forget(&key("billing"));
    assert!(book.identities.is_empty());
}

#[test]
fn an_identity_that_nobody_looks_after_does_not_collect_more_and_more() {
    let mut book = book();
    for life in 0..2000 {
        note(
            &mut book,
            "job",
            &[end(life, "10:00:03", denied("10:00:02"))],
            "10:00:04",
        );
    }
    assert_eq!(book.identities[&key("billing")].waiting.len(), WAITING_MAX);
}
