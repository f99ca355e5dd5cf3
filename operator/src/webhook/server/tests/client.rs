//! A client that speaks TLS and HTTP/1.1 as the API server does.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub(super) const HOST: &str = "webhook.mail.svc";

/// A call as kube-apiserver sends it.
pub(super) fn request(body: &str) -> String {
    format!(
        "POST /inject?timeout=5s HTTP/1.1\r\nHost: {HOST}:443\r\nUser-Agent: kube-apiserver-admission\r\n\
         Accept: application/json, */*\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Accept-Encoding: gzip\r\n\r\n{body}",
        body.len()
    )
}

pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

#[derive(Debug)]
pub(super) struct Client(TlsStream<TcpStream>);

impl Client {
    pub(super) async fn connect(address: SocketAddr, authority: &str) -> io::Result<Self> {
        Self::connect_with(address, authority, &rustls::version::TLS13).await
    }

    /// Over a connection that is open already.
    pub(super) async fn on(stream: TcpStream, authority: &str) -> io::Result<Self> {
        Self::handshake(stream, authority, &rustls::version::TLS13).await
    }

    pub(super) async fn connect_with(
        address: SocketAddr,
        authority: &str,
        version: &'static SupportedProtocolVersion,
    ) -> io::Result<Self> {
        Self::handshake(TcpStream::connect(address).await?, authority, version).await
    }

    async fn handshake(
        stream: TcpStream,
        authority: &str,
        version: &'static SupportedProtocolVersion,
    ) -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let name = ServerName::try_from(HOST).unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        Ok(Self(connector.connect(name, stream).await?))
    }

    pub(super) fn certificate(&self) -> &[u8] {
        &self.0.get_ref().1.peer_certificates().unwrap()[0]
    }

    pub(super) fn protocol(&self) -> Option<&[u8]> {
        self.0.get_ref().1.alpn_protocol()
    }

    pub(super) async fn send(&mut self, text: &str) {
        // A server that has refused may have closed before all is sent.
        let _ = self.0.write_all(text.as_bytes()).await;
        let _ = self.0.flush().await;
    }

    /// Sends, and reads one answer.
    pub(super) async fn call(&mut self, text: &str) -> Reply {
        self.send(text).await;
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\r\n\r\n") {
            bytes.push(self.0.read_u8().await.unwrap());
        }
        let head = String::from_utf8(bytes).unwrap();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .unwrap();
        let mut body = vec![0; length.parse().unwrap()];
        self.0.read_exact(&mut body).await.unwrap();
        Reply {
            status: head[9..12].parse().unwrap(),
            body: String::from_utf8(body).unwrap(),
            head,
        }
    }

    pub(super) async fn until_closed(self) {
        until_closed(self.0).await;
    }
}

/// Reads until the server closes the connection.
pub(super) async fn until_closed(mut stream: impl AsyncRead + Unpin) {
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
}
