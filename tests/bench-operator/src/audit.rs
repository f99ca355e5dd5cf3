//! The audit log of the API server: each request of the operator, counted where it cannot be missed.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;
use zohorelay_crds::keys;

/// The policy: requests of this user are logged without their bodies, and nobody else's.
pub fn policy(user: &str) -> String {
    format!(
        "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules:\n\
         - {{level: Metadata, users: [\"{user}\"]}}\n- level: None\n"
    )
}

/// The log as far as it was read.
#[derive(Debug)]
pub struct Audit {
    path: PathBuf,
    offset: u64,
    unfinished: Vec<u8>,
}

/// One request.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    stage: String,
    verb: String,
    #[serde(default)]
    object_ref: Object,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Object {
    resource: String,
    subresource: Option<String>,
    namespace: String,
    name: String,
}

/// Requests, counted.
#[derive(Debug, Default)]
pub struct Requests {
    by_kind: BTreeMap<String, u64>,
    /// Rendered Secrets that were read: namespace/name.
    pub read: HashSet<String>,
    /// Rendered Secrets that were written.
    pub written: HashSet<String>,
}

impl Audit {
    /// The log at this path, which need not be there yet.
    pub fn at(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            offset: 0,
            unfinished: Vec::new(),
        }
    }

    /// Adds what was logged since the last time.
    pub fn read_into(&mut self, requests: &mut Requests) -> Result<()> {
        let Ok(mut file) = File::open(&self.path) else {
            return Ok(());
        };
        file.seek(SeekFrom::Start(self.offset))?;
        let read = file.read_to_end(&mut self.unfinished)?;
        self.offset += read as u64;
        let whole = (self.unfinished.iter())
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        let lines: Vec<u8> = self.unfinished.drain(..whole).collect();
        for line in lines
            .split(|byte| *byte == b'\n')
            .filter(|it| !it.is_empty())
        {
            requests.add(serde_json::from_slice(line).context("reading the audit log")?);
        }
        Ok(())
    }

    /// Passes over what was logged until now.
    pub fn skip(&mut self) -> Result<()> {
        self.read_into(&mut Requests::default())
    }
}

impl Requests {
    /// A watch counts when it begins, everything else when it is answered.
    fn add(&mut self, entry: Entry) {
        let counted = match entry.verb.as_str() {
            "watch" => "ResponseStarted",
            _ => "ResponseComplete",
        };
        if entry.stage != counted {
            return;
        }
        let Object {
            resource,
            subresource,
            namespace,
            name,
        } = entry.object_ref;
        if resource == "secrets" && name.starts_with(keys::SECRET_PREFIX) {
            let name = format!("{namespace}/{name}");
            match entry.verb.as_str() {
                "get" => self.read.insert(name),
                "create" | "patch" => self.written.insert(name),
                _ => false,
            };
        }
        let resource = match subresource {
            Some(subresource) => format!("{resource}/{subresource}"),
            None => resource,
        };
        *self
            .by_kind
            .entry(format!("{} {resource}", entry.verb))
            .or_default() += 1;
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        self.by_kind.values().sum()
    }
}

/// The kinds that there are more than ten of.
impl fmt::Display for Requests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let many = self.by_kind.iter().filter(|(_, count)| **count > 10);
        let kinds: Vec<_> = many
            .map(|(kind, count)| format!("{count} {kind}"))
            .collect();
        f.write_str(&kinds.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn each_request_counts_once_and_half_a_line_waits_for_its_end() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let line = |stage: &str, verb: &str, name: &str| {
            format!(
                "{{\"stage\":\"{stage}\",\"verb\":\"{verb}\",\"objectRef\":{{\"resource\":\"secrets\",\
                 \"namespace\":\"a\",\"name\":\"{name}\"}}}}\n"
            )
        };
        let last = line("ResponseComplete", "create", "zohorelay-b");
        let text = line("ResponseStarted", "watch", "")
            + &line("ResponseComplete", "watch", "")
            + &line("ResponseComplete", "get", "zohorelay-b")
            + &line("ResponseComplete", "get", "b-zoho")
            + &last[..20];
        file.write_all(text.as_bytes()).unwrap();
        let mut audit = Audit::at(file.path());
        let mut requests = Requests::default();
        audit.read_into(&mut requests).unwrap();
        assert_eq!(
            (
                requests.total(),
                requests.read.len(),
                requests.written.len()
            ),
            (3, 1, 0)
        );
        file.write_all(&last.as_bytes()[20..]).unwrap();
        audit.read_into(&mut requests).unwrap();
        assert_eq!(requests.by_kind["watch secrets"], 1);
        assert_eq!(requests.by_kind["get secrets"], 2);
        assert!(requests.written.contains("a/zohorelay-b"));
    }
}
