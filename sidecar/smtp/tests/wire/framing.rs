//! Rows F1 to F20 of docs/proof.md: no content becomes a second mail.

use zohorelay_smtp::data::DataEncoder;
use zohorelay_smtp::session::SessionOptions;

use crate::driver::LineEndings::{Normalise, Strict};
use crate::driver::{App, LineEndings, options, sender};

const BEFORE: &[u8] =
    b"EHLO x\r\nMAIL FROM:<billing@example.com>\r\nRCPT TO:<a@example.org>\r\nDATA\r\n\
    Subject: 1\r\n\r\nbody";
const AFTER: &[u8] = b"MAIL FROM:<evil@example.com>\r\nRCPT TO:<v@example.org>\r\nDATA\r\n\
    Subject: 2\r\n\r\nsmuggled\r\n.\r\nQUIT\r\n";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    /// One mail, and the separator goes to the wire as this.
    Mail(&'static str),
    /// One permanent reply at the true end, then the connection closes.
    Refusal,
}

use Expected::{Mail, Refusal};

/// Row, separator, what `Strict` does, what `Normalise` does.
const SEPARATORS: [(&str, &str, Expected, Expected); 18] = [
    ("F1", "\n.\n", Refusal, Mail("\r\n..\r\n")),
    ("F2", "\n.\r\n", Refusal, Mail("\r\n..\r\n")),
    ("F3", "\r\n.\n", Refusal, Mail("\r\n..\r\n")),
    ("F4", "\r.\r", Refusal, Refusal),
    ("F5", "\r.\n", Refusal, Refusal),
    ("F6", "\n.\r", Refusal, Refusal),
    ("F7", "\r.\r\n", Refusal, Refusal),
    ("F8", "\r\n.\r", Refusal, Refusal),
    ("F9", "\r\n.\r\r\n", Refusal, Refusal),
    ("F10", "\r\r\n.\r\r\n", Refusal, Refusal),
    ("F11", "\r\n\0.\r\n", Refusal, Refusal),
    ("F12", "\r\n.\0\r\n", Refusal, Refusal),
    // The stuffed dot goes, a blank stays: that line can go out as it is.
    ("F13", "\r\n. \r\n", Mail("\r\n \r\n"), Mail("\r\n \r\n")),
    (
        "F13 stuffed",
        "\r\n.. \r\n",
        Mail("\r\n.. \r\n"),
        Mail("\r\n.. \r\n"),
    ),
    (
        "F15",
        "\r\n.\nbdat 86 last\r\n",
        Refusal,
        Mail("\r\n..\r\nbdat 86 last\r\n"),
    ),
    ("F18", "\r\nSubject: a\rBcc: x@y\r\n", Refusal, Refusal),
    ("F1 twice", "\n.\n.\n", Refusal, Mail("\r\n..\r\n..\r\n")),
    ("F2 stuffed", "\n..\r\n", Refusal, Mail("\r\n..\r\n")),
];

/// What goes upstream for content that was taken.
fn upstream(content: &[u8]) -> Vec<u8> {
    let mut encoder = DataEncoder::new();
    let mut out = Vec::new();
    encoder
        .encode(content, &mut out)
        .expect("content that was taken can be sent");
    encoder
        .finish(&mut out)
        .expect("content that was taken can be sent");
    out
}

fn assert_one_end(wire: &[u8]) {
    let framed = [b"\r\n", wire].concat();
    assert_eq!(
        framed
            .windows(5)
            .filter(|five| five == b"\r\n.\r\n")
            .count(),
        1
    );
    assert!(framed.ends_with(b"\r\n.\r\n"));
    let lone = String::from_utf8_lossy(wire).replace("\r\n", "");
    assert!(!lone.contains(['\r', '\n', '\0']));
}

fn check(
    row: &str,
    separator: &str,
    line_endings: LineEndings,
    expected: Expected,
    cuts: &[usize],
) {
    let input = [BEFORE, separator.as_bytes(), AFTER].concat();
    let mut app = App::new(options(), line_endings);
    app.send_cut(&input, cuts.iter().copied());
    let taken: Vec<_> = app.mails.iter().filter(|mail| mail.is_taken).collect();
    assert!(app.is_closed, "{row}");
    assert_eq!(app.mails.len(), 1, "{row} {line_endings:?} {cuts:?}");
    assert_eq!(sender(&app.mails[0].envelope), "billing@example.com");
    match expected {
        Refusal => {
            assert_eq!(
                app.codes(),
                [220, 250, 250, 250, 354, 554],
                "{row} {line_endings:?}"
            );
            assert!(taken.is_empty(), "{row}");
        }
        Mail(separator) => {
            assert_eq!(
                app.codes(),
                [220, 250, 250, 250, 354, 250, 221],
                "{row} {line_endings:?}"
            );
            let smuggled = AFTER.strip_suffix(b"QUIT\r\n").unwrap();
            let wire = upstream(&taken[0].content);
            let body = [b"Subject: 1\r\n\r\nbody", separator.as_bytes(), smuggled].concat();
            assert_eq!(
                wire.escape_ascii().to_string(),
                body.escape_ascii().to_string(),
                "{row}"
            );
            assert_one_end(&wire);
        }
    }
}

#[test]
fn f1_to_f13_f15_f18_no_separator_makes_a_second_mail_however_it_is_cut() {
    for (row, separator, strict, normalise) in SEPARATORS {
        let total = BEFORE.len() + separator.len() + AFTER.len();
        let offsets = BEFORE.len()..=BEFORE.len() + separator.len();
        for (line_endings, expected) in [(Strict, strict), (Normalise, normalise)] {
            check(row, separator, line_endings, expected, &[]);
            check(
                row,
                separator,
                line_endings,
                expected,
                &(1..total).collect::<Vec<_>>(),
            );
            for first in offsets.clone() {
                for second in first..=*offsets.end() {
                    check(row, separator, line_endings, expected, &[first, second]);
                }
            }
        }
    }
}

#[test]
fn f14_a_mail_over_the_limit_is_refused_once_at_its_true_end() {
    let options = SessionOptions {
        size_limit_bytes: 100,
        ..options()
    };
    let body = [
        &vec![b'x'; 200][..],
        b"\r\n.\nHELP\r\n.\nQUIT\n\r\n.\r\nNOOP\r\n",
    ]
    .concat();
    let mut app = App::new(options, Normalise);
    app.send(b"EHLO x\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\n");
    let answers = app.answers_to(&body);
    assert_eq!(answers, ["552 5.3.4", "250 2.0.0"]);
    assert!(!app.mails[0].is_taken && !app.in_transaction() && !app.is_closed);
}

#[test]
fn f15_bdat_is_answered_once_and_its_bytes_are_no_chunk() {
    let mut app = App::new(options(), Normalise);
    app.send(b"EHLO x\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\n");
    assert!(!app.wire().contains("CHUNKING"));
    assert_eq!(
        app.answers_to(b"BDAT 6 LAST\r\nNOOP\r\n"),
        ["502 5.5.1", "250 2.0.0"]
    );
    assert!(app.in_transaction());
}

#[test]
fn f16_the_first_line_is_a_line_start() {
    for (body, expected) in [
        (&b".\r\n"[..], Some(&b""[..])),
        (b"..\r\n.\r\n", Some(b".\r\n")),
        (b".x\r\n.\r\n", Some(b"x\r\n")),
        (b".\n.\r\n.\r\n", None),
    ] {
        for step in [1, body.len()] {
            let mut app = App::new(options(), Strict);
            app.send(b"EHLO x\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\n");
            app.send_cut(body, (1..body.len()).step_by(step));
            let mail = &app.mails[0];
            assert_eq!(mail.is_taken, expected.is_some());
            assert!(expected.is_none_or(|content| mail.content == content));
        }
    }
}

#[test]
fn f17_any_start_of_content_is_stuffed_right_behind_headers_of_ours() {
    let long = [&vec![b'x'; 100 * 1024][..], b"\r\n"].concat();
    for start in [
        &b"\r\n"[..],
        b" folded\r\n",
        b"..\r\n",
        b":x\r\n",
        &long,
        b".\n",
        b"..a\r\n",
        b"no header\r\n",
    ] {
        let mut app = App::new(options(), Normalise);
        app.send(b"EHLO x\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\n");
        app.send(&[start, b"..\r\nend\r\n.\r\n"].concat());
        let mail = &app.mails[0];
        let ours = b"Received: by us\r\n";
        let wire = upstream(&[&ours[..], &mail.content].concat());
        assert_one_end(&wire);
        assert_eq!(wire, [&ours[..], &upstream(&mail.content)].concat());
    }
}

#[test]
fn f19_dots_at_the_edges_of_buffers_are_stuffed_right() {
    for edge in [
        8_191, 8_192, 8_193, 16_384, 262_142, 262_143, 262_144, 262_145, 262_146,
    ] {
        for line_end in [&b"\r\n"[..], b"\n"] {
            for dots in [&b".x"[..], b"..", b"."] {
                let stuffed: &[u8] = if line_end == b"\r\n" { b"." } else { b"" };
                let filler = vec![b'a'; edge - line_end.len() - stuffed.len()];
                let body = [&filler, line_end, stuffed, dots, b"\r\n.\r\n"].concat();
                let mut app = App::new(options(), Normalise);
                app.send(b"EHLO x\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\n");
                app.send_cut(&body, (8_192..body.len()).step_by(8_192));
                // After a bare LF two dots are one that was stuffed.
                let kept = if line_end == b"\n" && dots == b".." {
                    b"."
                } else {
                    dots
                };
                let expected = [&filler[..], b"\r\n", kept, b"\r\n"].concat();
                assert!(
                    app.mails[0].content == expected,
                    "{edge} {line_end:?} {dots:?}"
                );
                let wire = upstream(&expected);
                assert_one_end(&wire);
                assert!(wire == [&filler[..], b"\r\n.", kept, b"\r\n.\r\n"].concat());
            }
        }
    }
}

#[test]
fn f20_pipelined_mails_are_two_mails_in_order() {
    let mail = |sender: &str, text: &str| {
        format!("MAIL FROM:<{sender}@x>\r\nRCPT TO:<b@x>\r\nDATA\r\n{text}\r\n.\r\n")
    };
    let input = [
        "EHLO x\r\n",
        &mail("one", "1"),
        &mail("two", "refuse"),
        &mail("three", "3"),
        "QUIT\r\n",
    ]
    .concat();
    let expected = [
        220, 250, 250, 250, 354, 250, 250, 250, 354, 550, 250, 250, 354, 250, 221,
    ];
    let total = input.len();
    for cuts in [
        vec![],
        (1..total).collect(),
        (7..total).step_by(7).collect(),
    ] {
        let mut app = App::new(options(), Strict);
        app.send_cut(input.as_bytes(), cuts);
        assert_eq!(app.codes(), expected);
        let senders: Vec<_> = app
            .mails
            .iter()
            .map(|mail| sender(&mail.envelope))
            .collect();
        assert_eq!(senders, ["one@x", "two@x", "three@x"]);
        assert_eq!(app.mails[2].content, b"3\r\n");
    }
}
