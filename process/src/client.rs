//! The smallest HTTP client: one GET of a page of our own admin server, without an HTTP crate.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The largest answer of [`get`], head and body.
const ANSWER_BYTES_MAX: u64 = 1024 * 1024;

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum GetError {
    /// The path is not one: it must begin with `/` and hold visible ASCII only.
    #[error("asking {address}: the path does not begin with / or is not visible ASCII")]
    Path {
        /// Whom we would have asked.
        address: SocketAddr,
    },
    /// Nobody listens there.
    #[error("connecting to {address}: {source}")]
    Connect {
        /// Whom we asked.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The connection broke.
    #[error("asking {address}: {source}")]
    Io {
        /// Whom we asked.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The whole answer did not come in time.
    #[error("asking {address}: no answer within {timeout:?}")]
    Timeout {
        /// Whom we asked.
        address: SocketAddr,
        /// How long we waited.
        timeout: Duration,
    },
    /// The answer is more than we read.
    #[error("asking {address}: the answer is larger than {bytes_max} bytes")]
    TooLarge {
        /// Whom we asked.
        address: SocketAddr,
        /// How much we read, head and body.
        bytes_max: u64,
    },
    /// What answers does not speak HTTP, or hung up early.
    #[error("asking {address}: the answer is not whole HTTP; does something else listen there?")]
    Malformed {
        /// Whom we asked.
        address: SocketAddr,
    },
}

/// Asks for `path` and gives the status code and the body, all within `timeout`. An unspecified
/// address, such as `[::]` of a listener, stands for loopback of either family.
pub async fn get(
    address: SocketAddr,
    path: &str,
    timeout: Duration,
) -> Result<(u16, Vec<u8>), GetError> {
    get_at_most(address, path, timeout, ANSWER_BYTES_MAX).await
}

/// As [`get`], of a server that is not trusted to be brief: no more than `bytes_max` of its answer,
/// head and body, are read.
pub async fn get_at_most(
    address: SocketAddr,
    path: &str,
    timeout: Duration,
    bytes_max: u64,
) -> Result<(u16, Vec<u8>), GetError> {
    if !path.starts_with('/') || !path.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(GetError::Path { address });
    }
    tokio::time::timeout(timeout, ask(address, path, bytes_max))
        .await
        .unwrap_or(Err(GetError::Timeout { address, timeout }))
}

async fn ask(address: SocketAddr, path: &str, bytes_max: u64) -> Result<(u16, Vec<u8>), GetError> {
    let mut stream = connect(address).await?;
    // HTTP/1.0: the answer ends with the connection and is never chunked (RFC 1945).
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n");
    let broken = |source| GetError::Io { address, source };
    stream.write_all(request.as_bytes()).await.map_err(broken)?;
    let mut answer = Vec::new();
    stream
        .take(bytes_max.saturating_add(1))
        .read_to_end(&mut answer)
        .await
        .map_err(broken)?;
    if answer.len() as u64 > bytes_max {
        return Err(GetError::TooLarge { address, bytes_max });
    }
    parse(answer).ok_or(GetError::Malformed { address })
}

async fn connect(address: SocketAddr) -> Result<TcpStream, GetError> {
    let failed = |source| GetError::Connect { address, source };
    let first = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    match TcpStream::connect((first, address.port())).await {
        // The listener on [::] may have fallen back to IPv4.
        Err(_) if address.is_ipv6() && address.ip().is_unspecified() => {
            TcpStream::connect((Ipv4Addr::LOCALHOST, address.port()))
                .await
                .map_err(failed)
        }
        result => result.map_err(failed),
    }
}

/// Status and body of a whole answer; `None` where it is none, or shorter than it says.
fn parse(mut answer: Vec<u8>) -> Option<(u16, Vec<u8>)> {
    let head_end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..head_end]).ok()?;
    let mut lines = head.split("\r\n");
    let (version, rest) = lines.next()?.split_once(' ')?;
    let status = rest
        .split(' ')
        .next()
        .filter(|status| status.len() == 3)?
        .parse()
        .ok()?;
    if !version.starts_with("HTTP/1.") {
        return None;
    }
    let length = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse::<usize>().ok());
    let body = answer.split_off(head_end + 4);
    match length {
        Some(length) if length != body.len() => None,
        _ => Some((status, body)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::{GetError, get, parse};
    use crate::listen;

    const PATIENCE: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn nobody_there_and_no_answer_in_time_are_told_apart() {
        let listener = listen::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let silent = get(address, "/ready", Duration::from_millis(1)).await;
        assert!(
            matches!(silent, Err(GetError::Timeout { .. })),
            "{silent:?}"
        );
        drop(listener);
        let nobody = get(address, "/ready", PATIENCE).await;
        assert!(
            matches!(nobody, Err(GetError::Connect { .. })),
            "{nobody:?}"
        );
    }

    #[tokio::test]
    async fn an_endless_answer_is_cut_off() {
        let listener = listen::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 256];
            let _ = stream.read(&mut request).await.unwrap();
            while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
        };
        let (answer, ()) = tokio::join!(get(address, "/", PATIENCE), server);
        assert!(
            matches!(answer, Err(GetError::TooLarge { .. })),
            "{answer:?}"
        );
    }

    #[tokio::test]
    async fn a_path_cannot_smuggle_a_header() {
        let address = "127.0.0.1:9".parse().unwrap();
        for path in ["/a\r\nX: y", "ready", "/a b", ""] {
            let refused = get(address, path, PATIENCE).await;
            assert!(matches!(refused, Err(GetError::Path { .. })), "{path:?}");
        }
    }

    #[test]
    fn only_a_whole_answer_counts() {
        let whole = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\nno".to_vec();
        assert_eq!(parse(whole), Some((503, b"no".to_vec())));
        assert_eq!(
            parse(b"HTTP/1.0 200 OK\r\n\r\nyes".to_vec()),
            Some((200, b"yes".to_vec()))
        );
        for bad in [
            "",
            "220 ready\r\n\r\n",
            "HTTP/1.1 200 OK\r\n",
            "HTTP/1.1 2000 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort",
        ] {
            assert_eq!(parse(bad.as_bytes().to_vec()), None, "{bad:?}");
        }
    }
}
