//! Listening sockets, and errors that say what to do when one cannot be had.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 128;
/// How long accepting pauses when the system is out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why a socket cannot listen.
#[derive(Debug, Error)]
pub enum ListenError {
    /// Another socket has it.
    #[error("address already in use: another process listens on {address}; choose another port")]
    InUse {
        /// The address that was asked for.
        address: SocketAddr,
    },
    /// A port under 1024, most often.
    #[error("listening on {address} is not permitted: choose a port from 1024 on")]
    NotPermitted {
        /// The address that was asked for.
        address: SocketAddr,
    },
    /// No interface has it, or the machine lacks its family.
    #[error("listening on {address}: this machine has no such address; choose one that it has")]
    NotHere {
        /// The address that was asked for.
        address: SocketAddr,
    },
    /// Something else.
    #[error("listening on {address}: {source}")]
    Other {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

impl ListenError {
    fn new(address: SocketAddr, source: io::Error) -> Self {
        match source.kind() {
            ErrorKind::AddrInUse => Self::InUse { address },
            ErrorKind::PermissionDenied => Self::NotPermitted { address },
            ErrorKind::AddrNotAvailable | ErrorKind::Unsupported => Self::NotHere { address },
            _ if is_no_such_family(&source) => Self::NotHere { address },
            _ => Self::Other { address, source },
        }
    }
}

/// EAFNOSUPPORT, of a kernel without IPv6, has no kind of its own.
fn is_no_such_family(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error())
}

/// Listens on one address; port 0 takes a free one. `[::]` takes IPv4 as well, and becomes 0.0.0.0
/// where the machine has no IPv6. Must be called within a runtime.
pub fn bind(address: SocketAddr) -> Result<TcpListener, ListenError> {
    let is_any_v6 = address.is_ipv6() && address.ip().is_unspecified();
    match open(address, !is_any_v6) {
        Err(ListenError::NotHere { .. }) if is_any_v6 => {
            open((Ipv4Addr::UNSPECIFIED, address.port()).into(), true)
        }
        result => result,
    }
}

fn open(address: SocketAddr, only_own_family: bool) -> Result<TcpListener, ListenError> {
    try_open(address, only_own_family).map_err(|source| ListenError::new(address, source))
}

fn try_open(address: SocketAddr, only_own_family: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(only_own_family)?;
    }
    // A restart must not wait for connections of the process before (TIME_WAIT).
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// The next connection, once there is room for it; `what` it is stands in the log where it cannot be
/// had. Cancel-safe.
pub async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
    what: &str,
) -> (TcpStream, Option<OwnedSemaphorePermit>) {
    // None only of a closed semaphore, which nobody here closes.
    let permit = Arc::clone(permits).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, permit),
            Err(error) => {
                tracing::warn!(%error, "accepting {what}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

    use tokio::net::TcpStream;

    use super::{ListenError, bind};

    #[tokio::test]
    async fn a_taken_port_is_named_with_what_to_do() {
        let first = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = first.local_addr().unwrap();
        let error = bind(address).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "address already in use: another process listens on {address}; choose another port"
            )
        );
    }

    #[tokio::test]
    async fn the_wildcard_takes_ipv4_whether_the_machine_has_ipv6_or_not() {
        let listener = bind("[::]:0".parse().unwrap()).unwrap();
        let port = listener.local_addr().unwrap().port();
        TcpStream::connect((Ipv4Addr::LOCALHOST, port))
            .await
            .unwrap();
        listener.accept().await.unwrap();
        if listener.local_addr().unwrap().is_ipv6() {
            TcpStream::connect((Ipv6Addr::LOCALHOST, port))
                .await
                .unwrap();
        }
    }

    #[tokio::test]
    async fn an_address_of_another_machine_is_told_from_a_taken_one() {
        // TEST-NET-1 (RFC 5737) is on no interface.
        let error = bind("192.0.2.1:0".parse().unwrap()).unwrap_err();
        assert!(matches!(error, ListenError::NotHere { .. }), "{error:?}");
    }

    #[test]
    fn a_kernel_without_the_family_is_the_same_as_an_address_that_is_not_here() {
        let address: SocketAddr = "[::]:2525".parse().unwrap();
        let raw = rustix::io::Errno::AFNOSUPPORT.raw_os_error();
        let error = ListenError::new(address, io::Error::from_raw_os_error(raw));
        assert!(matches!(error, ListenError::NotHere { .. }), "{error:?}");
    }

    #[test]
    fn a_low_port_without_the_right_says_which_ports_are_free_to_take() {
        let address: SocketAddr = "127.0.0.1:25".parse().unwrap();
        let error = ListenError::new(address, io::ErrorKind::PermissionDenied.into());
        assert_eq!(
            error.to_string(),
            "listening on 127.0.0.1:25 is not permitted: choose a port from 1024 on"
        );
    }
}
