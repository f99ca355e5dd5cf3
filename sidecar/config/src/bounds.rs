//! What values the fields of a document may take.

use std::ops::RangeInclusive;

/// The versions of the document that this crate reads; it writes the last.
pub const VERSIONS: [u64; 1] = [1];

/// Size of a whole document, in bytes. A Kubernetes Secret holds no more.
pub const DOCUMENT_BYTES_MAX: usize = 1024 * 1024;

/// Length of `name` and `namespace`, in characters: a DNS label (RFC 1123 section 2.1).
pub const LABEL_CHARS_MAX: usize = 63;

/// Length of `uid`, in bytes.
pub const UID_BYTES_MAX: usize = 64;

/// Length of `addresses.displayName`, in bytes.
pub const DISPLAY_NAME_BYTES_MAX: usize = 256;

/// Number of `addresses.aliases`.
pub const ALIASES_MAX: usize = 100;

/// Length of `upstream.host`, in characters, without a final dot (RFC 1035 section 2.3.4).
pub const HOST_CHARS_MAX: usize = 253;

/// `upstream.port`; 25 is refused too.
pub const PORT: RangeInclusive<u64> = 1..=65_535;

/// Length of `upstream.trustAnchors`, in bytes of PEM.
pub const TRUST_ANCHORS_BYTES_MAX: usize = 64 * 1024;

/// Length of `login.username`, in bytes: that of an address (RFC 5321 section 4.5.3.1.3).
pub const USERNAME_BYTES_MAX: usize = 254;

/// Length of `login.password`, in bytes: fits an AUTH line (RFC 4954 section 4).
pub const PASSWORD_BYTES_MAX: usize = 4096;

/// `delivery.deadlineSeconds`.
pub const DEADLINE_SECONDS: RangeInclusive<u64> = 1..=300;

/// `delivery.finalReplyTimeoutSeconds`.
pub const FINAL_REPLY_TIMEOUT_SECONDS: RangeInclusive<u64> = 1..=3600;

/// `limits.messagesPerHour`.
pub const MESSAGES_PER_HOUR: RangeInclusive<u64> = 1..=100_000;

/// `limits.burst`.
pub const BURST: RangeInclusive<u64> = 1..=1000;

/// `limits.recipientsPerMessage`.
pub const RECIPIENTS_PER_MESSAGE: RangeInclusive<u64> = 1..=1000;

/// `limits.messageBytes`: 1 KiB to 51 MiB, the SIZE that Zoho offers (`docs/zoho.md` session).
pub const MESSAGE_BYTES: RangeInclusive<u64> = 1024..=51 * 1024 * 1024;

/// `limits.connections`.
pub const CONNECTIONS: RangeInclusive<u64> = 1..=50;

/// Domains of Zoho's own servers: below them only 465 and 587 take mail from programs.
pub const ZOHO_DOMAINS: [&str; 15] = [
    "zoho.com",
    "zoho.eu",
    "zoho.in",
    "zoho.com.au",
    "zoho.jp",
    "zoho.com.cn",
    "zohocloud.ca",
    "zoho.sa",
    "zoho.ae",
    "zoho.uk",
    "zeptomail.com",
    "zeptomail.eu",
    "zeptomail.in",
    "zeptomail.com.au",
    "zeptomail.com.cn",
];
