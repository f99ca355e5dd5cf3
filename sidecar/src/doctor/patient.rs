//! Whom the doctor looks at: an identity with its document, or a server alone.

use zohorelay_config::{Document, Security};

use crate::args::DoctorArgs;

/// A server with the two ports that it should have.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Server {
    pub(crate) host: String,
    pub(crate) trust_anchors: Option<String>,
    pub(crate) ports: [Port; 2],
}

/// A port, and whether mail depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Port {
    pub(crate) number: u16,
    pub(crate) is_implicit: bool,
    pub(crate) need: Need,
}

/// Whether mail depends on a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Need {
    /// The document names it.
    Used,
    /// The document names the other one.
    Spare,
    /// There is no document: one of the two must work.
    Either,
}

impl Port {
    pub(crate) fn security(self) -> Security {
        if self.is_implicit {
            Security::ImplicitTls
        } else {
            Security::StartTls
        }
    }

    /// As a document and a `MailIdentity` name it.
    pub(crate) fn settings(self) -> String {
        let security = if self.is_implicit {
            "ImplicitTls"
        } else {
            "StartTls"
        };
        format!("port: {}, security: {security}", self.number)
    }
}

impl Server {
    /// The server of a document.
    pub(crate) fn of(document: &Document, args: &DoctorArgs) -> Self {
        let upstream = &document.upstream;
        let is_implicit = upstream.security == Security::ImplicitTls;
        let used = port(upstream.port, is_implicit, Need::Used);
        let spare = if is_implicit {
            port(args.starttls_port, false, Need::Spare)
        } else {
            port(args.implicit_tls_port, true, Need::Spare)
        };
        Self {
            host: upstream.host.clone(),
            trust_anchors: upstream.trust_anchors.clone(),
            ports: [used, spare],
        }
    }

    /// A server without a document.
    pub(crate) fn alone(host: &str, args: &DoctorArgs) -> Self {
        Self {
            host: host.to_owned(),
            trust_anchors: None,
            ports: [
                port(args.implicit_tls_port, true, Need::Either),
                port(args.starttls_port, false, Need::Either),
            ],
        }
    }
}

fn port(number: u16, is_implicit: bool, need: Need) -> Port {
    Port {
        number,
        is_implicit,
        need,
    }
}
