//! The spec of a `MailIdentity`. Descriptions become `kubectl explain`.
#![expect(
    unreachable_pub,
    reason = "KubeSchema copies each struct with its public fields into a function"
)]
#![expect(
    clippy::doc_markdown,
    reason = "kubectl explain prints these comments as plain text"
)]

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::choice::{
    AccountType, DataCenter, ForeignFrom, LineEndings, Security, Service, UnknownOutcome,
    Verification,
};
use super::{MailIdentityStatus, Seconds, Size, rule};

/// A mailbox at Zoho that pods may send as: its addresses, its server and the Secret with its
/// password.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "zohorelay.dev",
    version = "v1alpha1",
    kind = "MailIdentity",
    plural = "mailidentities",
    shortname = "mid",
    category = "zohorelay",
    namespaced,
    status = "MailIdentityStatus",
    derive = "PartialEq",
    validation = rule::name(),
    doc = "A mailbox at Zoho that pods of this namespace may send as.",
    printcolumn(name = "Address", type_ = "string", json_path = ".spec.address"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(
        name = "Verified",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"CredentialsVerified\")].status"
    ),
    printcolumn(
        name = "Delivering",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Delivering\")].status"
    ),
    printcolumn(name = "Pods", type_ = "integer", json_path = ".status.pods.attached"),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    printcolumn(
        name = "Server",
        type_ = "string",
        json_path = ".status.server",
        priority = 1
    ),
    printcolumn(
        name = "Last Failure",
        type_ = "string",
        json_path = ".status.delivery.lastFailure.class",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = rule::aliases_without_address(),
    validation = rule::username_of_mail(),
    validation = rule::zeptomail_without_host()
)]
pub struct MailIdentitySpec {
    /// The full address of the mailbox: the default sender, and the login unless
    /// credentials.username says otherwise.
    #[schemars(length(min = 3, max = 254))]
    #[x_kube(validation = rule::address())]
    pub address: String,
    /// The name that recipients see where the application gave none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    #[x_kube(validation = rule::one_line(), validation = rule::display_name_bytes())]
    pub display_name: Option<String>,
    /// The other addresses that Zoho lets this mailbox send as. Zoho refuses any other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "rule::aliases")]
    #[x_kube(validation = rule::distinct())]
    pub aliases: Vec<String>,
    /// Where the account lives at Zoho.
    #[serde(default)]
    pub zoho: Zoho,
    /// A server of your own choice instead of the one that zoho names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<Server>,
    /// The login.
    pub credentials: Credentials,
    /// What to do with mails whose From is not one of this identity's addresses.
    #[serde(default)]
    pub sender_policy: SenderPolicy,
    /// Times of patience, and what an unknown outcome is called.
    #[serde(default)]
    pub delivery: Delivery,
    /// Bounds, for each pod by itself.
    #[serde(default)]
    pub limits: Limits,
    /// What to do with a bare LF within content. Normalise: it becomes CRLF. Strict: the mail is
    /// refused. Bare CR and NUL are refused in both.
    #[serde(default)]
    pub line_endings: LineEndings,
    /// true: every pod answers 451 and nothing is sent, until it is false again.
    #[serde(default)]
    pub suspend: bool,
}

/// Where the account lives at Zoho.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Zoho {
    /// Mail: Zoho Mail. ZeptoMail: the service for transactional mail.
    #[serde(default)]
    pub service: Service,
    /// The data centre of the account; it is in the address of the web mail after login
    /// (mail.zoho.eu: EU). US, EU, IN, AU, JP, CN, CA, SA, AE (unconfirmed).
    #[serde(default)]
    pub data_center: DataCenter,
    /// Organization: a paid organisation with a domain of its own (smtppro.zoho.…). Personal: a
    /// personal account or a free organisation (smtp.zoho.…). Without meaning for ZeptoMail.
    #[serde(default)]
    pub account_type: AccountType,
}

/// A server of your own choice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = rule::port_25(),
    validation = rule::port_465(),
    validation = rule::port_587(),
    validation = rule::port_of_zoho(),
    validation = rule::security_of_port(),
    validation = rule::no_private_key()
)]
pub struct Server {
    /// DNS name of the server; its certificate must fit. One that is not Zoho's must be allowed by
    /// the operator's allowedUpstreamHosts.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rule::host())]
    pub host: String,
    /// TCP port. Default: 465, or 587 with security StartTls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<i32>,
    /// ImplicitTls: TLS from the first byte (465). StartTls: by STARTTLS (587). Default: as the port
    /// asks for. There is no value without TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Security")]
    pub security: Option<Security>,
    /// Further trust anchors beside the system's, as PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 65536))]
    #[x_kube(validation = rule::certificates())]
    pub ca_bundle: Option<String>,
}

/// A login.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Credentials {
    /// The name of the login. Default: address; for ZeptoMail: emailapikey.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 254))]
    #[x_kube(validation = rule::one_line(), validation = rule::username_bytes())]
    pub username: Option<String>,
    /// Where the password is: an app password of the mailbox, or the send-mail token of a ZeptoMail
    /// agent.
    pub password_secret_ref: SecretKeyRef,
    /// BestEffort: a login that could not be tried, because Zoho is out of the operator's reach, is
    /// published untried after a while. Required: it is never published untried.
    #[serde(default)]
    pub verification: Verification,
}

/// A key of a Secret in the identity's own namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyRef {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rule::secret_name())]
    pub name: String,
    /// Key in the Secret.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rule::secret_key())]
    pub key: String,
}

/// What to do with foreign senders.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SenderPolicy {
    /// Reject: refuse it at once, naming the addresses that are allowed. Rewrite: send it as this
    /// identity, the old From in Reply-To. Attach: attach it to a new mail of this identity. Pass:
    /// let Zoho decide, which refuses it after the whole mail.
    #[serde(default)]
    pub foreign_from: ForeignFrom,
    /// The same for forwarded invitations: a foreign From and a text/calendar part. Default: as
    /// foreignFrom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ForeignFrom")]
    pub foreign_calendar: Option<ForeignFrom>,
}

/// Times of patience, in whole seconds as in 25s or 5m.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// From the end of the application's mail to the server's go-ahead for it, 1s to 5m.
    #[serde(default = "default_deadline")]
    #[x_kube(validation = rule::deadline())]
    pub deadline: Seconds,
    /// Patience for the server's reply to the whole mail, 1s to 1h.
    #[serde(default = "default_final_reply_timeout")]
    #[x_kube(validation = rule::final_reply_timeout())]
    pub final_reply_timeout: Seconds,
    /// What the application is told when that reply is lost. Retry: 451, it may send again, which
    /// may make a second mail. Fail: 554, it gives up, which may lose the mail.
    #[serde(default)]
    pub unknown_outcome: UnknownOutcome,
}

impl Default for Delivery {
    fn default() -> Self {
        Self {
            deadline: default_deadline(),
            final_reply_timeout: default_final_reply_timeout(),
            unknown_outcome: UnknownOutcome::default(),
        }
    }
}

fn default_deadline() -> Seconds {
    Seconds::new(25)
}

fn default_final_reply_timeout() -> Seconds {
    Seconds::new(300)
}

/// Bounds, for each pod by itself: N pods may send N times as much.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Mails in an hour. Default: no pacing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub messages_per_hour: Option<i32>,
    /// Mails that may go at once before the pace holds. Default: 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub burst: Option<i32>,
    /// Recipients of a mail. Default: 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub recipients_per_message: Option<i32>,
    /// Size of a mail, 1Ki to 51Mi. Default: 40Mi.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = rule::message_bytes())]
    pub message_bytes: Option<Size>,
    /// Connections to the server at a time. Default: 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 50))]
    pub connections: Option<i32>,
}
