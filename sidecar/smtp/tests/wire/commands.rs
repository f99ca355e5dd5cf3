//! Rows S1 to S11 of docs/proof.md: commands in any order, of any length and of any bytes.

use proptest::prelude::*;
use zohorelay_smtp::address::ReversePath;
use zohorelay_smtp::session::{BAD_COMMANDS_LIMIT, SessionOptions};

use crate::driver::{App, LineEndings, options, recipients, sender};

const TRANSACTION: &[u8] = b"MAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\n";

fn greeted() -> App {
    let mut app = App::new(options(), LineEndings::Normalise);
    app.send(b"EHLO x\r\n");
    app
}

#[test]
fn a_greeting_offers_what_can_be_kept() {
    let app = greeted();
    let expected = "220 relay.test ESMTP zohorelay\r\n250-relay.test\r\n250-PIPELINING\r\n\
        250-SIZE 1048576\r\n250 ENHANCEDSTATUSCODES\r\n";
    assert_eq!(app.wire(), expected);
    let mut app = App::new(options(), LineEndings::Normalise);
    app.send(b"HELO x\r\n");
    assert!(app.wire().ends_with("250 relay.test\r\n"));
}

#[test]
fn a_whole_session_has_the_codes_of_the_rfc() {
    let mut app = greeted();
    for (line, answer) in [
        ("NOOP", "250 2.0.0"),
        ("HELP", "214 2.0.0"),
        ("VRFY bob", "252 2.5.0"),
        ("EXPN list", "502 5.5.1"),
        ("RSET", "250 2.0.0"),
        ("MAIL FROM:<> SIZE=5 BODY=8BITMIME", "250 2.0.0"),
        ("RCPT TO:<postmaster>", "250 2.0.0"),
        ("RCPT TO:<refused@x>", "550 5.1.1"),
        ("RCPT TO:<\"b c\"@[IPv6:::1]>", "250 2.0.0"),
        ("DATA", "354"),
        ("x\r\n.", "250 2.0.0"),
        ("QUIT", "221 2.0.0"),
    ] {
        assert_eq!(
            app.answers_to(format!("{line}\r\n").as_bytes()),
            [answer],
            "{line}"
        );
    }
    let envelope = &app.mails[0].envelope;
    assert_eq!(sender(envelope), "");
    assert_eq!(recipients(envelope), ["postmaster", "\"b c\"@[IPv6:::1]"]);
    assert_eq!(envelope.declared_size_bytes, Some(5));
    assert!(app.is_closed);
}

#[test]
fn s1_nothing_is_left_after_a_mail_whatever_its_end() {
    for (body, answer) in [("x", "250 2.0.0"), ("refuse", "550 5.7.1")] {
        let mut app = greeted();
        app.send(TRANSACTION);
        let answers = app.answers_to(format!("DATA\r\n{body}\r\n.\r\n").as_bytes());
        assert_eq!(answers, ["354", answer]);
        let answers = app.answers_to(b"RCPT TO:<x@x>\r\nDATA\r\n");
        assert_eq!(answers, ["503 5.5.1", "503 5.5.1"]);
        assert_eq!(app.mails.len(), 1);
    }
}

#[test]
fn s2_a_bad_command_leaves_the_transaction_whole() {
    for bad in [
        "BDAT 5",
        "VRFY \u{fc}",
        "XYZ",
        "MAIL FROM:<c@x>",
        "RCPT TO:<>",
        "DATA now",
        "EHLO",
    ] {
        let mut app = greeted();
        app.send(TRANSACTION);
        let answers = app.answers_to(format!("{bad}\r\n").as_bytes());
        assert!(
            answers.len() == 1 && answers[0].starts_with('5'),
            "{bad}: {answers:?}"
        );
        assert_eq!(app.answers_to(b"DATA\r\nx\r\n.\r\n"), ["354", "250 2.0.0"]);
        assert_eq!(sender(&app.mails[0].envelope), "a@x");
        assert_eq!(recipients(&app.mails[0].envelope), ["b@x"]);
    }
}

#[test]
fn s3_commands_out_of_order_are_refused() {
    let mut app = App::new(options(), LineEndings::Normalise);
    for (line, answer) in [
        ("MAIL FROM:<a@x>", "503 5.5.1"),
        ("EHLO x", "250"),
        ("RCPT TO:<b@x>", "503 5.5.1"),
        ("DATA", "503 5.5.1"),
        ("MAIL FROM:<refused@x>", "550 5.1.1"),
        ("RCPT TO:<b@x>", "503 5.5.1"),
        ("MAIL FROM:<a@x>", "250 2.0.0"),
        ("MAIL FROM:<a@x>", "503 5.5.1"),
        ("DATA", "554 5.5.1"),
        ("RCPT TO:<refused@x>", "550 5.1.1"),
        ("DATA", "554 5.5.1"),
        ("RCPT TO:<b@x>", "250 2.0.0"),
        ("DATA", "354"),
    ] {
        assert_eq!(
            app.answers_to(format!("{line}\r\n").as_bytes()),
            [answer],
            "{line}"
        );
    }
}

#[test]
fn s4_a_greeting_and_rset_end_a_transaction() {
    for end in ["EHLO x", "HELO x", "RSET"] {
        let mut app = greeted();
        app.send(TRANSACTION);
        app.send(format!("{end}\r\n").as_bytes());
        assert_eq!(app.aborted, 1);
        assert!(!app.in_transaction());
        assert_eq!(app.answers_to(b"DATA\r\n"), ["503 5.5.1"]);
        app.send(format!("{end}\r\n").as_bytes());
        assert_eq!(app.aborted, 1, "there was no transaction");
    }
    let mut app = greeted();
    app.send(&[TRANSACTION, b"QUIT\r\nNOOP\r\n"].concat());
    assert_eq!((app.aborted, app.is_closed), (1, true));
    assert_eq!(app.codes().last(), Some(&221));
}

#[test]
fn s5_starttls_is_refused_and_what_follows_is_plain() {
    let mut app = greeted();
    assert!(!app.wire().contains("STARTTLS"));
    assert_eq!(
        app.answers_to(b"STARTTLS\r\nNOOP\r\n"),
        ["502 5.5.1", "250 2.0.0"]
    );
    assert_eq!(
        app.answers_to(b"starttls\r\nmail from:<x@x>\r\n"),
        ["502 5.5.1", "250 2.0.0"]
    );
}

#[test]
fn s7_long_lines_are_answered_once_and_the_session_goes_on() {
    for (length, answer) in [
        (512, "500 5.5.1"),
        (4_096, "500 5.5.1"),
        (4_097, "500 5.5.6"),
        (10 << 20, "500 5.5.6"),
    ] {
        let mut app = greeted();
        let line = [&vec![b'x'; length - 2][..], b"\r\nNOOP\r\n"].concat();
        let before = app.replies().len();
        app.send_cut(&line, (16_384..line.len()).step_by(16_384));
        let replies = app.replies();
        assert_eq!(replies.len(), before + 2);
        assert!(
            format!(
                "{} {}",
                replies[before].code(),
                replies[before].enhanced().unwrap()
            ) == answer
        );
        assert_eq!(replies[before + 1].code(), 250);
    }
    let mut app = greeted();
    let carriage_returns = vec![b'\r'; 10 << 20];
    assert_eq!(app.answers_to(&carriage_returns), [""; 0]);
    assert_eq!(app.answers_to(b"\nNOOP\r\n"), ["500 5.5.6", "250 2.0.0"]);
}

#[test]
fn s8_bytes_that_are_no_text_are_refused_and_the_session_goes_on() {
    for line in [
        &b"\x80\x81"[..],
        b"NO\0OP",
        b"NOOP\r",
        b"NO\rOP",
        b"\0",
        b"\r",
        b"RCPT TO:<\xfc@x>",
    ] {
        let mut app = greeted();
        assert_eq!(
            app.answers_to(&[line, b"\r\n"].concat()),
            ["501 5.5.2"],
            "{line:?}"
        );
        assert_eq!(app.answers_to(b"NOOP\r\n"), ["250 2.0.0"]);
    }
}

#[test]
fn a_bare_lf_in_a_command_closes_and_nothing_after_it_is_read() {
    for line in [
        &b"NOOP\n"[..],
        b"NOOP\nNOOP\r\n",
        b"\n",
        b"NOOP\r\r\n\nNOOP\r\n",
    ] {
        let mut app = greeted();
        let input = [line, TRANSACTION, b"DATA\r\nx\r\n.\r\n"].concat();
        let answers = app.answers_to(&input);
        assert_eq!(answers.last().unwrap(), "500 5.5.2");
        assert!(answers.len() <= 2 && app.is_closed);
        assert!(app.wire().contains("lines must end with CRLF"));
        assert_eq!(app.answers_to(b"NOOP\r\n"), [""; 0]);
        assert!(app.mails.is_empty());
    }
}

#[test]
fn s10_addresses_are_refused_or_kept_verbatim() {
    let deep = format!("<{}a@x>", "(".repeat(3_000));
    let long = format!("<{}@x>", "l".repeat(4_000));
    for (path, answer) in [
        ("<;sleep 66;@x>", "501 5.1.3"),
        ("<@a,@b:c@d>", "501 5.1.3"),
        ("<j\u{fc}rgen@x>", "553 5.6.7"),
        ("<a@\u{fc}>", "553 5.6.7"),
        ("b@x", "501 5.1.3"),
        (&deep, "501 5.1.3"),
        (&long, "501 5.1.3"),
        ("<\"a\\\"b\"@x>", "250 2.0.0"),
        ("<a@[IPv6:::1]>", "250 2.0.0"),
    ] {
        let mut app = greeted();
        app.send(b"MAIL FROM:<a@x>\r\n");
        assert_eq!(
            app.answers_to(format!("RCPT TO:{path}\r\n").as_bytes()),
            [answer],
            "{path:.40}"
        );
        if answer.starts_with('2') {
            app.send(b"DATA\r\n.\r\n");
            assert_eq!(format!("<{}>", recipients(&app.mails[0].envelope)[0]), path);
        }
    }
    let mut app = greeted();
    assert_eq!(app.answers_to(b"MAIL FROM:<;@x>\r\n"), ["501 5.1.7"]);
    let injected = app.answers_to(b"MAIL FROM:<a@x>\r\nRCPT TO:<\"a\r\nRCPT TO:<b@x>\"@x>\r\n");
    assert_eq!(injected, ["250 2.0.0", "501 5.1.3", "501 5.1.3"]);
}

#[test]
fn the_driver_hears_of_a_mail_that_was_announced_as_too_large() {
    let mut app = greeted();
    app.answers_to(b"MAIL FROM:<a@x> SIZE=1048577\r\nMAIL FROM:<a@x> SIZE=1048576\r\n");
    let senders: Vec<_> = app.too_large.iter().map(ReversePath::as_str).collect();
    assert_eq!(senders, ["a@x"]);
    assert!(app.in_transaction());
}

#[test]
fn s11_parameters_have_their_codes() {
    for (parameters, answer) in [
        ("SIZE=1048576", "250 2.0.0"),
        ("SIZE=1048577", "552 5.3.4"),
        ("SIZE=99999999999999999999", "501 5.5.4"),
        ("SIZE=-1", "501 5.5.4"),
        ("SIZE=1 SIZE=2", "501 5.5.4"),
        ("BODY=8BITMIME", "250 2.0.0"),
        ("BODY=7BIT", "250 2.0.0"),
        ("SMTPUTF8", "555 5.5.4"),
        ("RET=HDRS", "555 5.5.4"),
        ("ENVID=a\rb", "501 5.5.2"),
        ("ENVID=a+0Ab", "555 5.5.4"),
        ("AUTH=<>", "555 5.5.4"),
    ] {
        let line = format!("MAIL FROM:<a@x> {parameters}\r\n");
        assert_eq!(
            greeted().answers_to(line.as_bytes()),
            [answer],
            "{parameters}"
        );
    }
}

#[test]
fn recipients_over_the_limit_are_told_to_the_driver() {
    let mut app = greeted();
    let recipients = b"RCPT TO:<b@x>\r\n".repeat(5);
    let answers = app.answers_to(&[b"MAIL FROM:<a@x>\r\n", &recipients[..]].concat());
    assert_eq!(answers[3..], ["250 2.0.0", "452 4.5.3", "452 4.5.3"]);
    assert_eq!(app.too_many_recipients, 2);
    assert_eq!(app.answers_to(b"DATA\r\n.\r\n"), ["354", "250 2.0.0"]);
    assert_eq!(app.mails[0].envelope.recipients.len(), 3);
}

#[test]
fn new_limits_hold_from_the_next_command_on() {
    let mut app = greeted();
    app.set_limits(2000, 1);
    let ehlo = app.answers_to(b"EHLO x\r\n");
    assert_eq!(ehlo, ["250"]);
    assert!(app.wire().contains("250-SIZE 2000\r\n"), "{}", app.wire());
    let answers = app.answers_to(
        b"MAIL FROM:<a@x> SIZE=2001\r\nMAIL FROM:<a@x> SIZE=2000\r\n\
        RCPT TO:<b@x>\r\nRCPT TO:<c@x>\r\n",
    );
    assert_eq!(
        answers,
        ["552 5.3.4", "250 2.0.0", "250 2.0.0", "452 4.5.3"]
    );
}

#[test]
fn too_many_bad_commands_in_a_row_end_the_session() {
    let limit = BAD_COMMANDS_LIMIT as usize;
    let bad = b"XYZ\r\n".repeat(limit);
    let mut app = greeted();
    for _ in 0..3 {
        assert_eq!(app.answers_to(&bad), vec!["500 5.5.1"; limit]);
        app.send(b"NOOP\r\n");
    }
    app.send(TRANSACTION);
    assert_eq!(app.answers_to(&bad), vec!["500 5.5.1"; limit]);
    app.send(b"RCPT TO:<b@x>\r\n");
    assert_eq!(app.answers_to(&bad), vec!["500 5.5.1"; limit]);
    assert_eq!(app.answers_to(b"XYZ\r\nNOOP\r\n"), ["421 4.7.0"]);
    assert!(app.is_closed);
    let mut app = greeted();
    app.send(b"MAIL FROM:<a@x>\r\n");
    let refused = "RCPT TO:<\u{fc}@x>\r\nRCPT TO:<bob>\r\n".repeat(50);
    assert_eq!(
        app.answers_to(refused.as_bytes()).len(),
        100,
        "addresses are no bad commands"
    );
}

#[test]
fn http_is_answered_once_and_its_body_is_not_read() {
    let mut app = App::new(options(), LineEndings::Normalise);
    let answers =
        app.answers_to(b"POST / HTTP/1.1\r\nHost: x\r\n\r\nEHLO x\r\nMAIL FROM:<a@x>\r\n");
    assert_eq!(answers, ["500 5.5.1"]);
    assert!(app.is_closed);
}

#[test]
fn work_on_ten_thousand_pipelined_mails_gives_ten_thousand_mails() {
    let mut app = greeted();
    app.send(&[TRANSACTION, b"DATA\r\nx\r\n.\r\n"].concat().repeat(10_000));
    assert_eq!(app.mails.len(), 10_000);
    assert!(app.mails.iter().all(|mail| mail.content == b"x\r\n"));
}

/// Everything that can be seen of a session.
fn seen(options: SessionOptions, input: &[u8], cuts: &[usize]) -> impl PartialEq + std::fmt::Debug {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (input.len() + 1)).collect();
    cuts.sort_unstable();
    let mut app = App::new(options, LineEndings::Normalise);
    app.send_cut(input, cuts);
    let counts = (app.aborted, app.too_many_recipients, app.is_closed);
    (app.wire(), counts, app.mails, app.usernames)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn any_split_of_any_session_gives_the_same(
        pieces in proptest::collection::vec(
            prop_oneof![
                8 => proptest::sample::select(vec![
                    "EHLO x\r\n", "MAIL FROM:<a@x>\r\n", "RCPT TO:<b@x>\r\n", "DATA\r\n", "RSET\r\n",
                    ".\r\n", "text\r\n", "..\r\n", "AUTH LOGIN\r\n", "YQ==\r\n", "*\r\n", "QUIT\r\n",
                    "AUTH PLAIN AGEAYg==\r\n", "\r\n.\r\n", "NOOP\r\n", "MAIL FROM:<refused@x>\r\n",
                ]).prop_map(|line| line.as_bytes().to_vec()),
                1 => proptest::collection::vec(any::<u8>(), 0..9),
                1 => proptest::sample::select(vec!["\n", "\r", "\0", ".", "\n.\n", "\r\r\n"])
                    .prop_map(|text| text.as_bytes().to_vec()),
                1 => (1_usize..13_000).prop_map(|length| vec![b'x'; length]),
            ], 0..30),
        cuts in proptest::collection::vec(any::<usize>(), 0..20),
        authenticate in any::<bool>(),
    ) {
        let input = pieces.concat();
        let options = SessionOptions { authenticate, ..options() };
        let bytewise: Vec<usize> = (1..input.len()).collect();
        let whole = seen(options.clone(), &input, &[]);
        prop_assert_eq!(&whole, &seen(options.clone(), &input, &cuts));
        prop_assert_eq!(&whole, &seen(options, &input, &bytewise));
    }
}
