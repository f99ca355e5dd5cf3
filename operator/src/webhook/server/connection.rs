//! One connection: TLS, then HTTP/1.1 requests one after another.

use std::convert::Infallible;
use std::pin::pin;
use std::time::Duration;

use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::select;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::{Admit, request};

/// For the TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// For the whole head of the next request to come. The API server drops what is idle for 90 s
/// itself; were we first, a call could meet a connection that is being closed.
const HEAD: Duration = Duration::from_secs(120);
/// From this age on an answer is a connection's last, so that replicas share the calls.
const AGE: Duration = Duration::from_secs(10 * 60);
/// A connection of this age has a client that does not read its answers.
const STALLED: Duration = Duration::from_secs(10 * 60 + 120 + 30);
/// The longest head of a request, and the most that is buffered.
const BUFFER_BYTES: usize = 64 * 1024;

/// What all connections share.
pub(super) struct Shared {
    pub(super) acceptor: TlsAcceptor,
    pub(super) admit: Admit,
    /// One permit for each byte of a body that may be held.
    pub(super) bodies: Semaphore,
    /// From here on an answer is a connection's last.
    pub(super) stopping: CancellationToken,
    /// From here on no further request is read.
    pub(super) ending: CancellationToken,
}

/// Serves requests until the client goes, is too slow, or the server ends. What a client does wrong
/// is its own business: errors are logged at DEBUG.
pub(super) async fn serve(stream: TcpStream, shared: &Shared) {
    let begun = Instant::now();
    let stream = select! {
        () = shared.ending.cancelled() => return,
        result = timeout(HANDSHAKE, shared.acceptor.accept(stream)) => match result {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                tracing::debug!(%error, "TLS handshake of a call to the webhook");
                return;
            }
            Err(_) => return,
        },
    };
    let service = service_fn(|request| async move {
        let mut answer = request::answer(request, &shared.admit, &shared.bodies).await;
        if shared.stopping.is_cancelled() || begun.elapsed() >= AGE {
            let close = HeaderValue::from_static("close");
            answer.headers_mut().insert(CONNECTION, close);
        }
        Ok::<_, Infallible>(answer)
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD)
            .max_buf_size(BUFFER_BYTES)
            .serve_connection(TokioIo::new(stream), service)
    );
    let mut stalled = pin!(sleep(STALLED));
    let mut is_ending = false;
    loop {
        select! {
            result = connection.as_mut() => {
                if let Err(error) = result {
                    tracing::debug!(%error, "serving a call to the webhook");
                }
                return;
            }
            () = stalled.as_mut() => return,
            () = shared.ending.cancelled(), if !is_ending => {
                is_ending = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}
