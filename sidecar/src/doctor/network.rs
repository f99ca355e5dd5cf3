//! Names to addresses, and addresses to connections.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use zohorelay_process::checkup::Finding;
use zohorelay_upstream::Resolver;
use zohorelay_upstream::deadline::CONNECT as PATIENCE;
use zohorelay_upstream::resolve::ResolveError;

use super::check::{CONNECT, RESOLVE};
use super::patient::{Need, Port, Server};

/// How one address took the connection: after that time, or not and why.
pub(crate) type Attempt = (IpAddr, Result<Duration, ErrorKind>);

/// The addresses of the host; none where there is a failure.
pub(crate) async fn resolve(
    subject: &str,
    host: &str,
    resolver: &Resolver,
) -> (Vec<IpAddr>, Finding) {
    let start = Instant::now();
    match resolver.resolve(host).await {
        Ok(addresses) => {
            let listed = list(&addresses);
            let found = format!("{host} is {listed}");
            let took = format!("{} ms", start.elapsed().as_millis());
            (
                addresses,
                Finding::ok(RESOLVE, subject, found).detail("took", took),
            )
        }
        Err(error) => {
            let remedy = remedy_of_resolve(&error);
            (
                Vec::new(),
                Finding::failed(RESOLVE, subject, error.to_string(), remedy),
            )
        }
    }
}

fn remedy_of_resolve(error: &ResolveError) -> &'static str {
    match error {
        ResolveError::InvalidName { .. } => "Correct the host: smtp.zoho.eu, smtppro.zoho.com …",
        ResolveError::NoSuchName { .. } | ResolveError::NoAddresses { .. } => {
            "Compare the host with the list in docs/zoho.md: smtp.zoho.<data centre>, or smtppro. for \
             organisations. If it is right, the cluster's DNS answers wrongly: try --name-server."
        }
        ResolveError::Configuration { .. } => {
            "The pod has no usable /etc/resolv.conf: see its dnsPolicy."
        }
        _ => {
            "The cluster's DNS does not work for this pod. Look at CoreDNS, and let NetworkPolicies allow \
             UDP and TCP 53 to it."
        }
    }
}

fn list(addresses: &[IpAddr]) -> String {
    let texts: Vec<String> = addresses.iter().map(IpAddr::to_string).collect();
    texts.join(", ")
}

/// Connects to each address at once. Nothing is said.
pub(crate) async fn attempt(addresses: &[IpAddr], port: u16) -> Vec<Attempt> {
    let mut tasks = JoinSet::new();
    for (index, address) in addresses.iter().copied().enumerate() {
        tasks.spawn(async move { (index, (address, connect((address, port).into()).await)) });
    }
    let mut done = tasks.join_all().await;
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, attempt)| attempt).collect()
}

async fn connect(address: SocketAddr) -> Result<Duration, ErrorKind> {
    let start = Instant::now();
    match timeout(PATIENCE, TcpStream::connect(address)).await {
        Ok(Ok(_)) => Ok(start.elapsed()),
        Ok(Err(error)) => Err(error.kind()),
        Err(_) => Err(ErrorKind::TimedOut),
    }
}

/// Whether any address took the connection.
pub(crate) fn is_open(attempts: &[Attempt]) -> bool {
    attempts.iter().any(|(_, result)| result.is_ok())
}

/// What came of one port; `other` is the server's other port, and whether that is open.
pub(crate) fn judge(
    subject: &str,
    server: &Server,
    port: Port,
    attempts: &[Attempt],
    other: Option<Port>,
) -> Finding {
    let place = format!("{} port {}", server.host, port.number);
    let silent = |(_, result): &&Attempt| *result == Err(ErrorKind::TimedOut);
    let finding = if is_open(attempts) {
        match attempts.iter().find(silent) {
            None => Finding::ok(CONNECT, subject, format!("{place} takes connections")),
            Some((address, _)) => Finding::warning(
                CONNECT,
                subject,
                format!("{place} takes connections, but {address} does not answer"),
                "Mail goes by the other address. Something drops packets to this one: a NetworkPolicy \
                 or a firewall that knows one family of addresses only.",
            ),
        }
    } else {
        closed(subject, &place, port, attempts, other)
    };
    let finding = attempts.iter().fold(finding, |finding, (address, result)| {
        finding.detail(address.to_string(), words(result))
    });
    finding.detail(
        "port25",
        "not tried: it is for mail between servers, never right for a login",
    )
}

fn closed(
    subject: &str,
    place: &str,
    port: Port,
    attempts: &[Attempt],
    other: Option<Port>,
) -> Finding {
    let is_silent = attempts
        .iter()
        .all(|(_, result)| *result == Err(ErrorKind::TimedOut));
    let why = if is_silent {
        format!("nothing answers within {} s", PATIENCE.as_secs())
    } else {
        let reasons: Vec<String> = attempts
            .iter()
            .map(|(a, r)| format!("{a} {}", words(r)))
            .collect();
        reasons.join(", ")
    };
    let found = format!("{place} takes no connection: {why}");
    match (port.need, other) {
        (Need::Used, Some(other)) => Finding::failed(
            CONNECT,
            subject,
            found,
            format!(
                "Port {} of the same server is open: let the identity use it ({}). Or let egress to {} \
                 through.",
                other.number,
                other.settings(),
                port.number
            ),
        ),
        (Need::Used | Need::Either, None) => {
            Finding::failed(CONNECT, subject, found, blocked(port, is_silent))
        }
        (Need::Spare | Need::Either, _) => Finding::warning(
            CONNECT,
            subject,
            found,
            format!(
                "Nothing needs port {} while the other one works.",
                port.number
            ),
        ),
    }
}

fn blocked(port: Port, is_silent: bool) -> String {
    let mut remedy = if is_silent {
        format!(
            "Something drops the packets: a NetworkPolicy, a firewall, or the cloud. Allow TCP to port {} \
             of the server, and ask the cloud's support to open SMTP submission.",
            port.number
        )
    } else {
        "Somebody answers, and not with a connection. Compare host and port; look for a firewall or a \
         proxy that refuses."
            .to_owned()
    };
    remedy.push_str(" Port 25 is never right: Zoho takes no logins there, and clouds block it.");
    remedy
}

fn words(result: &Result<Duration, ErrorKind>) -> String {
    match result {
        Ok(took) => format!("connected in {} ms", took.as_millis()),
        Err(ErrorKind::TimedOut) => format!("no answer within {} s", PATIENCE.as_secs()),
        Err(ErrorKind::ConnectionRefused) => "refused the connection".to_owned(),
        Err(ErrorKind::NetworkUnreachable) => "no route (the pod has no such network)".to_owned(),
        Err(ErrorKind::HostUnreachable) => "out of reach (a router says so)".to_owned(),
        Err(kind) => kind.to_string(),
    }
}
