//! One request: what is no call of the API server is refused with a reason.

use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use thiserror::Error;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::Admit;
use crate::inject::Admission;

/// Path of the webhook.
const PATH: &str = "/inject";
/// The largest body: etcd takes objects of 1.5 MiB, and JSON may be longer than what is stored.
pub(super) const BODY_BYTES: usize = 3 * 1024 * 1024;
/// For the whole body to come; the API server itself waits no longer for the answer than 5 s.
const BODY: Duration = Duration::from_secs(10);

/// Why a request is not looked at; the API server shows it to whoever made the pod.
#[derive(Debug, Error)]
enum Refused {
    #[error("no such page: the webhook is at {PATH}")]
    Path,
    #[error("the webhook takes POST only")]
    Method,
    #[error("the webhook takes application/json only")]
    ContentType,
    #[error("the review is larger than {BODY_BYTES} bytes")]
    TooLarge,
    #[error("the review did not come within {} s", BODY.as_secs())]
    Slow,
    #[error("the webhook has too many reviews at hand: try again")]
    Busy,
    #[error("the review broke off")]
    BrokenOff,
    #[error("{0}")]
    Malformed(String),
}

impl Refused {
    fn status(&self) -> StatusCode {
        match self {
            Self::Path => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::ContentType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::BrokenOff | Self::Malformed(_) => StatusCode::BAD_REQUEST,
        }
    }
}

/// Answers one request. Of `bodies` it holds a permit for each byte of the body while it does.
pub(super) async fn answer(
    request: Request<Incoming>,
    admit: &Admit,
    bodies: &Semaphore,
) -> Response<Full<Bytes>> {
    match try_answer(request, admit, bodies).await {
        Ok(review) => render(StatusCode::OK, "application/json", review),
        Err(refused) => {
            let text = format!("{refused}\n").into_bytes();
            let mut response = render(refused.status(), "text/plain; charset=utf-8", text);
            if matches!(refused, Refused::Method) {
                response
                    .headers_mut()
                    .insert(ALLOW, HeaderValue::from_static("POST"));
            }
            response
        }
    }
}

async fn try_answer(
    request: Request<Incoming>,
    admit: &Admit,
    bodies: &Semaphore,
) -> Result<Vec<u8>, Refused> {
    // The API server appends ?timeout=5s, which is no part of the path.
    if request.uri().path() != PATH {
        return Err(Refused::Path);
    }
    if *request.method() != Method::POST {
        return Err(Refused::Method);
    }
    if !is_json(request.headers()) {
        return Err(Refused::ContentType);
    }
    let read = timeout(BODY, read(request.into_body(), bodies)).await;
    let (body, _held) = read.map_err(|_| Refused::Slow)??;
    let answer = admit(&body);
    match answer.result {
        Admission::Malformed => Err(Refused::Malformed(answer.reason.unwrap_or_default())),
        Admission::Injected | Admission::Untouched | Admission::Refused => Ok(answer.body),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = value.and_then(|value| value.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

/// Reads as much as there are permits for, so that many large bodies cannot use up the memory.
async fn read(
    mut body: Incoming,
    bodies: &Semaphore,
) -> Result<(Vec<u8>, Option<SemaphorePermit<'_>>), Refused> {
    if body.size_hint().lower() > BODY_BYTES as u64 {
        return Err(Refused::TooLarge);
    }
    let mut bytes = Vec::new();
    let mut held: Option<SemaphorePermit<'_>> = None;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Refused::BrokenOff)?.into_data() else {
            continue;
        };
        if bytes.len() + data.len() > BODY_BYTES {
            return Err(Refused::TooLarge);
        }
        let count = u32::try_from(data.len()).map_err(|_| Refused::TooLarge)?;
        let more = bodies.try_acquire_many(count).map_err(|_| Refused::Busy)?;
        match &mut held {
            Some(held) => held.merge(more),
            None => held = Some(more),
        }
        bytes.extend_from_slice(&data);
    }
    Ok((bytes, held))
}

fn render(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static(content_type);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}
