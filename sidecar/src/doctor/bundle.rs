//! All that was seen, in one file for a support ticket: JSON, without passwords, addresses masked.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use zohorelay_config::Document;
use zohorelay_process::checkup::Checkup;
use zohorelay_process::{Refusal, exit};
use zohorelay_smtp::address::Address;

use super::running::page;
use super::secret::{Secrets, mask_addresses, mask_name};
use crate::args::DoctorArgs;

/// The bundle as text, with a line end.
pub(crate) async fn make(
    args: &DoctorArgs,
    checkup: &Checkup,
    documents: &[Document],
    secrets: &Secrets,
) -> String {
    let parsed = |text: &str| serde_json::from_str::<Value>(text).unwrap_or(Value::Null);
    let asked = async |address, path| match page(address, path).await {
        Ok(text) => parsed(&text),
        Err(reason) => json!({"missing": reason}),
    };
    let metrics = match page(args.admin, "/metrics").await {
        Ok(text) => text.lines().map(Value::from).collect(),
        Err(reason) => json!({"missing": reason}),
    };
    let bundle = json!({
        "bundle": 1,
        "version": env!("CARGO_PKG_VERSION"),
        "at": Timestamp::now().to_string(),
        "checkup": parsed(&checkup.json()),
        "documents": documents.iter().map(redact).collect::<Vec<_>>(),
        "summary": asked(args.admin, "/summary").await,
        "status": asked(args.page, "/status").await,
        "metrics": metrics,
    });
    let text = serde_json::to_string_pretty(&mask(bundle, secrets)).unwrap_or_default();
    format!("{text}\n")
}

/// Each text without secrets and whole addresses. A Message-ID stays: support searches by it.
fn mask(value: Value, secrets: &Secrets) -> Value {
    match value {
        Value::String(text) => mask_addresses(&secrets.hide(&text)).into(),
        Value::Array(all) => all.into_iter().map(|value| mask(value, secrets)).collect(),
        Value::Object(fields) => {
            let masked = fields.into_iter().map(|(name, value)| match name.as_str() {
                "messageId" => (name, value),
                _ => (secrets.hide(&name), mask(value, secrets)),
            });
            Value::Object(masked.collect::<Map<_, _>>())
        }
        other => other,
    }
}

/// A document field by field, so that what is not named here is not in it.
fn redact(document: &Document) -> Value {
    let upstream = &document.upstream;
    let username = &document.login.username;
    let has_blank = document
        .login
        .password
        .expose()
        .contains(char::is_whitespace);
    json!({
        "name": document.name,
        "namespace": document.namespace,
        "uid": document.uid,
        "revision": document.revision,
        "addresses": document.addresses.all().map(Address::as_str).collect::<Vec<_>>(),
        "upstream": {
            "service": upstream.service,
            "host": upstream.host,
            "port": upstream.port,
            "security": upstream.security,
            "hasTrustAnchors": upstream.trust_anchors.is_some(),
        },
        "login": {
            "username": if username.contains('@') { username.clone() } else { mask_name(username) },
            "usernameIsPrimary": username.eq_ignore_ascii_case(document.addresses.primary.as_str()),
            "password": "(hidden)",
            "passwordHasBlank": has_blank,
        },
        "senderPolicy": {
            "foreignFrom": document.sender_policy.foreign_from,
            "foreignCalendar": document.sender_policy.foreign_calendar,
        },
        "delivery": {
            "deadlineSeconds": document.delivery.deadline.as_secs(),
            "finalReplyTimeoutSeconds": document.delivery.final_reply_timeout.as_secs(),
            "unknownOutcome": document.delivery.unknown_outcome,
        },
        "limits": {
            "messagesPerHour": document.limits.messages_per_hour,
            "burst": document.limits.burst,
            "recipientsPerMessage": document.limits.recipients_per_message,
            "messageBytes": document.limits.message_bytes,
            "connections": document.limits.connections,
        },
        "lineEndings": document.line_endings,
        "suspend": document.suspend,
        "hold": document.hold.map(|hold| json!({
            "until": hold.until.to_string(),
            "reason": hold.reason.as_str(),
        })),
        "retry": document.retry,
    })
}

/// Writes a new file that only its owner may read.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), Refusal> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let done = options
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()));
    done.map_err(|error| {
        let path = path.display();
        let what = if error.kind() == io::ErrorKind::AlreadyExists {
            "there is such a file already, and none is overwritten; give another name".to_owned()
        } else {
            format!("{error}; give a folder that can be written, or `--bundle -` for stdout")
        };
        Refusal::new(exit::CANNOT_CREATE, format!("--bundle {path}: {what}"))
    })
}
