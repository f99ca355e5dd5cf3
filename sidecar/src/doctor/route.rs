//! The route to the server by TCP, as Zoho's support asks for it, without privileges.
//!
//! A SYN with a small hop limit dies on the way, and the router where it did says so by ICMP. With
//! `IP_RECVERR` Linux keeps that message, with the router's address, for whoever asked
//! (`MSG_ERRQUEUE`, ip(7)): no raw socket is needed. Where the kernel gives no address, the error of
//! the connection (EHOSTUNREACH) still shows that a router answered.

use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::time::Duration;

use nix::cmsg_space;
use nix::libc::{sock_extended_err, sockaddr_in6};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use zohorelay_process::checkup::Finding;

use super::check::ROUTE;

/// Further than that nobody is.
const HOPS_MAX: u32 = 20;
/// Asked at once; the server hears at most so many SYNs.
const BATCH: u32 = 5;
/// For one hop.
const PATIENCE: Duration = Duration::from_secs(2);

/// What came of a SYN with one hop limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hop {
    /// The server answered: connected, or refused.
    Server(Duration),
    /// That router, by its ICMP message.
    Router(IpAddr, Duration),
    /// Some router: only the error of the connection tells.
    Somebody(Duration),
    /// Nothing came back.
    Silence,
    /// This system does not let us try.
    Impossible(io::ErrorKind),
}

impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |took: &Duration| took.as_millis();
        match self {
            Self::Server(took) => write!(f, "the server, {} ms", ms(took)),
            Self::Router(address, took) => write!(f, "{address}, {} ms (by ICMP)", ms(took)),
            Self::Somebody(took) => write!(
                f,
                "a router of unknown address, {} ms (by EHOSTUNREACH)",
                ms(took)
            ),
            Self::Silence => write!(f, "no answer within {} s", PATIENCE.as_secs()),
            Self::Impossible(kind) => write!(f, "not tried: {kind}"),
        }
    }
}

/// Traces to an address, in at most 8 seconds.
pub(crate) async fn trace(subject: &str, host: &str, address: SocketAddr) -> Finding {
    let mut hops: Vec<Hop> = Vec::new();
    for first in (1..=HOPS_MAX).step_by(BATCH as usize) {
        let mut batch = JoinSet::new();
        for limit in first..(first + BATCH).min(HOPS_MAX + 1) {
            batch.spawn(async move { (limit, probe(address, limit).await) });
        }
        let mut found = batch.join_all().await;
        found.sort_by_key(|(limit, _)| *limit);
        hops.extend(found.into_iter().map(|(_, hop)| hop));
        if let Some(last) = hops.iter().position(|hop| matches!(hop, Hop::Server(_))) {
            hops.truncate(last + 1);
            break;
        }
    }
    describe(subject, host, address, &hops)
}

fn describe(subject: &str, host: &str, address: SocketAddr, hops: &[Hop]) -> Finding {
    let place = format!("{host} ({address}) by TCP");
    let finding = match hops.last() {
        Some(Hop::Server(_)) => Finding::ok(
            ROUTE,
            subject,
            format!("{place}: the server is hop {}", hops.len()),
        ),
        Some(Hop::Impossible(kind)) => {
            Finding::skipped(ROUTE, subject, format!("{place}: not traced: {kind}"))
        }
        _ => {
            let last = hops
                .iter()
                .rposition(|hop| matches!(hop, Hop::Router(..) | Hop::Somebody(_)));
            let found = match last {
                None => format!("{place}: no hop answers"),
                Some(last) => format!("{place}: the last hop that answers is {}", last + 1),
            };
            let remedy = "Where the answers end, packets are dropped. With no hop at all that is the pod's own \
                          node or a NetworkPolicy. Zoho's support asks for this route: --bundle.";
            Finding::warning(ROUTE, subject, found, remedy)
        }
    };
    let heard = hops.iter().rposition(|hop| *hop != Hop::Silence);
    let heard = heard.map_or(0, |last| last + 1);
    let details = hops.iter().take(heard).enumerate();
    let finding = details.fold(finding, |finding, (index, hop)| {
        finding.detail(format!("hop{}", index + 1), hop.to_string())
    });
    if heard == hops.len() {
        return finding;
    }
    let rest = format!("hop{}To{}", heard + 1, hops.len());
    finding.detail(rest, Hop::Silence.to_string())
}

async fn probe(address: SocketAddr, limit: u32) -> Hop {
    let start = Instant::now();
    match timeout(PATIENCE, reach(address, limit)).await {
        Err(_) => Hop::Silence,
        Ok(Err(error)) => of_error(error.kind(), start.elapsed()),
        Ok(Ok(socket)) => judge(&socket, start.elapsed()),
    }
}

/// A socket whose connection has come about or failed.
async fn reach(address: SocketAddr, limit: u32) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_nonblocking(true)?;
    if address.is_ipv4() {
        socket.set_ttl_v4(limit)?;
        setsockopt(&socket, sockopt::Ipv4RecvErr, &true)?;
    } else {
        socket.set_unicast_hops_v6(limit)?;
        setsockopt(&socket, sockopt::Ipv6RecvErr, &true)?;
    }
    if let Err(error) = socket.connect(&address.into())
        && error.raw_os_error() != Some(nix::libc::EINPROGRESS)
    {
        return Err(error);
    }
    let waiting = TcpStream::from_std(socket.into())?;
    waiting.writable().await?;
    Ok(Socket::from(waiting.into_std()?))
}

fn judge(socket: &Socket, took: Duration) -> Hop {
    if let Some(router) = icmp_from(socket) {
        return Hop::Router(router, took);
    }
    match socket.take_error() {
        Ok(None) if socket.peer_addr().is_ok() => Hop::Server(took),
        Ok(Some(error)) => of_error(error.kind(), took),
        Ok(None) => Hop::Impossible(io::ErrorKind::NotConnected),
        Err(error) => Hop::Impossible(error.kind()),
    }
}

fn of_error(kind: io::ErrorKind, took: Duration) -> Hop {
    match kind {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset => Hop::Server(took),
        io::ErrorKind::HostUnreachable => Hop::Somebody(took),
        io::ErrorKind::TimedOut => Hop::Silence,
        kind => Hop::Impossible(kind),
    }
}

/// Who sent the ICMP message that ended the connection, if one did.
fn icmp_from(socket: &Socket) -> Option<IpAddr> {
    let mut space = cmsg_space!(sock_extended_err, sockaddr_in6);
    let mut content = [0; 64];
    let mut parts = [IoSliceMut::new(&mut content)];
    let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut space), flags).ok()?;
    let mut notes = message.cmsgs().ok()?;
    notes.find_map(|note| match note {
        ControlMessageOwned::Ipv4RecvErr(_, Some(from)) => {
            Some(IpAddr::from(from.sin_addr.s_addr.to_ne_bytes()))
        }
        ControlMessageOwned::Ipv6RecvErr(_, Some(from)) => {
            Some(Ipv6Addr::from(from.sin6_addr.s6_addr).into())
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use zohorelay_process::checkup::Verdict;

    use super::*;

    const SERVER: &str = "192.0.2.1:465";

    #[tokio::test]
    async fn a_server_on_this_machine_is_the_first_hop_open_or_closed() {
        for host in ["127.0.0.1", "::1"] {
            let Ok(listener) = tokio::net::TcpListener::bind((host, 0)).await else {
                continue;
            };
            let address = listener.local_addr().unwrap();
            let open = trace("billing", "localhost", address).await;
            assert!(open.found.ends_with("the server is hop 1"), "{open:?}");
            drop(listener);
            let closed = trace("billing", "localhost", address).await;
            assert!(closed.found.ends_with("the server is hop 1"), "{closed:?}");
        }
    }

    #[test]
    fn the_last_hop_that_answers_is_named_and_how_each_was_learned() {
        let ms = Duration::from_millis(7);
        let router = Hop::Router([10, 0, 0, 1].into(), ms);
        let hops = [router, Hop::Silence, Hop::Somebody(ms), Hop::Silence];
        let finding = describe("billing", "mx", SERVER.parse().unwrap(), &hops);
        assert_eq!(finding.verdict, Verdict::Warning);
        assert!(
            finding.found.ends_with("the last hop that answers is 3"),
            "{finding:?}"
        );
        let details: Vec<&str> = finding
            .details
            .iter()
            .map(|(_, value)| value.as_str())
            .collect();
        assert_eq!(finding.details[3].0, "hop4To4");
        assert_eq!(
            details,
            [
                "10.0.0.1, 7 ms (by ICMP)",
                "no answer within 2 s",
                "a router of unknown address, 7 ms (by EHOSTUNREACH)",
                "no answer within 2 s",
            ]
        );
    }
}
