//! Host names to addresses.
//!
//! As libc does with `hosts: files dns`, but without libc (`getaddrinfo` breaks static binaries):
//! `/etc/hosts` first, then the name servers of `/etc/resolv.conf`. A name is always absolute, so
//! that `ndots:5` and the search list of a pod cost no queries and cannot lead elsewhere.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig,
    ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::{Query, ResponseCode};
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::{Hosts, TokioResolver, system_conf};

use crate::deadline;

/// The most addresses of a host that are tried.
pub const ADDRESSES_LIMIT: usize = 16;

/// One query to one name server; a lost packet leaves time for a second within [`deadline::DNS`].
const QUERY_TIMEOUT: Duration = Duration::from_secs(2);
/// How long "no such name" is believed: a person may be repairing the zone.
const NEGATIVE_TTL_LIMIT: Duration = Duration::from_secs(5);

/// Why a host has no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// It is not a DNS name.
    #[error("resolving {host}: not a host name")]
    InvalidName {
        /// The host as configured.
        host: String,
    },
    /// `/etc/resolv.conf` is missing or names no server.
    #[error("resolving {host}: reading /etc/resolv.conf: {reason}")]
    Configuration {
        /// The host as configured.
        host: String,
        /// What the file lacks.
        reason: String,
    },
    /// NXDOMAIN.
    #[error("resolving {host}: no such name in DNS (NXDOMAIN)")]
    NoSuchName {
        /// The host as configured.
        host: String,
    },
    /// The name exists and has neither A nor AAAA.
    #[error("resolving {host}: the name has no addresses in DNS")]
    NoAddresses {
        /// The host as configured.
        host: String,
    },
    /// The name server answered with an error, such as SERVFAIL or REFUSED.
    #[error("resolving {host}: the name server answered {code}")]
    ServerFailure {
        /// The host as configured.
        host: String,
        /// The name of the response code.
        code: String,
    },
    /// No answer in time.
    #[error("resolving {host}: no answer from the name server within {}s", deadline::DNS.as_secs())]
    Timeout {
        /// The host as configured.
        host: String,
    },
    /// The answer could not be used.
    #[error("resolving {host}: {reason}")]
    Unusable {
        /// The host as configured.
        host: String,
        /// What was wrong with it.
        reason: String,
    },
}

/// Finds the addresses of hosts. Made in no time: files are read at the first use.
#[derive(Debug)]
pub struct Resolver {
    source: Source,
    client: Mutex<Option<TokioResolver>>,
}

#[derive(Debug)]
enum Source {
    System,
    Given(ResolverConfig, Box<ResolverOpts>),
}

impl Resolver {
    /// Uses `/etc/hosts` and `/etc/resolv.conf`.
    pub fn from_system() -> Self {
        Self::new(Source::System)
    }

    /// Uses these name servers and no files.
    pub fn with_config(config: ResolverConfig, options: ResolverOpts) -> Self {
        Self::new(Source::Given(config, Box::new(options)))
    }

    /// Asks this name server, and reads no files.
    pub fn of(server: SocketAddr) -> Self {
        let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
        for connection in &mut connections {
            connection.port = server.port();
        }
        let server = NameServerConfig::new(server.ip(), true, connections);
        let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
        Self::with_config(config, ResolverOpts::default())
    }

    fn new(source: Source) -> Self {
        Self {
            source,
            client: Mutex::new(None),
        }
    }

    /// Every address of a host, at most [`ADDRESSES_LIMIT`], families alternating, IPv6 first
    /// (RFC 8305 section 4).
    ///
    /// Address literals and `localhost` need no DNS.
    pub async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, ResolveError> {
        if let Ok(address) = host.parse() {
            return Ok(vec![address]);
        }
        if is_localhost(host) {
            return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
        }
        let name = absolute_name(host)?;
        let mut addresses = self.hosts_file(&name);
        if addresses.is_empty() {
            addresses = self.query(host, name).await?;
        }
        if addresses.is_empty() {
            return Err(ResolveError::NoAddresses { host: host.into() });
        }
        Ok(alternate(addresses))
    }

    /// The TXT records of a name, each in one piece; none where the name has none.
    pub async fn texts(&self, name: &str) -> Result<Vec<String>, ResolveError> {
        let records = self.records(name, RecordType::TXT).await?;
        let text = |data: &RData| match data {
            RData::TXT(text) => Some(String::from_utf8_lossy(&text.txt_data.concat()).into()),
            _ => None,
        };
        Ok(records.iter().filter_map(text).collect())
    }

    /// The hosts that take a domain's mail, the preferred first, without the last dot; none where
    /// there are none.
    pub async fn mail_exchangers(&self, domain: &str) -> Result<Vec<String>, ResolveError> {
        let records = self.records(domain, RecordType::MX).await?;
        let mut found: Vec<_> = records
            .iter()
            .filter_map(|data| match data {
                RData::MX(mx) => Some((mx.preference, mx.exchange.to_ascii())),
                _ => None,
            })
            .collect();
        found.sort();
        let host = |(_, host): (u16, String)| host.trim_end_matches('.').to_ascii_lowercase();
        Ok(found.into_iter().map(host).collect())
    }

    async fn records(&self, name: &str, kind: RecordType) -> Result<Vec<RData>, ResolveError> {
        let client = self.ready_client(name)?;
        let asked = client.lookup(absolute_name(name)?, kind);
        match tokio::time::timeout(deadline::DNS, asked).await {
            Ok(Ok(found)) => Ok(found.answers().iter().map(|r| r.data.clone()).collect()),
            Ok(Err(error)) => match explain(name, error) {
                ResolveError::NoAddresses { .. } => Ok(Vec::new()),
                other => Err(other),
            },
            Err(_) => Err(ResolveError::Timeout { host: name.into() }),
        }
    }

    fn ready_client(&self, host: &str) -> Result<TokioResolver, ResolveError> {
        self.client().map_err(|error| ResolveError::Configuration {
            host: host.into(),
            reason: error.to_string(),
        })
    }

    /// What `/etc/hosts` says now; read each time, since a new connection is rare.
    fn hosts_file(&self, name: &Name) -> Vec<IpAddr> {
        let Source::System = self.source else {
            return Vec::new();
        };
        let hosts = Hosts::from_system().unwrap_or_default();
        [RecordType::AAAA, RecordType::A]
            .into_iter()
            .filter_map(|kind| hosts.lookup_static_host(&Query::query(name.clone(), kind)))
            .flat_map(|found| found.answers().to_vec())
            .filter_map(|record| record.data.ip_addr())
            .collect()
    }

    async fn query(&self, host: &str, name: Name) -> Result<Vec<IpAddr>, ResolveError> {
        let client = self.ready_client(host)?;
        match tokio::time::timeout(deadline::DNS, client.lookup_ip(name)).await {
            Ok(Ok(found)) => Ok(found.iter().collect()),
            Ok(Err(error)) => Err(explain(host, error)),
            Err(_) => Err(ResolveError::Timeout { host: host.into() }),
        }
    }

    /// The client, made at the first use. A failure is not kept: the file may come.
    fn client(&self) -> Result<TokioResolver, NetError> {
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = &*client {
            return Ok(client.clone());
        }
        let (config, mut options) = match &self.source {
            Source::System => system_conf::read_system_conf()?,
            Source::Given(config, options) => (config.clone(), (**options).clone()),
        };
        options.timeout = options.timeout.min(QUERY_TIMEOUT);
        options.ip_strategy = LookupIpStrategy::Ipv6AndIpv4;
        options.use_hosts_file = ResolveHosts::Never;
        options.negative_max_ttl = Some(NEGATIVE_TTL_LIMIT);
        options.cache_size = 64;
        let built = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            .with_options(options)
            .build()?;
        Ok(client.insert(built).clone())
    }
}

/// `localhost` and names below it are loopback and never asked for (RFC 6761 section 6.3).
fn is_localhost(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    host.rsplit('.')
        .next()
        .is_some_and(|label| label.eq_ignore_ascii_case("localhost"))
}

fn absolute_name(host: &str) -> Result<Name, ResolveError> {
    let invalid = |_| ResolveError::InvalidName { host: host.into() };
    if host.is_empty() {
        return Err(ResolveError::InvalidName { host: host.into() });
    }
    let mut name = Name::from_ascii(host).map_err(invalid)?;
    name.set_fqdn(true);
    Ok(name)
}

fn explain(host: &str, error: NetError) -> ResolveError {
    let host = host.to_owned();
    match error {
        error if error.is_nx_domain() => ResolveError::NoSuchName { host },
        NetError::Timeout => ResolveError::Timeout { host },
        NetError::Dns(DnsError::ResponseCode(code)) => ResolveError::ServerFailure {
            host,
            code: code_name(code),
        },
        NetError::Dns(DnsError::NoRecordsFound(none)) => match none.response_code {
            ResponseCode::NoError => ResolveError::NoAddresses { host },
            code => ResolveError::ServerFailure {
                host,
                code: code_name(code),
            },
        },
        other => ResolveError::Unusable {
            host,
            reason: other.to_string(),
        },
    }
}

fn code_name(code: ResponseCode) -> String {
    match code {
        ResponseCode::ServFail => "SERVFAIL".to_owned(),
        ResponseCode::Refused => "REFUSED".to_owned(),
        other => other.to_str().to_owned(),
    }
}

/// One of each family in turn, the family of the first address first.
fn alternate(addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    let starts_with_v6 = addresses.first().is_some_and(IpAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv6() == starts_with_v6);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut ordered = Vec::new();
    while ordered.len() < ADDRESSES_LIMIT {
        let before = ordered.len();
        ordered.extend(first.next());
        ordered.extend(second.next());
        if ordered.len() == before {
            break;
        }
    }
    ordered.truncate(ADDRESSES_LIMIT);
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn families_alternate_and_the_rest_follows() {
        let given = addresses(&["::1", "::2", "::3", "10.0.0.1"]);
        assert_eq!(
            alternate(given),
            addresses(&["::1", "10.0.0.1", "::2", "::3"])
        );
    }

    #[test]
    fn no_more_addresses_than_the_limit() {
        let given = (0..200).map(|n| IpAddr::from([10, 0, 0, n])).collect();
        assert_eq!(alternate(given).len(), ADDRESSES_LIMIT);
    }

    #[tokio::test]
    async fn literals_and_localhost_need_no_name_server() {
        let resolver = Resolver::with_config(ResolverConfig::default(), ResolverOpts::default());
        for (host, first) in [
            ("192.0.2.1", "192.0.2.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("localhost", "127.0.0.1"),
            ("LocalHost.", "127.0.0.1"),
        ] {
            let found = resolver.resolve(host).await.unwrap();
            assert_eq!(found[0], first.parse::<IpAddr>().unwrap(), "{host}");
        }
    }

    #[tokio::test]
    async fn what_is_no_name_is_not_asked_for() {
        let resolver = Resolver::with_config(ResolverConfig::default(), ResolverOpts::default());
        for host in ["", "a..b", &"a".repeat(64)] {
            let error = resolver.resolve(host).await.unwrap_err();
            assert!(matches!(error, ResolveError::InvalidName { .. }), "{error}");
        }
    }
}
