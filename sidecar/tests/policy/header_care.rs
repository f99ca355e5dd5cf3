//! The header care that every mail gets.

use zohorelay_config::ForeignFrom::{Pass, Reject, Rewrite};

use super::*;

const OWN: &str = "From: billing@example.com\r\n";

#[test]
fn received_goes_on_top_and_a_complete_mail_is_untouched() {
    let mail = format!("Subject: x\r\n{OWN}{REST}X-Odd :\t y \r\n \r\n\r\n\r\n.body\r\nBcc: x\r\n");
    let prepared = judged(&document(Reject), &arrival(), mail.as_bytes()).unwrap();
    assert_eq!(prepared.head, RECEIVED.as_bytes());
    assert_eq!((prepared.body_from, prepared.tail.len()), (0, 0));
    assert_eq!(prepared.message_id, "a@b");
    assert_eq!(
        (prepared.original_message_id, prepared.applied),
        (None, None)
    );
}

#[test]
fn received_gives_the_time_of_day_of_utc() {
    let arrival = Arrival {
        now: "2026-01-02T23:59:58.7Z".parse().unwrap(),
        ..arrival()
    };
    let prepared = judged(&document(Reject), &arrival, OWN.as_bytes()).unwrap();
    let head = String::from_utf8(prepared.head).unwrap();
    assert!(
        head.contains("id 000000000000feed; Fri, 02 Jan 2026 23:59:58 +0000\r\n"),
        "{head}"
    );
}

#[test]
fn message_id_and_date_are_added_only_when_missing() {
    for (fields, added) in [
        ("", [MESSAGE_ID, DATE].concat()),
        ("Message-ID: <a@b>\r\n", DATE.to_owned()),
        ("MESSAGE-id:<a@b>\r\n", DATE.to_owned()),
        ("date : x\r\n", MESSAGE_ID.to_owned()),
        (REST, String::new()),
    ] {
        let mail = format!("{OWN}{fields}\r\nbody\r\n");
        assert_eq!(sent(Reject, &mail), added + &mail);
    }
}

#[test]
fn a_blank_message_id_or_date_is_replaced() {
    let mail = format!("{OWN}Message-ID: \r\nDate:\r\n \r\nTo: x\r\n\r\nbody\r\n");
    assert_eq!(
        sent(Reject, &mail),
        format!("{MESSAGE_ID}{DATE}{OWN}To: x\r\n\r\nbody\r\n")
    );
}

#[test]
fn the_message_id_for_logs_is_the_added_one_or_that_of_the_mail() {
    for (fields, expected) in [
        ("", "0000000000000000000000000000abcd@example.com"),
        ("Message-ID: <x@y>\r\n", "x@y"),
        ("Message-ID:\r\n <x\x1b@y>\r\n", "x?@y"),
        ("Message-ID: bare\r\nMessage-ID: <second@y>\r\n", "bare"),
    ] {
        let mail = format!("{OWN}{fields}\r\n");
        let prepared = judged(&document(Reject), &arrival(), mail.as_bytes()).unwrap();
        assert_eq!(prepared.message_id, expected);
    }
}

#[test]
fn blind_copies_go_wherever_they_stand() {
    let mail = format!(
        "Bcc: a@x\r\n{OWN}bcc :\r\n\tb@x,\r\n c@x\r\nTo: d@x\r\n{REST}RESENT-BCC: e@x\r\n\r\nBcc: f\r\n"
    );
    assert_eq!(
        sent(Pass, &mail),
        format!("{OWN}To: d@x\r\n{REST}\r\nBcc: f\r\n")
    );
    let resent = format!("{OWN}{REST}Resent-To: a@x\r\nX-Bcc: b@x\r\n\r\n");
    assert_eq!(sent(Reject, &resent), resent);
}

#[test]
fn f17_what_stands_before_an_end_of_header_stays_where_it_is() {
    let top = format!("From: \"Example Billing\" <billing@example.com>\r\n{MESSAGE_ID}{DATE}");
    for (mail, separator) in [
        ("", "\r\n"),
        ("\r\n", ""),
        ("\r\nbody\r\n", ""),
        ("\r\n.\r\n", ""),
        (" folded\r\n", "\r\n"),
        (".\r\n", "\r\n"),
        (".\n", "\r\n"),
        ("..\r\nFrom: evil@x\r\n", "\r\n"),
        (":x\r\n", "\r\n"),
        ("no header at all\r\nsecond line\r\n", "\r\n"),
        (
            "From root Mon Nov 23 10:00:00 2026\r\nFrom: evil@x\r\n\r\n",
            "\r\n",
        ),
    ] {
        assert_eq!(
            sent(Reject, mail),
            format!("{top}{separator}{mail}"),
            "{mail:?}"
        );
    }
    let long = "x".repeat(100 * 1024) + "\r\n";
    assert_eq!(sent(Reject, &long), format!("{top}\r\n{long}"));
}

#[test]
fn f17_a_line_that_is_no_field_becomes_the_first_of_the_body() {
    let mail =
        format!("{OWN}{REST}Bcc: a@x\r\nTo: b@x\r\nno field\r\nFrom: evil@x\r\n\r\nbody\r\n");
    let expected = format!("{OWN}{REST}To: b@x\r\n\r\nno field\r\nFrom: evil@x\r\n\r\nbody\r\n");
    assert_eq!(sent(Reject, &mail), expected);
    let whole = format!("{OWN}{REST}:x\r\n");
    assert_eq!(sent(Reject, &whole), format!("{OWN}{REST}\r\n:x\r\n"));
}

#[test]
fn a_mail_that_is_all_header_gets_no_empty_line() {
    let mail = format!("{OWN}{REST}Subject: x\r\n");
    assert_eq!(sent(Reject, &mail), mail);
}

#[test]
fn signatures_stay_unless_a_header_that_they_sign_changes() {
    let signature = |h: &str| {
        format!(
            "DKIM-Signature: v=1; a=rsa-sha256; bh=x=; h={h};\r\n\tb=y\r\nARC-Seal: i=1\r\n\
             ARC-Message-Signature: i=1; h={h}\r\nARC-Authentication-Results: i=1; x\r\n"
        )
    };
    let own_header = format!("{OWN}{REST}");
    for (fields, h, stays) in [
        (own_header.as_str(), "from:to", true),
        (&own_header, "from:bcc", true),
        (&format!("{own_header}Bcc: a@x\r\n"), "from:to", true),
        (
            &format!("{own_header}Bcc: a@x\r\n"),
            "from:\r\n\t bCC :to",
            false,
        ),
        (&format!("{OWN}Message-ID: <a@b>\r\n"), "from:to", true),
        (&format!("{OWN}Message-ID: <a@b>\r\n"), "From : Date", false),
        (&format!("{OWN}Date: x\r\n"), "from:Message-ID", false),
        (
            &format!("{own_header}Sender: evil@x\r\n"),
            "from:sender",
            false,
        ),
        (
            &format!("{own_header}Sender: evil@x\r\n"),
            "from:subject",
            true,
        ),
        (
            &format!("{own_header}Sender: billing@example.com\r\n"),
            "from:sender",
            true,
        ),
        (
            &format!("From: billing@example.com (x)\r\n{REST}"),
            "from",
            false,
        ),
        (
            &format!("From: billing@example.com (x)\r\n{REST}"),
            "subject",
            false,
        ),
        (REST, "from", false),
    ] {
        let signature = signature(h);
        let sent = sent(Reject, &format!("{signature}{fields}\r\nbody\r\n"));
        assert_eq!(sent.contains(&signature), stays, "{fields:?} {h:?}");
        assert_eq!(
            sent.contains("DKIM") || sent.contains("ARC-"),
            stays,
            "{fields:?} {h:?}"
        );
    }
}

#[test]
fn a_signature_over_reply_to_goes_when_one_is_added() {
    let signed = "DKIM-Signature: h=subject:reply-to; b=x\r\n";
    let mail = format!("{signed}From: a@x.example\r\n{REST}\r\n");
    assert!(!sent(Rewrite, &mail).contains("DKIM"));
    assert!(sent(Pass, &mail).contains(signed));
}

#[test]
fn a_signature_without_the_list_of_headers_goes_only_when_something_changes() {
    let signed = "ARC-Message-Signature: i=1; hh=from; b=x\r\n";
    let unchanged = format!("{signed}{OWN}{REST}\r\n");
    assert_eq!(sent(Reject, &unchanged), unchanged);
    assert!(!sent(Reject, &format!("{signed}{OWN}\r\n")).contains("ARC-"));
}

#[test]
fn only_a_foreign_sender_is_removed() {
    for (sender, stays) in [
        ("Sender: billing@example.com\r\n", true),
        ("Sender: Invoices@Example.COM\r\n", true),
        ("sender : (cron) <invoices@example.com>\r\n", true),
        ("Sender: evil@x.example\r\n", false),
        ("Sender: billing+tag@example.com\r\n", false),
        ("Sender: billing@example.com, evil@x.example\r\n", false),
        ("Sender:\r\n", false),
        ("Sender: <\r\n", false),
    ] {
        for policy in [Reject, Pass] {
            let sent = sent(policy, &format!("{OWN}{sender}{REST}\r\n"));
            assert_eq!(
                sent,
                format!("{OWN}{}{REST}\r\n", if stays { sender } else { "" })
            );
        }
    }
}
