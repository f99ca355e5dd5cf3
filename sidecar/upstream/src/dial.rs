//! TCP to one of the addresses of a host.

use std::fmt;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use crate::deadline;
use crate::resolve::{ResolveError, Resolver};

/// A stream of bytes to a server: TCP, or a pipe in memory.
pub trait Link: AsyncRead + AsyncWrite + Send + Sync + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin + 'static> Link for T {}

/// What [`Dial::dial`] gives.
pub type Dialled<'a> = Pin<Box<dyn Future<Output = Result<Box<dyn Link>, DialError>> + Send + 'a>>;

/// A way to reach hosts.
pub trait Dial: Send + Sync {
    /// A fresh stream to a port of a host.
    fn dial<'a>(&'a self, host: &'a str, port: u16) -> Dialled<'a>;
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
        match self {
            Self::Resolve(_) => false,
            Self::Unreachable { tried, .. } => {
                let timed_out = |(_, error): &(_, _)| *error == ConnectError::Timeout;
                !tried.0.is_empty() && tried.0.iter().all(timed_out)
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
    /// address is tried when the last failed or kept silent for [`deadline::NEXT_ADDRESS`].
    pub async fn connect(&self, host: &str, port: u16) -> Result<TcpStream, DialError> {
        let addresses = self.resolver.resolve(host).await?;
        connect_any(addresses, port)
            .await
            .map_err(|tried| DialError::Unreachable {
                host: host.to_owned(),
                port,
                tried,
            })
    }
}

impl Dial for TcpDialer {
    fn dial<'a>(&'a self, host: &'a str, port: u16) -> Dialled<'a> {
        Box::pin(async move {
            let stream = self.connect(host, port).await?;
            Ok(Box::new(stream) as Box<dyn Link>)
        })
    }
}

/// Whether a port of a host takes connections; used to tell a blocked port from a dead network.
/// The connection is closed at once and nothing is said.
pub async fn probe(resolver: &Arc<Resolver>, host: &str, port: u16) -> Result<(), DialError> {
    TcpDialer::new(Arc::clone(resolver))
        .connect(host, port)
        .await
        .map(drop)
}

async fn connect_any(addresses: Vec<IpAddr>, port: u16) -> Result<TcpStream, Tried> {
    let mut waiting = addresses.into_iter();
    let mut attempts = JoinSet::new();
    let mut tried = Vec::new();
    loop {
        if let Some(address) = waiting.next() {
            attempts.spawn(async move { (address, connect_one((address, port).into()).await) });
        }
        let next_start = Instant::now() + deadline::NEXT_ADDRESS;
        // Ends at the first result, or when it is the next address's turn.
        tokio::select! {
            joined = attempts.join_next() => match joined {
                Some(Ok((_, Ok(stream)))) => return Ok(stream),
                Some(Ok((address, Err(error)))) => tried.push((address, error)),
                Some(Err(_)) => {}
                None => return Err(Tried(tried)),
            },
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
