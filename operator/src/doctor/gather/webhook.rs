//! The webhook: its configuration, who is behind its Service, and its certificate as a client sees it.

use std::sync::Arc;
use std::time::Duration;

use hyper::Uri;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, WebhookClientConfig,
};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::ListParams;
use kube::{Api, Client};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::super::rights::{Asked, Right, Unread};
use super::super::scene::{Handshake, Hook};
use super::{Place, list};
use crate::webhook::configuration::WEBHOOK;

/// Patience for the webhook itself.
const PATIENCE: Duration = Duration::from_secs(3);
/// The configuration's name where nobody says another: the operator may list this one only.
const CONFIGURATION: &str = "zohorelay";

/// Our webhook wherever it is registered, or in the configuration that was named. Who may not list all may
/// be allowed one.
pub(super) async fn hooks(client: &Client, place: &Place) -> Asked<Vec<Hook>> {
    let named = |name: &str| ListParams::default().fields(&format!("metadata.name={name}"));
    let wanted = place.configuration.as_deref();
    let params = wanted.map_or_else(ListParams::default, named);
    let found = match configurations(client, params).await {
        Err(Unread::Forbidden(_)) if wanted.is_none() => {
            configurations(client, named(CONFIGURATION)).await?
        }
        other => other?,
    };
    let hooks = found.into_iter().filter_map(|configuration| {
        let metadata = configuration.metadata;
        let webhooks = configuration.webhooks.into_iter().flatten();
        Some(Hook {
            configuration: metadata.name.unwrap_or_default(),
            created: metadata.creation_timestamp.map(|time| time.0),
            webhook: { webhooks }.find(|webhook| webhook.name == WEBHOOK)?,
        })
    });
    Ok(hooks.collect())
}

async fn configurations(
    client: &Client,
    params: ListParams,
) -> Asked<Vec<MutatingWebhookConfiguration>> {
    let resource = "mutatingwebhookconfigurations.admissionregistration.k8s.io";
    list(
        Api::all(client.clone()),
        Right::list(resource, "").everywhere(),
        params,
    )
    .await
}

/// How many ready addresses are behind the Service; none where the webhook has a URL.
pub(super) async fn endpoints(client: &Client, hook: &Hook) -> Option<Asked<usize>> {
    let service = hook.webhook.client_config.service.as_ref()?;
    let slices = Api::<EndpointSlice>::namespaced(client.clone(), &service.namespace);
    let label = format!("kubernetes.io/service-name={}", service.name);
    let right = Right::list("endpointslices.discovery.k8s.io", &service.namespace);
    let found = list(slices, right, ListParams::default().labels(&label)).await;
    Some(found.map(|slices| {
        let endpoints = slices.into_iter().flat_map(|slice| slice.endpoints);
        endpoints
            .filter(|it| it.conditions.as_ref().and_then(|it| it.ready) != Some(false))
            .map(|endpoint| endpoint.addresses.len())
            .sum()
    }))
}

/// Greets the webhook by TLS as the API server does, and asks it nothing. None: it has no address or no
/// caBundle to trust it by.
pub(super) async fn handshake(hook: &Hook) -> Option<Handshake> {
    let config = &hook.webhook.client_config;
    let (host, port) = address(config)?;
    let bundle = config.ca_bundle.as_ref()?;
    let tls = client_config(&bundle.0)?;
    let greeted = tokio::time::timeout(PATIENCE, greet(&host, port, tls)).await;
    Some(greeted.unwrap_or_else(|_| {
        let seconds = PATIENCE.as_secs();
        Handshake::Unreachable(format!("{host}:{port} does not answer within {seconds} s"))
    }))
}

fn address(config: &WebhookClientConfig) -> Option<(String, u16)> {
    if let Some(service) = &config.service {
        let port = service.port.and_then(|port| u16::try_from(port).ok());
        let host = format!("{}.{}.svc", service.name, service.namespace);
        return Some((host, port.unwrap_or(443)));
    }
    let uri: Uri = config.url.as_deref()?.parse().ok()?;
    let host = uri.host()?.trim_matches(['[', ']']).to_owned();
    Some((host, uri.port_u16().unwrap_or(443)))
}

fn client_config(bundle: &[u8]) -> Option<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for authority in CertificateDer::pem_slice_iter(bundle) {
        roots.add(authority.ok()?).ok()?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .ok()?;
    Some(config.with_root_certificates(roots).with_no_client_auth())
}

async fn greet(host: &str, port: u16, config: ClientConfig) -> Handshake {
    let name = match ServerName::try_from(host.to_owned()) {
        Ok(name) => name,
        Err(error) => return Handshake::Refused(format!("{host}: {error}")),
    };
    let stream = match TcpStream::connect((host, port)).await {
        Ok(stream) => stream,
        Err(error) => return Handshake::Unreachable(format!("{host}:{port}: {error}")),
    };
    match TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
    {
        Ok(_) => Handshake::Trusted,
        Err(error) => Handshake::Refused(error.to_string()),
    }
}
