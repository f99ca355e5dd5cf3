//! The termination log: what a pod that lives less than a scrape leaves behind. The kubelet copies
//! the file into the container's status, where the operator reads it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::Notify;
use zohorelay_process::chain;

use crate::roster::Roster;
use crate::shutdown::Shutdown;
use crate::tally::{Circumstances, LastFailure};

/// The kubelet keeps 4,096 bytes.
const LIMIT_BYTES: usize = 4000;

/// At most one write in this time.
const INTERVAL: Duration = Duration::from_secs(1);

/// The file, and the wish to write it.
#[derive(Debug)]
pub struct LastWords {
    path: PathBuf,
    changed: Notify,
}

#[derive(Serialize)]
struct Words<'a> {
    version: u32,
    identities: BTreeMap<&'a str, OfIdentity>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OfIdentity {
    sent: u64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    failed: BTreeMap<&'static str, u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_accepted: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_failure: Option<LastFailure>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    last_failures: BTreeMap<&'static str, Circumstances>,
}

impl LastWords {
    /// Words for the file at `path`; it is written only where it exists already.
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            changed: Notify::new(),
        }
    }

    /// A mail failed.
    pub fn changed(&self) {
        self.changed.notify_one();
    }

    /// Writes after each failure, at most once a second, until the shutdown.
    pub async fn keep(&self, roster: &Roster, shutdown: &Shutdown) {
        while shutdown
            .token()
            .run_until_cancelled(self.changed.notified())
            .await
            .is_some()
        {
            self.write(roster);
            shutdown
                .token()
                .run_until_cancelled(tokio::time::sleep(INTERVAL))
                .await;
        }
    }

    /// Writes now.
    pub fn write(&self, roster: &Roster) {
        if !self.path.exists() {
            return;
        }
        if let Err(error) = std::fs::write(&self.path, render(roster)) {
            tracing::warn!(error = %chain(&error), "cannot write the termination log");
        }
    }
}

/// The words, cut to whole identities where there are too many.
fn render(roster: &Roster) -> Vec<u8> {
    let mut identities = BTreeMap::new();
    let mut text = Vec::new();
    for identity in roster {
        let counts = identity.tally.counts();
        let of_identity = OfIdentity {
            sent: counts.accepted,
            failed: counts.failed,
            last_accepted: counts.last_accepted,
            last_failure: counts.last_failure,
            last_failures: counts.last_failures,
        };
        identities.insert(identity.name(), of_identity);
        let words = Words {
            version: 1,
            identities,
        };
        let longer = serde_json::to_vec(&words).unwrap_or_default();
        if longer.len() > LIMIT_BYTES {
            break;
        }
        text = longer;
        identities = words.identities;
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use zohorelay_smtp::reply::Reply;
    use zohorelay_upstream::failure::{Class, Failure, Stage};

    use super::*;
    use crate::identity::Identity;
    use crate::metrics::Metrics;
    use crate::outcome::{Local, Outcome};

    fn roster(names: &[String]) -> Roster {
        let metrics = Metrics::new("1").unwrap();
        let identity = |name: &String| Arc::new(Identity::new(name, metrics.identity(name)));
        Roster::new(names.iter().map(identity).collect())
    }

    #[test]
    fn they_name_the_class_and_fit_into_the_status_of_a_container() {
        let names: Vec<_> = (0..200).map(|n| format!("identity-{n:0>40}")).collect();
        let roster = roster(&names);
        for identity in &roster {
            identity
                .tally
                .note(&Outcome::Local(Local::Spool), jiff::Timestamp::now());
        }
        let words = render(&roster);
        assert!(words.len() <= LIMIT_BYTES);
        let words: serde_json::Value = serde_json::from_slice(&words).unwrap();
        assert_eq!(words["identities"][&names[0]]["failed"]["busy"], 1);
        assert_eq!(
            words["identities"][&names[0]]["lastFailure"]["class"],
            "busy"
        );
        assert!(words["identities"][&names[0]]["lastFailures"]["busy"]["at"].is_string());
    }

    #[test]
    fn every_class_of_one_identity_fits_and_the_last_success_is_told() {
        let roster = roster(&["x".repeat(63)]);
        let tally = &roster.default_identity().tally;
        for class in Class::ALL {
            let failure = Failure::new(class, Stage::EndOfData, "host", "detail")
                .with_reply(Reply::new(550, None, "no"));
            tally.note(&Outcome::Upstream(failure), jiff::Timestamp::now());
        }
        let accepted = Outcome::Accepted(Reply::new(250, None, "ok"));
        tally.note(&accepted, "2026-11-23T11:40:43Z".parse().unwrap());
        let words: serde_json::Value = serde_json::from_slice(&render(&roster)).unwrap();
        let words = &words["identities"][roster.default_identity().name()];
        assert_eq!(words["lastFailures"].as_object().unwrap().len(), 22);
        assert_eq!(words["lastAccepted"], "2026-11-23T11:40:43Z");
    }

    #[test]
    fn a_file_that_is_not_there_is_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("termination-log");
        let words = LastWords::new(path.clone());
        words.write(&roster(&["billing".to_owned()]));
        assert!(!path.exists());
        std::fs::write(&path, "").unwrap();
        words.write(&roster(&["billing".to_owned()]));
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            r#"{"version":1,"identities":{"billing":{"sent":0}}}"#
        );
    }
}
