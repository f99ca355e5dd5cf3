//! What a doctor found: the report that both `doctor` commands print.
//!
//! A doctor makes a [`Checkup`], adds a [`Finding`] for each thing it looked at, in the order in which
//! they depend on each other, and ends with [`Checkup::exit_code`]. A finding has one of the doctor's
//! [`Check`]s; each of these has a name and the exit code of its failure.
//!
//! For people: [`Style::line`] writes one finding as soon as it is there, [`Checkup::summary`] the last
//! line. For programs: [`Checkup::json`], whose fields are those in docs/reference/doctor.md.

mod json;
mod style;
#[cfg(test)]
mod tests;

pub use style::Style;

use crate::exit;

/// One kind of thing that a doctor looks at. A doctor's checks are constants, listed in its docs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Check {
    /// Kebab-case, stable: what `check` is in JSON.
    pub name: &'static str,
    /// The exit code of a report whose first failure this is.
    pub exit_code: u8,
}

impl Check {
    /// A check with its name and the exit code of its failure.
    pub const fn new(name: &'static str, exit_code: u8) -> Self {
        Self { name, exit_code }
    }
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// It works, but a person should know; does not change the exit code.
    Warning,
    /// It does not work.
    Failed,
    /// Not looked at; the finding says why.
    Skipped,
}

impl Verdict {
    /// As in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "Ok",
            Self::Warning => "Warning",
            Self::Failed => "Failed",
            Self::Skipped => "Skipped",
        }
    }
}

/// What one check saw. Never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which check.
    pub check: Check,
    /// Of what: the name of an identity, a pod, a host and port. Empty where there is only one.
    pub subject: String,
    /// How it ended.
    pub verdict: Verdict,
    /// What was seen, in plain words, in a line.
    pub found: String,
    /// What to do; `None` where nothing is.
    pub remedy: Option<String>,
    /// More, as key and value, in order. People see it of what is not well, programs of all.
    pub details: Vec<(String, String)>,
}

impl Finding {
    /// All is well.
    pub fn ok(check: Check, subject: impl Into<String>, found: impl Into<String>) -> Self {
        Self::new(check, subject, Verdict::Ok, found)
    }

    /// Not looked at, and why.
    pub fn skipped(check: Check, subject: impl Into<String>, why: impl Into<String>) -> Self {
        Self::new(check, subject, Verdict::Skipped, why)
    }

    /// It works, but.
    pub fn warning(
        check: Check,
        subject: impl Into<String>,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::new(check, subject, Verdict::Warning, found).with_remedy(remedy)
    }

    /// It does not work.
    pub fn failed(
        check: Check,
        subject: impl Into<String>,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::new(check, subject, Verdict::Failed, found).with_remedy(remedy)
    }

    fn new(
        check: Check,
        subject: impl Into<String>,
        verdict: Verdict,
        found: impl Into<String>,
    ) -> Self {
        Self {
            check,
            subject: subject.into(),
            verdict,
            found: found.into(),
            remedy: None,
            details: Vec::new(),
        }
    }

    fn with_remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// One more detail. The key is camelCase.
    #[must_use]
    pub fn detail(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.details.push((key.into(), value.into()));
        self
    }
}

/// All findings of one run of a doctor.
#[derive(Clone, Debug)]
pub struct Checkup {
    program: &'static str,
    version: &'static str,
    findings: Vec<Finding>,
}

impl Checkup {
    /// An empty report of that program.
    pub fn new(program: &'static str, version: &'static str) -> Self {
        Self {
            program,
            version,
            findings: Vec::new(),
        }
    }

    /// Adds what a check found.
    pub fn add(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// In the order in which they were added.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// What to mend first: the first failure.
    pub fn first_failure(&self) -> Option<&Finding> {
        self.first(Verdict::Failed)
    }

    fn first(&self, verdict: Verdict) -> Option<&Finding> {
        self.findings.iter().find(|f| f.verdict == verdict)
    }

    /// The code of the first failure, or 0. Warnings do not count.
    pub fn exit_code(&self) -> u8 {
        self.first_failure()
            .map_or(exit::OK, |finding| finding.check.exit_code)
    }

    /// The last line for people: whether all is well, else what to mend first.
    pub fn summary(&self) -> String {
        if let Some(first) = self.first_failure() {
            return format!("Mend this first: {}", in_short(first));
        }
        match self.first(Verdict::Warning) {
            None => "All is well.".to_owned(),
            Some(first) => format!("Nothing is broken. Look at: {}", in_short(first)),
        }
    }
}

fn in_short(finding: &Finding) -> String {
    let mut text = finding.check.name.to_owned();
    if !finding.subject.is_empty() {
        text = format!("{text} of {}", finding.subject);
    }
    format!("{text}: {}", finding.found)
}
