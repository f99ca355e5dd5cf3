//! A look at a server as far as it goes without a login: TCP, TLS, greeting, EHLO, QUIT. For
//! `doctor`: what was shown is kept also where it cannot be trusted, and nothing of a login is sent.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout, timeout_at};
use zohorelay_config::Security;
use zohorelay_smtp::reply::Reply;

use crate::deadline::{self, step_end};
use crate::failure::{Class, Failure, Stage};
use crate::fault::{Fault, Lateness};
use crate::open::{dial, read_greeting, refuse_tls};
use crate::resolve::Resolver;
use crate::starttls;
use crate::submission::Progress;
use crate::target::{Target, TargetError};
use crate::tls::{self, TrustError, handshake};
use crate::transport::Handle;

/// Where to look.
#[derive(Clone, Debug)]
pub struct Place<'a> {
    /// DNS name, to which the certificate must fit.
    pub host: &'a str,
    /// TCP port.
    pub port: u16,
    /// How TLS begins there.
    pub security: Security,
    /// PEM of further trust anchors.
    pub trust_anchors: Option<&'a str>,
    /// Our name in EHLO.
    pub ehlo_name: &'a str,
}

/// What was seen, up to the failure if there was one.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The certificate of the server, DER, also when it was refused.
    pub certificate: Option<Vec<u8>>,
    /// Version of TLS and cipher suite.
    pub tls: Option<(String, String)>,
    /// The banner.
    pub greeting: Option<Reply>,
    /// The reply to the EHLO within TLS.
    pub ehlo: Option<Reply>,
    /// What ended the look.
    pub failure: Option<Failure>,
}

/// Looks once. Each step has its own limit, all of them the deadline.
pub async fn examine(
    place: &Place<'_>,
    resolver: Arc<Resolver>,
    roots: &Arc<RootCertStore>,
    deadline: Instant,
) -> Result<Seen, TargetError> {
    let certificate = Arc::new(Mutex::new(None));
    let tls = watched_config(roots, place.trust_anchors, &certificate)?;
    let target = Target::without_login(place, tls, resolver)?;
    let mut seen = Seen::default();
    seen.failure = look(&target, deadline, &mut seen).await.err();
    seen.certificate = lock(&certificate).take();
    Ok(seen)
}

async fn look(target: &Target, deadline: Instant, seen: &mut Seen) -> Result<(), Failure> {
    let progress = Progress::new();
    let mut link = dial(target, deadline).await?;
    if target.security == Security::StartTls {
        let (greeting, secured) = starttls::negotiate(target, link, deadline, &progress).await?;
        seen.greeting = Some(greeting);
        link = secured;
    }
    let limit = deadline::HANDSHAKE;
    let late = |stage| Fault::Late(Lateness::of(limit, deadline)).into_failure(stage, &target.host);
    let shaken = handshake(&target.tls, &target.server_name, link);
    let stream = timeout_at(step_end(limit, deadline), shaken)
        .await
        .map_err(|_| late(Stage::Tls))?
        .map_err(|error| refuse_tls(target, &error))?;
    let session = stream.get_ref().1;
    let version = session.protocol_version().map(|v| format!("{v:?}"));
    let suite = session
        .negotiated_cipher_suite()
        .map(|suite| format!("{:?}", suite.suite()));
    seen.tls = version.zip(suite);
    let handle = Handle::new(stream);
    if seen.greeting.is_none() {
        let greeting = read_greeting(target, &handle, deadline, &progress).await?;
        seen.greeting = Some(greeting);
    }
    let command = format!("EHLO {}\r\n", target.ehlo_name);
    let reply = say(&handle, target, Stage::Ehlo, &command, deadline).await?;
    if reply.code() != 250 {
        return Err(Fault::Reply(reply).into_failure(Stage::Ehlo, &target.host));
    }
    seen.ehlo = Some(reply);
    let farewell = say(&handle, target, Stage::Mail, "QUIT\r\n", deadline);
    let _ = timeout(deadline::QUIT, farewell).await;
    Ok(())
}

async fn say(
    handle: &Handle,
    target: &Target,
    stage: Stage,
    command: &str,
    deadline: Instant,
) -> Result<Reply, Failure> {
    let failed = |fault: Fault| fault.into_failure(stage, &target.host);
    handle.begin(stage);
    let exchange = async {
        let mut writer = handle.clone();
        // What fails shows in the reply.
        let _ = writer.write_all(command.as_bytes()).await;
        let _ = writer.flush().await;
        handle.reply().await
    };
    let limit = deadline::HANDSHAKE;
    match timeout_at(step_end(limit, deadline), exchange).await {
        Ok(reply) => reply.map_err(|broken| failed(broken.into())),
        Err(_) => Err(failed(Fault::Late(Lateness::of(limit, deadline)))),
    }
}

type Certificate = Arc<Mutex<Option<Vec<u8>>>>;

fn lock(certificate: &Certificate) -> std::sync::MutexGuard<'_, Option<Vec<u8>>> {
    certificate.lock().unwrap_or_else(PoisonError::into_inner)
}

fn watched_config(
    roots: &Arc<RootCertStore>,
    trust_anchors: Option<&str>,
    certificate: &Certificate,
) -> Result<ClientConfig, TrustError> {
    let mut config = tls::client_config(roots, trust_anchors)?;
    let roots = tls::all_roots(roots, trust_anchors)?;
    let provider = Arc::clone(config.crypto_provider());
    let judge = WebPkiServerVerifier::builder_with_provider(roots, provider)
        .build()
        .map_err(|error| TrustError::Configuration(Error::General(error.to_string())))?;
    let witness = Witness {
        judge,
        certificate: Arc::clone(certificate),
    };
    config
        .dangerous()
        .set_certificate_verifier(Arc::new(witness));
    Ok(config)
}

/// Keeps the certificate that it sees, and leaves the judging to the usual verifier.
#[derive(Debug)]
struct Witness {
    judge: Arc<WebPkiServerVerifier>,
    certificate: Certificate,
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        *lock(&self.certificate) = Some(end_entity.to_vec());
        self.judge
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.judge
            .verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.judge
            .verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.judge.supported_verify_schemes()
    }
}

/// Whether the failure is about trust in the certificate, and not about TLS at all.
pub fn is_distrust(seen: &Seen) -> bool {
    let at_tls = |failure: &Failure| failure.stage == Stage::Tls && failure.class == Class::Tls;
    seen.certificate.is_some() && seen.failure.as_ref().is_some_and(at_tls)
}
