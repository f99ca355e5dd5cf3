//! The caBundle in the `MutatingWebhookConfiguration`: read and patched. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, Patch, PatchOperation, TestOperation};
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;

/// Name of our webhook in the configuration; one that is called otherwise is never patched.
pub const WEBHOOK: &str = "inject.zohorelay.dev";

/// Our webhook in a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    index: usize,
    /// The caBundle as PEM; empty where there is none or it is not text.
    pub bundle: String,
}

/// Finds our webhook.
pub fn find(configuration: &MutatingWebhookConfiguration) -> Option<Entry> {
    let mut webhooks = configuration.webhooks.iter().flatten().enumerate();
    let (index, webhook) = webhooks.find(|(_, webhook)| webhook.name == WEBHOOK)?;
    let bundle = webhook.client_config.ca_bundle.as_ref();
    let bundle = bundle.and_then(|bundle| String::from_utf8(bundle.0.clone()).ok());
    Some(Entry {
        index,
        bundle: bundle.unwrap_or_default(),
    })
}

/// Puts the bundle in; fails on a configuration whose webhooks have changed places since.
pub fn patch(entry: &Entry, bundle: &str) -> Patch {
    let path = |rest: &[&str]| {
        let index = entry.index.to_string();
        let start = ["webhooks", &index];
        PointerBuf::from_tokens(start.iter().chain(rest).copied())
    };
    Patch(vec![
        PatchOperation::Test(TestOperation {
            path: path(&["name"]),
            value: WEBHOOK.into(),
        }),
        PatchOperation::Add(AddOperation {
            path: path(&["clientConfig", "caBundle"]),
            value: STANDARD.encode(bundle).into(),
        }),
    ])
}

#[cfg(test)]
mod tests;
