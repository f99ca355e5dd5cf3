//! Lines that apps told, as submissions.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::ledger::{Ledger, Told};

/// One submission of a mail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// The Message-ID with its angle brackets.
    pub id: String,
    /// How often the app had submitted this mail, with this one.
    pub attempt: u64,
    /// Name of the pod.
    pub pod: String,
    /// The content was sent, and the dot came next.
    pub begun: bool,
    /// The app told how it ended.
    pub ended: bool,
    /// The code of the reply that ended it.
    pub code: Option<u16>,
    /// The text of that reply, or the error of the connection.
    pub text: String,
    /// When it ended, as the app's clock had it (RFC 3339).
    pub at: String,
    /// How long it took.
    pub took: Duration,
}

/// All submissions, each once however often its lines are read.
#[derive(Debug, Default)]
pub(super) struct Book(BTreeMap<(String, u64), Entry>);

impl Book {
    /// Takes a line; what is no line of the app's, as one that was cut, is left.
    pub(super) fn note(&mut self, pod: &str, line: &str) {
        let Ok(line) = serde_json::from_str::<Value>(line) else {
            return;
        };
        let (Some(id), Some(attempt)) = (line["id"].as_str(), line["try"].as_u64()) else {
            return;
        };
        let entry = self.0.entry((id.to_owned(), attempt)).or_default();
        id.clone_into(&mut entry.id);
        entry.attempt = attempt;
        pod.clone_into(&mut entry.pod);
        if line["begin"] == true {
            entry.begun = true;
            return;
        }
        let text = |name: &str| line[name].as_str().map(str::to_owned);
        entry.ended = true;
        entry.code = line["code"].as_u64().and_then(|code| code.try_into().ok());
        entry.text = text("text").or_else(|| text("error")).unwrap_or_default();
        entry.at = text("at").unwrap_or_default();
        entry.took = Duration::from_millis(line["took_ms"].as_u64().unwrap_or_default());
    }

    pub(super) fn entries(&self) -> Vec<Entry> {
        self.0.values().cloned().collect()
    }

    /// Without those whose dot was never due: they are no submissions.
    pub(super) fn ledger(&self) -> Ledger {
        let mut ledger = Ledger::default();
        for entry in self.0.values() {
            match entry.code {
                Some(code) => ledger.note(&entry.id, Told::Code(code)),
                None if entry.begun => ledger.note(&entry.id, Told::Nothing),
                None => {}
            }
        }
        ledger
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: &str = r#"{"id":"<1@a>","try":1,"begin":true}"#;
    const END: &str = r#"{"id":"<1@a>","try":1,"code":250,"text":"ok","at":"2026","took_ms":7}"#;

    fn book(lines: &[&str]) -> Book {
        let mut book = Book::default();
        for line in lines {
            book.note("pod", line);
        }
        book
    }

    #[test]
    fn lines_that_are_read_twice_are_one_submission() {
        let twice = book(&[BEGIN, "no JSON", r#"{"id":"<1@"#, BEGIN, END, END]);
        assert_eq!(twice.entries().len(), 1);
        let entry = &twice.entries()[0];
        assert_eq!((entry.code, entry.took.as_millis()), (Some(250), 7));
        assert_eq!(twice.ledger().accepted(), 1);
    }

    #[test]
    fn an_open_submission_was_told_nothing_and_one_that_never_began_is_none() {
        let verdict = book(&[BEGIN]).ledger().judge(&[]);
        verdict.assert_sound(0);
        let open = book(&[BEGIN]).entries();
        assert!(open[0].begun && !open[0].ended);
        let lost = r#"{"id":"<1@a>","try":1,"code":null,"error":"connection refused"}"#;
        let of = |lines: &[&str]| format!("{:?}", book(lines).ledger());
        assert!(of(&[BEGIN, lost]).contains("Nothing"));
        assert!(!of(&[lost]).contains("<1@a>"));
    }

    #[test]
    fn a_mail_that_was_submitted_again_is_two_submissions_of_one_mail() {
        let again = END.replace("\"try\":1", "\"try\":2");
        let first = END.replace("250", "451");
        let book = book(&[&first, &again]);
        assert_eq!(book.entries().len(), 2);
        assert_eq!(book.ledger().accepted(), 1);
    }
}
