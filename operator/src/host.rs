//! Which servers are Zoho's, and which others are allowed.

#[cfg(test)]
mod tests;

use thiserror::Error;
use zohorelay_crds::v1alpha1::{AccountType, DataCenter, Service};

/// The data centres with the two hosts of Zoho Mail, for paid organisations and for personal
/// accounts, and the host of `ZeptoMail` where one is published (`docs/zoho.md` hosts and ports).
const HOSTS: [(DataCenter, &str, &str, Option<&str>); 9] = [
    (
        DataCenter::Us,
        "smtppro.zoho.com",
        "smtp.zoho.com",
        Some("smtp.zeptomail.com"),
    ),
    (
        DataCenter::Eu,
        "smtppro.zoho.eu",
        "smtp.zoho.eu",
        Some("smtp.zeptomail.eu"),
    ),
    (
        DataCenter::In,
        "smtppro.zoho.in",
        "smtp.zoho.in",
        Some("smtp.zeptomail.in"),
    ),
    (
        DataCenter::Au,
        "smtppro.zoho.com.au",
        "smtp.zoho.com.au",
        Some("smtp.zeptomail.com.au"),
    ),
    (DataCenter::Jp, "smtppro.zoho.jp", "smtp.zoho.jp", None),
    (
        DataCenter::Cn,
        "smtppro.zoho.com.cn",
        "smtp.zoho.com.cn",
        Some("smtp.zeptomail.com.cn"),
    ),
    (
        DataCenter::Ca,
        "smtppro.zohocloud.ca",
        "smtp.zohocloud.ca",
        None,
    ),
    (DataCenter::Sa, "smtppro.zoho.sa", "smtp.zoho.sa", None),
    (DataCenter::Ae, "smtppro.zoho.ae", "smtp.zoho.ae", None),
];

/// The host that Zoho publishes for an account. None: `ZeptoMail` in JP, CA, SA and AE.
pub fn published_host(
    service: Service,
    data_center: DataCenter,
    account: AccountType,
) -> Option<&'static str> {
    let (_, organization, personal, zepto) =
        HOSTS.iter().find(|(center, ..)| *center == data_center)?;
    match (service, account) {
        (Service::ZeptoMail, _) => *zepto,
        (Service::Mail, AccountType::Organization) => Some(organization),
        (Service::Mail, AccountType::Personal) => Some(personal),
    }
}

/// Whether Zoho publishes that host for any account; case does not matter.
pub fn is_published(host: &str) -> bool {
    data_center_of(host).is_some()
}

/// The data centre of a host that Zoho publishes; case does not matter.
pub fn data_center_of(host: &str) -> Option<DataCenter> {
    let has = |(_, organization, personal, zepto): &&(_, _, _, Option<&str>)| {
        [Some(*organization), Some(*personal), *zepto]
            .into_iter()
            .flatten()
            .any(|published: &str| published.eq_ignore_ascii_case(host))
    };
    HOSTS.iter().find(has).map(|(center, ..)| *center)
}

/// Why a pattern of hosts is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "reading the allowed hosts: {pattern:?} is no host; write a DNS name, as in mail.example.com, or \
     *.example.com for every name below it, without a port"
)]
pub struct HostPatternError {
    /// The pattern as given.
    pub pattern: String,
}

/// The hosts that an identity may name: Zoho's own, and what the operator was told to allow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedHosts(Vec<Pattern>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    Exact(String),
    /// The domain with a dot before it.
    Below(String),
}

impl AllowedHosts {
    /// Reads exact names and `*.example.com`. Without any, only Zoho's hosts are allowed.
    pub fn parse(patterns: &[String]) -> Result<Self, HostPatternError> {
        let patterns = patterns.iter().map(|pattern| parse_pattern(pattern));
        Ok(Self(patterns.collect::<Result<_, _>>()?))
    }

    /// Whether an identity may name that host; case does not matter.
    pub fn allows(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        is_published(&host)
            || self.0.iter().any(|pattern| match pattern {
                Pattern::Exact(name) => *name == host,
                Pattern::Below(domain) => host
                    .strip_suffix(domain)
                    .is_some_and(|rest| !rest.is_empty()),
            })
    }
}

fn parse_pattern(pattern: &str) -> Result<Pattern, HostPatternError> {
    let name = pattern.strip_prefix("*.").unwrap_or(pattern);
    if !is_name(name) {
        return Err(HostPatternError {
            pattern: pattern.to_owned(),
        });
    }
    let name = name.to_ascii_lowercase();
    Ok(if pattern.starts_with('*') {
        Pattern::Below(format!(".{name}"))
    } else {
        Pattern::Exact(name)
    })
}

/// A DNS name (RFC 1123 section 2.1) that is no IP address.
fn is_name(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let last_is_number = name
        .rsplit('.')
        .next()
        .is_some_and(|label| label.bytes().all(|byte| byte.is_ascii_digit()));
    name.len() <= 253 && name.split('.').all(is_label) && !last_is_number
}
