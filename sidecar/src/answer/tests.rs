use proptest::prelude::*;
use serde_json::json;
use zohorelay_upstream::failure::Stage;

use super::*;
use crate::fixtures;
use crate::policy::{Refusal, RefusalReason};

const HOST: &str = "smtppro.zoho.com";

fn document(unknown_outcome: &str) -> Document {
    let aliases: Vec<_> = (1..=9).map(|n| format!("alias{n}@example.com")).collect();
    let changes = json!({
        "addresses": {"primary": "billing@example.com", "aliases": aliases},
        "delivery": {"unknownOutcome": unknown_outcome},
    });
    fixtures::document("billing", &changes)
}

fn answer_with(outcome: &Outcome, document: &Document) -> Answer {
    let about = About {
        identity: "billing",
        document: Some(document),
        from: "visitor@example.net",
        again_after: Some(Duration::from_secs(600)),
    };
    answer(outcome, about)
}

fn answer_to(outcome: &Outcome) -> Answer {
    answer_with(outcome, &document("Retry"))
}

fn failure(class: Class, reply: Option<Reply>) -> Outcome {
    let failure = Failure::new(class, Stage::EndOfData, HOST, "doing something");
    Outcome::Upstream(Failure { reply, ..failure })
}

fn refused(from: &str) -> Local {
    Local::SenderRefused(Refusal {
        from: from.to_owned(),
        why: RefusalReason::Foreign,
    })
}

/// `451 4.4.1`, and what follows on all lines.
fn parts(answer: &Answer) -> (String, String) {
    let enhanced = answer.reply.enhanced().unwrap();
    (
        format!("{} {enhanced}", answer.reply.code()),
        answer.reply.text(),
    )
}

#[test]
fn each_upstream_class_has_its_answer_whatever_code_the_server_gave() {
    let table = [
        (Class::RelayDenied, "553 5.7.1", "\"visitor@example.net\""),
        (Class::AuthFailed, "451 4.3.5", "login of identity billing"),
        (
            Class::AccountBlocked,
            "451 4.7.1",
            "try again in 10 minutes",
        ),
        (Class::RateLimited, "451 4.7.1", "try again in 10 minutes"),
        (Class::Tls, "451 4.7.5", HOST),
        (Class::Connect, "451 4.4.1", HOST),
        (Class::Timeout, "451 4.4.2", "stage end_of_data"),
        (Class::Protocol, "451 4.5.0", HOST),
        (Class::Transient, "451 4.4.0", HOST),
        (Class::UnknownOutcome, "451 4.4.2", "may have been taken"),
        (Class::Held, "451 4.7.1", "identity billing is held"),
        (Class::Busy, "451 4.3.2", "identity billing"),
    ];
    let replies = [450, 550, 553].map(|code| Some(Reply::new(code, None, "whatever")));
    for (class, expected, named) in table {
        for reply in replies.iter().cloned().chain([None]) {
            let answer = answer_to(&failure(class, reply.clone()));
            let (codes, text) = parts(&answer);
            assert_eq!(codes, expected, "{class} {reply:?}");
            assert!(text.contains(named), "{class}: {text}");
            assert!(!answer.close, "{class}");
        }
    }
}

#[test]
fn every_class_of_an_upstream_failure_is_an_error_for_the_app() {
    for class in Class::ALL {
        for reply in [None, Some(Reply::new(250, None, "ok"))] {
            let code = answer_to(&failure(class, reply)).reply.code();
            assert!(code >= 400, "{class} {code}");
        }
    }
}

#[test]
fn what_no_table_knows_is_permanent_only_if_the_server_said_so() {
    for (code, expected) in [(550, "554 5.0.0"), (450, "451 4.0.0")] {
        let reply = Some(Reply::new(code, None, "strange"));
        let (codes, text) = parts(&answer_to(&failure(Class::Unclassified, reply)));
        assert_eq!(codes, expected);
        assert!(text.contains(&format!("({code} strange)")), "{text}");
    }
    let (codes, _) = parts(&answer_to(&failure(Class::Unclassified, None)));
    assert_eq!(codes, "451 4.0.0");
}

#[test]
fn an_unknown_outcome_is_answered_as_the_identity_says() {
    let outcome = failure(Class::UnknownOutcome, None);
    let (codes, _) = parts(&answer_with(&outcome, &document("Fail")));
    assert_eq!(codes, "554 5.4.2");
}

#[test]
fn each_local_outcome_has_its_answer_and_only_framing_and_the_shutdown_close() {
    let span = Duration::from_secs(90);
    let held = Local::Held {
        reason: "auth_failed",
        again_after: Duration::from_secs(3600 * 5),
    };
    let table = [
        (
            Local::AppGone(Stage::Rcpt),
            "421 4.3.2",
            "nothing was sent",
            false,
        ),
        (
            Local::Framing(Violation::BareCr),
            "554 5.6.0",
            "a bare CR",
            true,
        ),
        (Local::Framing(Violation::Nul), "554 5.6.0", "a NUL", true),
        (Local::BareLineFeed, "554 5.6.0", "identity billing", true),
        (Local::HeaderTooLong, "554 5.6.0", "256 KiB", false),
        (
            Local::TooLarge { limit_bytes: 99 },
            "552 5.3.4",
            "99 bytes",
            false,
        ),
        (
            refused("x@y.z"),
            "553 5.7.1",
            "From \"x@y.z\" is not allowed",
            false,
        ),
        (
            Local::NotConfigured,
            "451 4.3.0",
            "identity billing not configured yet",
            false,
        ),
        (
            Local::Removed,
            "451 4.3.0",
            "identity billing removed",
            false,
        ),
        (
            held,
            "451 4.7.1",
            "held (auth_failed); try again in 5 hours",
            false,
        ),
        (
            Local::Paced { again_after: span },
            "451 4.7.1",
            "in 90 seconds",
            false,
        ),
        (Local::Spool, "452 4.3.1", "no room", false),
        (
            Local::TooManyRecipients { limit: 7 },
            "452 4.5.3",
            "at most 7",
            false,
        ),
        (Local::ShuttingDown, "421 4.3.2", "shutting down", true),
    ];
    for (local, expected, named, close) in table {
        let what = format!("{local:?}");
        let answer = answer_to(&Outcome::Local(local));
        let (codes, text) = parts(&answer);
        assert_eq!(codes, expected, "{what}");
        assert!(text.contains(named), "{what}: {text}");
        assert_eq!(answer.close, close, "{what}");
    }
    let (codes, text) = parts(&answer_to(&Outcome::Suspended));
    assert_eq!(codes, "451 4.3.0");
    assert!(text.contains("billing is suspended"), "{text}");
}

#[test]
fn a_denial_names_from_identity_and_the_first_of_the_allowed_addresses() {
    let relay_denied = failure(Class::RelayDenied, None);
    for outcome in [Outcome::Local(refused("visitor@example.net")), relay_denied] {
        let (_, text) = parts(&answer_to(&outcome));
        for named in [
            "\"visitor@example.net\"",
            "identity billing",
            "billing@example.com, alias1@example.com",
            "alias5@example.com and 4 more",
        ] {
            assert!(text.contains(named), "{named} in {text}");
        }
        assert!(!text.contains("alias6"), "{text}");
    }
}

#[test]
fn a_refusal_of_recipient_or_message_keeps_the_code_and_the_cleaned_words_of_the_server() {
    let enhanced = |class, subject, detail| Some(EnhancedCode(class, subject, detail));
    let table = [
        (
            Class::RecipientRefused,
            550,
            enhanced(5, 1, 10),
            "550 5.1.10",
        ),
        (Class::RecipientRefused, 550, None, "550 5.1.1"),
        (Class::RecipientRefused, 450, None, "450 4.1.1"),
        (Class::MessageRefused, 552, enhanced(5, 7, 1), "552 5.7.1"),
        (Class::MessageRefused, 554, None, "554 5.6.0"),
        (Class::MessageRefused, 452, enhanced(5, 7, 1), "452 4.6.0"),
        (Class::MessageRefused, 421, None, "451 4.6.0"),
    ];
    let said = "No <b>such</b>  user <ann@example.org> <a href='mailto:x@y.z'>more</a>";
    for (class, code, enhanced, expected) in table {
        let reply = Some(Reply::new(code, enhanced, said));
        let (codes, text) = parts(&answer_to(&failure(class, reply)));
        assert_eq!(codes, expected);
        assert_eq!(text, "No such user <ann@example.org> more");
    }
    let (codes, _) = parts(&answer_to(&failure(Class::MessageRefused, None)));
    assert_eq!(codes, "552 5.3.4", "over the SIZE that the server offers");
}

#[test]
fn an_upstream_enhanced_code_goes_no_further_than_recipient_and_message() {
    let reply = Reply::new(550, Some(EnhancedCode(5, 4, 6)), "Unusual sending activity");
    let (codes, text) = parts(&answer_to(&failure(Class::AccountBlocked, Some(reply))));
    assert_eq!(codes, "451 4.7.1");
    assert!(!text.contains("5.4.6"), "{text}");
}

#[test]
fn refused_recipients_are_named_and_many_are_cut() {
    let reply = Reply::new(550, None, "no");
    let mut failure = Failure::new(Class::RecipientRefused, Stage::Rcpt, HOST, "");
    failure = failure.with_reply(reply);
    failure.refused_recipients = vec!["a@example.org".into(), "b@example.org".into()];
    let (_, text) = parts(&answer_to(&Outcome::Upstream(failure.clone())));
    assert!(text.contains("(refused: a@example.org, b@example.org; nobody got the mail)"));
    failure.refused_recipients = vec!["long@example.org".into(); 1000];
    let (_, text) = parts(&answer_to(&Outcome::Upstream(failure)));
    assert!(text.contains("and 980 more; nobody got the mail)") && text.len() < 1000);
}

#[test]
fn html_is_cut_and_addresses_are_not() {
    let table = [
        (
            "Unusual <a href=https://mail.zoho.com/UnblockMe target=_blank>Click here.</a>",
            "Unusual Click here.",
        ),
        (
            "<user@example.org> <\"q q\"@example.org> refused",
            "<user@example.org> <\"q q\"@example.org> refused",
        ),
        ("a<br/>b <!-- x@y --> c", "ab c"),
        ("1 < 2 and <a href=", "1 < 2 and <a href="),
        ("<>", "<>"),
        ("na\u{ef}ve \u{fffd}", "na?ve ?"),
        ("", ""),
    ];
    for (said, expected) in table {
        assert_eq!(clean(said), expected);
    }
    assert_eq!(clean(&"x".repeat(70_000)).len(), 1000);
}

proptest! {
    /// U20: nothing that a server or an app says can end our line or begin another one.
    #[test]
    fn no_text_breaks_out_of_its_reply(
        said in "(?s).{0,1200}",
        class in prop::sample::select(&Class::ALL),
        code in 400_u16..=599,
    ) {
        let mut failure = Failure::new(class, Stage::Rcpt, HOST, "detail");
        failure = failure.with_reply(Reply::new(code, None, said.clone()));
        let outcomes = [Outcome::Upstream(failure), Outcome::Accepted(Reply::new(250, None, said))];
        for outcome in outcomes {
            let answer = answer_to(&outcome);
            let mut wire = Vec::new();
            answer.reply.encode(&mut wire);
            let wire = String::from_utf8(wire).unwrap();
            let lines: Vec<_> = wire.strip_suffix("\r\n").unwrap().split("\r\n").collect();
            for (at, line) in lines.iter().enumerate() {
                let separator = if at + 1 == lines.len() { ' ' } else { '-' };
                let begin = format!("{}{separator}", answer.reply.code());
                prop_assert!(line.len() <= 510);
                prop_assert!(line.starts_with(&begin));
                prop_assert!(line.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{:?}", line);
            }
        }
    }
}
