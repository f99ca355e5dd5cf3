//! Bodies of answers: whole ones, and streams that a task feeds.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::{HeaderMap, Response, header};
use serde_json::Value;
use tokio::sync::mpsc;

use super::fault::Refusal;

/// Why an answer ends early: the connection is cut.
#[derive(Debug, thiserror::Error)]
#[error("cut by a rule")]
pub(super) struct Cut;

/// A body that is there, or one that comes.
pub(super) enum Answer {
    Whole(Full<Bytes>),
    Stream(mpsc::Receiver<Result<Bytes, Cut>>),
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        match self.get_mut() {
            Self::Whole(body) => Pin::new(body)
                .poll_frame(context)
                .map_err(|never| match never {}),
            Self::Stream(parts) => parts
                .poll_recv(context)
                .map(|part| part.map(|part| part.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_end_stream(),
            Self::Stream(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Stream(_) => SizeHint::default(),
        }
    }
}

/// A `Status`, as the API server answers one.
pub(super) fn refuse(refusal: &Refusal) -> Response<Answer> {
    let body = Bytes::from(refusal.status().to_string());
    let mut answer = Response::new(Answer::Whole(Full::new(body)));
    *answer.status_mut() = refusal.code.try_into().expect("a status code");
    let headers = answer.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        "application/json".parse().expect("a value"),
    );
    if let Some(time) = refusal.retry_after {
        headers.insert(header::RETRY_AFTER, time.as_secs().into());
    }
    answer
}

/// The whole of an answer, changed.
pub(super) async fn rewrite(
    answer: Response<Incoming>,
    change: &(dyn Fn(Value) -> Value + Send + Sync),
) -> Result<Response<Answer>, Cut> {
    let (mut head, body) = answer.into_parts();
    let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
    let body = match serde_json::from_slice(&body) {
        Ok(json) => Bytes::from(change(json).to_string()),
        Err(_) => body,
    };
    forget_length(&mut head.headers);
    Ok(Response::from_parts(head, Answer::Whole(Full::new(body))))
}

/// The length is that of another body.
pub(super) fn forget_length(headers: &mut HeaderMap) {
    headers.remove(header::CONTENT_LENGTH);
    headers.remove(header::TRANSFER_ENCODING);
}
