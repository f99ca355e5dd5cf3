//! A non-blocking TCP connection, plain or inside TLS, that spends as few system calls as it can.

use std::io::{self, BufRead, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Size of the buffer that one read fills: several TLS records.
pub const READ_BYTES: usize = 64 * 1024;

/// One end of a connection.
pub struct Stream {
    socket: TcpStream,
    tls: Option<Box<rustls::Connection>>,
}

/// What a read found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Bytes, or none yet.
    Open,
    /// The peer has closed.
    Closed,
}

impl Stream {
    /// A connection without TLS over a non-blocking socket.
    pub fn plain(socket: OwnedFd) -> Self {
        Self {
            socket: TcpStream::from(socket),
            tls: None,
        }
    }

    /// A connection inside TLS over a non-blocking socket.
    pub fn secured(socket: OwnedFd, tls: impl Into<rustls::Connection>) -> Self {
        Self {
            socket: TcpStream::from(socket),
            tls: Some(Box::new(tls.into())),
        }
    }

    /// Reads once from the socket into `scratch` and hands what came to `take`, decrypted.
    pub fn receive(
        &mut self,
        scratch: &mut [u8],
        mut take: impl FnMut(&[u8]),
    ) -> io::Result<Arrival> {
        let arrived = match self.socket.read(scratch) {
            Ok(0) => return Ok(Arrival::Closed),
            Ok(arrived) => arrived,
            Err(error) if is_for_later(&error) => return Ok(Arrival::Open),
            Err(error) => return Err(error),
        };
        match &mut self.tls {
            None => {
                take(&scratch[..arrived]);
                Ok(Arrival::Open)
            }
            Some(tls) => decrypt(tls, &scratch[..arrived], take),
        }
    }

    /// Writes `bytes` from `sent` on and moves `sent`; true when all of it is with the kernel.
    pub fn send(&mut self, bytes: &[u8], sent: &mut usize) -> io::Result<bool> {
        loop {
            let rest = &bytes[*sent..];
            let written = match &mut self.tls {
                Some(tls) => tls.writer().write(rest),
                None if rest.is_empty() => Ok(0),
                None => self.socket.write(rest),
            };
            match written {
                Ok(written) => *sent += written,
                Err(error) if is_for_later(&error) => return Ok(false),
                Err(error) => return Err(error),
            }
            if !self.flush()? {
                return Ok(false);
            }
            if *sent == bytes.len() {
                return Ok(true);
            }
        }
    }

    /// Whether TLS has bytes that the socket has not taken.
    pub fn has_unsent(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.wants_write())
    }

    /// Writes what TLS has to say (a handshake, encrypted bytes); true when nothing is left.
    pub fn flush(&mut self) -> io::Result<bool> {
        let Some(tls) = &mut self.tls else {
            return Ok(true);
        };
        while tls.wants_write() {
            match tls.write_tls(&mut self.socket) {
                Ok(_) => {}
                Err(error) if is_for_later(&error) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn decrypt(
    tls: &mut rustls::Connection,
    mut records: &[u8],
    mut take: impl FnMut(&[u8]),
) -> io::Result<Arrival> {
    while !records.is_empty() && tls.read_tls(&mut records)? > 0 {
        let state = tls.process_new_packets().map_err(io::Error::other)?;
        let mut reader = tls.reader();
        while let Ok(plain) = reader.fill_buf()
            && !plain.is_empty()
        {
            take(plain);
            let taken = plain.len();
            reader.consume(taken);
        }
        if state.peer_has_closed() {
            return Ok(Arrival::Closed);
        }
    }
    Ok(Arrival::Open)
}

fn is_for_later(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}
