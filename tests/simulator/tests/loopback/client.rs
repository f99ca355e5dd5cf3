//! A raw client: bytes out, bytes in.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use zoho_simulator::{Account, Options, Running, Simulator};

pub(crate) const ADDRESS: &str = "billing@example.com";
/// `\0billing@example.com\0app` in base64.
pub(crate) const AUTH: &str = "AUTH PLAIN AGJpbGxpbmdAZXhhbXBsZS5jb20AYXBw\r\n";
pub(crate) const MAIL: &str = "MAIL FROM:<billing@example.com>\r\n";
pub(crate) const RCPT: &str = "RCPT TO:<you@example.net>\r\n";
pub(crate) const CONTENT: &str = "From: billing@example.com\r\nSubject: x\r\n\r\nbody\r\n";

pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// How the server left.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Left {
    Closed,
    Reset,
}

pub(crate) struct Client {
    stream: Box<dyn Stream>,
    input: Vec<u8>,
}

/// Fails a test that would hang.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future)
        .await
        .expect("no answer in 20 s")
}

pub(crate) fn options() -> Options {
    Options::with_account(Account::new(ADDRESS, "app").alias("invoices@example.com"))
}

pub(crate) async fn start(options: Options) -> Running {
    Simulator::start(options).await.unwrap()
}

pub(crate) fn trusting(running: &Running) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(running.ca_pem().as_bytes()).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

pub(crate) async fn connect_tls(
    config: Arc<ClientConfig>,
    address: SocketAddr,
    name: &'static str,
) -> io::Result<Client> {
    let tcp = TcpStream::connect(address).await?;
    let name = ServerName::try_from(name).unwrap();
    let tls = within(TlsConnector::from(config).connect(name, tcp)).await?;
    Ok(Client {
        stream: Box::new(tls),
        input: Vec::new(),
    })
}

impl Client {
    /// On the STARTTLS port, in clear, before the banner.
    pub(crate) async fn clear(running: &Running) -> Self {
        let tcp = TcpStream::connect(running.starttls().unwrap())
            .await
            .unwrap();
        Self {
            stream: Box::new(tcp),
            input: Vec::new(),
        }
    }

    /// On the implicit-TLS port, before the banner.
    pub(crate) async fn tls(running: &Running) -> Self {
        let address = running.implicit_tls().unwrap();
        connect_tls(trusting(running), address, "localhost")
            .await
            .unwrap()
    }

    /// Greeted and logged in.
    pub(crate) async fn logged_in(running: &Running) -> Self {
        let mut client = Self::tls(running).await;
        client.reply().await;
        client.ask("EHLO relay.example\r\n").await;
        assert_eq!(client.ask(AUTH).await, "235 Authentication Successful\r\n");
        client
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    async fn fill(&mut self) -> io::Result<usize> {
        within(self.stream.read_buf(&mut self.input)).await
    }

    /// One whole reply, all its lines.
    pub(crate) async fn reply(&mut self) -> String {
        let mut end = 0;
        loop {
            while let Some(length) = self.input[end..].windows(2).position(|two| two == b"\r\n") {
                let is_last = self.input.get(end + 3) != Some(&b'-');
                end += length + 2;
                if is_last {
                    let rest = self.input.split_off(end);
                    let reply = std::mem::replace(&mut self.input, rest);
                    return String::from_utf8(reply).unwrap();
                }
            }
            assert_ne!(
                self.fill().await.unwrap(),
                0,
                "closed within {:?}",
                self.input
            );
        }
    }

    pub(crate) async fn ask(&mut self, command: &str) -> String {
        self.send(command).await;
        self.reply().await
    }

    /// MAIL, RCPT, DATA, content and the reply to the dot.
    pub(crate) async fn mail(&mut self, content: &str) -> String {
        for command in [MAIL, RCPT, "DATA\r\n"] {
            self.ask(command).await;
        }
        self.ask(&format!("{content}.\r\n")).await
    }

    /// All that comes, to the end.
    pub(crate) async fn rest(&mut self) -> (Vec<u8>, Left) {
        loop {
            match self.fill().await {
                Ok(0) => return (std::mem::take(&mut self.input), Left::Closed),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                    return (std::mem::take(&mut self.input), Left::Reset);
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Exactly so many bytes.
    pub(crate) async fn take(&mut self, count: usize) -> Vec<u8> {
        while self.input.len() < count {
            assert_ne!(
                self.fill().await.unwrap(),
                0,
                "closed after {:?}",
                self.input
            );
        }
        let rest = self.input.split_off(count);
        std::mem::replace(&mut self.input, rest)
    }

    /// Ends our side; what the server does not say until then it never says.
    pub(crate) async fn hang_up(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    /// The TLS handshake after STARTTLS.
    pub(crate) async fn secure(self, running: &Running) -> io::Result<Self> {
        assert!(
            self.input.is_empty(),
            "bytes after the 220: {:?}",
            self.input
        );
        let name = ServerName::try_from("localhost").unwrap();
        let connector = TlsConnector::from(trusting(running));
        let tls = within(connector.connect(name, self.stream)).await?;
        Ok(Self {
            stream: Box::new(tls),
            input: Vec::new(),
        })
    }
}
