//! TCP to one of the addresses of a host.

use std::fmt;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use crate::deadline;
use crate::resolve::{ResolveError, Resolver};

/// How long a probe waits, names and all addresses together.
const PROBE: Duration = Duration::from_secs(15);

/// A stream of bytes to a server: TCP, or a pipe in memory.
pub trait Link: AsyncRead + AsyncWrite + Send + Sync + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin + 'static> Link for T {}

/// What [`Dial::dial`] gives.
pub type Dialled<'a> = Pin<Box<dyn Future<Output = Result<Box<dyn Link>, DialError>> + Send + 'a>>;

/// A way to reach hosts.
pub trait Dial: Send + Sync {
    /// A fresh stream to a port of a host. What is not there by the deadline is given up.
    fn dial<'a>(&'a self, host: &'a str, port: u16, deadline: Instant) -> Dialled<'a>;
}

/// Why no stream could be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    /// The host has no address.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// It has addresses, and all failed.
    #[error("connecting to {host} port {port}: {tried}")]
    Unreachable {
        /// The host as configured.
        host: String,
        /// The port.
        port: u16,
        /// Each address and its error.
        tried: Tried,
    },
}

impl DialError {
    /// Whether every address swallowed our SYN: the mark of a firewall that blocks the port
    /// (`docs/zoho.md` R23). One that refuses or is out of reach says something else.
    pub fn is_egress_suspected(&self) -> bool {
        let is_silence =
            |error: &_| matches!(error, ConnectError::Timeout | ConnectError::Deadline);
        match self {
            Self::Resolve(_) => false,
            Self::Unreachable { tried, .. } => {
                !tried.0.is_empty() && tried.0.iter().all(|(_, error)| is_silence(error))
            }
        }
    }

    /// Whether it was the deadline that ended it.
    pub fn is_late(&self) -> bool {
        match self {
            Self::Resolve(_) => false,
            Self::Unreachable { tried, .. } => {
                let is_late = |(_, error): &(_, _)| *error == ConnectError::Deadline;
                tried.0.iter().any(is_late)
            }
        }
    }
}

/// The addresses that were tried, each with its error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried(Vec<(IpAddr, ConnectError)>);

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (address, error)) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{address} {error}")?;
        }
        Ok(())
    }
}

/// Why one address failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum ConnectError {
    #[error("did not answer within {}s", deadline::CONNECT.as_secs())]
    Timeout,
    #[error("had not answered when the deadline of the mail passed")]
    Deadline,
    #[error("failed ({0})")]
    Io(std::io::ErrorKind),
}

/// Reaches hosts by DNS and TCP.
#[derive(Clone, Debug)]
pub struct TcpDialer {
    resolver: Arc<Resolver>,
}

impl TcpDialer {
    /// A dialler with that resolver.
    pub fn new(resolver: Arc<Resolver>) -> Self {
        Self { resolver }
    }

    /// A TCP connection to the first address that answers. The families take turns, and the next
    /// address is tried when the last failed or kept silent for [`deadline::NEXT_ADDRESS`]. The
    /// deadline ends the waiting for addresses; name resolution has a limit of its own.
    pub async fn connect(
        &self,
        host: &str,
        port: u16,
        deadline: Instant,
    ) -> Result<TcpStream, DialError> {
        let addresses = self.resolver.resolve(host).await?;
        connect_any(addresses, port, deadline)
            .await
            .map_err(|tried| DialError::Unreachable {
                host: host.to_owned(),
                port,
                tried,
            })
    }
}

impl Dial for TcpDialer {
    fn dial<'a>(&'a self, host: &'a str, port: u16, deadline: Instant) -> Dialled<'a> {
        Box::pin(async move {
            let stream = self.connect(host, port, deadline).await?;
            Ok(Box::new(stream) as Box<dyn Link>)
        })
    }
}

/// Whether a port of a host takes connections; used to tell a blocked port from a dead network.
/// The connection is closed at once and nothing is said.
pub async fn probe(resolver: &Arc<Resolver>, host: &str, port: u16) -> Result<(), DialError> {
    TcpDialer::new(Arc::clone(resolver))
        .connect(host, port, Instant::now() + PROBE)
        .await
        .map(drop)
}

async fn connect_any(
    addresses: Vec<IpAddr>,
    port: u16,
    deadline: Instant,
) -> Result<TcpStream, Tried> {
    let mut waiting = addresses.into_iter();
    let mut attempts = JoinSet::new();
    let mut silent = Vec::new();
    let mut tried = Vec::new();
    loop {
        if let Some(address) = waiting.next() {
            silent.push(address);
            attempts.spawn(async move { (address, connect_one((address, port).into()).await) });
        }
        let next_start = Instant::now() + deadline::NEXT_ADDRESS;
        // Ends at the first result, or when it is the next address's turn.
        tokio::select! {
            joined = attempts.join_next() => match joined {
                Some(Ok((_, Ok(stream)))) => return Ok(stream),
                Some(Ok((address, Err(error)))) => {
                    silent.retain(|other| *other != address);
                    tried.push((address, error));
                }
                Some(Err(_)) => {}
                None => return Err(Tried(tried)),
            },
            () = sleep_until(deadline) => {
                tried.extend(silent.into_iter().map(|address| (address, ConnectError::Deadline)));
                return Err(Tried(tried));
            }
            () = sleep_until(next_start), if waiting.len() > 0 => {}
        }
    }
}

async fn connect_one(address: SocketAddr) -> Result<TcpStream, ConnectError> {
    let stream = timeout(deadline::CONNECT, TcpStream::connect(address))
        .await
        .map_err(|_| ConnectError::Timeout)?
        .map_err(|error| connect_error(&error))?;
    stream
        .set_nodelay(true)
        .map_err(|error| connect_error(&error))?;
    Ok(stream)
}

/// The kernel's own patience may end before ours.
fn connect_error(error: &std::io::Error) -> ConnectError {
    match error.kind() {
        std::io::ErrorKind::TimedOut => ConnectError::Timeout,
        kind => ConnectError::Io(kind),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn syns_that_are_unanswered_at_the_deadline_are_suspicious_unless_an_address_refused() {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let hole = socket.listen(1).unwrap();
        let address = hole.local_addr().unwrap();
        let mut queued = Vec::new();
        for _ in 0..2 {
            queued.push(TcpStream::connect(address).await.unwrap());
        }
        let refuses = IpAddr::from([127, 0, 0, 2]);
        for (addresses, is_suspected) in [
            (vec![address.ip()], true),
            (vec![refuses, address.ip()], false),
        ] {
            let deadline = Instant::now() + Duration::from_secs(2);
            let tried = connect_any(addresses, address.port(), deadline).await;
            let error = DialError::Unreachable {
                host: "mx".to_owned(),
                port: address.port(),
                tried: tried.unwrap_err(),
            };
            assert_eq!(Instant::now(), deadline);
            assert!(error.is_late(), "{error}");
            assert_eq!(error.is_egress_suspected(), is_suspected, "{error}");
        }
    }
}
