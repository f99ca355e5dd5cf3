//! One identity's way to its server.

use std::fmt;
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use zohorelay_config::{Document, Login, Password, Security};

use crate::dial::{Dial, TcpDialer};
use crate::examine::Place;
use crate::resolve::Resolver;
use crate::tap::is_one_command;
use crate::tls::{self, TrustError};

pub use crate::tls::system_roots;

/// Host, port, security, trust and login of one identity.
pub struct Target {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) security: Security,
    pub(crate) ehlo_name: String,
    pub(crate) server_name: ServerName<'static>,
    pub(crate) tls: Arc<ClientConfig>,
    pub(crate) dialer: Arc<dyn Dial>,
    pub(crate) login: Login,
    trust_anchors: Option<String>,
}

/// Why a document names no usable server.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The host is neither a DNS name nor an address.
    #[error("preparing the way to the server: {host:?} is not a host name; give a DNS name")]
    InvalidHost {
        /// The host as configured.
        host: String,
    },
    /// The EHLO name could not stand in a command.
    #[error("preparing the way to the server: the EHLO name {name:?} is not a domain name")]
    InvalidEhloName {
        /// The name as configured.
        name: String,
    },
    /// The username or the password has a NUL or a line end, which AUTH cannot carry.
    #[error("preparing the way to the server: the login has a control character; remove it")]
    InvalidLogin,
    /// The trust anchors cannot be used.
    #[error("preparing the way to the server")]
    Trust(#[from] TrustError),
}

impl Target {
    /// The way that a document names, by DNS and TCP. `ehlo_name` ends up in the mail's trace, for
    /// recipients to read.
    pub fn new(
        document: &Document,
        ehlo_name: &str,
        resolver: Arc<Resolver>,
        roots: &Arc<RootCertStore>,
    ) -> Result<Self, TargetError> {
        Self::with_dialer(
            document,
            ehlo_name,
            Arc::new(TcpDialer::new(resolver)),
            roots,
        )
    }

    /// The same with another way to reach hosts.
    pub fn with_dialer(
        document: &Document,
        ehlo_name: &str,
        dialer: Arc<dyn Dial>,
        roots: &Arc<RootCertStore>,
    ) -> Result<Self, TargetError> {
        let upstream = &document.upstream;
        let server_name = server_name(&upstream.host)?;
        check_ehlo_name(ehlo_name)?;
        let login = &document.login;
        if has_control(&login.username) || has_control(login.password.expose()) {
            return Err(TargetError::InvalidLogin);
        }
        let tls = tls::client_config(roots, upstream.trust_anchors.as_deref())?;
        Ok(Self {
            host: upstream.host.clone(),
            port: upstream.port,
            security: upstream.security,
            ehlo_name: ehlo_name.to_owned(),
            server_name,
            tls: Arc::new(tls),
            dialer,
            login: login.clone(),
            trust_anchors: upstream.trust_anchors.clone(),
        })
    }

    /// A way to look at a server, with an empty login that must not be used.
    pub(crate) fn without_login(
        place: &Place<'_>,
        tls: ClientConfig,
        resolver: Arc<Resolver>,
    ) -> Result<Self, TargetError> {
        check_ehlo_name(place.ehlo_name)?;
        Ok(Self {
            host: place.host.to_owned(),
            port: place.port,
            security: place.security,
            ehlo_name: place.ehlo_name.to_owned(),
            server_name: server_name(place.host)?,
            tls: Arc::new(tls),
            dialer: Arc::new(TcpDialer::new(resolver)),
            login: Login {
                username: String::new(),
                password: Password::new(String::new()),
            },
            trust_anchors: None,
        })
    }

    /// Whether connections of the one may serve the other: same server, same trust, same login.
    pub fn same_server_and_login(&self, other: &Self) -> bool {
        self.host == other.host
            && self.port == other.port
            && self.security == other.security
            && self.trust_anchors == other.trust_anchors
            && self.ehlo_name == other.ehlo_name
            && self.login == other.login
    }

    /// The host as configured.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The TCP port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("security", &self.security)
            .finish_non_exhaustive()
    }
}

fn server_name(host: &str) -> Result<ServerName<'static>, TargetError> {
    let name = host.strip_suffix('.').unwrap_or(host);
    ServerName::try_from(name.to_owned()).map_err(|_| TargetError::InvalidHost {
        host: host.to_owned(),
    })
}

fn check_ehlo_name(name: &str) -> Result<(), TargetError> {
    if is_ehlo_name(name) {
        return Ok(());
    }
    Err(TargetError::InvalidEhloName {
        name: name.to_owned(),
    })
}

/// One word of printable ASCII (`docs/proof.md` U19).
fn is_ehlo_name(name: &str) -> bool {
    let is_word = !name.is_empty() && !name.contains(' ') && name.len() <= 255;
    is_word && is_one_command(format!("EHLO {name}\r\n").as_bytes())
}

fn has_control(text: &str) -> bool {
    text.chars().any(char::is_control)
}
