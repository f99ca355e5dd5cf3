//! The two servers alike.

use serde_json::{Value, json};
use zohorelay_tests::document;

use crate::aiosmtpd::Aiosmtpd;
use crate::available::program;
use crate::certificate::Certificate;
use crate::form::FROM;
use crate::patience;
use crate::postfix::Postfix;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Postfix,
    Aiosmtpd,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Security {
    ImplicitTls,
    StartTls,
}

enum Process {
    Postfix(Postfix),
    Aiosmtpd(Aiosmtpd),
}

/// A running server for the login of the identity.
pub(crate) struct Server {
    process: Process,
    certificate: Certificate,
}

impl Server {
    /// Starts one, or says that its test is left out.
    pub(crate) async fn start(kind: Kind) -> Option<Self> {
        let certificate = Certificate::of_localhost();
        let process = match kind {
            Kind::Postfix => {
                program("postfix", "Postfix as the server")?;
                Process::Postfix(Postfix::server(&certificate).await)
            }
            Kind::Aiosmtpd => {
                let python = program("aiosmtpd", "aiosmtpd as the server")?;
                Process::Aiosmtpd(Aiosmtpd::start(&python, &certificate))
            }
        };
        Some(Self {
            process,
            certificate,
        })
    }

    /// The document of an identity at this server.
    pub(crate) fn document(&self, security: Security) -> Value {
        let [implicit_tls, starttls] = match &self.process {
            Process::Postfix(postfix) => postfix.ports,
            Process::Aiosmtpd(aiosmtpd) => aiosmtpd.ports,
        };
        let (port, security) = match security {
            Security::ImplicitTls => (implicit_tls, "ImplicitTls"),
            Security::StartTls => (starttls, "StartTls"),
        };
        let authority = &self.certificate.authority;
        let mut document = document::at("billing", FROM, "app-password", port, authority);
        document["upstream"]["security"] = json!(security);
        document
    }

    /// The mails of a recipient, the oldest first.
    pub(crate) fn mailbox(&self, recipient: &str) -> Vec<Vec<u8>> {
        match &self.process {
            Process::Postfix(postfix) => postfix.mailbox(recipient),
            Process::Aiosmtpd(aiosmtpd) => aiosmtpd.mailbox(recipient),
        }
    }

    /// The mails of a recipient, once there are as many; or those that came until patience ended.
    pub(crate) async fn mailbox_when(&self, recipient: &str, count: usize) -> Vec<Vec<u8>> {
        let full = patience::until(|| {
            let mails = self.mailbox(recipient);
            (mails.len() >= count).then_some(mails)
        });
        full.await.unwrap_or_else(|| self.mailbox(recipient))
    }

    /// Refused logins, once the log, which lags, has one.
    pub(crate) async fn refused_logins(&self) -> usize {
        let count = || match &self.process {
            Process::Postfix(postfix) => postfix.refused_logins(),
            Process::Aiosmtpd(aiosmtpd) => aiosmtpd.refused_logins(),
        };
        patience::count_of_at_least(1, count).await
    }

    /// Transactions that Postfix ever began, once the log, which lags, has as many.
    pub(crate) async fn transactions_when(&self, count: usize) -> usize {
        match &self.process {
            Process::Postfix(postfix) => {
                patience::count_of_at_least(count, || postfix.transactions()).await
            }
            Process::Aiosmtpd(_) => panic!("only Postfix logs them"),
        }
    }

    pub(crate) fn stop(&mut self) {
        match &mut self.process {
            Process::Postfix(postfix) => postfix.stop(),
            Process::Aiosmtpd(aiosmtpd) => aiosmtpd.stop(),
        }
    }
}
