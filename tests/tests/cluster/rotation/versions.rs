//! All versions of the Secret that pods read.

use std::sync::{Arc, Mutex};

use futures_util::{StreamExt as _, pin_mut};
use k8s_openapi::api::core::v1::Secret;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{Config, Event, watcher};
use serde_json::Value;
use tokio::task::AbortHandle;
use zohorelay_tests::ground::shop::Shop;

/// What was in `zohorelay-billing`, version by version, from now on.
pub(super) struct Versions {
    documents: Arc<Mutex<Vec<String>>>,
    task: AbortHandle,
}

impl Versions {
    pub(super) fn watch(shop: &Shop) -> Self {
        let documents: Arc<Mutex<Vec<String>>> = Arc::default();
        let only = Config::default().fields("metadata.name=zohorelay-billing");
        let events = watcher(shop.api::<Secret>(), only).default_backoff();
        let seen = documents.clone();
        let watch = async move {
            pin_mut!(events);
            while let Some(event) = events.next().await {
                let Ok(Event::Apply(secret) | Event::InitApply(secret)) = event else {
                    continue;
                };
                let data = secret.data.unwrap_or_default().into_values();
                let texts = data.map(|data| String::from_utf8(data.0).expect("UTF-8"));
                seen.lock().expect("no panic").extend(texts);
            }
        };
        let task = tokio::spawn(watch).abort_handle();
        Self { documents, task }
    }

    /// The passwords, each once for the versions in a row that have it.
    pub(super) fn passwords(&self) -> Vec<String> {
        let documents = self.documents.lock().expect("no panic");
        let password = |text: &String| {
            let document: Value = serde_json::from_str(text).expect("JSON");
            let password = document["login"]["password"].as_str();
            password.expect("a password").to_owned()
        };
        let mut passwords: Vec<_> = documents.iter().map(password).collect();
        passwords.dedup();
        passwords
    }

    /// Asserts that it was nowhere in any version.
    pub(super) fn assert_without(&self, text: &str) {
        let documents = self.documents.lock().expect("no panic");
        let with = documents.iter().filter(|document| document.contains(text));
        assert_eq!(with.count(), 0, "in a document of {}", documents.len());
    }
}

impl Drop for Versions {
    fn drop(&mut self) {
        self.task.abort();
    }
}
