//! Who may send: From, the envelope, and the four policies.

use zohorelay_config::ForeignFrom::{self, Attach, Pass, Reject, Rewrite};
use zohorelay_config::SenderPolicy;
use zohorelay_sidecar::policy::{RefusalReason, from_addresses};

use super::*;

const POLICIES: [ForeignFrom; 4] = [Reject, Rewrite, Attach, Pass];

fn mail(from: &str) -> String {
    format!("Subject: x\r\n{from}\r\n{REST}\r\nbody\r\n")
}

/// The mail with this From on top instead of its own.
fn respelled(from: &str) -> String {
    format!("{from}\r\nSubject: x\r\n{REST}\r\nbody\r\n")
}

#[test]
fn allowed_plain_spellings_are_untouched_under_every_policy() {
    for from in [
        "From: billing@example.com",
        "From:billing@example.com",
        "from: \tBILLING@Example.Com \t",
        "From: <invoices@example.com>",
        "From: Billing <billing@example.com>",
        "From: Example B. & Sons <billing@example.com>",
        "From: \"Smith, J. (Ltd) @ x\" <billing@example.com>",
        "From: \"a \\\"b\\\" \\\\\" <billing@example.com>",
        "From: =?utf-8?B?SsO2cmc=?= <billing@example.com>",
        "From: =?utf-8?Q?J=C3=B6rg?= Smith  <billing@example.com>",
        "From: J\u{f6}rg <billing@example.com>",
        "From: \"J\u{f6}rg\" <billing@example.com>",
    ] {
        for policy in POLICIES {
            assert_eq!(sent(policy, &mail(from)), mail(from), "{from}");
        }
    }
}

#[test]
fn s13_allowed_odd_spellings_are_spelled_plainly_under_every_policy() {
    for (odd, plain) in [
        (
            "billing@example.com (Cron Daemon)",
            "\"Cron Daemon\" <billing@example.com>",
        ),
        (
            "billing (Cron Daemon)",
            "\"Cron Daemon\" <billing@example.com>",
        ),
        ("Billing", "<Billing@example.com>"),
        (
            "(evil@x.example) billing@example.com",
            "\"evil@x.example\" <billing@example.com>",
        ),
        (
            "(a(b\\)<evil@x>)c) <billing@example.com>",
            "=?UTF-8?B?YShiKTxldmlsQHg+KWM=?= <billing@example.com>",
        ),
        (
            "A (x) B <billing@example.com>",
            "\"A B\" <billing@example.com>",
        ),
        ("\r\n billing@example.com", "<billing@example.com>"),
        (
            "Billing\r\n\t<billing@example.com>",
            "\"Billing\" <billing@example.com>",
        ),
        (
            "\"Bill\r\n ing\" <billing@example.com>",
            "\"Bill ing\" <billing@example.com>",
        ),
        (
            "Billing<billing@example.com>",
            "\"Billing\" <billing@example.com>",
        ),
        (
            "[Shop] Billing <billing@example.com>",
            "\"[Shop] Billing\" <billing@example.com>",
        ),
        (
            "\"A\" B <billing@example.com>",
            "\"A B\" <billing@example.com>",
        ),
        (
            "\"A\\bc\" <billing@example.com>",
            "\"Abc\" <billing@example.com>",
        ),
        (
            "\"a>b\" <billing@example.com>",
            "=?UTF-8?B?YT5i?= <billing@example.com>",
        ),
        (
            "\"<evil@x>\" <billing@example.com>",
            "=?UTF-8?B?PGV2aWxAeD4=?= <billing@example.com>",
        ),
        ("\"billing\"@example.com", "<billing@example.com>"),
        ("\"bil\\ling\" @ example.com", "<billing@example.com>"),
        (
            "<@evil.example,@b:billing@example.com>",
            "<billing@example.com>",
        ),
        (
            "< billing (x) @ example.com >",
            "\"x\" <billing@example.com>",
        ),
        (
            "x <billing@example.com> (evil@x)",
            "\"x\" <billing@example.com>",
        ),
        (
            "=?utf-8?Q?a,b?= <billing@example.com>",
            "=?utf-8?Q?a=2Cb?= <billing@example.com>",
        ),
        (
            "=?utf-8?B?YQ==?=\r\n =?utf-8?B?Yg==?= <billing@example.com>",
            "=?utf-8?B?YQ==?= =?utf-8?B?Yg==?= <billing@example.com>",
        ),
        (
            "\"=?utf-8?Q?a?=\" (b) <billing@example.com>",
            "=?utf-8?Q?a?= <billing@example.com>",
        ),
        (
            "J\u{f6}rg (x) <billing@example.com>",
            "=?UTF-8?B?SsO2cmc=?= <billing@example.com>",
        ),
    ] {
        for policy in POLICIES {
            let sent = sent(policy, &mail(&format!("From: {odd}")));
            assert_eq!(sent, respelled(&format!("From: {plain}")), "{odd}");
        }
    }
    let blank_before_colon = mail("From : billing@example.com");
    assert_eq!(
        sent(Reject, &blank_before_colon),
        respelled("From: <billing@example.com>")
    );
}

#[test]
fn s13_encoded_words_are_never_decoded() {
    let hidden = "=?utf-8?Q?x=0D=0ABcc:_evil@x?=";
    let sent = sent(Rewrite, &mail(&format!("From: {hidden} <a@x.example>")));
    assert!(sent.starts_with("From: =?utf-8?Q?x=0D=0ABcc=3A_evil=40x?= <billing@example.com>\r\n"));
    let why = refused(Reject, &mail("From: =?utf-8?Q?billing=40example.com?=")).why;
    assert_eq!(why, RefusalReason::Unreadable);
    let local = refused(Reject, &mail("From: =?utf-8?Q?billing?=@example.com"));
    assert_eq!(local.from, "=?utf-8?Q?billing?=@example.com");
}

#[test]
fn a_missing_from_is_added_under_every_policy() {
    let mail = format!("Subject: x\r\n{REST}\r\nbody\r\n");
    for policy in POLICIES {
        let expected = format!("From: \"Example Billing\" <billing@example.com>\r\n{mail}");
        assert_eq!(sent(policy, &mail), expected);
    }
    let mut nameless = document(Reject);
    nameless.addresses.display_name = None;
    let prepared = judged(&nameless, &arrival(), mail.as_bytes()).unwrap();
    let head = String::from_utf8(prepared.head).unwrap();
    assert!(head.ends_with("\r\nFrom: <billing@example.com>\r\n"));
}

#[test]
fn one_foreign_address_is_refused_by_its_name() {
    for (from, named) in [
        ("alice@x.example", "alice@x.example"),
        ("\"Billing\" <alice@x.example>", "alice@x.example"),
        ("billing+tag@example.com", "billing+tag@example.com"),
        (
            "billing@example.com.evil.example",
            "billing@example.com.evil.example",
        ),
        ("\"billing@example.com\" <a@x.example>", "a@x.example"),
        ("root (Cron Daemon)", "root"),
        ("billing@[127.0.0.1]", "billing@[127.0.0.1]"),
    ] {
        let refusal = refused(Reject, &mail(&format!("From: {from}")));
        assert_eq!(
            refusal,
            Refusal {
                from: named.to_owned(),
                why: RefusalReason::Foreign
            }
        );
    }
}

/// From fields that name no single mailbox.
const UNCLEAR: [(&str, RefusalReason); 26] = [
    (
        "From: billing@example.com, evil@x.example",
        RefusalReason::SeveralAddresses,
    ),
    (
        "From: billing@example.com, invoices@example.com",
        RefusalReason::SeveralAddresses,
    ),
    (
        "From: Smith, J <billing@example.com>",
        RefusalReason::SeveralAddresses,
    ),
    (
        "From: A: billing@example.com;",
        RefusalReason::SeveralAddresses,
    ),
    ("From: undisclosed:;", RefusalReason::SeveralAddresses),
    (
        "From: billing@example.com\r\nFROM : billing@example.com",
        RefusalReason::SeveralFields,
    ),
    (
        "From: billing@example.com\r\nfrom: evil@x.example",
        RefusalReason::SeveralFields,
    ),
    ("From:", RefusalReason::Unreadable),
    ("From: ", RefusalReason::Unreadable),
    ("From: <>", RefusalReason::Unreadable),
    ("From: Billing Team", RefusalReason::Unreadable),
    ("From: \"Billing\"", RefusalReason::Unreadable),
    ("From: <billing@example.com", RefusalReason::Unreadable),
    ("From: billing@example.com>", RefusalReason::Unreadable),
    ("From: <billing@example.com> x", RefusalReason::Unreadable),
    (
        "From: <billing@example.com> <evil@x>",
        RefusalReason::Unreadable,
    ),
    (
        "From: billing@example.com evil@x",
        RefusalReason::Unreadable,
    ),
    (
        "From: evil@x <billing@example.com>",
        RefusalReason::Unreadable,
    ),
    ("From: billing@example.com,", RefusalReason::Unreadable),
    ("From: billing@example.com (x", RefusalReason::Unreadable),
    ("From: billing@example.com)", RefusalReason::Unreadable),
    ("From: \"x <billing@example.com>", RefusalReason::Unreadable),
    ("From: billing\\@example.com", RefusalReason::Unreadable),
    ("From: b\u{f6}lling@example.com", RefusalReason::Unreadable),
    ("From: billing@@example.com", RefusalReason::Unreadable),
    ("From: .billing@example.com", RefusalReason::Unreadable),
];

#[test]
fn s13_what_names_no_single_mailbox_is_refused_under_reject_and_pass() {
    for (from, why) in UNCLEAR {
        for policy in [Reject, Pass] {
            assert_eq!(refused(policy, &mail(from)).why, why, "{from:?}");
        }
    }
    let refusal = refused(Reject, &mail("From: a@x,\r\n\t b@y"));
    assert_eq!(refusal.from, "a@x, b@y");
}

#[test]
fn s13_what_names_no_single_mailbox_is_replaced_under_rewrite_and_attach() {
    for (from, _) in UNCLEAR {
        let rewritten = sent(Rewrite, &mail(from));
        let start = "From: \"Example Billing\" <billing@example.com>\r\n";
        assert!(rewritten.starts_with(start), "{rewritten}");
        assert!(!rewritten[start.len()..].contains("From"), "{rewritten}");
        assert!(sent(Attach, &mail(from)).starts_with(start));
    }
}

#[test]
fn rewrite_keeps_the_apps_name_and_moves_the_old_address_to_reply_to() {
    for (from, new, reply_to) in [
        ("alice@x.example", "\"Example Billing\"", "alice@x.example"),
        ("Alice <alice@x.example>", "\"Alice\"", "alice@x.example"),
        (
            "\"A \\\"B\\\"\" <alice@x.example>",
            "\"A \\\"B\\\"\"",
            "alice@x.example",
        ),
        ("alice@x.example (Alice)", "\"Alice\"", "alice@x.example"),
        (
            "J\u{f6}rg <j@x.example>",
            "=?UTF-8?B?SsO2cmc=?=",
            "j@x.example",
        ),
        (
            "\"J\u{f6}rg\" <j@x.example>",
            "=?UTF-8?B?SsO2cmc=?=",
            "j@x.example",
        ),
        (
            "=?utf-8?Q?J=C3=B6?= S <\"j s\"@x.example>",
            "=?utf-8?Q?J=C3=B6?= \"S\"",
            "\"j s\"@x.example",
        ),
        ("\"\" <a@x.example>", "\"Example Billing\"", "a@x.example"),
        (
            "a@x.example, B <b@x.example>",
            "\"Example Billing\"",
            "a@x.example,\r\n b@x.example",
        ),
    ] {
        let expected = format!("From: {new} <billing@example.com>\r\nReply-To: {reply_to}");
        assert_eq!(
            sent(Rewrite, &mail(&format!("From: {from}"))),
            respelled(&expected)
        );
    }
    let cron = sent(Rewrite, &mail("From: root (Cron Daemon)"));
    assert_eq!(
        cron,
        respelled("From: \"Cron Daemon\" <billing@example.com>")
    );
}

#[test]
fn rewrite_leaves_a_reply_to_that_is_set() {
    let set = mail("From: a@x.example\r\nreply-to : b@x.example");
    let expected = format!(
        "From: \"Example Billing\" <billing@example.com>\r\nSubject: x\r\n\
         reply-to : b@x.example\r\n{REST}\r\nbody\r\n"
    );
    assert_eq!(sent(Rewrite, &set), expected);
    let blank = mail("From: a@x.example\r\nReply-To: ");
    let expected = "From: \"Example Billing\" <billing@example.com>\r\nReply-To: a@x.example";
    assert_eq!(sent(Rewrite, &blank), respelled(expected));
}

#[test]
fn pass_leaves_a_foreign_from_to_the_server() {
    for from in [
        "From: a@x.example",
        "From : (x)\r\n <a@x.example>",
        "From: root (Cron Daemon)",
    ] {
        assert_eq!(sent(Pass, &mail(from)), mail(from));
    }
}

#[test]
fn the_applied_policy_is_named_only_when_the_from_is_not_the_identitys() {
    for policy in [Rewrite, Attach, Pass] {
        let document = document(policy);
        let applied = |from: &str| {
            judged(&document, &arrival(), mail(from).as_bytes())
                .unwrap()
                .applied
        };
        assert_eq!(applied("From: a@x.example"), Some(policy));
        assert_eq!(applied("From: billing@example.com (x)"), None);
        assert_eq!(applied("X: y"), None);
    }
}

#[test]
fn a_foreign_or_null_envelope_sender_becomes_the_identity_under_every_policy_but_pass() {
    for (given, sent) in [
        ("billing@example.com", "billing@example.com"),
        ("Invoices@Example.com", "Invoices@Example.com"),
        ("billing+tag@example.com", "billing@example.com"),
        ("evil@x.example", "billing@example.com"),
        ("", "billing@example.com"),
    ] {
        for from in ["From: billing@example.com", "From: a@x.example", "X: y"] {
            for policy in POLICIES {
                let mail = mail(from);
                let header = HeaderBlock::parse(mail.as_bytes(), true).unwrap();
                let Ok(prepared) = judge(&document(policy), &path(given), &header, &arrival())
                else {
                    continue;
                };
                let expected = if policy == Pass { given } else { sent };
                assert_eq!(prepared.reverse_path, expected, "{given} {policy:?}");
            }
        }
    }
}

#[test]
fn the_policy_for_calendars_holds_only_for_foreign_mails_with_a_calendar() {
    for (from, has_calendar, of_calendar, applied) in [
        ("From: a@x.example", true, Some(Rewrite), Some(Rewrite)),
        (
            "From: a@x.example, b@x.example",
            true,
            Some(Rewrite),
            Some(Rewrite),
        ),
        ("From: a@x.example", false, Some(Rewrite), Some(Attach)),
        ("From: a@x.example", true, None, Some(Attach)),
        ("From: billing@example.com", true, Some(Reject), None),
        ("ORGANIZER: a@x.example", true, Some(Reject), None),
    ] {
        let mut document = document(Attach);
        document.sender_policy.foreign_calendar = of_calendar;
        let arrival = Arrival {
            has_calendar,
            ..arrival()
        };
        let prepared = judged(&document, &arrival, mail(from).as_bytes()).unwrap();
        assert_eq!(prepared.applied, applied, "{from} {has_calendar}");
    }
}

#[test]
fn the_policy_for_calendars_holds_for_the_envelope_too() {
    let arrival = Arrival {
        has_calendar: true,
        ..arrival()
    };
    let mut document = document(Pass);
    document.sender_policy.foreign_calendar = Some(Reject);
    assert!(judged(&document, &arrival, mail("From: a@x.example").as_bytes()).is_err());
    document.sender_policy.foreign_calendar = Some(Rewrite);
    let foreign = mail("From: a@x.example");
    let header = HeaderBlock::parse(foreign.as_bytes(), true).unwrap();
    let prepared = judge(&document, &path(""), &header, &arrival).unwrap();
    assert_eq!(prepared.reverse_path, "billing@example.com");
    document.sender_policy = SenderPolicy {
        foreign_from: Reject,
        foreign_calendar: Some(Pass),
    };
    let own = mail("From: billing@example.com");
    let header = HeaderBlock::parse(own.as_bytes(), true).unwrap();
    let prepared = judge(&document, &path(""), &header, &arrival).unwrap();
    assert_eq!(prepared.reverse_path, "billing@example.com");
}

#[test]
fn the_choice_of_identity_sees_the_addresses_of_from() {
    for (from, expected) in [
        ("X: y", &[][..]),
        ("From: <", &[]),
        ("From: root (Cron Daemon)", &[]),
        ("From: A <a@x.example>", &["a@x.example"]),
        ("From : (x)\r\n a@x.example", &["a@x.example"]),
        (
            "From: a@x.example, b@x.example\r\nFrom: c@x.example",
            &["a@x.example", "b@x.example", "c@x.example"],
        ),
    ] {
        let mail = mail(from);
        let header = HeaderBlock::parse(mail.as_bytes(), true).unwrap();
        let addresses = from_addresses(&header);
        let addresses: Vec<&str> = addresses.iter().map(Address::as_str).collect();
        assert_eq!(addresses, expected);
    }
}

#[test]
fn u19_a_display_name_of_the_configuration_cannot_bring_a_header() {
    let mut document = document(Rewrite);
    for name in [
        "x\r\nBcc: evil@x.example",
        "x\u{0}\u{7f}\r\n",
        "\" <evil@x.example>, \"",
        "\r\n",
    ] {
        document.addresses.display_name = Some(name.to_owned());
        let mail = mail("From: a@x.example");
        let prepared = judged(&document, &arrival(), mail.as_bytes()).unwrap();
        let head = String::from_utf8(prepared.head).unwrap();
        let from = head
            .lines()
            .find(|line| line.starts_with("From: "))
            .unwrap();
        assert!(from.ends_with(" <billing@example.com>"), "{from}");
        assert!(from.bytes().all(|byte| (b' '..0x7f).contains(&byte)));
        assert_eq!(from.matches('<').count(), 1);
        assert!(!head.contains("\r\nBcc"));
    }
}
