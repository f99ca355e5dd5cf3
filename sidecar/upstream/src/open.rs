//! From nothing to a logged-in connection: TCP, TLS, greeting, EHLO; then AUTH.

use lettre::transport::smtp::authentication::Mechanism;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::extension::ClientId;
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout_at};
use zohorelay_config::{Login, Security};
use zohorelay_smtp::reply::Reply;

use crate::auth;
use crate::capabilities::Capabilities;
use crate::connection::Connection;
use crate::deadline::{self, step_end};
use crate::dial::Link;
use crate::failure::{Class, Failure, Stage};
use crate::fault::{Fault, Lateness};
use crate::starttls;
use crate::submission::Progress;
use crate::target::Target;
use crate::tls::{HandshakeError, handshake};
use crate::transport::{Broken, Handle};

/// A connection over TLS that knows what the server offers, and has not logged in.
pub(crate) struct Greeted {
    handle: Handle,
    lettre: AsyncSmtpConnection,
    offered: Capabilities,
    mechanism: Mechanism,
}

/// Connects and greets. Nothing of the login is sent.
pub(crate) async fn greet(
    target: &Target,
    deadline: Instant,
    progress: &Progress,
) -> Result<Greeted, Failure> {
    progress.enter(Stage::Connect);
    let link = dial(target, deadline).await?;
    let (greeting, link) = match target.security {
        Security::ImplicitTls => (None, link),
        Security::StartTls => {
            let (greeting, link) = starttls::negotiate(target, link, deadline, progress).await?;
            (Some(greeting), link)
        }
    };
    progress.enter(Stage::Tls);
    let handle = secure(target, link, deadline).await?;
    let greeting = match greeting {
        Some(greeting) => greeting,
        None => read_greeting(target, &handle, deadline, progress).await?,
    };
    say_ehlo(target, handle, &greeting, deadline, progress).await
}

pub(crate) async fn dial(target: &Target, deadline: Instant) -> Result<Box<dyn Link>, Failure> {
    let late = || Fault::Late(Lateness::Deadline).into_failure(Stage::Connect, &target.host);
    let dialled = target.dialer.dial(&target.host, target.port, deadline);
    match timeout_at(deadline, dialled).await {
        Ok(Ok(link)) => Ok(link),
        Ok(Err(error)) => {
            let mut failure = if error.is_late() {
                late()
            } else {
                let detail = error.to_string();
                Failure::new(Class::Connect, Stage::Connect, &target.host, detail)
            };
            failure.egress_suspected = error.is_egress_suspected();
            Err(failure)
        }
        Err(_) => Err(late()),
    }
}

async fn secure(
    target: &Target,
    link: Box<dyn Link>,
    deadline: Instant,
) -> Result<Handle, Failure> {
    let limit = deadline::HANDSHAKE;
    let shaken = handshake(&target.tls, &target.server_name, link);
    match timeout_at(step_end(limit, deadline), shaken).await {
        Ok(Ok(stream)) => Ok(Handle::new(stream)),
        Ok(Err(error)) => Err(refuse_tls(target, &error)),
        Err(_) => {
            let fault = Fault::Late(Lateness::of(limit, deadline));
            Err(fault.into_failure(Stage::Tls, &target.host))
        }
    }
}

pub(crate) fn refuse_tls(target: &Target, error: &HandshakeError) -> Failure {
    let class = match (error, target.security) {
        (HandshakeError::Closed, _) => Class::Connect,
        // The server agreed to TLS; whoever sent those bytes is in between.
        (HandshakeError::NotTls, Security::StartTls) => Class::Protocol,
        (HandshakeError::NotTls, Security::ImplicitTls) | (HandshakeError::Refused(_), _) => {
            Class::Tls
        }
    };
    let detail = format!("securing the connection: {error}");
    Failure::new(class, Stage::Tls, &target.host, detail)
}

pub(crate) async fn read_greeting(
    target: &Target,
    handle: &Handle,
    deadline: Instant,
    progress: &Progress,
) -> Result<Reply, Failure> {
    progress.enter(Stage::Greeting);
    let limit = deadline::HANDSHAKE;
    let fault = match timeout_at(step_end(limit, deadline), handle.reply()).await {
        Ok(Ok(reply)) if reply.code() == 220 => return Ok(reply),
        Ok(Ok(reply)) => Fault::Reply(reply),
        Ok(Err(broken)) => Fault::Broken(broken),
        Err(_) => Fault::Late(Lateness::of(limit, deadline)),
    };
    Err(fault.into_failure(Stage::Greeting, &target.host))
}

/// lettre reads the greeting and says EHLO. There is no HELO: without EHLO there is no login.
async fn say_ehlo(
    target: &Target,
    handle: Handle,
    greeting: &Reply,
    deadline: Instant,
    progress: &Progress,
) -> Result<Greeted, Failure> {
    let failed = |fault: Fault| fault.into_failure(Stage::Ehlo, &target.host);
    progress.enter(Stage::Ehlo);
    handle.begin(Stage::Ehlo);
    handle.hand_over(greeting);
    let limit = deadline::HANDSHAKE;
    let name = ClientId::Domain(target.ehlo_name.clone());
    let greeted = AsyncSmtpConnection::connect_with_transport(Box::new(handle.clone()), &name);
    let lettre = timeout_at(step_end(limit, deadline), greeted)
        .await
        .map_err(|_| failed(Fault::Late(Lateness::of(limit, deadline))))?;
    let reply = handle.outcome().map_err(|broken| failed(broken.into()))?;
    let lettre = match lettre {
        Ok(lettre) if reply.code() == 250 => lettre,
        _ => return Err(failed(Fault::Reply(reply))),
    };
    let offered = Capabilities::parse(&reply);
    let Some(mechanism) = offered.mechanism else {
        let detail = "logging in: the server offers neither AUTH PLAIN nor AUTH LOGIN";
        let (class, stage) = (Class::Protocol, Stage::Auth);
        return Err(Failure::new(class, stage, &target.host, detail));
    };
    Ok(Greeted {
        handle,
        lettre,
        offered,
        mechanism,
    })
}

impl Greeted {
    /// Makes sure that the server is there and has said nothing since its EHLO reply, so that what
    /// follows is its answer to AUTH.
    pub(crate) async fn check_silence(&self, target: &Target) -> Result<(), Failure> {
        self.handle.begin(Stage::Auth);
        if self.handle.is_quiet().await {
            return Ok(());
        }
        let broken = self.handle.outcome().err().unwrap_or(Broken::Unexpected);
        Err(Fault::Broken(broken).into_failure(Stage::Auth, &target.host))
    }

    /// Logs in, once, by PLAIN or else by LOGIN.
    pub(crate) async fn log_in(
        mut self,
        target: &Target,
        deadline: Instant,
        progress: &Progress,
    ) -> Result<Connection, Failure> {
        progress.enter(Stage::Auth);
        let failed = |fault: Fault| fault.into_failure(Stage::Auth, &target.host);
        self.handle.begin(Stage::Auth);
        let limit = deadline::COMMAND;
        let done = self.authenticate(&target.login);
        let reply = timeout_at(step_end(limit, deadline), done)
            .await
            .map_err(|_| failed(Fault::Late(Lateness::of(limit, deadline))))?
            .map_err(|broken| failed(broken.into()))?;
        if reply.code() != 235 {
            return Err(failed(Fault::Reply(reply)));
        }
        Ok(Connection::new(self.handle, self.lettre, self.offered))
    }

    /// The last reply of the dialog.
    async fn authenticate(&mut self, login: &Login) -> Result<Reply, Broken> {
        if self.mechanism != Mechanism::Login {
            return self.say(&auth::plain(login)).await;
        }
        let mut reply = self.say(b"AUTH LOGIN\r\n").await?;
        for response in auth::login(login) {
            if reply.code() != 334 {
                break;
            }
            reply = self.say(&response).await?;
        }
        Ok(reply)
    }

    async fn say(&mut self, line: &[u8]) -> Result<Reply, Broken> {
        let mut handle = self.handle.clone();
        // What fails is in the outcome.
        let _ = handle.write_all(line).await;
        let _ = handle.flush().await;
        let _ = self.lettre.read_response().await;
        self.handle.outcome()
    }
}
