//! One SMTP session of the app: moves bytes between the socket and [`ServerSession`], and answers
//! what that asks. All framing is in `zohorelay-smtp`.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::ops::ControlFlow;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use jiff::Timestamp;
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use zohorelay_process::chain;
use zohorelay_smtp::address::ReversePath;
use zohorelay_smtp::data::DataSummary;
use zohorelay_smtp::reply::{EnhancedCode, Reply};
use zohorelay_smtp::session::{Envelope, Event, ServerSession, SessionOptions};
use zohorelay_upstream::Progress;
use zohorelay_upstream::failure::{Class, Failure, Stage};
use zohorelay_upstream::nearness::Nearness;

use crate::answer;
use crate::calendar::CalendarScanner;
use crate::hang_up::hang_up;
use crate::header::HeaderBlock;
use crate::identity::{Active, Identity, State};
use crate::metrics::LateReply;
use crate::outcome::{Local, Outcome};
use crate::policy;
use crate::receipt::Receipt;
use crate::relay::{self, Mail, Ready};
use crate::sidecar::Sidecar;
use crate::spool::Body;

/// A command must be whole so long after the one before it.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// Within DATA, each [`DATA_STEP_BYTES`] must come in this time.
const DATA_TIMEOUT: Duration = Duration::from_secs(3 * 60);

/// The unit of progress within DATA: a byte now and then is none.
const DATA_STEP_BYTES: usize = 64 * 1024;

/// The app must take a reply in this time.
const WRITE_TIMEOUT: Duration = Duration::from_secs(3 * 60);

/// One read from the app.
const READ_BYTES: usize = 16 * 1024;

/// What an app may send ahead while its mail is under way; beyond that its socket is not read.
const AHEAD_BYTES: usize = 64 * 1024;

/// One session.
pub struct Session {
    sidecar: Arc<Sidecar>,
    socket: TcpStream,
    protocol: ServerSession,
    /// Picked by a login, if the app made one.
    chosen: Option<Arc<Identity>>,
    /// The content of the DATA under way.
    intake: Option<Intake>,
    counted_too_many: bool,
    deadline: Instant,
    since_step_bytes: usize,
    near: Nearness,
}

/// Content on its way in.
struct Intake {
    body: Body,
    calendar: CalendarScanner,
    /// Why the rest is not kept.
    spoiled: Option<Local>,
}

impl Session {
    /// A session on an accepted socket.
    pub fn new(sidecar: Arc<Sidecar>, socket: TcpStream) -> Self {
        let protocol = ServerSession::new(SessionOptions {
            hostname: "localhost".to_owned(),
            size_limit_bytes: sidecar.roster.size_limit_bytes(),
            authenticate: sidecar.accept_any_login,
            recipients_limit: sidecar.roster.recipients_limit() as usize,
        });
        Self {
            sidecar,
            socket,
            protocol,
            chosen: None,
            intake: None,
            counted_too_many: false,
            deadline: Instant::now() + COMMAND_TIMEOUT,
            since_step_bytes: 0,
            near: Nearness::default(),
        }
    }

    /// Serves the app until one of us hangs up.
    pub async fn run(mut self) -> io::Result<()> {
        let mut content = Vec::new();
        loop {
            if !self.protocol.in_transaction() {
                self.refresh_limits();
            }
            let event = self.protocol.next_event(&mut content);
            self.take_content(&mut content).await;
            match event {
                Event::NeedInput => {
                    self.flush().await?;
                    if self.read_more().await?.is_break() {
                        return self.finish().await;
                    }
                }
                Event::Close => return self.finish().await,
                Event::Content => {}
                event => self.handle(event).await?,
            }
        }
    }

    /// Documents change while sessions are open.
    fn refresh_limits(&mut self) {
        let roster = &self.sidecar.roster;
        let recipients_limit = roster.recipients_limit() as usize;
        self.protocol
            .set_limits(roster.size_limit_bytes(), recipients_limit);
    }

    async fn handle(&mut self, event: Event) -> io::Result<()> {
        match event {
            Event::Authenticated { username } => {
                self.chosen = self.sidecar.roster.named(&username).cloned();
            }
            Event::Mail { .. } => {
                self.counted_too_many = false;
                let reply = self
                    .refuse_early()
                    .unwrap_or_else(|| ok((2, 1, 0), "sender ok"));
                self.protocol.answer(reply);
            }
            Event::Recipient { .. } => self.protocol.answer(ok((2, 1, 5), "recipient ok")),
            Event::TooLarge { reverse_path } => self.count_too_large(&reverse_path),
            Event::TooManyRecipients => self.count_too_many(),
            Event::DataStarted => {
                self.since_step_bytes = 0;
                self.intake = Some(Intake {
                    body: Body::new(self.sidecar.spool.clone()),
                    calendar: CalendarScanner::new(),
                    spoiled: None,
                });
            }
            Event::EndOfData { envelope, summary } => {
                return self.end_of_data(envelope, summary).await;
            }
            Event::Aborted => self.intake = None,
            Event::Content | Event::NeedInput | Event::Close => {}
        }
        Ok(())
    }

    /// With one identity in the pod an app hears at MAIL FROM that nothing can be sent.
    fn refuse_early(&self) -> Option<Reply> {
        let identity = self.sidecar.roster.only()?;
        let outcome = match identity.active() {
            Some(active) if active.document.suspend => Outcome::Suspended,
            Some(_) => return None,
            None => Outcome::Local(without_document(identity)),
        };
        let receipt = Receipt::at_mail(identity.clone());
        Some(receipt.end(&outcome, &self.sidecar).reply)
    }

    /// A mail that its app announced as too large was refused before its content came.
    fn count_too_large(&self, reverse_path: &ReversePath) {
        let roster = &self.sidecar.roster;
        let by_envelope = || roster.choose(&[], reverse_path.mailbox());
        let identity = self.chosen.as_ref().unwrap_or_else(by_envelope);
        let limit_bytes = roster.size_limit_bytes();
        let outcome = Outcome::Local(Local::TooLarge { limit_bytes });
        Receipt::at_mail(identity.clone()).end(&outcome, &self.sidecar);
    }

    /// Client libraries drop the refused recipients and tell nobody, so it is a failure, once a mail.
    fn count_too_many(&mut self) {
        if std::mem::replace(&mut self.counted_too_many, true) {
            return;
        }
        let roster = &self.sidecar.roster;
        let identity = self.chosen.as_ref().unwrap_or(roster.default_identity());
        let limit = roster.recipients_limit();
        let outcome = Outcome::Local(Local::TooManyRecipients { limit });
        identity.metrics.count_failure(&outcome);
        if identity.tally.note(&outcome, Timestamp::now()) {
            self.sidecar.last_words.changed();
        }
        let class = outcome.class().map(Class::as_str);
        tracing::info!(
            identity = identity.name(),
            class,
            limit,
            "recipients refused"
        );
    }

    /// Moves decoded content into the body, or drops it when the mail is lost already.
    async fn take_content(&mut self, content: &mut Vec<u8>) {
        let Some(intake) = self.intake.as_mut().filter(|_| !content.is_empty()) else {
            return;
        };
        let limit_bytes = self.sidecar.roster.size_limit_bytes();
        if intake.body.len() + content.len() as u64 > limit_bytes {
            intake.spoil(Local::TooLarge { limit_bytes });
        }
        if intake.spoiled.is_some() {
            content.clear();
            return;
        }
        intake.calendar.scan(content);
        if let Err(error) = intake.body.append(content).await {
            tracing::warn!(error = %chain(&error), "no room for a large mail");
            content.clear();
            intake.spoil(Local::Spool);
        }
    }

    async fn end_of_data(&mut self, envelope: Envelope, summary: DataSummary) -> io::Result<()> {
        let ended = Instant::now();
        let Some(mut intake) = self.intake.take() else {
            return Ok(());
        };
        if intake.spoiled.is_none() && intake.body.seal().await.is_err() {
            intake.spoiled = Some(Local::Spool);
        }
        let Intake {
            body,
            calendar,
            spoiled,
        } = intake;
        let has_calendar = calendar.found();
        let mut mail = Mail {
            envelope,
            body,
            summary,
            has_calendar,
            ended,
        };
        let identity = self.identity_of(&mail);
        let mut receipt = Receipt::new(identity.clone(), &mail);
        receipt.active = identity.active();
        let (outcome, app_left) = match relay::spoiled(spoiled, &summary, receipt.active.as_deref())
        {
            Some(local) => (Outcome::Local(local), false),
            None => self.relay(&mut mail, &identity, &mut receipt).await,
        };
        if receipt.ready.is_none() {
            receipt.message_id = relay::message_id(&mail);
        }
        let answer = receipt.count(&outcome, &self.sidecar);
        let code = answer.reply.code();
        if app_left {
            identity.metrics.late_reply(LateReply::of(&outcome));
        }
        if answer.close {
            self.protocol.answer_and_close(answer.reply);
        } else {
            self.protocol.answer(answer.reply);
        }
        // The app waits for its answer, nobody for the log.
        let told = self.flush().await;
        receipt.log(&outcome, code);
        told
    }

    fn identity_of(&self, mail: &Mail) -> Arc<Identity> {
        if let Some(chosen) = &self.chosen {
            return chosen.clone();
        }
        let roster = &self.sidecar.roster;
        if let Some(only) = roster.only() {
            return only.clone();
        }
        let header = HeaderBlock::parse(mail.body.prefix(), mail.body.is_in_memory());
        let from = header
            .map(|header| policy::from_addresses(&header))
            .unwrap_or_default();
        roster
            .choose(&from, mail.envelope.reverse_path.mailbox())
            .clone()
    }

    /// Sends the mail while the app is watched; says also whether the app left after our dot.
    async fn relay(
        &mut self,
        mail: &mut Mail,
        identity: &Identity,
        receipt: &mut Receipt,
    ) -> (Outcome, bool) {
        let Some(active) = receipt.active.clone() else {
            return (Outcome::Local(without_document(identity)), false);
        };
        if active.document.suspend {
            return (Outcome::Suspended, false);
        }
        let ready = match relay::prepare(mail, &active) {
            Ok(ready) => ready,
            Err(local) => return (Outcome::Local(local), false),
        };
        let (outcome, app_left) = self.watched(mail, &ready, &active).await;
        if outcome.class() == Some(Class::RelayDenied) {
            receipt.from = relay::from_shown(mail, &ready, &active);
        }
        receipt.ready = Some(ready);
        (outcome, app_left)
    }

    /// The select of one mail: its delivery, the app that may leave, the shutdown's two moments.
    async fn watched(
        &mut self,
        mail: &mut Mail,
        ready: &Ready,
        active: &Active,
    ) -> (Outcome, bool) {
        let progress = Progress::new();
        let sidecar = self.sidecar.clone();
        let mut sent = pin!(relay::send(mail, ready, active, &progress));
        let mut soft = pin!(sidecar.shutdown.soft());
        let mut hard = pin!(sidecar.shutdown.hard());
        let (mut app_left, mut is_late) = (false, false);
        loop {
            tokio::select! {
                biased;
                outcome = &mut sent => {
                    // A hang-up that came together with the reply counts too.
                    app_left = app_left || progress.our_dot_sent() && tokio::select! {
                        biased;
                        () = self.app_leaves() => true,
                        () = std::future::ready(()) => false,
                    };
                    return (outcome, app_left);
                }
                () = self.app_leaves(), if !app_left => {
                    app_left = true;
                    if !progress.our_dot_sent() {
                        return (Outcome::Local(Local::AppGone(progress.stage())), false);
                    }
                }
                () = &mut soft, if !is_late => {
                    is_late = true;
                    if !progress.our_dot_sent() {
                        return (Outcome::Local(Local::ShuttingDown), false);
                    }
                }
                () = &mut hard, if is_late => {
                    return (unknown_at_shutdown(&active.document.upstream.host), app_left);
                }
            }
        }
    }

    /// Returns when the app has hung up. What it sends ahead is kept, within bounds.
    async fn app_leaves(&mut self) {
        loop {
            if self.protocol.buffered_bytes() >= AHEAD_BYTES {
                return std::future::pending().await;
            }
            if matches!(
                receive(&mut self.socket, &mut self.protocol).await,
                Ok(0) | Err(_)
            ) {
                return;
            }
        }
    }

    /// Waits for bytes of the app; breaks when the session is over.
    async fn read_more(&mut self) -> io::Result<ControlFlow<()>> {
        let in_data = self.protocol.in_data();
        if in_data && self.since_step_bytes == 0 {
            self.deadline = Instant::now() + DATA_TIMEOUT;
        }
        let shutdown = &self.sidecar.shutdown;
        let has_mail = self.protocol.in_transaction();
        let read = async {
            tokio::select! {
                received = self.near.wait(receive(&mut self.socket, &mut self.protocol)) => received.map(Some),
                () = shutdown.token().cancelled(), if !has_mail => Ok(None),
                () = shutdown.soft(), if has_mail => Ok(None),
            }
        };
        match timeout_at(self.deadline, read).await {
            Err(_) => self.close_with(answer::idle()),
            Ok(Ok(None)) => self.close_with(answer::shutting_down()),
            Ok(Err(error)) => return Err(error),
            Ok(Ok(Some(0))) => return Ok(ControlFlow::Break(())),
            Ok(Ok(Some(count))) if in_data => {
                self.since_step_bytes += count;
                if self.since_step_bytes >= DATA_STEP_BYTES {
                    self.since_step_bytes = 0;
                }
            }
            Ok(Ok(Some(_))) => {}
        }
        Ok(ControlFlow::Continue(()))
    }

    fn close_with(&mut self, reply: Reply) {
        self.protocol.answer_and_close(reply);
    }

    /// Writes what is owed. A reply ends a command, so the time for the next one begins.
    async fn flush(&mut self) -> io::Result<()> {
        let output = self.protocol.output();
        if output.is_empty() {
            return Ok(());
        }
        let count = output.len();
        timeout(WRITE_TIMEOUT, self.socket.write_all(output)).await??;
        self.protocol.output_written(count);
        self.deadline = Instant::now() + COMMAND_TIMEOUT;
        Ok(())
    }

    async fn finish(&mut self) -> io::Result<()> {
        self.flush().await?;
        hang_up(&mut self.socket, self.sidecar.shutdown.token()).await
    }
}

impl Intake {
    /// Gives up on keeping the content; its end is still awaited.
    fn spoil(&mut self, why: Local) {
        if self.spoiled.is_none() {
            self.spoiled = Some(why);
            self.body.shed();
        }
    }
}

/// Reads what the app sent. The buffer is on the stack, so that a waiting session has none.
async fn receive(socket: &mut TcpStream, protocol: &mut ServerSession) -> io::Result<usize> {
    poll_fn(|cx| {
        let mut bytes = [const { MaybeUninit::uninit() }; READ_BYTES];
        let mut buffer = ReadBuf::uninit(&mut bytes);
        ready!(Pin::new(&mut *socket).poll_read(cx, &mut buffer))?;
        protocol.receive(buffer.filled());
        Poll::Ready(Ok(buffer.filled().len()))
    })
    .await
}

fn without_document(identity: &Identity) -> Local {
    match identity.state() {
        State::Removed(_) => Local::Removed,
        State::Awaited | State::Active(_) => Local::NotConfigured,
    }
}

fn ok((class, subject, detail): (u8, u16, u16), text: &str) -> Reply {
    Reply::new(250, Some(EnhancedCode(class, subject, detail)), text)
}

fn unknown_at_shutdown(host: &str) -> Outcome {
    Outcome::Upstream(Failure::new(
        Class::UnknownOutcome,
        Stage::EndOfData,
        host,
        "waiting for the reply to our dot when the sidecar had to end",
    ))
}

#[cfg(test)]
mod tests;
