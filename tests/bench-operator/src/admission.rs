//! Calls of the webhook as the API server makes them: HTTP/1.1 over TLS on connections that are kept,
//! at a steady pace, whoever waits for an answer.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::{interval, sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use zohorelay_bench::percentile::percentile;

use crate::cores;

/// From one call to the next: 50 a second.
const PACE: Duration = Duration::from_millis(20);
/// What the API server waits for an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two tries of the first connection, while there is no certificate yet.
const RETRY: Duration = Duration::from_millis(50);

/// Calls that go on until this is dropped, from a thread of their own: whatever else the bench does
/// must not be measured.
pub struct Load {
    calls: Arc<Mutex<Calls>>,
    _stop: oneshot::Sender<()>,
    _thread: JoinHandle<()>,
}

/// Calls that were made.
#[derive(Debug, Default)]
pub struct Calls {
    /// From the first byte of the call to the last of the answer, in nanoseconds.
    times: Vec<u32>,
    /// From when a call should begin to when it did, in nanoseconds.
    late: Vec<u32>,
    failures: Vec<String>,
}

/// Times of calls, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// The middle one.
    pub p50: f64,
    /// What 99 of 100 do not exceed.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

impl Calls {
    /// How many were answered.
    pub fn count(&self) -> usize {
        self.times.len()
    }

    /// Their times, and how late 99 of 100 began at most, in milliseconds; an error where a call
    /// failed, or none was made.
    pub fn times(&mut self) -> Result<(Times, f64)> {
        if let Some(first) = self.failures.first() {
            bail!("{} calls failed, the first: {first}", self.failures.len());
        }
        let at = |values: &mut [u32], percent| {
            let nanos = percentile(values, percent).context("no call was made");
            nanos.map(|nanos| f64::from(nanos) / 1e6)
        };
        let times = Times {
            p50: at(&mut self.times, 50.0)?,
            p99: at(&mut self.times, 99.0)?,
            max: at(&mut self.times, 100.0)?,
        };
        Ok((times, at(&mut self.late, 99.0)?))
    }
}

impl Load {
    /// Begins as soon as the webhook at this address has a certificate of this authority (PEM).
    pub fn start(webhook: SocketAddr, authority: &[u8], pod: &serde_json::Value) -> Result<Self> {
        let target = Arc::new(Target {
            webhook,
            tls: client_config(authority)?,
            call: call(pod),
        });
        let calls = Arc::new(Mutex::new(Calls::default()));
        let (stop, stopped) = oneshot::channel::<()>();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let made = calls.clone();
        let thread = std::thread::Builder::new().name("admission".to_owned());
        let thread = thread.spawn(move || {
            // A core that cannot be had shows in how late the calls begin.
            let _ = cores::join_operator();
            runtime.block_on(async {
                tokio::select! {
                    _ = stopped => {}
                    () = run(target, made) => {}
                }
            });
        })?;
        Ok(Self {
            calls,
            _stop: stop,
            _thread: thread,
        })
    }

    /// The calls since the last time that this was asked.
    pub fn take(&self) -> Calls {
        std::mem::take(&mut lock(&self.calls))
    }
}

struct Target {
    webhook: SocketAddr,
    tls: Arc<ClientConfig>,
    call: Vec<u8>,
}

type Connection = BufReader<TlsStream<TcpStream>>;
type Idle = Arc<Mutex<Vec<Connection>>>;

async fn run(target: Arc<Target>, calls: Arc<Mutex<Calls>>) {
    let idle = Idle::default();
    loop {
        if let Ok(connection) = connect(&target).await {
            lock(&idle).push(connection);
            break;
        }
        sleep(RETRY).await;
    }
    let mut pace = interval(PACE);
    loop {
        let due = pace.tick().await;
        lock(&calls).late.push(nanos(due.elapsed()));
        let (target, idle, calls) = (target.clone(), idle.clone(), calls.clone());
        tokio::spawn(async move {
            let begun = Instant::now();
            let result = match timeout(PATIENCE, one(&target, &idle)).await {
                Ok(result) => result,
                Err(_) => Err(anyhow::anyhow!("no answer in {} s", PATIENCE.as_secs())),
            };
            let took = nanos(begun.elapsed());
            let mut calls = lock(&calls);
            match result {
                Ok(()) => calls.times.push(took),
                Err(error) => calls.failures.push(format!("{error:#}")),
            }
        });
    }
}

fn nanos(time: Duration) -> u32 {
    u32::try_from(time.as_nanos()).unwrap_or(u32::MAX)
}

/// One call on a connection that nobody uses, or on another one.
async fn one(target: &Target, idle: &Idle) -> Result<()> {
    let free = lock(idle).pop();
    let mut connection = match free {
        Some(connection) => connection,
        None => connect(target).await?,
    };
    connection.write_all(&target.call).await?;
    connection.flush().await?;
    let mut length = None;
    let mut line = String::new();
    loop {
        line.clear();
        if connection.read_line(&mut line).await? == 0 {
            bail!("the webhook closed the connection");
        }
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if line.starts_with("http/") && !line.contains(" 200 ") {
            bail!("the webhook said {line}");
        }
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = Some(value.parse()?);
        }
    }
    let mut body = vec![0; length.context("no Content-Length")?];
    connection.read_exact(&mut body).await?;
    lock(idle).push(connection);
    let body = String::from_utf8(body)?;
    if !body.contains("\"allowed\":true") || !body.contains("\"patch\":") {
        bail!("not injected: {body}");
    }
    Ok(())
}

async fn connect(target: &Target) -> Result<Connection> {
    let stream = TcpStream::connect(target.webhook).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::from(target.webhook.ip());
    let stream = TlsConnector::from(target.tls.clone()).connect(name, stream);
    Ok(BufReader::new(stream.await?))
}

fn client_config(authority: &[u8]) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority).context("reading ca.crt")?)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn call(pod: &serde_json::Value) -> Vec<u8> {
    let review = json!({
        "kind": "AdmissionReview",
        "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": "5d1f0a52-6c0e-4c3b-9d5b-0a3a5d6c9c11",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "requestKind": {"group": "", "version": "v1", "kind": "Pod"},
            "requestResource": {"group": "", "version": "v1", "resource": "pods"},
            "namespace": "bench-00",
            "operation": "CREATE",
            "userInfo": {
                "username": "system:serviceaccount:kube-system:replicaset-controller",
                "groups": ["system:serviceaccounts", "system:authenticated"],
            },
            "object": pod,
            "oldObject": null,
            "dryRun": false,
            "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
        },
    });
    let body = review.to_string();
    let head = format!(
        "POST /inject?timeout=5s HTTP/1.1\r\nHost: zohorelay-webhook.zohorelay-system.svc:443\r\n\
         User-Agent: kube-apiserver-admission\r\nAccept: application/json, */*\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nAccept-Encoding: gzip\r\n\r\n",
        body.len()
    );
    (head + &body).into_bytes()
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
