//! Findings for people.

use std::fmt::Write as _;
use std::io::IsTerminal;

use super::{Finding, Verdict};

/// Where the second and the third column begin.
const CHECK_AT: usize = 9;
const CHECK_WIDTH: usize = 14;

/// How findings look on a screen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Style {
    /// Whether the verdict is coloured (ANSI).
    pub coloured: bool,
    /// Whether the details of what is well are shown too.
    pub detailed: bool,
}

impl Style {
    /// Coloured where `stream` is a terminal and `NO_COLOR` is not set.
    pub fn of(stream: &impl IsTerminal, detailed: bool) -> Self {
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            coloured: stream.is_terminal() && !no_colour,
            detailed,
        }
    }

    /// A finding: a line, and below it what to do and the details; with a line end. What a server
    /// said cannot steer the terminal.
    pub fn line(self, finding: &Finding) -> String {
        let mut text = self.verdict(finding.verdict);
        let _ = write!(text, "{:CHECK_WIDTH$} ", finding.check.name);
        if !finding.subject.is_empty() {
            let _ = write!(text, "{}: ", plain(&finding.subject));
        }
        let _ = writeln!(text, "{}", plain(&finding.found));
        let indent = " ".repeat(CHECK_AT);
        if let Some(remedy) = &finding.remedy {
            let _ = writeln!(text, "{indent}-> {}", plain(remedy));
        }
        let is_well = matches!(finding.verdict, Verdict::Ok | Verdict::Skipped);
        if self.detailed || !is_well {
            for (key, value) in &finding.details {
                let _ = writeln!(text, "{indent}   {}: {}", plain(key), plain(value));
            }
        }
        text
    }

    fn verdict(self, verdict: Verdict) -> String {
        let (word, colour) = match verdict {
            Verdict::Ok => ("ok", 32),
            Verdict::Warning => ("warning", 33),
            Verdict::Failed => ("FAILED", 31),
            Verdict::Skipped => ("skipped", 2),
        };
        let word = format!("{word:CHECK_AT$}");
        if self.coloured {
            format!("\x1b[{colour}m{word}\x1b[0m")
        } else {
            word
        }
    }
}

/// Without control characters, so also in one line.
fn plain(text: &str) -> String {
    let one = |c: char| if c.is_control() { '?' } else { c };
    text.chars().map(one).collect()
}
