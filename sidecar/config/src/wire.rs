//! The JSON form of a document: every field that has a default is optional here, and null is the
//! same as absent.

use serde::{Deserialize, Serialize, Serializer};

use crate::document::{ForeignFrom, HoldReason, LineEndings, Security, Service, UnknownOutcome};
use crate::parse::{object, optional_object};
use crate::password::{self, Password};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WireDocument {
    pub(crate) version: u64,
    pub(crate) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) namespace: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) uid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) revision: Option<u64>,
    #[serde(deserialize_with = "object")]
    pub(crate) addresses: WireAddresses,
    #[serde(deserialize_with = "object")]
    pub(crate) upstream: WireUpstream,
    #[serde(deserialize_with = "object")]
    pub(crate) login: WireLogin,
    #[serde(default, deserialize_with = "optional_object")]
    pub(crate) sender_policy: Option<WireSenderPolicy>,
    #[serde(default, deserialize_with = "optional_object")]
    pub(crate) delivery: Option<WireDelivery>,
    #[serde(default, deserialize_with = "optional_object")]
    pub(crate) limits: Option<WireLimits>,
    pub(crate) line_endings: Option<LineEndings>,
    pub(crate) suspend: Option<bool>,
    #[serde(
        default,
        deserialize_with = "optional_object",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) hold: Option<WireHold>,
    pub(crate) retry: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WireAddresses {
    pub(crate) primary: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) display_name: Option<String>,
    pub(crate) aliases: Option<Vec<String>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WireUpstream {
    pub(crate) service: Option<Service>,
    pub(crate) host: String,
    pub(crate) port: u64,
    pub(crate) security: Security,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trust_anchors: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WireLogin {
    pub(crate) username: String,
    #[serde(serialize_with = "expose", deserialize_with = "password::deserialize")]
    pub(crate) password: Password,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WireSenderPolicy {
    pub(crate) foreign_from: Option<ForeignFrom>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) foreign_calendar: Option<ForeignFrom>,
}

#[derive(Clone, Copy, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WireDelivery {
    pub(crate) deadline_seconds: Option<u64>,
    pub(crate) final_reply_timeout_seconds: Option<u64>,
    pub(crate) unknown_outcome: Option<UnknownOutcome>,
}

#[derive(Clone, Copy, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WireLimits {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) messages_per_hour: Option<u64>,
    pub(crate) burst: Option<u64>,
    pub(crate) recipients_per_message: Option<u64>,
    pub(crate) message_bytes: Option<u64>,
    pub(crate) connections: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WireHold {
    pub(crate) until: String,
    pub(crate) reason: HoldReason,
}

/// The one place that writes a password.
fn expose<S: Serializer>(password: &Password, output: S) -> Result<S::Ok, S::Error> {
    output.serialize_str(password.expose())
}
