//! From JSON to a checked document, and back.

use std::fmt::Display;
use std::io::{self, Write};
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde_path_to_error::Segment;
use zeroize::Zeroizing;
use zohorelay_smtp::address::Address;

use crate::bounds;
use crate::document::{
    Addresses, Delivery, Document, Hold, Limits, Loaded, Login, SenderPolicy, Upstream,
};
use crate::error::DocumentError;
use crate::wire::{
    WireAddresses, WireDelivery, WireDocument, WireHold, WireLimits, WireLogin, WireSenderPolicy,
    WireUpstream,
};

/// How many unknown fields are named, and how long a name may be.
const UNKNOWN_FIELDS_MAX: usize = 100;
const UNKNOWN_FIELD_CHARS_MAX: usize = 200;

impl Document {
    /// Reads and checks a document. Unknown fields are ignored and listed; the caller wipes `json`.
    pub fn load(json: &[u8]) -> Result<Loaded, DocumentError> {
        if json.len() > bounds::DOCUMENT_BYTES_MAX {
            return Err(DocumentError::TooLarge {
                size_bytes: json.len(),
            });
        }
        check_version(json)?;
        let mut unknown_fields = Vec::new();
        let wire: WireDocument = parse(json, &mut |path| {
            if unknown_fields.len() < UNKNOWN_FIELDS_MAX {
                unknown_fields.push(ignored_path(path));
            }
        })?;
        let document = from_wire(wire)?;
        document.check()?;
        Ok(Loaded {
            document,
            unknown_fields,
        })
    }

    /// Renders the document as JSON, its password included. Refuses what [`Document::load`] would
    /// refuse, so that no sidecar is handed a document that it cannot read.
    pub fn to_json(&self) -> Result<Zeroizing<Vec<u8>>, DocumentError> {
        self.check()?;
        let wire = to_wire(self);
        // Measured first: a buffer that grows would leave copies of the password behind.
        let mut length = Length(0);
        write_json(&wire, &mut length)?;
        if length.0 > bounds::DOCUMENT_BYTES_MAX {
            return Err(DocumentError::TooLarge {
                size_bytes: length.0,
            });
        }
        let mut json = Zeroizing::new(Vec::with_capacity(length.0));
        write_json(&wire, &mut *json)?;
        Ok(json)
    }
}

/// Before all else: a document of another version may look different anywhere.
fn check_version(json: &[u8]) -> Result<(), DocumentError> {
    #[derive(Deserialize)]
    struct Versioned {
        version: u64,
    }
    let Versioned { version } = parse(json, &mut |_| {})?;
    if bounds::VERSIONS.contains(&version) {
        Ok(())
    } else {
        Err(DocumentError::UnknownVersion { found: version })
    }
}

fn parse<'a, T: Deserialize<'a>>(
    json: &'a [u8],
    ignored: &mut dyn FnMut(&serde_ignored::Path<'_>),
) -> Result<T, DocumentError> {
    let mut input = serde_json::Deserializer::from_slice(json);
    let mut ignore = |path: serde_ignored::Path<'_>| ignored(&path);
    let value =
        serde_path_to_error::deserialize(serde_ignored::Deserializer::new(&mut input, &mut ignore))
            .map_err(|error| explain(&error))?;
    input.end().map_err(|error| syntax(&error))?;
    Ok(value)
}

/// Says what is wrong without quoting the value, which may be a secret in the wrong place: of
/// serde's text only what follows the last "expected", which never comes from the document.
fn explain(error: &serde_path_to_error::Error<serde_json::Error>) -> DocumentError {
    if !error.inner().is_data() {
        return syntax(error.inner());
    }
    let mut path = field_path(error.path());
    let text = error.inner().to_string();
    let text = text
        .rsplit_once(" at line ")
        .map_or(text.as_str(), |(text, _)| text);
    if let Some(field) = text.strip_prefix("missing field ") {
        let field = field.trim_matches('`');
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(field);
        return DocumentError::field(path, "this field is missing; set it");
    }
    if let Some(field) = text.strip_prefix("duplicate field ") {
        let problem = format!("the field {field} stands here twice; keep one of them");
        return DocumentError::field(or_root(path), problem);
    }
    let problem = match text.rsplit_once(", expected ") {
        Some((_, expected)) => format!("{} is needed here; set one", plainly(expected)),
        None => "the value has the wrong form".to_owned(),
    };
    DocumentError::field(or_root(path), problem)
}

/// What serde calls a type, in words of JSON.
fn plainly(expected: &str) -> &str {
    match expected {
        "u64" => "a whole number, 0 or more,",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        other if other.starts_with("struct ") => "an object",
        other => other,
    }
}

fn or_root(path: String) -> String {
    if path.is_empty() {
        "the document".to_owned()
    } else {
        path
    }
}

fn syntax(error: &serde_json::Error) -> DocumentError {
    let text = error.to_string();
    let problem = text
        .rsplit_once(" at line ")
        .map_or(text.as_str(), |(text, _)| text)
        .to_owned();
    DocumentError::Syntax {
        problem,
        line: error.line(),
        column: error.column(),
    }
}

/// The path in the form `addresses.aliases[2]`. The variant of an enum is a value: left out.
fn field_path(path: &serde_path_to_error::Path) -> String {
    let mut text = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => push_index(&mut text, index),
            Segment::Map { key } => push_key(&mut text, key),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    text
}

fn ignored_path(path: &serde_ignored::Path<'_>) -> String {
    fn render(path: &serde_ignored::Path<'_>, text: &mut String) {
        use serde_ignored::Path;
        match path {
            Path::Root => {}
            Path::Seq { parent, index } => {
                render(parent, text);
                push_index(text, index);
            }
            Path::Map { parent, key } => {
                render(parent, text);
                push_key(text, key);
            }
            Path::Some { parent }
            | Path::NewtypeStruct { parent }
            | Path::NewtypeVariant { parent } => render(parent, text),
        }
    }
    let mut text = String::new();
    render(path, &mut text);
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(UNKNOWN_FIELD_CHARS_MAX)
        .collect()
}

fn push_index(text: &mut String, index: impl Display) {
    text.push_str(&format!("[{index}]"));
}

fn push_key(text: &mut String, key: &str) {
    if !text.is_empty() {
        text.push('.');
    }
    text.push_str(key);
}

fn from_wire(wire: WireDocument) -> Result<Document, DocumentError> {
    let WireDocument {
        version: _,
        name,
        namespace,
        uid,
        revision,
        addresses,
        upstream,
        login: WireLogin { username, password },
        sender_policy,
        delivery,
        limits,
        line_endings,
        suspend,
        hold,
        retry,
    } = wire;
    let policy = sender_policy.unwrap_or_default();
    Ok(Document {
        name,
        namespace,
        uid,
        revision,
        addresses: addresses_from_wire(addresses)?,
        upstream: upstream_from_wire(upstream)?,
        login: Login { username, password },
        sender_policy: SenderPolicy {
            foreign_from: policy.foreign_from.unwrap_or_default(),
            foreign_calendar: policy.foreign_calendar,
        },
        delivery: delivery_from_wire(delivery.unwrap_or_default()),
        limits: limits_from_wire(limits.unwrap_or_default()),
        line_endings: line_endings.unwrap_or_default(),
        suspend: suspend.unwrap_or_default(),
        hold: hold.map(hold_from_wire).transpose()?,
        retry: retry.unwrap_or_default(),
    })
}

fn addresses_from_wire(wire: WireAddresses) -> Result<Addresses, DocumentError> {
    let WireAddresses {
        primary,
        display_name,
        aliases,
    } = wire;
    let aliases = aliases.unwrap_or_default();
    let aliases = aliases
        .iter()
        .enumerate()
        .map(|(index, alias)| address(&format!("addresses.aliases[{index}]"), alias))
        .collect::<Result<_, _>>()?;
    Ok(Addresses {
        primary: address("addresses.primary", &primary)?,
        display_name,
        aliases,
    })
}

fn address(path: &str, text: &str) -> Result<Address, DocumentError> {
    Address::parse(text).map_err(|error| {
        DocumentError::field(
            path,
            format!("{error}; set one address, as in billing@example.com"),
        )
    })
}

fn upstream_from_wire(wire: WireUpstream) -> Result<Upstream, DocumentError> {
    let WireUpstream {
        service,
        host,
        port,
        security,
        trust_anchors,
    } = wire;
    let Ok(port) = u16::try_from(port) else {
        return Err(DocumentError::field(
            "upstream.port",
            "a port is a number from 1 to 65535",
        ));
    };
    Ok(Upstream {
        service: service.unwrap_or_default(),
        host,
        port,
        security,
        trust_anchors,
    })
}

fn delivery_from_wire(wire: WireDelivery) -> Delivery {
    let WireDelivery {
        deadline_seconds,
        final_reply_timeout_seconds,
        unknown_outcome,
    } = wire;
    let default = Delivery::default();
    let seconds = |value: Option<u64>, default| value.map_or(default, Duration::from_secs);
    Delivery {
        deadline: seconds(deadline_seconds, default.deadline),
        final_reply_timeout: seconds(final_reply_timeout_seconds, default.final_reply_timeout),
        unknown_outcome: unknown_outcome.unwrap_or_default(),
    }
}

fn limits_from_wire(wire: WireLimits) -> Limits {
    let WireLimits {
        messages_per_hour,
        burst,
        recipients_per_message,
        message_bytes,
        connections,
    } = wire;
    // A number too large for u32 is out of every bound: the check refuses u32::MAX as well.
    let narrow = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    let default = Limits::default();
    Limits {
        messages_per_hour: messages_per_hour.map(narrow),
        burst: burst.map_or(default.burst, narrow),
        recipients_per_message: recipients_per_message
            .map_or(default.recipients_per_message, narrow),
        message_bytes: message_bytes.unwrap_or(default.message_bytes),
        connections: connections.map_or(default.connections, narrow),
    }
}

fn hold_from_wire(wire: WireHold) -> Result<Hold, DocumentError> {
    let WireHold { until, reason } = wire;
    let Ok(until) = until.parse::<Timestamp>() else {
        let problem = "a point in time is needed here, as in 2026-11-23T10:00:00Z (RFC 3339)";
        return Err(DocumentError::field("hold.until", problem));
    };
    Ok(Hold { until, reason })
}

fn to_wire(document: &Document) -> WireDocument {
    let Document {
        name,
        namespace,
        uid,
        revision,
        addresses:
            Addresses {
                primary,
                display_name,
                aliases,
            },
        upstream:
            Upstream {
                service,
                host,
                port,
                security,
                trust_anchors,
            },
        login: Login { username, password },
        sender_policy:
            SenderPolicy {
                foreign_from,
                foreign_calendar,
            },
        delivery:
            Delivery {
                deadline,
                final_reply_timeout,
                unknown_outcome,
            },
        limits,
        line_endings,
        suspend,
        hold,
        retry,
    } = document;
    WireDocument {
        version: bounds::VERSIONS[bounds::VERSIONS.len() - 1],
        name: name.clone(),
        namespace: namespace.clone(),
        uid: uid.clone(),
        revision: *revision,
        addresses: WireAddresses {
            primary: primary.as_str().to_owned(),
            display_name: display_name.clone(),
            aliases: Some(
                aliases
                    .iter()
                    .map(|alias| alias.as_str().to_owned())
                    .collect(),
            ),
        },
        upstream: WireUpstream {
            service: Some(*service),
            host: host.clone(),
            port: u64::from(*port),
            security: *security,
            trust_anchors: trust_anchors.clone(),
        },
        login: WireLogin {
            username: username.clone(),
            password: password.clone(),
        },
        sender_policy: Some(WireSenderPolicy {
            foreign_from: Some(*foreign_from),
            foreign_calendar: *foreign_calendar,
        }),
        delivery: Some(WireDelivery {
            deadline_seconds: Some(deadline.as_secs()),
            final_reply_timeout_seconds: Some(final_reply_timeout.as_secs()),
            unknown_outcome: Some(*unknown_outcome),
        }),
        limits: Some(limits_to_wire(*limits)),
        line_endings: Some(*line_endings),
        suspend: Some(*suspend),
        hold: hold.map(|Hold { until, reason }| WireHold {
            until: until.to_string(),
            reason,
        }),
        retry: Some(*retry),
    }
}

fn limits_to_wire(limits: Limits) -> WireLimits {
    let Limits {
        messages_per_hour,
        burst,
        recipients_per_message,
        message_bytes,
        connections,
    } = limits;
    WireLimits {
        messages_per_hour: messages_per_hour.map(u64::from),
        burst: Some(u64::from(burst)),
        recipients_per_message: Some(u64::from(recipients_per_message)),
        message_bytes: Some(message_bytes),
        connections: Some(u64::from(connections)),
    }
}

fn write_json(wire: &WireDocument, output: impl Write) -> Result<(), DocumentError> {
    serde_json::to_writer(output, wire).map_err(|error| syntax(&error))
}

/// Counts what is written.
struct Length(usize);

impl Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
