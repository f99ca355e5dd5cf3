//! The document of a spec, all but its password.

use zohorelay_config::{
    Addresses, Delivery, Document, DocumentError, ForeignFrom, Limits, LineEndings, Login,
    Password, SenderPolicy, UnknownOutcome,
};
use zohorelay_crds::MailIdentity;
use zohorelay_crds::v1alpha1 as crds;
use zohorelay_smtp::address::Address;

use super::{Problem, upstream};
use crate::host::AllowedHosts;

/// The user name of every `ZeptoMail` agent (`docs/zoho.md` hosts and ports).
const ZEPTO_USERNAME: &str = "emailapikey";

/// Stands where the password will be while the rest is checked.
const NO_PASSWORD: &str = "-";

/// The document, checked by the same rules by which a sidecar reads it.
pub(super) fn document(
    identity: &MailIdentity,
    allowed: &AllowedHosts,
) -> Result<Document, Problem> {
    let spec = &identity.spec;
    let meta = &identity.metadata;
    let document = Document {
        name: meta.name.clone().unwrap_or_default(),
        namespace: meta.namespace.clone(),
        uid: meta.uid.clone(),
        revision: None,
        addresses: addresses(spec)?,
        upstream: upstream::upstream(spec, allowed)?,
        login: Login {
            username: username(spec)?,
            password: Password::new(NO_PASSWORD.to_owned()),
        },
        sender_policy: SenderPolicy {
            foreign_from: foreign_from(spec.sender_policy.foreign_from),
            foreign_calendar: spec.sender_policy.foreign_calendar.map(foreign_from),
        },
        delivery: delivery(&spec.delivery),
        limits: limits(&spec.limits),
        line_endings: match spec.line_endings {
            crds::LineEndings::Normalise => LineEndings::Normalise,
            crds::LineEndings::Strict => LineEndings::Strict,
        },
        suspend: spec.suspend,
        hold: None,
        retry: 0,
    };
    document.check().map_err(|error| explain(&error))?;
    Ok(document)
}

fn addresses(spec: &crds::MailIdentitySpec) -> Result<Addresses, Problem> {
    let aliases = spec.aliases.iter().enumerate();
    let aliases = aliases.map(|(index, alias)| address(&format!("spec.aliases[{index}]"), alias));
    Ok(Addresses {
        primary: address("spec.address", &spec.address)?,
        display_name: spec.display_name.clone(),
        aliases: aliases.collect::<Result<_, _>>()?,
    })
}

fn address(path: &str, text: &str) -> Result<Address, Problem> {
    Address::parse(text).map_err(|error| {
        Problem::invalid_spec(format!(
            "{path}: {error}; set one full address, as in billing@example.com"
        ))
    })
}

fn username(spec: &crds::MailIdentitySpec) -> Result<String, Problem> {
    let given = spec.credentials.username.as_deref();
    let username = match (spec.zoho.service, given) {
        (crds::Service::ZeptoMail, given) => given.unwrap_or(ZEPTO_USERNAME),
        (crds::Service::Mail, None) => &spec.address,
        (crds::Service::Mail, Some(given)) => {
            if Address::parse(given).is_err() {
                return Err(Problem::invalid_spec(
                    "spec.credentials.username: Zoho Mail wants the full address of the mailbox \
                     here, as in billing@example.com; set it, or leave it out to log in as \
                     spec.address",
                ));
            }
            given
        }
    };
    if username.chars().any(char::is_control) {
        return Err(Problem::invalid_spec(
            "spec.credentials.username: a control character stands here, such as a line end; \
             remove it",
        ));
    }
    Ok(username.to_owned())
}

fn foreign_from(value: crds::ForeignFrom) -> ForeignFrom {
    match value {
        crds::ForeignFrom::Reject => ForeignFrom::Reject,
        crds::ForeignFrom::Rewrite => ForeignFrom::Rewrite,
        crds::ForeignFrom::Attach => ForeignFrom::Attach,
        crds::ForeignFrom::Pass => ForeignFrom::Pass,
    }
}

fn delivery(delivery: &crds::Delivery) -> Delivery {
    Delivery {
        deadline: delivery.deadline.duration(),
        final_reply_timeout: delivery.final_reply_timeout.duration(),
        unknown_outcome: match delivery.unknown_outcome {
            crds::UnknownOutcome::Retry => UnknownOutcome::Retry,
            crds::UnknownOutcome::Fail => UnknownOutcome::Fail,
        },
    }
}

fn limits(limits: &crds::Limits) -> Limits {
    // A number that does not fit is out of every bound: the check refuses 0 as well.
    let number = |value: i32| u32::try_from(value).unwrap_or(0);
    let default = Limits::default();
    Limits {
        messages_per_hour: limits.messages_per_hour.map(number),
        burst: limits.burst.map_or(default.burst, number),
        recipients_per_message: limits
            .recipients_per_message
            .map_or(default.recipients_per_message, number),
        message_bytes: limits
            .message_bytes
            .map_or(default.message_bytes, crds::Size::bytes),
        connections: limits.connections.map_or(default.connections, number),
    }
}

/// The document's error in words of the spec.
fn explain(error: &DocumentError) -> Problem {
    match error {
        DocumentError::Field { path, problem } => {
            Problem::invalid_spec(format!("{}: {problem}", spec_path(path)))
        }
        other => Problem::invalid_spec(other.to_string()),
    }
}

/// Where in a `MailIdentity` a field of the document comes from.
fn spec_path(path: &str) -> String {
    const PATHS: [(&str, &str); 11] = [
        ("addresses.primary", "spec.address"),
        ("addresses.displayName", "spec.displayName"),
        ("addresses.aliases", "spec.aliases"),
        ("upstream.trustAnchors", "spec.server.caBundle"),
        ("upstream", "spec.server"),
        ("login", "spec.credentials"),
        ("delivery.deadlineSeconds", "spec.delivery.deadline"),
        (
            "delivery.finalReplyTimeoutSeconds",
            "spec.delivery.finalReplyTimeout",
        ),
        ("name", "metadata.name"),
        ("namespace", "metadata.namespace"),
        ("uid", "metadata.uid"),
    ];
    let renamed = PATHS.iter().find_map(|(from, to)| {
        let rest = path.strip_prefix(from)?;
        (rest.is_empty() || rest.starts_with(['.', '['])).then(|| format!("{to}{rest}"))
    });
    renamed.unwrap_or_else(|| format!("spec.{path}"))
}
