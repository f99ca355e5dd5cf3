//! One connection, in clear or inside TLS, with its TCP socket in reach.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// Room for one read: a TLS record.
const READ_BYTES: usize = 16 * 1024;

/// A stream to a client.
pub(crate) enum Wire {
    Clear(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    /// A handshake took the stream and failed.
    Gone,
}

impl Wire {
    /// Appends what comes; 0 is the end of the stream. Safe to drop while it waits.
    pub(crate) async fn read(&mut self, input: &mut Vec<u8>) -> io::Result<usize> {
        // Without it a full vector would grow, and be read into, by 64 bytes at a time.
        input.reserve(READ_BYTES);
        match self {
            Self::Clear(tcp) => tcp.read_buf(input).await,
            Self::Tls(tls) => tls.read_buf(input).await,
            Self::Gone => Ok(0),
        }
    }

    /// Writes all of it and flushes.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Clear(tcp) => tcp.write_all(bytes).await,
            Self::Tls(tls) => {
                tls.write_all(bytes).await?;
                tls.flush().await
            }
            Self::Gone => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    pub(crate) fn tcp(&self) -> Option<&TcpStream> {
        match self {
            Self::Clear(tcp) => Some(tcp),
            Self::Tls(tls) => Some(tls.get_ref().0),
            Self::Gone => None,
        }
    }

    /// The stream, for a handshake.
    pub(crate) fn take_clear(&mut self) -> Option<TcpStream> {
        match std::mem::replace(self, Self::Gone) {
            Self::Clear(tcp) => Some(tcp),
            other => {
                *self = other;
                None
            }
        }
    }

    /// FIN, after `close_notify` inside TLS; then reads until the client has closed, because
    /// closing on unread bytes would send RST and could destroy the last reply.
    pub(crate) async fn close(&mut self) {
        let closed = match self {
            Self::Clear(tcp) => tcp.shutdown().await,
            Self::Tls(tls) => tls.shutdown().await,
            Self::Gone => return,
        };
        let mut rest = Vec::new();
        while closed.is_ok() && matches!(self.read(&mut rest).await, Ok(1..)) {
            rest.clear();
        }
    }

    /// RST.
    pub(crate) fn reset(&mut self) {
        if let Some(tcp) = self.tcp() {
            // Where the socket is gone already, so is the client.
            let _ = tcp.set_zero_linger();
        }
        *self = Self::Gone;
    }
}
