use super::*;
use crate::reply::EnhancedCode;

fn session() -> ServerSession {
    ServerSession::new(SessionOptions {
        hostname: "relay.test".to_owned(),
        size_limit_bytes: 1_000,
        authenticate: false,
        recipients_limit: 2,
    })
}

fn ok() -> Reply {
    Reply::new(250, Some(EnhancedCode(2, 0, 0)), "ok")
}

#[test]
fn nothing_moves_while_a_verdict_is_owed() {
    let mut session = session();
    let mut content = Vec::new();
    session.receive(b"EHLO x\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\n");
    assert!(matches!(
        session.next_event(&mut content),
        Event::Mail { .. }
    ));
    let output = session.output().to_vec();
    for _ in 0..3 {
        assert!(session.owes_verdict());
        assert_eq!(session.next_event(&mut content), Event::NeedInput);
        assert_eq!(session.output(), output);
        assert_eq!(session.buffered_bytes(), "RCPT TO:<b@x>\r\n".len());
    }
    session.answer(ok());
    assert!(matches!(
        session.next_event(&mut content),
        Event::Recipient { .. }
    ));
}

#[test]
fn a_verdict_that_is_not_owed_changes_nothing() {
    let mut session = session();
    let mut content = Vec::new();
    session.receive(b"EHLO x\r\nMAIL FROM:<a@x>\r\n");
    assert!(matches!(
        session.next_event(&mut content),
        Event::Mail { .. }
    ));
    session.answer(ok());
    let output = session.output().to_vec();
    session.answer(ok());
    assert_eq!(session.output(), output);
    session.receive(b"RCPT TO:<b@x>\r\nDATA\r\n");
    assert!(matches!(
        session.next_event(&mut content),
        Event::Recipient { .. }
    ));
    session.answer(ok());
    assert_eq!(session.next_event(&mut content), Event::DataStarted);
    session.answer(ok());
    assert!(session.in_data() && session.in_transaction());
}

#[test]
fn a_421_closes_and_drops_what_was_received() {
    for closes_by_answer in [true, false] {
        let mut session = session();
        let mut content = Vec::new();
        session.receive(b"EHLO x\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nQUIT\r\n");
        assert!(matches!(
            session.next_event(&mut content),
            Event::Mail { .. }
        ));
        session.answer(ok());
        assert!(matches!(
            session.next_event(&mut content),
            Event::Recipient { .. }
        ));
        assert!(session.in_transaction());
        let reply = Reply::new(421, Some(EnhancedCode(4, 3, 2)), "shutting down");
        if closes_by_answer {
            session.answer(reply);
        } else {
            session.answer_and_close(reply);
        }
        assert_eq!(session.next_event(&mut content), Event::Close);
        session.receive(b"NOOP\r\n");
        assert_eq!(session.next_event(&mut content), Event::Close);
        assert_eq!(session.buffered_bytes(), 0);
        assert!(!session.in_transaction());
        assert!(session.output().ends_with(b"421 4.3.2 shutting down\r\n"));
    }
}

#[test]
fn output_leaves_as_it_is_written() {
    let mut session = session();
    assert_eq!(session.output(), b"220 relay.test ESMTP zohorelay\r\n");
    session.output_written(4);
    assert_eq!(session.output(), b"relay.test ESMTP zohorelay\r\n");
    session.output_written(usize::MAX);
    assert_eq!(session.output(), b"");
}

#[test]
fn s6_no_byte_of_a_password_stays_in_the_session() {
    let mut session = session();
    session.options.authenticate = true;
    let mut content = Vec::new();
    // user "user", password "s3cr3t-s3cr3t"
    let secret = b"AHVzZXIAczNjcjN0LXMzY3IzdA==";
    session.receive(b"EHLO x\r\nAUTH PLAIN ");
    session.receive(secret);
    session.receive(b"\r\n");
    let username = "user".to_owned();
    assert_eq!(
        session.next_event(&mut content),
        Event::Authenticated { username }
    );
    assert_eq!(session.buffered_bytes(), 0);
    assert!(session.input.is_wiped());
}
