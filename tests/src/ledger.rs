//! The judge: what apps were told, against what the upstream took. Mails are known by their
//! Message-ID, which each test makes unique.

use std::collections::BTreeMap;

use zoho_simulator::Mail;

/// What an app was told about one submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// The reply code to its dot.
    Code(u16),
    /// Nothing: the connection ended, or the app left.
    Nothing,
}

/// What happened to submissions, by Message-ID.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    submissions: BTreeMap<String, Vec<Told>>,
}

/// The verdict over all submissions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// The app got 2yz and the upstream has none.
    pub lost: Vec<String>,
    /// The upstream has more than the submissions.
    pub double: Vec<String>,
    /// The outcome differs (the upstream has it, the app was not told 2yz), by Message-ID.
    pub differing: Vec<String>,
    /// The upstream has a mail that nobody submitted.
    pub foreign: Vec<String>,
}

impl Ledger {
    /// Notes one submission.
    pub fn note(&mut self, message_id: &str, told: Told) {
        self.submissions
            .entry(message_id.to_owned())
            .or_default()
            .push(told);
    }

    /// Takes the notes of another app over.
    pub fn merge(&mut self, other: Self) {
        for (id, told) in other.submissions {
            self.submissions.entry(id).or_default().extend(told);
        }
    }

    /// How many submissions were told 2yz.
    pub fn accepted(&self) -> usize {
        self.submissions
            .values()
            .flatten()
            .filter(|told| is_good(told))
            .count()
    }

    /// Judges against what the upstream stored.
    pub fn judge(&self, mails: &[Mail]) -> Verdict {
        let mut taken: BTreeMap<String, usize> = BTreeMap::new();
        for mail in mails {
            *taken.entry(message_id(&mail.content)).or_default() += 1;
        }
        let mut verdict = Verdict::default();
        for (id, told) in &self.submissions {
            let count = taken.remove(id).unwrap_or(0);
            let good = told.iter().filter(|told| is_good(told)).count();
            if count < good {
                verdict.lost.push(id.clone());
            }
            if count > told.len() {
                verdict.double.push(id.clone());
            }
            if count > good {
                verdict.differing.push(id.clone());
            }
        }
        verdict.foreign = taken.into_keys().collect();
        verdict
    }
}

impl Verdict {
    /// Asserts that nothing is lost, double or foreign, and that at most `unknown` outcomes differ
    /// (each must have been counted as unknown or left by its app).
    pub fn assert_sound(&self, unknown: usize) {
        assert!(self.lost.is_empty(), "lost: {:?}", self.lost);
        assert!(self.double.is_empty(), "double: {:?}", self.double);
        assert!(self.foreign.is_empty(), "nobody sent: {:?}", self.foreign);
        let unnamed = self.differing.len().saturating_sub(unknown);
        assert!(
            unnamed == 0,
            "unnamed: {:?}, {unknown} were named",
            self.differing
        );
    }
}

fn is_good(told: &Told) -> bool {
    matches!(told, Told::Code(200..=299))
}

/// The Message-ID of a stored mail, with its angle brackets; empty if there is none.
pub fn message_id(content: &[u8]) -> String {
    let text = String::from_utf8_lossy(content);
    let header = text.split("\r\n\r\n").next().unwrap_or_default();
    let line = header
        .lines()
        .find(|line| line.to_ascii_lowercase().starts_with("message-id:"));
    line.and_then(|line| line.split_once(':'))
        .map_or("", |(_, id)| id.trim())
        .to_owned()
}
