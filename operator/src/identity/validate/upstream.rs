//! The server of a spec: Zoho's, or one that the operator allows.

use zohorelay_config::{Security, Service, Upstream};
use zohorelay_crds::v1alpha1::{self as crds, MailIdentitySpec, Reason, Server};

use super::{Kind, Problem, anchors};
use crate::host::{AllowedHosts, published_host};

/// The server that `spec.zoho` names, with what `spec.server` says instead.
pub(super) fn upstream(
    spec: &MailIdentitySpec,
    allowed: &AllowedHosts,
) -> Result<Upstream, Problem> {
    let server = spec.server.as_ref();
    let (port, security) = port_and_security(server)?;
    let trust_anchors = server.and_then(|server| server.ca_bundle.clone());
    if let Some(pem) = &trust_anchors {
        anchors::check(pem)?;
    }
    Ok(Upstream {
        service: match spec.zoho.service {
            crds::Service::Mail => Service::Mail,
            crds::Service::ZeptoMail => Service::ZeptoMail,
        },
        host: host(spec, allowed)?,
        port,
        security,
        trust_anchors,
    })
}

fn host(spec: &MailIdentitySpec, allowed: &AllowedHosts) -> Result<String, Problem> {
    let zoho = &spec.zoho;
    let Some(server) = &spec.server else {
        let published = published_host(zoho.service, zoho.data_center, zoho.account_type);
        return published.map(str::to_owned).ok_or_else(|| {
            Problem::invalid_spec(format!(
                "spec.zoho.dataCenter: Zoho publishes no ZeptoMail server for {}; set spec.server.host \
                 to the one that ZeptoMail shows you, and have the operator allow it \
                 (allowedUpstreamHosts)",
                zoho.data_center.as_str()
            ))
        });
    };
    if allowed.allows(&server.host) {
        return Ok(server.host.clone());
    }
    Err(Problem {
        reason: Reason::HostNotAllowed,
        message: format!(
            "spec.server.host: {:?} is none of Zoho's servers, and the operator does not allow it: \
             remove spec.server to use Zoho's own, or add the host to allowedUpstreamHosts of the \
             chart (--allowed-upstream-host of the operator). Nothing is sent there before",
            server.host
        ),
        kind: Kind::UserError,
    })
}

/// The one follows from the other: 465 with TLS from the first byte, 587 with STARTTLS.
fn port_and_security(server: Option<&Server>) -> Result<(u16, Security), Problem> {
    let port = server.and_then(|server| server.port);
    let security = server.and_then(|server| server.security);
    let port = match (port, security) {
        (Some(port), _) => u16::try_from(port).map_err(|_| {
            Problem::invalid_spec(
                "spec.server.port: a port is a number from 1 to 65535; set 465 or 587",
            )
        })?,
        (None, Some(crds::Security::StartTls)) => 587,
        (None, _) => 465,
    };
    let security = match (security, port) {
        (Some(crds::Security::StartTls), _) | (None, 587) => Security::StartTls,
        (Some(crds::Security::ImplicitTls) | None, _) => Security::ImplicitTls,
    };
    Ok((port, security))
}
