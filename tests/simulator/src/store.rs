//! What the simulator saw: mails and connections.

use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::world::lock;

/// Lines that a transcript keeps; a session that never ends must not eat the memory.
const TRANSCRIPT_LINES: usize = 10_000;

/// What was wrong with the bytes of a content. Counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentDefects {
    /// CR without LF.
    pub bare_cr: u64,
    /// LF without CR.
    pub bare_lf: u64,
    /// NUL bytes.
    pub nul: u64,
    /// Some byte was over 127, although 8BITMIME is not offered.
    pub eight_bit: bool,
}

impl ContentDefects {
    fn add(&mut self, other: Self) {
        self.bare_cr += other.bare_cr;
        self.bare_lf += other.bare_lf;
        self.nul += other.nul;
        self.eight_bit |= other.eight_bit;
    }
}

/// An accepted mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mail {
    /// Sequence number, from 1; never used again.
    pub id: u64,
    /// The connection it came on.
    pub connection: u64,
    /// The account that was logged in.
    pub login: String,
    /// Of MAIL; empty for `<>`.
    pub reverse_path: String,
    /// Of the RCPTs that were answered 2yz, in order.
    pub recipients: Vec<String>,
    /// Parameters of MAIL as they came, such as `SIZE=550`.
    pub parameters: Vec<String>,
    /// Bytes of `content`.
    pub size_bytes: u64,
    /// What was wrong with its bytes.
    pub defects: ContentDefects,
    /// The whole good reply was written. False: the client may not know that it was accepted.
    pub answered: bool,
    /// The content without the stuffed dots.
    #[serde(skip)]
    pub content: Arc<[u8]>,
    /// The content as on the wire, still stuffed, without the line that ends it.
    #[serde(skip)]
    pub wire: Arc<[u8]>,
}

/// A listening port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Port {
    /// TLS from the first byte.
    ImplicitTls,
    /// STARTTLS.
    Starttls,
}

/// What happened on one connection.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one fact that a test may ask for"
)]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionRecord {
    /// Number of the connection over both ports, from 1.
    pub id: u64,
    /// Where it came in.
    pub port: Port,
    /// The TLS handshake was done.
    pub tls: bool,
    /// It resumed an earlier TLS session.
    pub tls_resumed: bool,
    /// The TLS server name that the client asked for.
    pub server_name: Option<String>,
    /// The account that is or was logged in.
    pub login: Option<String>,
    /// An AUTH command came without TLS.
    pub auth_in_clear: bool,
    /// A command came before the reply to the one before it, although PIPELINING is not offered.
    pub pipelined: bool,
    /// A command line held a bare CR, a bare LF or a NUL.
    pub malformed_command: bool,
    /// Defects of all contents, those of refused mails too.
    pub defects: ContentDefects,
    /// Mails accepted.
    pub mails: u32,
    /// `C: ` and `S: ` lines; credentials are `*` and contents are counts. At most 10,000.
    pub transcript: Vec<String>,
    /// What ended it; `None` while it is open.
    pub ended: Option<String>,
}

impl ConnectionRecord {
    fn new(id: u64, port: Port) -> Self {
        Self {
            id,
            port,
            tls: false,
            tls_resumed: false,
            server_name: None,
            login: None,
            auth_in_clear: false,
            pipelined: false,
            malformed_command: false,
            defects: ContentDefects::default(),
            mails: 0,
            transcript: Vec::new(),
            ended: None,
        }
    }

    pub(crate) fn line(&mut self, who: char, line: &str) {
        if self.transcript.len() < TRANSCRIPT_LINES {
            let line: String = line.chars().take(512).collect();
            self.transcript.push(format!("{who}: {line}"));
        }
    }

    pub(crate) fn add_defects(&mut self, defects: ContentDefects) {
        self.defects.add(defects);
    }
}

#[derive(Debug, Default)]
struct Kept {
    mails: Vec<Mail>,
    last_mail: u64,
    connections: Vec<ConnectionRecord>,
}

/// All that was seen, and a signal at each change.
#[derive(Debug)]
pub(crate) struct Store {
    kept: Mutex<Kept>,
    changes: watch::Sender<()>,
}

impl Store {
    pub(crate) fn new() -> Self {
        Self {
            kept: Mutex::default(),
            changes: watch::Sender::new(()),
        }
    }

    /// Signals each change from now on.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    pub(crate) fn open_connection(&self, port: Port) -> u64 {
        let mut kept = lock(&self.kept);
        let id = kept.connections.len() as u64 + 1;
        kept.connections.push(ConnectionRecord::new(id, port));
        drop(kept);
        self.changes.send_replace(());
        id
    }

    pub(crate) fn note(&self, connection: u64, change: impl FnOnce(&mut ConnectionRecord)) {
        let index = usize::try_from(connection.saturating_sub(1)).unwrap_or(usize::MAX);
        if let Some(record) = lock(&self.kept).connections.get_mut(index) {
            change(record);
        }
        self.changes.send_replace(());
    }

    pub(crate) fn connections(&self) -> Vec<ConnectionRecord> {
        lock(&self.kept).connections.clone()
    }

    /// Keeps a mail under a new number.
    pub(crate) fn add(&self, mut mail: Mail) -> u64 {
        let mut kept = lock(&self.kept);
        kept.last_mail += 1;
        mail.id = kept.last_mail;
        let id = mail.id;
        kept.mails.push(mail);
        drop(kept);
        self.changes.send_replace(());
        id
    }

    pub(crate) fn answered(&self, id: u64) {
        if let Some(mail) = lock(&self.kept).mails.iter_mut().find(|mail| mail.id == id) {
            mail.answered = true;
        }
        self.changes.send_replace(());
    }

    pub(crate) fn mails(&self) -> Vec<Mail> {
        lock(&self.kept).mails.clone()
    }

    pub(crate) fn mail_count(&self) -> usize {
        lock(&self.kept).mails.len()
    }

    pub(crate) fn mail(&self, id: u64) -> Option<Mail> {
        lock(&self.kept)
            .mails
            .iter()
            .find(|mail| mail.id == id)
            .cloned()
    }

    pub(crate) fn clear_mails(&self) {
        lock(&self.kept).mails.clear();
        self.changes.send_replace(());
    }
}
