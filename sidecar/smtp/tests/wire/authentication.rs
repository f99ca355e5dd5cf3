//! Row S6 of docs/proof.md: logins that are taken and ignored.

use zohorelay_smtp::session::SessionOptions;

use crate::driver::{App, LineEndings, options};

fn app() -> App {
    let options = SessionOptions {
        authenticate: true,
        ..options()
    };
    let mut app = App::new(options, LineEndings::Normalise);
    app.send(b"EHLO x\r\n");
    app
}

#[test]
fn auth_is_offered_only_when_asked_for() {
    assert!(app().wire().contains("250 AUTH PLAIN LOGIN\r\n"));
    let mut app = App::new(options(), LineEndings::Normalise);
    app.send(b"EHLO x\r\n");
    assert!(!app.wire().contains("AUTH"));
    assert_eq!(
        app.answers_to(b"AUTH PLAIN AHUAcA==\r\nNOOP\r\n"),
        ["502 5.5.1", "250 2.0.0"]
    );
    assert!(app.usernames.is_empty());
    let answers = app.answers_to(b"MAIL FROM:<a@x> AUTH=<>\r\n");
    assert_eq!(answers, ["555 5.5.4"]);
}

#[test]
fn s6_each_form_of_a_login_gives_the_user_name() {
    for (input, answers) in [
        (&b"AUTH PLAIN AGJpbGxpbmcAcHc=\r\n"[..], vec!["235 2.7.0"]),
        (b"auth plain AGJpbGxpbmcAcHc=\r\n", vec!["235 2.7.0"]),
        (
            b"AUTH PLAIN YXV0aHoAYmlsbGluZwBwdw==\r\n",
            vec!["235 2.7.0"],
        ),
        (b"AUTH PLAIN\r\nAGJpbGxpbmcA\r\n", vec!["334", "235 2.7.0"]),
        (
            b"AUTH LOGIN\r\nYmlsbGluZw==\r\ncHc=\r\n",
            vec!["334", "334", "235 2.7.0"],
        ),
        (b"AUTH LOGIN YmlsbGluZw==\r\n\r\n", vec!["334", "235 2.7.0"]),
    ] {
        let mut app = app();
        assert_eq!(app.answers_to(input), answers);
        assert_eq!(app.usernames, ["billing"]);
        assert_eq!(app.answers_to(b"AUTH PLAIN AGEAYg==\r\n"), ["503 5.5.1"]);
        assert_eq!(
            app.answers_to(b"MAIL FROM:<a@x> AUTH=<>\r\n"),
            ["250 2.0.0"]
        );
    }
}

#[test]
fn s6_challenges_of_login_are_the_usual_ones() {
    let mut app = app();
    app.send(b"AUTH LOGIN\r\nYmlsbGluZw==\r\n");
    assert!(
        app.wire()
            .ends_with("334 VXNlcm5hbWU6\r\n334 UGFzc3dvcmQ6\r\n")
    );
}

#[test]
fn s6_bad_logins_are_refused_and_the_session_goes_on() {
    let nul_in_user_of_login = "YQBi";
    for (input, answers) in [
        ("AUTH PLAIN =\r\n".to_owned(), vec!["501 5.5.2"]),
        ("AUTH LOGIN =\r\n".to_owned(), vec!["501 5.5.2"]),
        ("AUTH PLAIN AGEAYg\r\n".to_owned(), vec!["501 5.5.2"]),
        ("AUTH PLAIN !!!!\r\n".to_owned(), vec!["501 5.5.2"]),
        ("AUTH PLAIN YQ==\r\n".to_owned(), vec!["501 5.5.2"]),
        // NUL a NUL b NUL c
        ("AUTH PLAIN AGEAYgBj\r\n".to_owned(), vec!["501 5.5.2"]),
        // no user name
        ("AUTH PLAIN AABi\r\n".to_owned(), vec!["501 5.5.2"]),
        // a CR LF b
        ("AUTH PLAIN AGENCmIAcHc=\r\n".to_owned(), vec!["501 5.5.2"]),
        // a ESC b
        ("AUTH LOGIN YRti\r\n".to_owned(), vec!["501 5.5.2"]),
        (
            format!("AUTH LOGIN {nul_in_user_of_login}\r\n"),
            vec!["501 5.5.2"],
        ),
        // 0xff
        ("AUTH LOGIN /w==\r\n".to_owned(), vec!["501 5.5.2"]),
        (
            format!("AUTH LOGIN {}\r\n", "YWFh".repeat(86)),
            vec!["501 5.5.2"],
        ),
        ("AUTH PLAIN\r\n*\r\n".to_owned(), vec!["334", "501 5.7.0"]),
        (
            "AUTH LOGIN\r\nYQ==\r\n*\r\n".to_owned(),
            vec!["334", "334", "501 5.7.0"],
        ),
        (
            "AUTH LOGIN\r\nYQ==\r\nno base64\r\n".to_owned(),
            vec!["334", "334", "501 5.5.2"],
        ),
        ("AUTH LOGIN\r\n\0\r\n".to_owned(), vec!["334", "501 5.5.2"]),
        ("AUTH CRAM-MD5\r\n".to_owned(), vec!["504 5.5.4"]),
        ("AUTH\r\n".to_owned(), vec!["501 5.5.4"]),
        (
            format!("AUTH PLAIN {}\r\n", "A".repeat(12_276)),
            vec!["500 5.5.6"],
        ),
        (
            format!("AUTH PLAIN\r\n{}\r\n", "A".repeat(12_288)),
            vec!["334", "500 5.5.6"],
        ),
    ] {
        let mut app = app();
        assert_eq!(app.answers_to(input.as_bytes()), answers, "{input:.40}");
        assert!(app.usernames.is_empty(), "{input:.40}");
        assert_eq!(app.answers_to(b"NOOP\r\n"), ["250 2.0.0"]);
        assert_eq!(app.answers_to(b"AUTH PLAIN AGEAYg==\r\n"), ["235 2.7.0"]);
    }
}

#[test]
fn s6_a_password_of_twelve_kibibytes_is_taken() {
    // NUL a NUL, then 9201 bytes of password: 12272 of Base64, 12285 with the command and CRLF.
    let mut app = app();
    let input = format!("AUTH PLAIN AGEA{}\r\n", "cGFz".repeat(3_067));
    assert_eq!(input.len(), 12_285);
    assert_eq!(app.answers_to(input.as_bytes()), ["235 2.7.0"]);
    assert!(!app.wire().contains("paspas"));
}

#[test]
fn s6_auth_has_its_place() {
    let options = SessionOptions {
        authenticate: true,
        ..options()
    };
    let mut app = App::new(options, LineEndings::Normalise);
    assert_eq!(app.answers_to(b"AUTH PLAIN AGEAYg==\r\n"), ["503 5.5.1"]);
    app.send(b"EHLO x\r\nMAIL FROM:<a@x>\r\n");
    assert_eq!(app.answers_to(b"AUTH PLAIN AGEAYg==\r\n"), ["503 5.5.1"]);
    assert!(app.in_transaction());
    assert_eq!(
        app.answers_to(b"RSET\r\nAUTH PLAIN AGEAYg==\r\n"),
        ["250 2.0.0", "235 2.7.0"]
    );
}
