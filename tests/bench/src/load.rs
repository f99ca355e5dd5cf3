//! The load: sessions that send the same mail again and again, command by command, as client
//! libraries do (no pipelining), from byte strings made once.

pub mod client;

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

use crate::certificate::HOST;
use crate::reactor::Poll;
use crate::stream::{Arrival, READ_BYTES, Stream};
use client::{Course, Reply, Script, Step};

/// What to send, where and how.
#[derive(Clone)]
pub struct Plan {
    /// The server.
    pub server: SocketAddrV4,
    /// TLS from the first byte, for sending straight to the sink.
    pub tls: Option<Arc<ClientConfig>>,
    /// Whether to log in.
    pub log_in: bool,
    /// Sessions at a time.
    pub sessions: usize,
    /// One connection for all mails of a session, or a new one for each.
    pub keep: bool,
    /// The least time between two new connections; None: as soon as a session is free.
    pub pace: Option<Duration>,
    /// Mails of each session; None: until [`Load::drain`].
    pub mails_per_session: Option<u64>,
    /// What a session does after its mails.
    pub after: After,
    /// The content with its dot.
    pub content: Rc<[u8]>,
}

/// What a session does after its mails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// QUIT.
    Quit,
    /// It stays connected and idle.
    Stay,
}

/// What became of the mails.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Mails that got 2yz after their dot.
    pub accepted: u64,
    /// Mails that got anything else.
    pub refused: u64,
    /// Connections that ended before their QUIT.
    pub broken: u64,
    /// The first reply or error that was not wanted.
    pub first_trouble: Option<String>,
    /// Time of each accepted mail in nanoseconds: from MAIL (kept) or from connect (new connection)
    /// to the reply to its dot.
    pub times: Vec<u32>,
}

/// Sessions under way.
pub struct Load {
    plan: Plan,
    script: Rc<Script>,
    sessions: Vec<Session>,
    tally: Tally,
    draining: bool,
    connects: usize,
    scratch: Vec<u8>,
    /// Sessions that wait for the pace.
    waiting: VecDeque<usize>,
    next_start: Instant,
}

struct Session {
    stream: Option<Stream>,
    /// What was sent last.
    step: Step,
    sent: usize,
    writing: bool,
    reply: Vec<u8>,
    since: Instant,
    mails: u64,
    at_rest: bool,
}

/// Without a single mail accepted, so many troubles end the run.
const TROUBLE_LIMIT: u64 = 200;

impl Load {
    /// Connects all sessions.
    pub fn start(poll: &Poll, plan: Plan) -> io::Result<Self> {
        let mut load = Self {
            script: Rc::new(Script::new(plan.content.clone())),
            sessions: (0..plan.sessions).map(|_| Session::new()).collect(),
            tally: Tally::default(),
            draining: false,
            connects: 0,
            scratch: vec![0; READ_BYTES],
            waiting: VecDeque::new(),
            next_start: Instant::now(),
            plan,
        };
        for index in 0..load.sessions.len() {
            load.connect(poll, index)?;
        }
        Ok(load)
    }

    /// What became of the mails since the start or the last call.
    pub fn take_tally(&mut self) -> Tally {
        std::mem::take(&mut self.tally)
    }

    /// No new mail: sessions QUIT after the one they are sending.
    pub fn drain(&mut self) {
        self.draining = true;
    }

    /// Whether no session sends any more: all have quit, or rest.
    pub fn is_done(&self) -> bool {
        self.sessions
            .iter()
            .all(|session| session.stream.is_none() || session.at_rest)
    }

    /// Begins again with a session that is free, at once or when the pace lets it.
    fn begin_again(&mut self, poll: &Poll, index: usize) -> io::Result<()> {
        self.waiting.push_back(index);
        self.keep_pace(poll)
    }

    /// Connects the sessions whose time has come.
    pub(crate) fn keep_pace(&mut self, poll: &Poll) -> io::Result<()> {
        let pace = self.plan.pace.unwrap_or_default();
        let now = Instant::now();
        while !self.draining && self.next_start <= now {
            let Some(index) = self.waiting.pop_front() else {
                return Ok(());
            };
            // What was missed is not made up for by a burst.
            self.next_start = (self.next_start + pace).max(now.checked_sub(pace).unwrap_or(now));
            self.connect(poll, index)?;
        }
        Ok(())
    }

    /// How long to wait for events at most.
    pub(crate) fn patience(&self, longest: Duration) -> Duration {
        if self.waiting.is_empty() || self.draining {
            return longest;
        }
        longest.min(self.next_start.saturating_duration_since(Instant::now()))
    }

    fn is_over(&self, session: &Session) -> bool {
        self.draining
            || self
                .plan
                .mails_per_session
                .is_some_and(|mails| session.mails >= mails)
    }

    /// Opens the connection of a session, from a source address that changes each time: a port of
    /// one address would be in TIME-WAIT for a minute.
    fn connect(&mut self, poll: &Poll, index: usize) -> io::Result<()> {
        self.connects += 1;
        let last = u8::try_from(2 + self.connects % 19).unwrap_or(2);
        let source = SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, last), 0);
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket =
            rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
        sockopt::set_tcp_nodelay(&socket, true)?;
        rustix::net::bind(&socket, &source)?;
        let session = &mut self.sessions[index];
        session.since = Instant::now();
        match rustix::net::connect(&socket, &self.plan.server) {
            Ok(()) | Err(rustix::io::Errno::INPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        let mut stream = match &self.plan.tls {
            Some(tls) => {
                let name = ServerName::try_from(HOST).map_err(io::Error::other)?;
                let tls = ClientConnection::new(tls.clone(), name).map_err(io::Error::other)?;
                Stream::secured(socket, tls)
            }
            None => Stream::plain(socket),
        };
        poll.add_load(&stream, index)?;
        stream.flush()?;
        session.stream = Some(stream);
        session.step = Step::Greeting;
        session.reply.clear();
        session.at_rest = false;
        session.sent = 0;
        session.writing = false;
        self.follow_writing(poll, index)
    }

    /// Goes on with a session that has become ready.
    pub(crate) fn on_ready(&mut self, poll: &Poll, index: usize, room: bool) -> io::Result<()> {
        let Some(session) = self.sessions.get_mut(index) else {
            return Ok(());
        };
        let reply = match session.go_on(&self.script, &mut self.scratch, room) {
            Ok(reply) => reply,
            Err(error) => return self.lose(poll, index, &error.to_string()),
        };
        match reply {
            Progress::None => self.follow_writing(poll, index),
            Progress::Closed => self.lose(poll, index, "the connection was closed"),
            Progress::Reply(reply) => self.advance(poll, index, reply),
        }
    }

    fn advance(&mut self, poll: &Poll, index: usize, reply: Reply) -> io::Result<()> {
        let session = &mut self.sessions[index];
        if !session.step.is_satisfied_by(reply) {
            let text = String::from_utf8_lossy(&session.reply)
                .trim()
                .replace("\r\n", " / ");
            session.mails += 1;
            self.tally.refused += 1;
            return self.hang_up(poll, index, &text);
        }
        session.reply.clear();
        if session.step == Step::Content {
            session.mails += 1;
            self.tally.accepted += 1;
            self.tally.times.push(nanoseconds_since(session.since));
        }
        let is_over = self.is_over(&self.sessions[index]);
        let course = Course {
            log_in: self.plan.log_in,
            keep: self.plan.keep,
            is_over,
        };
        let session = &mut self.sessions[index];
        match session.step.next(course) {
            None => {
                session.stream = None;
                if is_over {
                    Ok(())
                } else {
                    self.begin_again(poll, index)
                }
            }
            Some(Step::Quit) if is_over && self.plan.after == After::Stay && !self.draining => {
                session.at_rest = true;
                Ok(())
            }
            Some(step) => {
                if step == Step::Mail && self.plan.keep {
                    session.since = Instant::now();
                }
                session.step = step;
                session.sent = 0;
                match session.send(&self.script) {
                    Ok(()) => self.follow_writing(poll, index),
                    Err(error) => self.lose(poll, index, &error.to_string()),
                }
            }
        }
    }

    /// Tells epoll when a session begins or ends to wait for room.
    fn follow_writing(&mut self, poll: &Poll, index: usize) -> io::Result<()> {
        let session = &mut self.sessions[index];
        let Some(stream) = &session.stream else {
            return Ok(());
        };
        let waits = stream.has_unsent() || session.sent < self.script.bytes(session.step).len();
        if waits != session.writing {
            session.writing = waits;
            poll.set_writing(stream, index, waits)?;
        }
        Ok(())
    }

    fn lose(&mut self, poll: &Poll, index: usize, why: &str) -> io::Result<()> {
        let session = &mut self.sessions[index];
        if session.step == Step::Quit {
            session.stream = None;
            let is_over = self.is_over(&self.sessions[index]);
            return if is_over {
                Ok(())
            } else {
                self.begin_again(poll, index)
            };
        }
        session.mails += 1;
        self.tally.broken += 1;
        self.hang_up(poll, index, why)
    }

    fn hang_up(&mut self, poll: &Poll, index: usize, why: &str) -> io::Result<()> {
        let session = &mut self.sessions[index];
        let trouble = format!("after {:?}: {why}", session.step);
        session.stream = None;
        let tally = &mut self.tally;
        if tally.accepted == 0 && tally.refused + tally.broken >= TROUBLE_LIMIT {
            return Err(io::Error::other(format!("no mail gets through: {trouble}")));
        }
        tally.first_trouble.get_or_insert(trouble);
        if self.is_over(&self.sessions[index]) {
            Ok(())
        } else {
            self.begin_again(poll, index)
        }
    }
}

enum Progress {
    None,
    Closed,
    Reply(Reply),
}

impl Session {
    fn new() -> Self {
        Self {
            stream: None,
            step: Step::Greeting,
            sent: 0,
            writing: false,
            reply: Vec::new(),
            since: Instant::now(),
            mails: 0,
            at_rest: false,
        }
    }

    fn go_on(&mut self, script: &Script, scratch: &mut [u8], room: bool) -> io::Result<Progress> {
        if room && self.writing {
            self.send(script)?;
        }
        let Some(stream) = &mut self.stream else {
            return Ok(Progress::None);
        };
        let reply = &mut self.reply;
        let arrival = stream.receive(scratch, |bytes| reply.extend_from_slice(bytes))?;
        stream.flush()?;
        Ok(match client::read_reply(&self.reply) {
            Some(reply) => Progress::Reply(reply),
            None if arrival == Arrival::Closed => Progress::Closed,
            None => Progress::None,
        })
    }

    fn send(&mut self, script: &Script) -> io::Result<()> {
        let Some(stream) = &mut self.stream else {
            return Ok(());
        };
        stream.send(script.bytes(self.step), &mut self.sent)?;
        Ok(())
    }
}

fn nanoseconds_since(start: Instant) -> u32 {
    u32::try_from(start.elapsed().as_nanos()).unwrap_or(u32::MAX)
}
