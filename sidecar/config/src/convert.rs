//! Between the JSON form and the types.

use std::time::Duration;

use jiff::Timestamp;
use zohorelay_smtp::address::Address;

use crate::bounds;
use crate::document::{Addresses, Delivery, Document, Hold, Limits, Login, SenderPolicy, Upstream};
use crate::error::DocumentError;
use crate::wire::{
    WireAddresses, WireDelivery, WireDocument, WireHold, WireLimits, WireLogin, WireSenderPolicy,
    WireUpstream,
};

/// Fills defaults in and gives texts their types. What remains to be checked is bounds.
pub(crate) fn from_wire(wire: WireDocument) -> Result<Document, DocumentError> {
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

/// The whole document, its defaults written out.
pub(crate) fn to_wire(document: &Document) -> WireDocument {
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
