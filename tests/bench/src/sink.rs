//! The sink: an SMTP server with implicit TLS and AUTH that says `250 Message received` and drops
//! the mail. Its connections live as long as the client likes.

pub mod dialogue;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener};
use std::sync::Arc;

use rustix::net::SocketFlags;
use rustls::{ServerConfig, ServerConnection};

use crate::reactor::Poll;
use crate::stream::{Arrival, READ_BYTES, Stream};
use dialogue::Dialogue;

/// What the sink has seen since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Mails that it took.
    pub mails: u64,
    /// Connections that were opened.
    pub connections: u64,
    /// Logins.
    pub logins: u64,
}

/// A server on a free port of 127.0.0.1.
pub struct Sink {
    listener: TcpListener,
    address: SocketAddrV4,
    tls: Option<Arc<ServerConfig>>,
    connections: Vec<Option<Connection>>,
    seen: Seen,
    scratch: Vec<u8>,
    replies: Vec<u8>,
}

struct Connection {
    stream: Stream,
    dialogue: Dialogue,
    /// Replies that did not fit into the socket; almost never any.
    unsent: Vec<u8>,
}

/// The listener's token; the connection at index `i` has token `i + 1`.
const LISTENER: u64 = 0;

impl Sink {
    /// Listens. Without `tls` it speaks plain SMTP and asks for no login, as a sidecar does.
    pub fn listen(poll: &Poll, tls: Option<Arc<ServerConfig>>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let SocketAddr::V4(address) = listener.local_addr()? else {
            return Err(io::Error::other("the sink's address is not IPv4"));
        };
        poll.add_sink(&listener, LISTENER)?;
        Ok(Self {
            listener,
            address,
            tls,
            connections: Vec::new(),
            seen: Seen::default(),
            scratch: vec![0; READ_BYTES],
            replies: Vec::new(),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddrV4 {
        self.address
    }

    /// What it has seen since its start.
    pub fn seen(&self) -> Seen {
        self.seen
    }

    /// Connections that are open now.
    pub fn open_connections(&self) -> usize {
        self.connections.iter().flatten().count()
    }

    /// Goes on with what has become ready.
    pub(crate) fn on_ready(&mut self, poll: &Poll, token: u64) -> io::Result<()> {
        if token == LISTENER {
            return self.accept(poll);
        }
        let slot = usize::try_from(token - 1).map_err(io::Error::other)?;
        // A client that goes away without QUIT is no fault of the sink's.
        if let Some(slot) = self.connections.get_mut(slot)
            && let Some(connection) = slot
            && !connection
                .go_on(&mut self.scratch, &mut self.replies, &mut self.seen)
                .unwrap_or(false)
        {
            *slot = None;
        }
        Ok(())
    }

    fn accept(&mut self, poll: &Poll) -> io::Result<()> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = match rustix::net::accept_with(&self.listener, flags) {
            Ok(socket) => socket,
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::CONNABORTED) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        rustix::net::sockopt::set_tcp_nodelay(&socket, true)?;
        let stream = match &self.tls {
            Some(tls) => {
                let tls = ServerConnection::new(tls.clone()).map_err(io::Error::other)?;
                Stream::secured(socket, tls)
            }
            None => Stream::plain(socket),
        };
        let slot = self
            .connections
            .iter()
            .position(Option::is_none)
            .unwrap_or_else(|| {
                self.connections.push(None);
                self.connections.len() - 1
            });
        poll.add_sink(&stream, slot as u64 + 1)?;
        self.seen.connections += 1;
        let dialogue = match self.tls {
            Some(_) => Dialogue::default(),
            None => Dialogue::without_login(),
        };
        let mut connection = Connection {
            stream,
            dialogue,
            unsent: dialogue::BANNER.to_vec(),
        };
        if connection.send_unsent().is_ok() {
            self.connections[slot] = Some(connection);
        }
        Ok(())
    }
}

impl Connection {
    /// False when the connection has ended.
    fn go_on(
        &mut self,
        scratch: &mut [u8],
        replies: &mut Vec<u8>,
        seen: &mut Seen,
    ) -> io::Result<bool> {
        replies.clear();
        let dialogue = &mut self.dialogue;
        let arrival = self
            .stream
            .receive(scratch, |bytes| dialogue.receive(bytes, replies, seen))?;
        self.unsent.extend_from_slice(replies);
        self.send_unsent()?;
        Ok(arrival == Arrival::Open && !self.dialogue.has_quit())
    }

    /// One write for all replies. What a full socket leaves goes with the next event: a client that
    /// reads its replies never lets it fill.
    fn send_unsent(&mut self) -> io::Result<()> {
        let mut sent = 0;
        self.stream.send(&self.unsent, &mut sent)?;
        self.unsent.drain(..sent);
        Ok(())
    }
}
