//! What was measured, against the bars and against the run before.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};

/// Up to this share of the time (0 to 1) that others take, figures are worth comparing.
pub const QUIET: f64 = 0.05;

/// What a figure must reach.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Bar {
    /// At least this.
    AtLeast(f64),
    /// At most this.
    AtMost(f64),
}

/// Whether a bar was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// Reached.
    Pass,
    /// Not reached.
    Miss,
    /// Measured under conditions that say nothing; counts as missed.
    Void,
    /// For information: there is no bar.
    Info,
}

/// One figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// What was measured; the key of a comparison.
    pub name: String,
    /// Unit of `measured` and `bar`.
    pub unit: String,
    /// The bar, where there is one.
    pub bar: Option<Bar>,
    /// The figure; None where measuring failed.
    pub measured: Option<f64>,
    /// Why the figure says nothing, where it does not.
    pub void: Option<String>,
    /// Conditions worth knowing.
    pub note: String,
}

impl Row {
    /// A figure without a bar.
    pub fn new(name: impl Into<String>, measured: f64, unit: &str) -> Self {
        Self {
            name: name.into(),
            unit: unit.to_owned(),
            bar: None,
            measured: Some(measured),
            void: None,
            note: String::new(),
        }
    }

    /// A measurement that could not be made; counts as missed.
    pub fn failed(name: impl Into<String>, reason: String) -> Self {
        Self {
            measured: None,
            void: Some(reason),
            ..Self::new(name, 0.0, "")
        }
    }

    /// The figure must be at least `bar`.
    #[must_use]
    pub fn at_least(self, bar: f64) -> Self {
        Self {
            bar: Some(Bar::AtLeast(bar)),
            ..self
        }
    }

    /// The figure must be at most `bar`.
    #[must_use]
    pub fn at_most(self, bar: f64) -> Self {
        Self {
            bar: Some(Bar::AtMost(bar)),
            ..self
        }
    }

    /// Adds what is worth knowing.
    #[must_use]
    pub fn note(self, note: impl Into<String>) -> Self {
        Self {
            note: note.into(),
            ..self
        }
    }

    /// Declares the figure void where there is a reason.
    #[must_use]
    pub fn void_if(self, reason: Option<String>) -> Self {
        Self {
            void: reason,
            ..self
        }
    }

    /// Whether the bar was reached.
    pub fn verdict(&self) -> Verdict {
        match (self.measured, self.bar, &self.void) {
            (None, _, _) | (_, Some(_), Some(_)) => Verdict::Void,
            (_, None, _) => Verdict::Info,
            (Some(measured), Some(Bar::AtLeast(bar)), None) if measured >= bar => Verdict::Pass,
            (Some(measured), Some(Bar::AtMost(bar)), None) if measured <= bar => Verdict::Pass,
            (Some(_), Some(_), None) => Verdict::Miss,
        }
    }
}

/// One run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// Processor, cores, kernel.
    pub machine: String,
    /// How busy the machine was before the run, both cores together, from 0 to 1.
    pub busy_before: f64,
    /// Whether the run was a short one: its figures are rough.
    pub quick: bool,
    /// The figures, in the order of measuring.
    pub rows: Vec<Row>,
}

impl Report {
    /// Reads the report of an earlier run; None where there is none that can be read.
    pub fn load(path: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(path).ok()?).ok()
    }

    /// Writes the report as JSON.
    pub fn store(&self, path: &Path) -> anyhow::Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        }
        let mut value = serde_json::to_value(self).context("rendering the report")?;
        for (row, fields) in self
            .rows
            .iter()
            .zip(value["rows"].as_array_mut().into_iter().flatten())
        {
            fields["verdict"] =
                serde_json::to_value(row.verdict()).context("rendering a verdict")?;
        }
        let text = serde_json::to_string_pretty(&value).context("rendering the report")?;
        fs::write(path, text + "\n").with_context(|| format!("writing {}", path.display()))
    }

    /// Whether every bar was reached.
    pub fn is_passed(&self) -> bool {
        self.rows
            .iter()
            .all(|row| matches!(row.verdict(), Verdict::Pass | Verdict::Info))
    }

    /// The table for people, beside the figures of `before`.
    pub fn table(&self, before: Option<&Self>) -> String {
        let old: BTreeMap<&str, f64> = before
            .iter()
            .flat_map(|report| &report.rows)
            .filter_map(|row| Some((row.name.as_str(), row.measured?)))
            .collect();
        let mut cells =
            vec![["what", "bar", "before", "now", "unit", "", "remark"].map(str::to_owned)];
        cells.extend(
            self.rows
                .iter()
                .map(|row| row_cells(row, old.get(row.name.as_str()))),
        );
        let mut text = format!("{}\n", self.machine);
        if self.busy_before > QUIET {
            let busy = self.busy_before * 100.0;
            let _ = writeln!(
                text,
                "the machine was {busy:.0} % busy before the start: figures are noisy"
            );
        }
        if self.quick || before.is_some_and(|report| report.quick) {
            text.push_str("a short run is among these: its figures are rough\n");
        }
        let widths: [usize; 7] = std::array::from_fn(|column| {
            cells
                .iter()
                .map(|row| row[column].chars().count())
                .max()
                .unwrap_or(0)
        });
        for row in &cells {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                let width = widths[column];
                let _ = if matches!(column, 1..=3) {
                    write!(line, "{cell:>width$}  ")
                } else {
                    write!(line, "{cell:<width$}  ")
                };
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

fn row_cells(row: &Row, before: Option<&f64>) -> [String; 7] {
    let bar = match row.bar {
        None => String::new(),
        Some(Bar::AtLeast(bar)) => format!("≥ {}", figure(bar)),
        Some(Bar::AtMost(bar)) => format!("≤ {}", figure(bar)),
    };
    let verdict = match row.verdict() {
        Verdict::Pass => "pass",
        Verdict::Miss => "MISS",
        Verdict::Void => "VOID",
        Verdict::Info => "",
    };
    let remark = match &row.void {
        Some(reason) if row.note.is_empty() => format!("void: {reason}"),
        Some(reason) => format!("void: {reason}; {}", row.note),
        None => row.note.clone(),
    };
    [
        row.name.clone(),
        bar,
        before.map_or_else(String::new, |before| figure(*before)),
        row.measured.map_or_else(String::new, figure),
        row.unit.clone(),
        verdict.to_owned(),
        remark,
    ]
}

/// Three significant digits or so.
fn figure(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(measured: f64) -> Report {
        let rows = vec![
            Row::new("rate", measured, "mails/s").at_least(3000.0),
            Row::new("memory", 4.2, "MiB").at_most(5.0).note("as PSS"),
            Row::new("sessions 5", 9.0, "mails/s"),
        ];
        Report {
            machine: "m".into(),
            busy_before: 0.0,
            quick: false,
            rows,
        }
    }

    #[test]
    fn a_void_figure_counts_as_missed_however_good_it_is() {
        let row = Row::new("rate", 4000.0, "mails/s").at_least(3000.0);
        assert_eq!(row.verdict(), Verdict::Pass);
        let void = row.void_if(Some("core 1 was 95 % busy".into()));
        assert_eq!(void.verdict(), Verdict::Void);
        let report = Report {
            rows: vec![void],
            ..report(0.0)
        };
        assert!(!report.is_passed());
    }

    #[test]
    fn a_measurement_that_failed_counts_as_missed() {
        let row = Row::failed("latency", "a mail failed".into());
        assert_eq!(row.verdict(), Verdict::Void);
        let report = Report {
            rows: vec![row],
            ..report(0.0)
        };
        assert!(!report.is_passed());
        let line = report.table(None).lines().last().unwrap().to_owned();
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words, ["latency", "VOID", "void:", "a", "mail", "failed"]);
    }

    #[test]
    fn bars_are_reached_exactly_at_their_value() {
        assert_eq!(Row::new("a", 5.0, "").at_most(5.0).verdict(), Verdict::Pass);
        assert_eq!(
            Row::new("a", 5.01, "").at_most(5.0).verdict(),
            Verdict::Miss
        );
        assert_eq!(
            Row::new("a", 5.0, "").at_least(5.0).verdict(),
            Verdict::Pass
        );
        assert_eq!(Row::new("a", 5.0, "").verdict(), Verdict::Info);
        assert!(report(3000.0).is_passed());
        assert!(!report(2999.0).is_passed());
    }

    #[test]
    fn a_rerun_shows_the_figures_of_the_run_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/bench.json");
        assert!(Report::load(&path).is_none());
        report(2500.0).store(&path).unwrap();
        assert!(
            fs::read_to_string(&path)
                .unwrap()
                .contains("\"verdict\": \"miss\"")
        );
        let table = report(3200.0).table(Report::load(&path).as_ref());
        let line = table.lines().find(|line| line.starts_with("rate")).unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(
            words,
            ["rate", "≥", "3000", "2500", "3200", "mails/s", "pass"]
        );
    }
}
