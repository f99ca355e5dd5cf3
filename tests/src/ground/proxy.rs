//! A server in the cluster, reached by the API server's proxy of its Service.

use anyhow::{Context, Result};
use http::{Method, Request};
use kube::Client;
use serde_json::Value;

/// A port of a Service, by HTTP.
#[derive(Clone)]
pub(super) struct Proxy {
    client: Client,
    root: String,
}

impl Proxy {
    pub(super) fn new(client: &Client, namespace: &str, service: &str, port: &str) -> Self {
        Self {
            client: client.clone(),
            root: format!("/api/v1/namespaces/{namespace}/services/{service}:{port}/proxy"),
        }
    }

    pub(super) async fn get(&self, path: &str) -> Result<String> {
        self.call(Method::GET, path, Vec::new()).await
    }

    pub(super) async fn get_json(&self, path: &str) -> Result<Value> {
        Ok(serde_json::from_str(&self.get(path).await?)?)
    }

    pub(super) async fn send(&self, method: Method, path: &str, body: &Value) -> Result<String> {
        self.call(method, path, serde_json::to_vec(body)?).await
    }

    pub(super) async fn delete(&self, path: &str) -> Result<String> {
        self.call(Method::DELETE, path, Vec::new()).await
    }

    async fn call(&self, method: Method, path: &str, body: Vec<u8>) -> Result<String> {
        let what = format!("{method} {path} by the API server");
        let uri = format!("{}{path}", self.root);
        let request = Request::builder().method(method).uri(uri).body(body)?;
        self.client.request_text(request).await.context(what)
    }
}
