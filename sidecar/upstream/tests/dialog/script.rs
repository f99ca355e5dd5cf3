//! A server that does what a script says, one script a connection.
//!
//! A misbehaving server is a row of [`Act`]s, not new code.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::{HandshakeKind, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use zohorelay_upstream::dial::{Dial, Dialled, Link};

/// One thing that the server does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    /// Takes part in a TLS handshake.
    Tls,
    /// Writes those bytes in one go.
    Say(&'static str),
    /// The same for bytes that are no text.
    SayBytes(&'static [u8]),
    /// Writes that text again and again until the client hangs up.
    SayForEver(&'static str),
    /// Reads a line that must begin like that.
    Hear(&'static str),
    /// Reads content up to CRLF.CRLF.
    Content,
    /// Reads so many bytes of content.
    SomeContent(usize),
    /// Lets a second go by.
    Wait,
    /// Hangs up.
    Close,
    /// Reads no more, so that the client's writes get stuck.
    Stall,
}

pub(crate) use Act::{
    Close, Content, Hear, Say, SayBytes, SayForEver, SomeContent, Stall, Tls, Wait,
};

pub(crate) const EHLO_REPLY: &str =
    "250-mx.zohomail.com Hello\r\n250-AUTH LOGIN PLAIN\r\n250 SIZE 53477376\r\n";
pub(crate) const CLEAR_EHLO_REPLY: &str =
    "250-mx.zohomail.com Hello\r\n250-STARTTLS\r\n250 SIZE 53477376\r\n";

/// Implicit TLS up to the login.
pub(crate) const LOGIN: &[Act] = &[
    Tls,
    Say("220 mx.zohomail.com SMTP Server ready\r\n"),
    Hear("EHLO relay.example"),
    Say(EHLO_REPLY),
    Hear("AUTH PLAIN "),
    Say("235 Authentication Successful\r\n"),
];

/// Up to the 220 to STARTTLS.
pub(crate) const STARTTLS: &[Act] = &[
    Say("220 mx.zohomail.com SMTP Server ready\r\n"),
    Hear("EHLO relay.example"),
    Say(CLEAR_EHLO_REPLY),
    Hear("STARTTLS"),
];

/// After [`STARTTLS`] and its 220.
pub(crate) const LOGIN_AFTER_STARTTLS: &[Act] = &[
    Tls,
    Hear("EHLO relay.example"),
    Say(EHLO_REPLY),
    Hear("AUTH PLAIN "),
    Say("235 Authentication Successful\r\n"),
];

/// A mail to one recipient, up to the 354.
pub(crate) const ENVELOPE: &[Act] = &[
    Hear("MAIL FROM:<billing@example.com>"),
    Say("250 Sender OK\r\n"),
    Hear("RCPT TO:<a@example.org>"),
    Say("250 Recipient OK\r\n"),
    Hear("DATA"),
    Say("354 Ok Send data ending with <CRLF>.<CRLF>\r\n"),
];

/// The login and a mail up to its DATA, not answered.
pub(crate) const UP_TO_DATA: &[Act] = {
    static ACTS: [Act; 11] = joined(5);
    &ACTS
};

/// The login and a mail up to the 354.
pub(crate) const UP_TO_354: &[Act] = {
    static ACTS: [Act; 12] = joined(6);
    &ACTS
};

/// [`LOGIN`] and so many acts of [`ENVELOPE`].
const fn joined<const N: usize>(acts: usize) -> [Act; N] {
    assert!(N == LOGIN.len() + acts);
    let mut joined = [Tls; N];
    let mut index = 0;
    while index < N {
        joined[index] = if index < LOGIN.len() {
            LOGIN[index]
        } else {
            ENVELOPE[index - LOGIN.len()]
        };
        index += 1;
    }
    joined
}

/// The rest of it.
pub(crate) const ACCEPT: &[Act] = &[Content, Say("250 Message received\r\n")];

/// What the server saw, over all connections.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Connections made.
    pub(crate) dials: usize,
    /// Handshakes that resumed a session.
    pub(crate) resumed: usize,
    /// Bytes that came outside TLS (handshakes not counted).
    pub(crate) clear: Vec<u8>,
    /// Lines that came inside TLS.
    pub(crate) lines: Vec<String>,
    /// Contents, as they stood on the wire, with their end.
    pub(crate) contents: Vec<Vec<u8>>,
    /// What the client did that was not in the script.
    pub(crate) surprises: Vec<String>,
    /// Connections that ended.
    pub(crate) ended: usize,
}

impl Seen {
    /// How often that was said inside TLS.
    pub(crate) fn count(&self, prefix: &str) -> usize {
        let said = |line: &&String| line.starts_with(prefix);
        self.lines.iter().filter(said).count()
    }
}

/// Scripts for the connections to come, and what was seen.
#[derive(Clone)]
pub(crate) struct Server {
    scripts: Arc<Mutex<VecDeque<Vec<Act>>>>,
    seen: Arc<Mutex<Seen>>,
    tls: Arc<ServerConfig>,
}

impl Server {
    pub(crate) fn new(tls: Arc<ServerConfig>, scripts: Vec<Vec<Act>>) -> Self {
        Self {
            scripts: Arc::new(Mutex::new(scripts.into())),
            seen: Arc::default(),
            tls,
        }
    }

    pub(crate) fn seen(&self) -> Seen {
        self.seen.lock().unwrap().clone()
    }

    fn connection(&self, stream: DuplexStream) -> Connection {
        Connection {
            stream: Stream::Clear(stream),
            seen: Arc::clone(&self.seen),
            tls: TlsAcceptor::from(Arc::clone(&self.tls)),
        }
    }
}

impl Dial for Server {
    fn dial<'a>(&'a self, _host: &'a str, _port: u16, _deadline: Instant) -> Dialled<'a> {
        Box::pin(async {
            let script = self.scripts.lock().unwrap().pop_front();
            let script = script.expect("no script for another connection");
            self.seen.lock().unwrap().dials += 1;
            let (ours, theirs) = duplex(64 * 1024);
            let connection = self.connection(theirs);
            tokio::spawn(connection.play(script));
            Ok(Box::new(ours) as Box<dyn Link>)
        })
    }
}

enum Stream {
    Clear(DuplexStream),
    Tls(Box<TlsStream<DuplexStream>>),
    Gone,
}

struct Connection {
    stream: Stream,
    seen: Arc<Mutex<Seen>>,
    tls: TlsAcceptor,
}

impl Connection {
    async fn play(mut self, script: Vec<Act>) {
        for act in script {
            if self.act(act).await.is_err() {
                break;
            }
        }
        // What comes after the script is seen too: a client may have more to say.
        while self.line().await.is_ok() {}
        self.stream = Stream::Gone;
        self.seen.lock().unwrap().ended += 1;
    }

    async fn act(&mut self, act: Act) -> io::Result<()> {
        match act {
            Tls => self.secure().await,
            Say(text) => self.write(text.as_bytes()).await,
            SayBytes(bytes) => self.write(bytes).await,
            SayForEver(text) => loop {
                self.write(text.as_bytes()).await?;
            },
            Hear(expected) => {
                let line = self.line().await?;
                if !line.starts_with(expected) {
                    let surprise = format!("{line} instead of {expected}");
                    self.seen.lock().unwrap().surprises.push(surprise);
                }
                Ok(())
            }
            Content => self.content().await,
            SomeContent(mut bytes) => {
                while bytes > 0 {
                    self.byte().await?;
                    bytes -= 1;
                }
                Ok(())
            }
            Wait => {
                tokio::time::sleep(Duration::from_secs(1)).await;
                Ok(())
            }
            Close => {
                self.stream = Stream::Gone;
                Ok(())
            }
            Stall => loop {
                tokio::time::sleep(Duration::from_secs(1 << 20)).await;
            },
        }
    }

    async fn secure(&mut self) -> io::Result<()> {
        let Stream::Clear(stream) = std::mem::replace(&mut self.stream, Stream::Gone) else {
            panic!("TLS twice");
        };
        let stream = self.tls.accept(stream).await?;
        if stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed) {
            self.seen.lock().unwrap().resumed += 1;
        }
        self.stream = Stream::Tls(Box::new(stream));
        Ok(())
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.stream {
            Stream::Clear(stream) => stream.write_all(bytes).await,
            Stream::Tls(stream) => {
                stream.write_all(bytes).await?;
                stream.flush().await
            }
            Stream::Gone => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    async fn byte(&mut self) -> io::Result<u8> {
        match &mut self.stream {
            Stream::Clear(stream) => {
                let byte = stream.read_u8().await?;
                self.seen.lock().unwrap().clear.push(byte);
                Ok(byte)
            }
            Stream::Tls(stream) => stream.read_u8().await,
            Stream::Gone => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    async fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            line.push(self.byte().await?);
        }
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        if let Stream::Tls(_) = self.stream {
            self.seen.lock().unwrap().lines.push(line.clone());
        }
        Ok(line)
    }

    async fn content(&mut self) -> io::Result<()> {
        let Stream::Tls(stream) = &mut self.stream else {
            panic!("content in the clear");
        };
        let mut content = b"\r\n".to_vec();
        let mut chunk = vec![0; 16 * 1024];
        while !content.ends_with(b"\r\n.\r\n") {
            let read = stream.read(&mut chunk).await?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            content.extend_from_slice(&chunk[..read]);
        }
        content.drain(..2);
        self.seen.lock().unwrap().contents.push(content);
        Ok(())
    }
}
