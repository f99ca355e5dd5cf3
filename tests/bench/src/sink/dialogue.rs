//! The server's side of SMTP, without a socket: commands in, replies out, content dropped.
//!
//! It offers what Zoho offers, so no PIPELINING: nothing may follow the dot before its reply.

use super::Seen;

/// The first words of the server.
pub const BANNER: &[u8] = b"220 localhost SMTP Server ready\r\n";

const END_OF_DATA: [u8; 5] = *b"\r\n.\r\n";
/// The state before the content: the line of DATA has just ended, so a lone dot is an empty mail.
const LINE_START: [u8; 5] = *b"\0\0\0\r\n";
const LINE_LIMIT_BYTES: usize = 12 * 1024;

/// Where a session is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Unknown,
    Plain,
    Username,
    Password,
    LoggedIn,
    Sender,
    Recipient,
    Content,
    Quit,
}

/// One session.
#[derive(Debug, Default)]
pub struct Dialogue {
    state: State,
    /// The beginning of a line whose end has not come.
    line: Vec<u8>,
    /// The last bytes of the content so far.
    tail: [u8; 5],
}

impl Dialogue {
    /// A session that needs no login.
    pub fn without_login() -> Self {
        Self {
            state: State::LoggedIn,
            ..Self::default()
        }
    }

    /// Takes bytes of the client and appends the replies.
    pub fn receive(&mut self, bytes: &[u8], replies: &mut Vec<u8>, seen: &mut Seen) {
        if self.state == State::Content {
            self.take_content(bytes, replies, seen);
            return;
        }
        self.line.extend_from_slice(bytes);
        if self.line.len() > LINE_LIMIT_BYTES {
            replies.extend_from_slice(b"500 line too long\r\n");
            self.state = State::Quit;
        }
        let received = std::mem::take(&mut self.line);
        let mut rest = received.as_slice();
        while self.state != State::Content
            && self.state != State::Quit
            && let Some(end) = rest.iter().position(|byte| *byte == b'\n')
        {
            let reply = self.command(rest[..end].trim_ascii(), seen);
            replies.extend_from_slice(reply);
            rest = &rest[end + 1..];
        }
        if self.state == State::Content && !rest.is_empty() {
            self.take_content(rest, replies, seen);
            rest = &[];
        }
        let left = rest.len();
        self.line = received;
        self.line.drain(..self.line.len() - left);
    }

    /// Whether the client has said QUIT: the connection ends after the replies.
    pub fn has_quit(&self) -> bool {
        self.state == State::Quit
    }

    fn take_content(&mut self, bytes: &[u8], replies: &mut Vec<u8>, seen: &mut Seen) {
        let new = &bytes[bytes.len().saturating_sub(self.tail.len())..];
        self.tail.copy_within(new.len().., 0);
        let kept = self.tail.len() - new.len();
        self.tail[kept..].copy_from_slice(new);
        if self.tail == END_OF_DATA {
            seen.mails += 1;
            self.state = State::LoggedIn;
            replies.extend_from_slice(b"250 Message received\r\n");
        }
    }

    fn command(&mut self, line: &[u8], seen: &mut Seen) -> &'static [u8] {
        if let State::Plain | State::Username | State::Password = self.state {
            return self.credential(seen);
        }
        let mut verb = [0; 4];
        for (to, from) in verb.iter_mut().zip(line) {
            *to = from.to_ascii_uppercase();
        }
        let (state, reply): (State, &[u8]) = match (&verb, self.state) {
            (b"EHLO", State::Unknown) => (
                State::Unknown,
                b"250-localhost Hello\r\n250-AUTH LOGIN PLAIN\r\n250 SIZE 53477376\r\n",
            ),
            (b"AUTH", State::Unknown) => return self.auth(line, seen),
            (b"QUIT", _) => (State::Quit, b"221 closing connection\r\n"),
            (b"NOOP", state) => (state, b"250 OK\r\n"),
            (_, State::Unknown) => (State::Unknown, b"530 Authentication required\r\n"),
            (b"EHLO" | b"RSET", _) => (State::LoggedIn, b"250 state reset OK\r\n"),
            (b"MAIL", State::LoggedIn) => (State::Sender, b"250 Sender OK\r\n"),
            (b"RCPT", State::Sender | State::Recipient) => {
                (State::Recipient, b"250 Recipient OK\r\n")
            }
            (b"DATA", State::Recipient) => {
                self.tail = LINE_START;
                (
                    State::Content,
                    b"354 Ok Send data ending with <CRLF>.<CRLF>\r\n",
                )
            }
            (_, state) => (state, b"503 bad sequence of commands\r\n"),
        };
        self.state = state;
        reply
    }

    fn auth(&mut self, line: &[u8], seen: &mut Seen) -> &'static [u8] {
        let mut words = line.split(|byte| *byte == b' ').skip(1);
        let mechanism = words.next().unwrap_or_default().to_ascii_uppercase();
        let first = words.next();
        let (state, reply): (State, &[u8]) = match (mechanism.as_slice(), first) {
            (b"PLAIN", Some(_)) => return self.log_in(seen),
            (b"PLAIN", None) => (State::Plain, b"334 \r\n"),
            (b"LOGIN", None) => (State::Username, b"334 VXNlcm5hbWU6\r\n"),
            (b"LOGIN", Some(_)) => (State::Password, b"334 UGFzc3dvcmQ6\r\n"),
            _ => (State::Unknown, b"504 unknown mechanism\r\n"),
        };
        self.state = state;
        reply
    }

    /// Any name and any password will do.
    fn credential(&mut self, seen: &mut Seen) -> &'static [u8] {
        if self.state == State::Username {
            self.state = State::Password;
            return b"334 UGFzc3dvcmQ6\r\n";
        }
        self.log_in(seen)
    }

    fn log_in(&mut self, seen: &mut Seen) -> &'static [u8] {
        seen.logins += 1;
        self.state = State::LoggedIn;
        b"235 Authentication Successful\r\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: &[u8] = b"EHLO x\r\nAUTH LOGIN\r\nYQ==\r\nYg==\r\nMAIL FROM:<a@b>\r\n\
        RCPT TO:<c@d>\r\nDATA\r\nSubject: x\r\n\r\n..\r\nx.\r\n.y\r\n.\r\n";

    fn codes(replies: &[u8]) -> Vec<String> {
        let text = String::from_utf8(replies.to_vec()).unwrap();
        text.lines()
            .map(|line| line[..4].trim_end().to_owned())
            .collect()
    }

    #[test]
    fn a_session_is_understood_however_it_is_cut() {
        for size in 1..SESSION.len() {
            let (mut dialogue, mut replies, mut seen) =
                (Dialogue::default(), Vec::new(), Seen::default());
            for part in SESSION.chunks(size) {
                dialogue.receive(part, &mut replies, &mut seen);
            }
            let expected = [
                "250-", "250-", "250", "334", "334", "235", "250", "250", "354", "250",
            ];
            assert_eq!(codes(&replies), expected, "parts of {size} bytes");
            assert_eq!((seen.mails, seen.logins), (1, 1));
        }
    }

    #[test]
    fn nothing_is_taken_before_a_login_or_out_of_order() {
        let (mut dialogue, mut replies, mut seen) =
            (Dialogue::default(), Vec::new(), Seen::default());
        let commands = b"MAIL FROM:<a@b>\r\nAUTH PLAIN AGEAYg==\r\nDATA\r\nMAIL FROM:<a@b>\r\nDATA\r\nQUIT\r\n";
        dialogue.receive(commands, &mut replies, &mut seen);
        assert_eq!(codes(&replies), ["530", "235", "503", "250", "503", "221"]);
        assert!(dialogue.has_quit());
        assert_eq!(seen.mails, 0);
    }

    #[test]
    fn a_lone_dot_after_data_is_an_empty_mail() {
        let (mut dialogue, mut replies, mut seen) =
            (Dialogue::default(), Vec::new(), Seen::default());
        let commands = b"AUTH PLAIN x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n";
        dialogue.receive(commands, &mut replies, &mut seen);
        dialogue.receive(b".\r", &mut replies, &mut seen);
        assert_eq!(seen.mails, 0);
        dialogue.receive(b"\n", &mut replies, &mut seen);
        assert_eq!(seen.mails, 1);
    }
}
