//! One connection from its accept to its end: reading, writing, TLS, and what is noted of it.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

use crate::action::Action;
use crate::fault::{Point, Stage};
use crate::hosts::DataCentre;
use crate::store::{ConnectionRecord, Port};
use crate::texts;
use crate::tls::Certificate;
use crate::wire::Wire;
use crate::world::World;

/// Longest command line; AUTH lines may be long (RFC 4954).
const LINE_LIMIT_BYTES: usize = 16 * 1024;

/// The fatal alert `handshake_failure` as a record.
const ALERT: [u8; 7] = [0x15, 3, 3, 0, 2, 2, 40];

/// What ended a connection.
#[derive(Debug)]
pub(crate) enum End {
    Quit,
    ClientClosed,
    ClientGone(io::ErrorKind),
    HandshakeFailed(String),
    AfterRefusal,
    ProtocolError(&'static str),
    FaultClose,
    FaultReset,
}

impl fmt::Display for End {
    fn fmt(&self, output: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Quit => output.write_str("QUIT"),
            Self::ClientClosed => output.write_str("the client closed"),
            Self::ClientGone(kind) => write!(output, "the client is gone: {kind}"),
            Self::HandshakeFailed(why) => write!(output, "the TLS handshake failed: {why}"),
            Self::AfterRefusal => output.write_str("closed after the 553"),
            Self::ProtocolError(what) => write!(output, "protocol error: {what}"),
            Self::FaultClose => output.write_str("a fault closed it"),
            Self::FaultReset => output.write_str("a fault reset it"),
        }
    }
}

/// A mail under way.
#[derive(Debug, Default)]
pub(crate) struct Transaction {
    pub(crate) reverse_path: String,
    pub(crate) parameters: Vec<String>,
    pub(crate) recipients: Vec<String>,
    /// RCPT commands so far, refused ones too.
    pub(crate) rcpt_commands: u32,
}

/// One connection.
pub(crate) struct Session {
    pub(crate) world: Arc<World>,
    pub(crate) id: u64,
    pub(crate) peer: IpAddr,
    pub(crate) wire: Wire,
    /// Bytes read and not yet taken.
    pub(crate) input: Vec<u8>,
    pub(crate) secure: bool,
    pub(crate) greeted: bool,
    pub(crate) data_centre: DataCentre,
    pub(crate) login: Option<String>,
    pub(crate) transaction: Option<Transaction>,
    /// A mail was answered and no command has come since.
    pub(crate) after_mail: bool,
    signal: mpsc::UnboundedReceiver<Action>,
    /// How often each stage was come to.
    visits: Vec<(Stage, u32)>,
}

/// Serves one connection to its end.
pub(crate) async fn serve(world: Arc<World>, tcp: TcpStream, peer: IpAddr, port: Port) {
    // Replies go out at once; without it a split reply would be one packet.
    let _ = tcp.set_nodelay(true);
    let id = world.store.open_connection(port);
    let mut session = Session {
        id,
        peer,
        wire: Wire::Clear(tcp),
        input: Vec::new(),
        secure: false,
        greeted: false,
        data_centre: world.options.data_centre,
        login: None,
        transaction: None,
        after_mail: false,
        signal: world.connection_opened(id),
        visits: Vec::new(),
        world,
    };
    let Err(end) = session.run(port).await;
    session.world.connection_closed(id);
    if matches!(end, End::FaultReset) {
        session.wire.reset();
    }
    session.note(|record| record.ended = Some(end.to_string()));
    session.wire.close().await;
}

impl Session {
    async fn run(&mut self, port: Port) -> Result<std::convert::Infallible, End> {
        if let Some(action) = self.strike(Stage::Connect) {
            self.perform(Some(action), "").await?;
        }
        if port == Port::ImplicitTls {
            self.handshake().await?;
        }
        let banner = texts::banner(&self.world.clock.banner_date());
        self.answer(Stage::Greeting, &banner).await?;
        loop {
            if std::mem::take(&mut self.after_mail)
                && let Some(action) = self.strike(Stage::Idle)
            {
                self.perform(Some(action), "").await?;
            }
            let line = self.next_line(true).await?;
            self.command(&line).await?;
        }
    }

    /// Changes what is kept of this connection.
    pub(crate) fn note(&self, change: impl FnOnce(&mut ConnectionRecord)) {
        self.world.store.note(self.id, change);
    }

    /// The fault for this stage, counted; each call is a visit.
    pub(crate) fn strike(&mut self, stage: Stage) -> Option<Action> {
        let nth = self.visit(stage);
        self.strike_point(&self.point(stage, nth))
    }

    pub(crate) fn strike_point(&self, point: &Point<'_>) -> Option<Action> {
        self.world.faults().strike(point).map(|(_, action)| action)
    }

    /// This session at a stage, for faults.
    pub(crate) fn point(&self, stage: Stage, nth: u32) -> Point<'_> {
        let recipients = self.transaction.iter().flat_map(|mail| &mail.recipients);
        Point {
            stage,
            nth,
            account: self.login.as_deref(),
            recipients: recipients.map(String::as_str).collect(),
            content_bytes: 0,
            struck: &[],
        }
    }

    /// Counts a visit to a stage of this connection.
    pub(crate) fn visit(&mut self, stage: Stage) -> u32 {
        if let Some((_, count)) = self.visits.iter_mut().find(|(found, _)| *found == stage) {
            *count += 1;
            return *count;
        }
        self.visits.push((stage, 1));
        1
    }

    pub(crate) fn set_transaction(&mut self, transaction: Option<Transaction>) {
        self.world.in_transaction(self.id, transaction.is_some());
        self.transaction = transaction;
    }

    /// Reads more into `input`.
    pub(crate) async fn fill(&mut self) -> Result<(), End> {
        match self.wire.read(&mut self.input).await {
            Ok(0) => Err(End::ClientClosed),
            Ok(_) => Ok(()),
            Err(error) => Err(End::ClientGone(error.kind())),
        }
    }

    /// Writes bytes as they are, and into the transcript.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<(), End> {
        self.note(|record| {
            for line in String::from_utf8_lossy(bytes).split_terminator("\r\n") {
                record.line('S', line);
            }
        });
        self.write_unnoted(bytes).await
    }

    pub(crate) async fn write_unnoted(&mut self, bytes: &[u8]) -> Result<(), End> {
        self.wire
            .write(bytes)
            .await
            .map_err(|error| End::ClientGone(error.kind()))
    }

    /// The next line without its CRLF; only CRLF ends a line. While a command is waited for,
    /// `idle` lets the API strike.
    pub(crate) async fn next_line(&mut self, idle: bool) -> Result<String, End> {
        loop {
            if let Some(end) = self.input.windows(2).position(|two| two == b"\r\n") {
                return Ok(self.take_line(end));
            }
            if self.input.len() > LINE_LIMIT_BYTES {
                self.write(texts::LINE_TOO_LONG.as_bytes()).await?;
                return Err(End::ProtocolError("a command line is too long"));
            }
            tokio::select! {
                biased;
                Some(action) = self.signal.recv(), if idle => {
                    self.perform(Some(action), "").await?;
                }
                read = self.wire.read(&mut self.input) => match read {
                    Ok(0) => return Err(End::ClientClosed),
                    Ok(_) => {}
                    Err(error) => return Err(End::ClientGone(error.kind())),
                },
            }
        }
    }

    fn take_line(&mut self, end: usize) -> String {
        let rest = self.input.split_off(end + 2);
        let line = std::mem::replace(&mut self.input, rest);
        let line = &line[..end];
        let malformed = line.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0));
        let pipelined = !self.input.is_empty();
        self.note(|record| {
            record.malformed_command |= malformed;
            record.pipelined |= pipelined;
        });
        String::from_utf8_lossy(line).into_owned()
    }

    /// The TLS handshake, or the fault in its place.
    pub(crate) async fn handshake(&mut self) -> Result<(), End> {
        let mut kind = self.world.options.certificate;
        match self.strike(Stage::Tls) {
            None => {}
            Some(Action::Certificate(other)) => kind = other,
            Some(delay @ Action::Delay { .. }) => self.perform(Some(delay), "").await?,
            Some(Action::RefuseHandshake) => {
                self.fill().await?;
                self.write_unnoted(&ALERT).await?;
                return Err(End::FaultClose);
            }
            Some(action) => {
                if matches!(action, Action::Reset | Action::Close) {
                    self.fill().await?;
                }
                self.perform(Some(action), "").await?;
                return Err(self.stall().await);
            }
        }
        self.accept_tls(kind).await
    }

    async fn accept_tls(&mut self, kind: Certificate) -> Result<(), End> {
        let failed = |why: &dyn fmt::Display| End::HandshakeFailed(why.to_string());
        let config = self
            .world
            .authority
            .server_config(kind)
            .map_err(|error| failed(&error))?;
        let tcp = self
            .wire
            .take_clear()
            .ok_or(End::ProtocolError("TLS within TLS"))?;
        match TlsAcceptor::from(config).accept(tcp).into_fallible().await {
            Ok(tls) => self.wire = Wire::Tls(Box::new(tls)),
            Err((error, tcp)) => {
                self.wire = Wire::Clear(tcp);
                return Err(failed(&error));
            }
        }
        self.secured();
        Ok(())
    }

    /// After the handshake all that was said before it is forgotten (RFC 3207 4.2).
    fn secured(&mut self) {
        let (mut server_name, mut resumed) = (None, false);
        if let Wire::Tls(tls) = &self.wire {
            let connection = tls.get_ref().1;
            server_name = connection.server_name().map(str::to_owned);
            resumed = connection.handshake_kind() == Some(rustls::HandshakeKind::Resumed);
        }
        let published = server_name
            .as_deref()
            .and_then(crate::hosts::data_centre_of);
        self.data_centre = published.unwrap_or(self.world.options.data_centre);
        self.secure = true;
        self.greeted = false;
        self.login = None;
        self.set_transaction(None);
        self.note(|record| {
            record.tls = true;
            record.tls_resumed = resumed;
            record.server_name = server_name;
        });
    }
}
