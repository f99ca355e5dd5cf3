//! The client's side of SMTP, without a socket: which bytes follow which reply.

use std::rc::Rc;

use crate::mail::{RECIPIENT, SENDER};

/// What was sent last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing yet: the server speaks first.
    Greeting,
    /// EHLO.
    Ehlo,
    /// AUTH PLAIN.
    Auth,
    /// MAIL FROM.
    Mail,
    /// RCPT TO.
    Recipient,
    /// DATA.
    Data,
    /// The content and its dot.
    Content,
    /// QUIT.
    Quit,
}

/// How a session goes.
#[derive(Clone, Copy, Debug)]
pub struct Course {
    /// It logs in.
    pub log_in: bool,
    /// The connection takes more than one mail.
    pub keep: bool,
    /// No further mail.
    pub is_over: bool,
}

impl Step {
    /// Whether the reply is the one that lets the session go on.
    pub fn is_satisfied_by(self, reply: Reply) -> bool {
        reply.code / 100 == if self == Self::Data { 3 } else { 2 }
    }

    /// What to send after a good reply; None: close.
    pub fn next(self, course: Course) -> Option<Self> {
        let first_or_quit = if course.is_over {
            Self::Quit
        } else {
            Self::Mail
        };
        Some(match self {
            Self::Greeting => Self::Ehlo,
            Self::Ehlo if course.log_in => Self::Auth,
            Self::Ehlo | Self::Auth => first_or_quit,
            Self::Mail => Self::Recipient,
            Self::Recipient => Self::Data,
            Self::Data => Self::Content,
            Self::Content if course.keep => first_or_quit,
            Self::Content => Self::Quit,
            Self::Quit => return None,
        })
    }
}

/// The bytes of each step.
#[derive(Debug)]
pub struct Script {
    mail: Vec<u8>,
    recipient: Vec<u8>,
    content: Rc<[u8]>,
}

impl Script {
    /// A script that sends `content`, which has its dot.
    pub fn new(content: Rc<[u8]>) -> Self {
        Self {
            mail: format!("MAIL FROM:<{SENDER}>\r\n").into_bytes(),
            recipient: format!("RCPT TO:<{RECIPIENT}>\r\n").into_bytes(),
            content,
        }
    }

    /// What a step sends.
    pub fn bytes(&self, step: Step) -> &[u8] {
        match step {
            Step::Greeting => b"",
            Step::Ehlo => b"EHLO localhost\r\n",
            Step::Auth => b"AUTH PLAIN AGJlbmNoQGV4YW1wbGUuY29tAHNlY3JldA==\r\n",
            Step::Mail => &self.mail,
            Step::Recipient => &self.recipient,
            Step::Data => b"DATA\r\n",
            Step::Content => &self.content,
            Step::Quit => b"QUIT\r\n",
        }
    }
}

/// A whole reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Its code; 0 where there was none.
    pub code: u16,
}

/// The reply in `received`, once its last line (`ddd text` or `ddd`, RFC 5321 section 4.2.1) is whole.
pub fn read_reply(received: &[u8]) -> Option<Reply> {
    let lines = received.strip_suffix(b"\r\n")?;
    let last = lines
        .rsplit(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    if last.get(3) == Some(&b'-') {
        return None;
    }
    let digits = last
        .get(..3)
        .and_then(|digits| std::str::from_utf8(digits).ok());
    Some(Reply {
        code: digits.and_then(|digits| digits.parse().ok()).unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_whole_at_the_end_of_its_last_line() {
        assert_eq!(read_reply(b""), None);
        assert_eq!(read_reply(b"250 OK"), None);
        assert_eq!(read_reply(b"250-a\r\n"), None);
        assert_eq!(read_reply(b"250-a\r\n250 SI"), None);
        assert_eq!(read_reply(b"250-a\r\n250 b\r\n"), Some(Reply { code: 250 }));
        assert_eq!(read_reply(b"354\r\n"), Some(Reply { code: 354 }));
        assert_eq!(read_reply(b"x\r\n"), Some(Reply { code: 0 }));
    }

    #[test]
    fn only_data_wants_an_intermediate_reply() {
        assert!(Step::Data.is_satisfied_by(Reply { code: 354 }));
        assert!(!Step::Data.is_satisfied_by(Reply { code: 250 }));
        assert!(Step::Content.is_satisfied_by(Reply { code: 250 }));
        assert!(!Step::Content.is_satisfied_by(Reply { code: 451 }));
    }

    fn steps(course: Course) -> Vec<Step> {
        std::iter::successors(Some(Step::Greeting), |step| step.next(course))
            .take(9)
            .collect()
    }

    #[test]
    fn one_connection_a_mail_quits_and_a_kept_one_goes_on() {
        use Step::{Auth, Content, Data, Ehlo, Greeting, Mail, Quit, Recipient};
        let each = Course {
            log_in: false,
            keep: false,
            is_over: false,
        };
        let mail = [Greeting, Ehlo, Mail, Recipient, Data, Content, Quit];
        assert_eq!(steps(each), mail);
        let kept = Course {
            log_in: true,
            keep: true,
            is_over: false,
        };
        let mails = [
            Greeting, Ehlo, Auth, Mail, Recipient, Data, Content, Mail, Recipient,
        ];
        assert_eq!(steps(kept), mails);
        let over = Course {
            is_over: true,
            ..each
        };
        assert_eq!(steps(over), [Greeting, Ehlo, Quit]);
    }
}
