//! One session of the receiving side, as a state machine (RFC 5321 section 4.1.4).
//!
//! The driver reads bytes and gives them to [`ServerSession::receive`], asks for events until it
//! hears [`Event::NeedInput`], answers those that wait for a verdict, and writes what
//! [`ServerSession::output`] holds.

mod answers;
mod event;

pub use event::{Envelope, Event};

use answers::Refusal;

use crate::address::{ForwardPath, ReversePath};
use crate::auth::{self, Exchange, Step};
use crate::command::{Command, MailParameters};
use crate::data::DataDecoder;
use crate::line::{Line, LineBuffer};
use crate::reply::Reply;
use crate::wiped::Wiped;

/// Bad commands in a row that are answered; the next one ends the session with a 421. A command is
/// bad if our own reply to it is 5yz about the protocol (`5.5.x`); refused addresses are not.
pub const BAD_COMMANDS_LIMIT: u32 = 20;

/// What the session says and takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionOptions {
    /// Our name in the greeting and the reply to `EHLO`.
    pub hostname: String,
    /// The `SIZE` that is offered. A larger declared size is refused at `MAIL`; the true size is
    /// for the driver to judge, by [`Event::EndOfData`].
    pub size_limit_bytes: u64,
    /// Offer `AUTH PLAIN LOGIN` and take any password.
    pub authenticate: bool,
    /// Recipients of one mail; more are refused with 452 4.5.3.
    pub recipients_limit: usize,
}

/// The receiving side of one connection.
pub struct ServerSession {
    options: SessionOptions,
    input: LineBuffer,
    output: Vec<u8>,
    phase: Phase,
    is_greeted: bool,
    is_authenticated: bool,
    transaction: Option<Transaction>,
    bad_commands: u32,
}

/// What the next bytes are.
enum Phase {
    /// A command.
    Command,
    /// A response of an authentication.
    Auth(Exchange),
    /// Content.
    Data(DataDecoder, Transaction),
    /// Not to be looked at before the verdict.
    Owed(Verdict),
    /// Nothing: the connection ends.
    Closed,
}

/// What a positive verdict changes.
enum Verdict {
    Mail(Transaction),
    Recipient(ForwardPath),
    EndOfData,
}

struct Transaction {
    reverse_path: ReversePath,
    recipients: Vec<ForwardPath>,
    declared_size_bytes: Option<u64>,
}

impl ServerSession {
    /// A session whose greeting is in [`ServerSession::output`].
    pub fn new(options: SessionOptions) -> Self {
        let mut session = Self {
            output: Vec::new(),
            input: LineBuffer::default(),
            phase: Phase::Command,
            is_greeted: false,
            is_authenticated: false,
            transaction: None,
            bad_commands: 0,
            options,
        };
        answers::banner(&session.options.hostname).encode(&mut session.output);
        session
    }

    /// New limits, from the next command on: what [`SessionOptions`] says of
    /// `size_limit_bytes` and `recipients_limit`. `EHLO` offers the new `SIZE` (RFC 1870 section 4).
    /// A driver calls this between mails, so that one mail meets one limit.
    pub fn set_limits(&mut self, size_limit_bytes: u64, recipients_limit: usize) {
        self.options.size_limit_bytes = size_limit_bytes;
        self.options.recipients_limit = recipients_limit;
    }

    /// Takes bytes from the app. They are kept until [`ServerSession::next_event`] comes to them,
    /// so a driver reads no more while it owes a verdict. After the end they are dropped.
    pub fn receive(&mut self, bytes: &[u8]) {
        if !matches!(self.phase, Phase::Closed) {
            self.input.receive(bytes);
        }
    }

    /// Bytes that were received and not looked at, or are a part of a command.
    pub fn buffered_bytes(&self) -> usize {
        self.input.pending().len()
    }

    /// Goes on to the next event. In DATA, content is appended to `content`.
    ///
    /// While a verdict is owed this is [`Event::NeedInput`], and nothing moves on.
    pub fn next_event(&mut self, content: &mut Vec<u8>) -> Event {
        loop {
            let event = match &self.phase {
                Phase::Closed => Some(Event::Close),
                Phase::Owed(_) => Some(Event::NeedInput),
                Phase::Data(..) => Some(self.read_content(content)),
                Phase::Command | Phase::Auth(_) => self.read_line(),
            };
            if let Some(event) = event {
                return event;
            }
        }
    }

    /// The verdict on the last event. A positive one takes the sender or the recipient into the
    /// transaction. A 421 also closes. Nothing happens if no verdict is owed.
    #[expect(clippy::needless_pass_by_value, reason = "a verdict is given once")]
    pub fn answer(&mut self, reply: Reply) {
        if !self.owes_verdict() {
            return;
        }
        let phase = std::mem::replace(&mut self.phase, Phase::Command);
        if let Phase::Owed(verdict) = phase
            && reply.is_positive()
        {
            self.bad_commands = 0;
            match verdict {
                Verdict::Mail(transaction) => self.transaction = Some(transaction),
                Verdict::Recipient(forward_path) => self.add_recipient(forward_path),
                Verdict::EndOfData => {}
            }
        }
        self.send(&reply);
    }

    /// Sends a reply at any time, as a verdict or not, and ends the session: what was received is
    /// dropped unread, and from now on there is only [`Event::Close`].
    #[expect(clippy::needless_pass_by_value, reason = "a verdict is given once")]
    pub fn answer_and_close(&mut self, reply: Reply) {
        reply.encode(&mut self.output);
        self.close();
    }

    /// Whether a verdict is owed to the last event.
    pub fn owes_verdict(&self) -> bool {
        matches!(self.phase, Phase::Owed(_))
    }

    /// Bytes to write to the app.
    pub fn output(&self) -> &[u8] {
        &self.output
    }

    /// Tells that the first bytes of [`ServerSession::output`] were written.
    pub fn output_written(&mut self, bytes: usize) {
        self.output.drain(..bytes.min(self.output.len()));
    }

    /// Whether a sender was accepted and its mail has not ended.
    pub fn in_transaction(&self) -> bool {
        self.transaction.is_some() || self.in_data()
    }

    /// Whether content is being received.
    pub fn in_data(&self) -> bool {
        matches!(self.phase, Phase::Data(..))
    }

    fn read_content(&mut self, content: &mut Vec<u8>) -> Event {
        let length_before = content.len();
        let phase = std::mem::replace(&mut self.phase, Phase::Owed(Verdict::EndOfData));
        let Phase::Data(mut decoder, transaction) = phase else {
            self.phase = phase;
            return Event::NeedInput;
        };
        let piece = decoder.decode(self.input.pending(), content);
        self.input.skip(piece.consumed);
        if piece.ended {
            let envelope = transaction.into_envelope();
            return Event::EndOfData {
                envelope,
                summary: decoder.summary(),
            };
        }
        self.phase = Phase::Data(decoder, transaction);
        if content.len() > length_before {
            Event::Content
        } else {
            Event::NeedInput
        }
    }

    fn read_line(&mut self) -> Option<Event> {
        match self.input.next_line(matches!(self.phase, Phase::Auth(_))) {
            Line::Partial => Some(Event::NeedInput),
            Line::Whole(line) => self.take_line(&line),
            Line::TooLong => {
                self.phase = Phase::Command;
                self.refuse(Refusal::LineTooLong)
            }
            Line::BareLf => {
                self.answer_and_close(Refusal::BareLf.into_reply());
                None
            }
        }
    }

    fn take_line(&mut self, line: &Wiped) -> Option<Event> {
        let phase = std::mem::replace(&mut self.phase, Phase::Command);
        let text = std::str::from_utf8(line)
            .ok()
            .filter(|text| !text.contains(['\r', '\0']));
        match (text, phase) {
            (None, _) => self.refuse(Refusal::Bytes),
            (Some(response), Phase::Auth(exchange)) => {
                let step = exchange.respond(response);
                self.authenticate(step)
            }
            (Some(command), _) => match Command::parse(command) {
                Ok(command) => self.run(command),
                Err(error) => self.refuse(error.into()),
            },
        }
    }

    fn run(&mut self, command: Command<'_>) -> Option<Event> {
        match command {
            Command::Ehlo => self.greet(&answers::ehlo(&self.options)),
            Command::Helo => self.greet(&answers::helo(&self.options.hostname)),
            Command::Mail {
                reverse_path,
                parameters,
            } => self.mail(reverse_path, &parameters),
            Command::Rcpt { forward_path } => self.recipient(forward_path),
            Command::Data => self.data(),
            Command::Rset => self.reset(&answers::reset()),
            Command::Noop => self.accept(&answers::noop()),
            Command::Vrfy => self.accept(&answers::vrfy()),
            Command::Help => self.accept(&answers::help()),
            Command::Quit => {
                let event = self.reset(&answers::quit());
                self.close();
                event
            }
            Command::Auth { mechanism, initial } => self.start_auth(mechanism, initial),
        }
    }

    fn greet(&mut self, reply: &Reply) -> Option<Event> {
        self.is_greeted = true;
        self.reset(reply)
    }

    /// Ends a transaction that has not come to DATA.
    fn reset(&mut self, reply: &Reply) -> Option<Event> {
        self.accept(reply);
        self.transaction.take().map(|_| Event::Aborted)
    }

    fn mail(&mut self, reverse_path: ReversePath, parameters: &MailParameters) -> Option<Event> {
        if !self.is_greeted {
            return self.refuse(Refusal::NotGreeted);
        }
        if self.transaction.is_some() {
            return self.refuse(Refusal::NestedMail);
        }
        if parameters.has_auth && !self.options.authenticate {
            return self.refuse(Refusal::ParameterNotOffered);
        }
        let declared_size_bytes = parameters.size_bytes;
        if declared_size_bytes.is_some_and(|size| size > self.options.size_limit_bytes) {
            self.refuse(Refusal::TooLarge {
                limit_bytes: self.options.size_limit_bytes,
            });
            return Some(Event::TooLarge { reverse_path });
        }
        let event = Event::Mail {
            reverse_path: reverse_path.clone(),
        };
        let recipients = Vec::new();
        let transaction = Transaction {
            reverse_path,
            recipients,
            declared_size_bytes,
        };
        self.phase = Phase::Owed(Verdict::Mail(transaction));
        Some(event)
    }

    fn recipient(&mut self, forward_path: ForwardPath) -> Option<Event> {
        let Some(transaction) = &self.transaction else {
            return self.refuse(Refusal::NoMail);
        };
        if transaction.recipients.len() >= self.options.recipients_limit {
            self.refuse(Refusal::TooManyRecipients {
                limit: self.options.recipients_limit,
            });
            return Some(Event::TooManyRecipients);
        }
        self.phase = Phase::Owed(Verdict::Recipient(forward_path.clone()));
        Some(Event::Recipient { forward_path })
    }

    fn add_recipient(&mut self, forward_path: ForwardPath) {
        if let Some(transaction) = &mut self.transaction {
            transaction.recipients.push(forward_path);
        }
    }

    fn data(&mut self) -> Option<Event> {
        match self.transaction.take() {
            None => self.refuse(Refusal::NoMail),
            Some(transaction) if transaction.recipients.is_empty() => {
                self.transaction = Some(transaction);
                self.refuse(Refusal::NoRecipients)
            }
            Some(transaction) => {
                self.accept(&answers::data());
                self.phase = Phase::Data(DataDecoder::new(), transaction);
                Some(Event::DataStarted)
            }
        }
    }

    fn start_auth(&mut self, mechanism: &str, initial: Option<&str>) -> Option<Event> {
        if !self.options.authenticate {
            return self.refuse(Refusal::AuthNotOffered);
        }
        if !self.is_greeted {
            return self.refuse(Refusal::NotGreeted);
        }
        if self.is_authenticated || self.transaction.is_some() {
            return self.refuse(Refusal::AuthNotNow);
        }
        self.authenticate(auth::start(mechanism, initial))
    }

    fn authenticate(&mut self, step: Result<Step, auth::AuthError>) -> Option<Event> {
        match step {
            Ok(Step::Challenge(challenge, exchange)) => {
                self.send(&answers::challenge(challenge));
                self.phase = Phase::Auth(exchange);
                None
            }
            Ok(Step::Done { username }) => {
                self.is_authenticated = true;
                self.accept(&answers::authenticated());
                Some(Event::Authenticated { username })
            }
            Err(error) => self.refuse(error.into()),
        }
    }

    /// Sends a reply to a command that was right.
    fn accept(&mut self, reply: &Reply) -> Option<Event> {
        self.bad_commands = 0;
        self.send(reply);
        None
    }

    /// Sends a refusal of our own, and ends the session if there were too many.
    fn refuse(&mut self, refusal: Refusal) -> Option<Event> {
        let closes = refusal.closes();
        let reply = refusal.into_reply();
        if answers::is_about_the_protocol(&reply) {
            self.bad_commands += 1;
        }
        if self.bad_commands > BAD_COMMANDS_LIMIT {
            self.answer_and_close(answers::too_many_bad_commands());
        } else if closes {
            self.answer_and_close(reply);
        } else {
            self.send(&reply);
        }
        None
    }

    fn send(&mut self, reply: &Reply) {
        reply.encode(&mut self.output);
        if reply.code() == 421 {
            self.close();
        }
    }

    fn close(&mut self) {
        self.phase = Phase::Closed;
        self.transaction = None;
        self.input.clear();
    }
}

impl Transaction {
    fn into_envelope(self) -> Envelope {
        let Self {
            reverse_path,
            recipients,
            declared_size_bytes,
        } = self;
        Envelope {
            reverse_path,
            recipients,
            declared_size_bytes,
        }
    }
}

#[cfg(test)]
mod tests;
