//! One epoll instance and one thread for load and sink: no wake-ups between the two.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustls::ServerConfig;

use crate::load::Load;
use crate::sink::Sink;

const EVENTS: usize = 64;
const LOAD_BIT: u64 = 1 << 63;

/// Where sockets are registered.
pub struct Poll(OwnedFd);

impl Poll {
    pub(crate) fn add_sink(&self, socket: impl AsFd, token: u64) -> io::Result<()> {
        Ok(epoll::add(
            &self.0,
            socket,
            epoll::EventData::new_u64(token),
            epoll::EventFlags::IN,
        )?)
    }

    pub(crate) fn add_load(&self, socket: impl AsFd, session: usize) -> io::Result<()> {
        let token = epoll::EventData::new_u64(LOAD_BIT | session as u64);
        Ok(epoll::add(&self.0, socket, token, epoll::EventFlags::IN)?)
    }

    /// Says whether a session waits for room to write, beside what arrives.
    pub(crate) fn set_writing(
        &self,
        socket: impl AsFd,
        session: usize,
        writing: bool,
    ) -> io::Result<()> {
        let token = epoll::EventData::new_u64(LOAD_BIT | session as u64);
        let flags = if writing {
            epoll::EventFlags::IN | epoll::EventFlags::OUT
        } else {
            epoll::EventFlags::IN
        };
        Ok(epoll::modify(&self.0, socket, token, flags)?)
    }
}

/// The sink, and the load of the moment, in one loop.
pub struct Reactor {
    poll: Poll,
    ready: Vec<epoll::Event>,
    /// The server.
    pub sink: Sink,
}

impl Reactor {
    /// Opens the sink.
    pub fn new(tls: Option<Arc<ServerConfig>>) -> io::Result<Self> {
        let poll = Poll(epoll::create(epoll::CreateFlags::CLOEXEC)?);
        let sink = Sink::listen(&poll, tls)?;
        Ok(Self {
            poll,
            ready: Vec::with_capacity(EVENTS),
            sink,
        })
    }

    /// Where sockets are registered.
    pub fn poll(&self) -> &Poll {
        &self.poll
    }

    /// Waits for events, `longest` at most, and lets load and sink go on.
    pub fn turn(&mut self, mut load: Option<&mut Load>, longest: Duration) -> io::Result<()> {
        let longest = load.as_ref().map_or(longest, |load| load.patience(longest));
        let timeout = Timespec::try_from(longest).map_err(io::Error::other)?;
        self.ready.clear();
        match epoll::wait(
            &self.poll.0,
            spare_capacity(&mut self.ready),
            Some(&timeout),
        ) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in &self.ready {
            let (token, flags) = (event.data.u64(), event.flags);
            if token & LOAD_BIT == 0 {
                self.sink.on_ready(&self.poll, token)?;
            } else if let Some(load) = load.as_deref_mut() {
                let session = usize::try_from(token & !LOAD_BIT).map_err(io::Error::other)?;
                load.on_ready(&self.poll, session, flags.contains(epoll::EventFlags::OUT))?;
            }
        }
        load.map_or(Ok(()), |load| load.keep_pace(&self.poll))
    }

    /// Runs the load for `time`.
    pub fn run_for(&mut self, load: &mut Load, time: Duration) -> io::Result<()> {
        let end = Instant::now() + time;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            self.turn(Some(load), left)?;
        }
        Ok(())
    }

    /// Runs the load until each session has had its mails, `longest` at most, and calls `tick`
    /// about every 20 ms.
    pub fn run_to_end(
        &mut self,
        load: &mut Load,
        longest: Duration,
        mut tick: impl FnMut() -> io::Result<()>,
    ) -> io::Result<()> {
        const TICK: Duration = Duration::from_millis(20);
        let start = Instant::now();
        let mut next_tick = start;
        while !load.is_done() {
            let now = Instant::now();
            if now - start > longest {
                return Err(io::Error::other(format!(
                    "the load did not end in {longest:?}"
                )));
            }
            if now >= next_tick {
                tick()?;
                next_tick = now + TICK;
            }
            self.turn(Some(load), TICK)?;
        }
        tick()
    }

    /// Serves the sink alone for `time`.
    pub fn idle(&mut self, time: Duration) -> io::Result<()> {
        let end = Instant::now() + time;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            self.turn(None, left)?;
        }
        Ok(())
    }
}
