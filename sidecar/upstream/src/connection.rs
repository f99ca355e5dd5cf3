//! A logged-in connection, and one mail at a time on it: MAIL, RCPT for each recipient, DATA.
//!
//! Commands go in lockstep. A connection is owned by value: whoever drops it closes it.

use std::fmt;

use lettre::transport::smtp::client::AsyncSmtpConnection;
use tokio::time::{Instant, timeout, timeout_at};
use zohorelay_smtp::reply::Reply;

use crate::capabilities::Capabilities;
use crate::classify::classify;
use crate::deadline::{self, step_end};
use crate::failure::{Failure, Stage};
use crate::fault::{Fault, Lateness};
use crate::nearness::Nearness;
use crate::submission::{Progress, Submission};
use crate::transport::Handle;
use crate::upload::Buffers;

/// A connection that is logged in.
pub(crate) struct Connection {
    pub(crate) handle: Handle,
    lettre: AsyncSmtpConnection,
    pub(crate) near: Nearness,
    offered: Capabilities,
    pub(crate) buffers: Buffers,
    opened: Instant,
    mails: u32,
}

/// Why a mail did not get the server's 354.
pub(crate) struct Refusal {
    pub(crate) failure: Failure,
    /// The connection turned out dead; on another one the mail may do better.
    pub(crate) is_connection_dead: bool,
}

impl Connection {
    pub(crate) fn new(handle: Handle, lettre: AsyncSmtpConnection, offered: Capabilities) -> Self {
        Self {
            handle,
            lettre,
            near: Nearness::default(),
            offered,
            buffers: Buffers::default(),
            opened: Instant::now(),
            mails: 0,
        }
    }

    /// When it logged in.
    pub(crate) fn opened(&self) -> Instant {
        self.opened
    }

    /// The mails that it was given.
    pub(crate) fn mails(&self) -> u32 {
        self.mails
    }

    /// The largest mail that the server takes, if this one is larger.
    pub(crate) fn size_exceeded(&self, size_bytes: u64) -> Option<u64> {
        let limit = self.offered.size_limit_bytes?;
        (!self.offered.take(size_bytes)).then_some(limit)
    }

    /// MAIL, RCPT for each, DATA, until the server's 354.
    pub(crate) async fn begin(
        &mut self,
        mail: &Submission<'_>,
        host: &str,
        progress: &Progress,
    ) -> Result<(), Refusal> {
        self.mails += 1;
        let deadline = mail.deadline;
        let refused = |stage| move |fault: Fault| refusal(fault, stage, host);
        let command = MailCommand {
            reverse_path: mail.reverse_path,
            size_bytes: self.offered.size.then_some(mail.size_bytes),
        };
        progress.enter(Stage::Mail);
        self.step(Stage::Mail, command, deadline, is_done)
            .await
            .map_err(refused(Stage::Mail))?;
        progress.enter(Stage::Rcpt);
        self.name_recipients(mail, host).await?;
        progress.enter(Stage::Data);
        self.step(Stage::Data, "DATA\r\n", deadline, |reply| {
            reply.code() == 354
        })
        .await
        .map_err(refused(Stage::Data))
    }

    /// Every recipient is tried, so that the refusal can name all that were refused.
    async fn name_recipients(&mut self, mail: &Submission<'_>, host: &str) -> Result<(), Refusal> {
        let mut refused = Vec::new();
        for recipient in mail.recipients {
            let command = RcptCommand(recipient);
            match self
                .step(Stage::Rcpt, command, mail.deadline, is_done)
                .await
            {
                Ok(()) => {}
                Err(Fault::Reply(reply)) if is_about_recipient(&reply) => {
                    refused.push((recipient.clone(), reply));
                }
                Err(fault) => return Err(refusal(fault, Stage::Rcpt, host)),
            }
        }
        match refuse_recipients(refused, host) {
            None => Ok(()),
            Some(failure) => Err(Refusal {
                failure,
                is_connection_dead: false,
            }),
        }
    }

    /// One command and its reply.
    async fn step(
        &mut self,
        stage: Stage,
        command: impl fmt::Display,
        deadline: Instant,
        leads_on: fn(&Reply) -> bool,
    ) -> Result<(), Fault> {
        self.handle.begin(stage);
        let limit = deadline::of(stage);
        // What lettre makes of the reply is not used: the handle knows what was said.
        timeout_at(
            step_end(limit, deadline),
            self.near.wait(self.lettre.command(command)),
        )
        .await
        .map(drop)
        .map_err(|_| Fault::Late(Lateness::of(limit, deadline)))?;
        let reply = self.handle.outcome()?;
        if leads_on(&reply) {
            Ok(())
        } else {
            Err(Fault::Reply(reply))
        }
    }

    /// Says QUIT and waits a moment for the answer.
    pub(crate) async fn quit(mut self) {
        self.handle.begin(Stage::Mail);
        // Whether the server heard it changes nothing.
        let _ = timeout(deadline::QUIT, self.lettre.command("QUIT\r\n")).await;
    }
}

fn refusal(fault: Fault, stage: Stage, host: &str) -> Refusal {
    Refusal {
        is_connection_dead: fault.is_dead(),
        failure: fault.into_failure(stage, host),
    }
}

/// 2yz, but for those that open and close a connection.
pub(crate) fn is_done(reply: &Reply) -> bool {
    reply.is_positive() && !matches!(reply.code(), 220 | 221)
}

fn is_about_recipient(reply: &Reply) -> bool {
    (reply.is_transient() || reply.is_permanent()) && reply.code() != 421
}

/// One refused recipient refuses the mail, before its body goes. Any 4yz makes it one to try again;
/// the first such reply speaks for all, else the first 5yz.
fn refuse_recipients(refused: Vec<(String, Reply)>, host: &str) -> Option<Failure> {
    let spokesman = refused
        .iter()
        .find(|(_, reply)| reply.is_transient())
        .or(refused.first())?;
    let reply = spokesman.1.clone();
    let class = classify(Stage::Rcpt, &reply);
    let detail = format!(
        "sending RCPT: the server refused {} recipients, one with {}",
        refused.len(),
        reply.code()
    );
    let mut failure = Failure::new(class, Stage::Rcpt, host, detail).with_reply(reply);
    failure.refused_recipients = refused
        .into_iter()
        .map(|(recipient, _)| recipient)
        .collect();
    Some(failure)
}

/// MAIL (RFC 5321 section 4.1.1.2) with the true size (RFC 1870). `BODY=` is never sent: Zoho has no
/// 8BITMIME.
struct MailCommand<'a> {
    reverse_path: &'a str,
    size_bytes: Option<u64>,
}

impl fmt::Display for MailCommand<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MAIL FROM:<{}>", self.reverse_path)?;
        if let Some(size_bytes) = self.size_bytes {
            write!(f, " SIZE={size_bytes}")?;
        }
        f.write_str("\r\n")
    }
}

/// RCPT (RFC 5321 section 4.1.1.3).
struct RcptCommand<'a>(&'a str);

impl fmt::Display for RcptCommand<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RCPT TO:<{}>\r\n", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(codes: &[u16]) -> Vec<(String, Reply)> {
        let reply = |(index, code): (usize, &u16)| {
            (
                format!("{index}@example.org"),
                Reply::new(*code, None, "no"),
            )
        };
        codes.iter().enumerate().map(reply).collect()
    }

    #[test]
    fn the_first_4yz_speaks_for_all_refused_recipients_else_the_first_5yz() {
        for (codes, spoken) in [
            (&[550, 452, 451][..], 452),
            (&[550, 553], 550),
            (&[451], 451),
        ] {
            let failure = refuse_recipients(refused(codes), "mx").unwrap();
            assert_eq!(failure.reply.unwrap().code(), spoken, "{codes:?}");
            assert_eq!(failure.refused_recipients.len(), codes.len());
        }
        assert_eq!(refuse_recipients(Vec::new(), "mx"), None);
    }

    #[test]
    fn mail_names_the_true_size_where_the_server_takes_it() {
        let command = |size_bytes| MailCommand {
            reverse_path: "",
            size_bytes,
        };
        assert_eq!(command(None).to_string(), "MAIL FROM:<>\r\n");
        assert_eq!(command(Some(7)).to_string(), "MAIL FROM:<> SIZE=7\r\n");
    }
}
