//! The HTTPS listener that the API server calls.
//!
//! Whoever reaches the pod can connect, so all that a client can hold is bounded: connections, bytes
//! of bodies, and time.

mod connection;
mod request;

use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::select;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use zohorelay_process::listen::accept;

use connection::Shared;

use crate::inject::Answer;

/// Answers the body of a request. It is called on the runtime's thread: it must not block.
pub type Admit = Arc<dyn Fn(&[u8]) -> Answer + Send + Sync>;

/// Connections that are served at a time; more wait in the kernel. An API server opens one for each
/// call that it has under way.
const CONNECTIONS: usize = 256;
/// Bytes of bodies that are held at a time: ten of the largest.
const BODIES_BYTES: usize = 10 * request::BODY_BYTES;
/// How long new calls are answered after the stop: the API server learns late that a replica goes.
const LINGER: Duration = Duration::from_secs(5);
/// How long calls that are under way may take after that.
const DRAIN: Duration = Duration::from_secs(2);

/// Serves `POST /inject` until five seconds after `stop`, then ends the calls that are under way. No
/// task of it lives on after it returned.
pub async fn serve(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    admit: Admit,
    stop: CancellationToken,
) {
    let shared = Arc::new(Shared {
        acceptor: TlsAcceptor::from(tls),
        admit,
        bodies: Semaphore::new(BODIES_BYTES),
        stopping: stop.clone(),
        ending: CancellationToken::new(),
    });
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    let mut lingered = std::pin::pin!(async {
        stop.cancelled().await;
        sleep(LINGER).await;
    });
    loop {
        select! {
            () = lingered.as_mut() => break,
            Some(_) = connections.join_next() => {}
            (stream, permit) = accept(&listener, &permits, "a connection to the webhook") => {
                let shared = Arc::clone(&shared);
                connections.spawn(async move {
                    connection::serve(stream, &shared).await;
                    drop(permit);
                });
            }
        }
    }
    drop(listener);
    shared.ending.cancel();
    let ended = async { while connections.join_next().await.is_some() {} };
    if timeout(DRAIN, ended).await.is_err() {
        connections.shutdown().await;
    }
}

#[cfg(test)]
mod tests;
