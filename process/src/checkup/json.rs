//! The report for programs.

use serde::ser::{Serialize, SerializeMap, SerializeStruct, Serializer};

use super::{Checkup, Finding};

impl Checkup {
    /// The report as indented JSON with a line end.
    pub fn json(&self) -> String {
        // Strings and numbers only: there is nothing that could fail.
        let text = serde_json::to_string_pretty(self).unwrap_or_default();
        format!("{text}\n")
    }
}

impl Serialize for Checkup {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut report = serializer.serialize_struct("Checkup", 6)?;
        report.serialize_field("program", self.program)?;
        report.serialize_field("version", self.version)?;
        report.serialize_field("exitCode", &self.exit_code())?;
        report.serialize_field("healthy", &self.first_failure().is_none())?;
        report.serialize_field("summary", &self.summary())?;
        report.serialize_field("findings", &self.findings)?;
        report.end()
    }
}

impl Serialize for Finding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut finding = serializer.serialize_struct("Finding", 6)?;
        finding.serialize_field("check", self.check.name)?;
        finding.serialize_field("subject", &self.subject)?;
        finding.serialize_field("verdict", self.verdict.as_str())?;
        finding.serialize_field("found", &self.found)?;
        finding.serialize_field("remedy", &self.remedy)?;
        finding.serialize_field("details", &Details(&self.details))?;
        finding.end()
    }
}

/// An object, its keys in the order in which they were added.
struct Details<'a>(&'a [(String, String)]);

impl Serialize for Details<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}
