//! A driver of the session without sockets: it takes every mail but those that it must not.

use zohorelay_smtp::address::{ForwardPath, ReversePath};
use zohorelay_smtp::data::DataSummary;
use zohorelay_smtp::reply::{EnhancedCode, Reply};
use zohorelay_smtp::session::{Envelope, Event, ServerSession, SessionOptions};

/// What the driver says about bare line feeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineEndings {
    Normalise,
    Strict,
}

/// A mail that came to its end, whatever the verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mail {
    pub(crate) envelope: Envelope,
    pub(crate) content: Vec<u8>,
    pub(crate) summary: DataSummary,
    pub(crate) is_taken: bool,
}

/// An app's session and what came out of it.
pub(crate) struct App {
    session: ServerSession,
    line_endings: LineEndings,
    size_limit_bytes: u64,
    content: Vec<u8>,
    wire: Vec<u8>,
    pub(crate) mails: Vec<Mail>,
    pub(crate) usernames: Vec<String>,
    pub(crate) aborted: usize,
    pub(crate) too_large: Vec<ReversePath>,
    pub(crate) too_many_recipients: usize,
    pub(crate) is_closed: bool,
}

pub(crate) fn options() -> SessionOptions {
    SessionOptions {
        hostname: "relay.test".to_owned(),
        size_limit_bytes: 1 << 20,
        authenticate: false,
        recipients_limit: 3,
    }
}

impl App {
    pub(crate) fn new(options: SessionOptions, line_endings: LineEndings) -> Self {
        let size_limit_bytes = options.size_limit_bytes;
        let mut app = Self {
            session: ServerSession::new(options),
            line_endings,
            size_limit_bytes,
            content: Vec::new(),
            wire: Vec::new(),
            mails: Vec::new(),
            usernames: Vec::new(),
            aborted: 0,
            too_large: Vec::new(),
            too_many_recipients: 0,
            is_closed: false,
        };
        app.write_output();
        app
    }

    pub(crate) fn set_limits(&mut self, size_limit_bytes: u64, recipients_limit: usize) {
        self.size_limit_bytes = size_limit_bytes;
        self.session.set_limits(size_limit_bytes, recipients_limit);
    }

    /// Sends bytes, and lets the session come to rest.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.session.receive(bytes);
        loop {
            match self.session.next_event(&mut self.content) {
                Event::NeedInput => break,
                Event::Close => {
                    self.is_closed = true;
                    break;
                }
                event => self.take(event),
            }
        }
        self.write_output();
    }

    /// Sends pieces of the input that end at the cuts.
    pub(crate) fn send_cut(&mut self, input: &[u8], cuts: impl IntoIterator<Item = usize>) {
        let mut start = 0;
        for cut in cuts {
            self.send(&input[start..cut]);
            start = cut;
        }
        self.send(&input[start..]);
    }

    /// The codes of all replies so far, in order. Fails if the wire has anything but replies.
    pub(crate) fn codes(&self) -> Vec<u16> {
        self.replies().iter().map(Reply::code).collect()
    }

    pub(crate) fn replies(&self) -> Vec<Reply> {
        let mut rest = &self.wire[..];
        let mut replies = Vec::new();
        while !rest.is_empty() {
            let decoded = zohorelay_smtp::reply::ReplyDecoder::new().decode(rest);
            let (reply, length) = decoded.expect("well formed").expect("whole");
            replies.push(reply);
            rest = &rest[length..];
        }
        replies
    }

    pub(crate) fn wire(&self) -> String {
        String::from_utf8(self.wire.clone()).expect("replies are UTF-8")
    }

    pub(crate) fn in_transaction(&self) -> bool {
        self.session.in_transaction()
    }

    /// The replies after those that came before, each with its enhanced code.
    pub(crate) fn answers_to(&mut self, input: &[u8]) -> Vec<String> {
        let before = self.replies().len();
        self.send(input);
        let code = |reply: &Reply| match reply.enhanced() {
            Some(enhanced) => format!("{} {enhanced}", reply.code()),
            None => reply.code().to_string(),
        };
        self.replies()[before..].iter().map(code).collect()
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Mail { reverse_path } => self.session.answer(verdict_on(reverse_path.as_str())),
            Event::Recipient { forward_path } => {
                self.session.answer(verdict_on(forward_path.as_str()));
            }
            Event::EndOfData { envelope, summary } => self.end_mail(envelope, summary),
            Event::Authenticated { username } => self.usernames.push(username),
            Event::Aborted => self.aborted += 1,
            Event::TooLarge { reverse_path } => self.too_large.push(reverse_path),
            Event::TooManyRecipients => self.too_many_recipients += 1,
            Event::DataStarted => assert!(self.content.is_empty() && self.session.in_data()),
            Event::Content => {}
            Event::NeedInput | Event::Close => unreachable!("handled by the loop"),
        }
    }

    fn end_mail(&mut self, envelope: Envelope, summary: DataSummary) {
        assert!(
            !self.session.in_transaction(),
            "S1: the state is empty after the end"
        );
        let strict = self.line_endings == LineEndings::Strict && summary.bare_lf > 0;
        let is_bad = summary.violation.is_some() || strict;
        let is_large = summary.size_bytes > self.size_limit_bytes;
        let content = std::mem::take(&mut self.content);
        let is_refused = is_bad || is_large || content.starts_with(b"refuse");
        self.mails.push(Mail {
            envelope,
            content,
            summary,
            is_taken: !is_refused,
        });
        if is_bad {
            let reply = Reply::new(554, Some(EnhancedCode(5, 6, 0)), "bad line ends");
            self.session.answer_and_close(reply);
        } else if is_large {
            self.session
                .answer(Reply::new(552, Some(EnhancedCode(5, 3, 4)), "too large"));
        } else if is_refused {
            self.session
                .answer(Reply::new(550, Some(EnhancedCode(5, 7, 1)), "no"));
        } else {
            self.session.answer(ok());
        }
    }

    fn write_output(&mut self) {
        self.wire.extend_from_slice(self.session.output());
        self.session.output_written(self.session.output().len());
    }
}

fn verdict_on(address: &str) -> Reply {
    if address.starts_with("refused") {
        Reply::new(550, Some(EnhancedCode(5, 1, 1)), "no such mailbox")
    } else {
        ok()
    }
}

fn ok() -> Reply {
    Reply::new(250, Some(EnhancedCode(2, 0, 0)), "ok")
}

/// The sender of an envelope, as text.
pub(crate) fn sender(envelope: &Envelope) -> &str {
    ReversePath::as_str(&envelope.reverse_path)
}

/// The recipients of an envelope, as text.
pub(crate) fn recipients(envelope: &Envelope) -> Vec<&str> {
    envelope
        .recipients
        .iter()
        .map(ForwardPath::as_str)
        .collect()
}
