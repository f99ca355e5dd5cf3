//! The rules that a type cannot hold. Each message says what to do.

use std::ops::RangeInclusive;
use std::time::Duration;

use rustls_pki_types::pem::{PemObject, SectionKind};

use crate::bounds;
use crate::document::{
    Addresses, Delivery, Document, Limits, Login, Security, SenderPolicy, Upstream,
};
use crate::error::DocumentError;

type Check = Result<(), DocumentError>;

impl Document {
    /// Whether all bounds are kept; the error is the first one found, in the order of the fields.
    pub fn check(&self) -> Check {
        let Self {
            name,
            namespace,
            uid,
            revision: _,
            addresses,
            upstream,
            login: Login { username, password },
            sender_policy:
                SenderPolicy {
                    foreign_from: _,
                    foreign_calendar: _,
                },
            delivery:
                Delivery {
                    deadline,
                    final_reply_timeout,
                    unknown_outcome: _,
                },
            limits,
            line_endings: _,
            suspend: _,
            hold: _,
            retry: _,
        } = self;
        label("name", name)?;
        namespace
            .as_deref()
            .map_or(Ok(()), |namespace| label("namespace", namespace))?;
        optional_text("uid", uid.as_deref(), bounds::UID_BYTES_MAX)?;
        check_addresses(addresses)?;
        check_upstream(upstream)?;
        text("login.username", username, bounds::USERNAME_BYTES_MAX)?;
        text(
            "login.password",
            password.expose(),
            bounds::PASSWORD_BYTES_MAX,
        )?;
        seconds(
            "delivery.deadlineSeconds",
            *deadline,
            bounds::DEADLINE_SECONDS,
        )?;
        seconds(
            "delivery.finalReplyTimeoutSeconds",
            *final_reply_timeout,
            bounds::FINAL_REPLY_TIMEOUT_SECONDS,
        )?;
        check_limits(*limits)
    }
}

fn check_addresses(addresses: &Addresses) -> Check {
    let Addresses {
        primary,
        display_name,
        aliases,
    } = addresses;
    optional_text(
        "addresses.displayName",
        display_name.as_deref(),
        bounds::DISPLAY_NAME_BYTES_MAX,
    )?;
    if aliases.len() > bounds::ALIASES_MAX {
        let problem = format!(
            "at most {} aliases are taken; remove some",
            bounds::ALIASES_MAX
        );
        return refuse("addresses.aliases", problem);
    }
    for (index, alias) in aliases.iter().enumerate() {
        let path = || format!("addresses.aliases[{index}]");
        if alias.same_mailbox(primary) {
            return refuse(
                path(),
                "this is the primary address; remove it from the aliases",
            );
        }
        if aliases[..index]
            .iter()
            .any(|earlier| earlier.same_mailbox(alias))
        {
            return refuse(
                path(),
                "this alias stands in the list before; remove one of them",
            );
        }
    }
    Ok(())
}

fn check_upstream(upstream: &Upstream) -> Check {
    let Upstream {
        service: _,
        host,
        port,
        security,
        trust_anchors,
    } = upstream;
    check_host(host)?;
    check_port(host, *port, *security)?;
    trust_anchors.as_deref().map_or(Ok(()), check_trust_anchors)
}

fn check_host(host: &str) -> Check {
    let labels_fit = host.len() <= bounds::HOST_CHARS_MAX
        && host
            .split('.')
            .all(|label| is_label(label, u8::is_ascii_alphanumeric));
    let last_is_number = host
        .rsplit('.')
        .next()
        .is_some_and(|label| label.bytes().all(|b| b.is_ascii_digit()));
    if labels_fit && !last_is_number {
        return Ok(());
    }
    refuse(
        "upstream.host",
        "a DNS name is needed here, as in smtppro.zoho.com: no IP address, which no certificate \
         of Zoho names, no port and no final dot",
    )
}

fn check_port(host: &str, port: u16, security: Security) -> Check {
    const SET: &str = "set 465 with ImplicitTls or 587 with StartTls";
    const TAKES: &str = "Zoho takes mail from programs on 465 or 587";
    match (port, security) {
        (465, Security::ImplicitTls) | (587, Security::StartTls) => Ok(()),
        (25, _) => refuse(
            "upstream.port",
            format!("25 is refused: {TAKES}, never on 25; {SET}"),
        ),
        (465, Security::StartTls) => refuse(
            "upstream.security",
            "port 465 speaks TLS from the first byte; set ImplicitTls, or port 587 with StartTls",
        ),
        (587, Security::ImplicitTls) => refuse(
            "upstream.security",
            "port 587 begins TLS by STARTTLS; set StartTls, or port 465 with ImplicitTls",
        ),
        (port, _) if port == 0 || is_of_zoho(host) => refuse(
            "upstream.port",
            format!("{port} is refused: {TAKES}; {SET}"),
        ),
        _ => Ok(()),
    }
}

fn is_of_zoho(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    bounds::ZOHO_DOMAINS.iter().any(|domain| {
        host.strip_suffix(domain)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    })
}

fn check_trust_anchors(pem: &str) -> Check {
    const PATH: &str = "upstream.trustAnchors";
    if pem.len() > bounds::TRUST_ANCHORS_BYTES_MAX {
        return refuse(
            PATH,
            "more than 64 KiB of PEM are refused; keep only the needed anchors",
        );
    }
    let mut certificates = 0_usize;
    for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(pem.as_bytes()) {
        match section {
            Ok((SectionKind::Certificate, der)) if is_sequence(&der) => certificates += 1,
            Ok((SectionKind::Certificate, _)) => {
                return refuse(
                    PATH,
                    "a CERTIFICATE block holds no certificate; export it again",
                );
            }
            Ok((kind, _)) if is_private(kind) => {
                return refuse(
                    PATH,
                    "a private key stands here; keep the certificates alone",
                );
            }
            Ok(_) => {}
            Err(_) => return refuse(PATH, "this is not PEM; copy whole certificate blocks"),
        }
    }
    if certificates == 0 {
        return refuse(
            PATH,
            "there is no CERTIFICATE block; leave it out, or add one",
        );
    }
    Ok(())
}

fn is_private(kind: SectionKind) -> bool {
    matches!(
        kind,
        SectionKind::RsaPrivateKey | SectionKind::PrivateKey | SectionKind::EcPrivateKey
    )
}

/// Whether `der` is one DER SEQUENCE with a length of two bytes, as every certificate is (X.690
/// section 8.1). The TLS library looks at the rest.
fn is_sequence(der: &[u8]) -> bool {
    match der {
        [0x30, 0x82, high, low, rest @ ..] => {
            rest.len() == usize::from(u16::from_be_bytes([*high, *low]))
        }
        [0x30, 0x81, length, rest @ ..] => rest.len() == usize::from(*length),
        _ => false,
    }
}

fn check_limits(limits: Limits) -> Check {
    let Limits {
        messages_per_hour,
        burst,
        recipients_per_message,
        message_bytes,
        connections,
    } = limits;
    if let Some(number) = messages_per_hour {
        range(
            "limits.messagesPerHour",
            u64::from(number),
            bounds::MESSAGES_PER_HOUR,
        )?;
    }
    range("limits.burst", u64::from(burst), bounds::BURST)?;
    range(
        "limits.recipientsPerMessage",
        u64::from(recipients_per_message),
        bounds::RECIPIENTS_PER_MESSAGE,
    )?;
    range("limits.messageBytes", message_bytes, bounds::MESSAGE_BYTES)?;
    range(
        "limits.connections",
        u64::from(connections),
        bounds::CONNECTIONS,
    )
}

fn range(path: &str, value: u64, allowed: RangeInclusive<u64>) -> Check {
    if allowed.contains(&value) {
        return Ok(());
    }
    let (least, most) = allowed.into_inner();
    refuse(
        path,
        format!("a number from {least} to {most} is needed here; set one"),
    )
}

fn seconds(path: &str, value: Duration, allowed: RangeInclusive<u64>) -> Check {
    if value.subsec_nanos() != 0 {
        return refuse(path, "a whole number of seconds is needed here; set one");
    }
    range(path, value.as_secs(), allowed)
}

/// Text that may reach the wire: something, not too long, on one line.
fn text(path: &str, value: &str, bytes_max: usize) -> Check {
    if value.is_empty() {
        return refuse(path, "this is empty; set it");
    }
    if value.len() > bytes_max {
        return refuse(
            path,
            format!("more than {bytes_max} bytes are refused; make it shorter"),
        );
    }
    if value.bytes().any(|byte| byte.is_ascii_control()) {
        let hint = match path.split_once('.') {
            Some(("login", _)) => " (a Secret made from a file often ends with a line end)",
            _ => "",
        };
        let what = "a control character stands here, such as a line end or NUL; remove it";
        return refuse(path, format!("{what}{hint}"));
    }
    Ok(())
}

fn optional_text(path: &str, value: Option<&str>, bytes_max: usize) -> Check {
    match value {
        None => Ok(()),
        Some("") => refuse(path, "this is empty; leave it out, or set it"),
        Some(value) => text(path, value, bytes_max),
    }
}

fn label(path: &str, value: &str) -> Check {
    if is_dns_label(value) {
        return Ok(());
    }
    let most = bounds::LABEL_CHARS_MAX;
    refuse(
        path,
        format!(
            "a DNS label is needed here: a-z, 0-9 and inner hyphens, at most {most} characters"
        ),
    )
}

/// Whether it is a label of RFC 1123 in lower case: the name of a namespace and of an identity, safe
/// as a folder and as a part of a longer name.
pub fn is_dns_label(value: &str) -> bool {
    is_label(value, |byte| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit()
    })
}

/// A label of RFC 1123 section 2.1, of letters that the caller names.
fn is_label(value: &str, is_letter: impl Fn(&u8) -> bool) -> bool {
    !value.is_empty()
        && value.len() <= bounds::LABEL_CHARS_MAX
        && !value.starts_with('-')
        && !value.ends_with('-')
        && value.bytes().all(|byte| byte == b'-' || is_letter(&byte))
}

fn refuse(path: impl Into<String>, problem: impl Into<String>) -> Check {
    Err(DocumentError::field(path, problem))
}
