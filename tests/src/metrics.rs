//! The text of `/metrics`, read.

use std::collections::BTreeMap;
use std::fmt;

/// Series and their values, with the names as in the text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics(BTreeMap<String, f64>);

impl Metrics {
    /// Reads the text format 0.0.4.
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let series = lines.filter_map(|line| line.rsplit_once(' '));
        Self(
            series
                .map(|(name, value)| (name.to_owned(), value.parse().expect(name)))
                .collect(),
        )
    }

    /// The value of the series `name{…}` that has all these labels; 0 if there is none.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let wanted: Vec<_> = labels.iter().map(|(k, v)| format!("{k}=\"{v}\"")).collect();
        let fits = |series: &str| {
            let family = series.split('{').next().unwrap_or(series);
            family == name && wanted.iter().all(|label| series.contains(label.as_str()))
        };
        self.0
            .iter()
            .filter(|(series, _)| fits(series))
            .map(|(_, value)| value)
            .sum()
    }

    /// What rose since `before`, by series whose name contains `part`.
    pub fn risen(&self, before: &Self, part: &str) -> Risen {
        let rise = |(series, value): (&String, &f64)| {
            let by = value - before.0.get(series).copied().unwrap_or(0.0);
            (by != 0.0 && series.contains(part)).then(|| (series.clone(), by))
        };
        Risen(self.0.iter().filter_map(rise).collect())
    }
}

/// Series that rose, and by how much.
#[derive(Clone, Debug, PartialEq)]
pub struct Risen(pub Vec<(String, f64)>);

impl fmt::Display for Risen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let series: Vec<_> = self
            .0
            .iter()
            .map(|(name, by)| format!("{name} +{by}"))
            .collect();
        f.write_str(&series.join(", "))
    }
}
