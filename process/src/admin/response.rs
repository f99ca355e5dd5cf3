//! What a page of the admin server answers.

use prometheus::{Encoder, Registry, TextEncoder};

/// For what is no page.
const NOTHING: &str = "default-src 'none'";

/// An answer: all of it in memory, so keep it small.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// HTTP status code.
    pub status: u16,
    /// Value of `Content-Type`.
    pub content_type: &'static str,
    /// Value of `Content-Security-Policy`: what a browser may do with the body.
    pub security_policy: &'static str,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// Plain text; a line end is added.
    pub fn text(status: u16, text: impl Into<String>) -> Self {
        let mut text = text.into();
        text.push('\n');
        Self {
            status,
            content_type: "text/plain; charset=utf-8",
            security_policy: NOTHING,
            body: text.into_bytes(),
        }
    }

    /// JSON that was rendered before.
    pub fn json(status: u16, json: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            content_type: "application/json",
            security_policy: NOTHING,
            body: json.into(),
        }
    }

    /// A page for people, and the policy that lets its own styles and scripts through and no others.
    pub fn html(status: u16, html: impl Into<String>, security_policy: &'static str) -> Self {
        Self {
            status,
            content_type: "text/html; charset=utf-8",
            security_policy,
            body: html.into().into_bytes(),
        }
    }

    /// All metrics of `registry`, in Prometheus' text format 0.0.4.
    pub fn metrics(registry: &Registry) -> Self {
        let mut body = Vec::new();
        match TextEncoder::new().encode(&registry.gather(), &mut body) {
            Ok(()) => Self {
                status: 200,
                content_type: prometheus::TEXT_FORMAT,
                security_policy: NOTHING,
                body,
            },
            Err(error) => Self::text(500, format!("rendering the metrics: {error}")),
        }
    }
}
