//! One connection of the admin server: one request, one answer.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::select;
use tokio_util::sync::CancellationToken;

use super::{Response, Routes};

/// For the whole request head to come.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// For the whole connection: also a client that does not read its answer is cut off.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest request head, and the most that is buffered.
const BUFFER_BYTES: usize = 16 * 1024;

/// Serves one request, until it is answered, its time is up or `shutdown` finds it idle. What a
/// client does wrong is its own business: errors are logged at DEBUG.
pub(super) async fn serve(stream: TcpStream, routes: Arc<Routes>, shutdown: CancellationToken) {
    let service = service_fn(|request| {
        let answer = answer(&routes, &request);
        async move { Ok::<_, Infallible>(answer) }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(BUFFER_BYTES)
            .keep_alive(false)
            .serve_connection(TokioIo::new(stream), service)
    );
    let mut deadline = pin!(tokio::time::sleep(CONNECTION_TIMEOUT));
    let mut draining = false;
    loop {
        select! {
            result = connection.as_mut() => {
                if let Err(error) = result {
                    tracing::debug!(%error, "serving an admin connection");
                }
                return;
            }
            () = deadline.as_mut() => return,
            () = shutdown.cancelled(), if !draining => {
                draining = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

fn answer(routes: &Routes, request: &Request<Incoming>) -> hyper::Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refused = render(Response::text(405, "only GET and HEAD are answered here"));
        refused
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refused;
    }
    let uri = request.uri();
    render(routes.answer(uri.path(), uri.query().unwrap_or_default()))
}

fn render(response: Response) -> hyper::Response<Full<Bytes>> {
    let Response {
        status,
        content_type,
        security_policy,
        body,
    } = response;
    let mut rendered = hyper::Response::new(Full::new(Bytes::from(body)));
    *rendered.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = rendered.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(security_policy),
    );
    rendered
}
