//! TLS, greeting and EHLO of a port, without a login.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rustls::RootCertStore;
use tokio::time::Instant;
use zohorelay_process::chain;
use zohorelay_process::checkup::Finding;
use zohorelay_upstream::Resolver;
use zohorelay_upstream::examine::{Place, Seen, examine, is_distrust};
use zohorelay_upstream::failure::{Failure, Stage};

use super::certificate::Certificate;
use super::check::{GREETING, TLS};
use super::patient::{Need, Port, Server};

/// For the whole look at a port.
const PATIENCE: Duration = Duration::from_secs(20);

/// Looks at one port.
pub(crate) async fn look(
    server: &Server,
    port: Port,
    ehlo_name: &str,
    resolver: Arc<Resolver>,
    roots: &Arc<RootCertStore>,
) -> Result<Seen, String> {
    let place = Place {
        host: &server.host,
        port: port.number,
        security: port.security(),
        trust_anchors: server.trust_anchors.as_deref(),
        ehlo_name,
    };
    examine(&place, resolver, roots, Instant::now() + PATIENCE)
        .await
        .map_err(|error| chain(&error))
}

/// What is to say of a look, first of TLS, then of the greeting.
pub(crate) fn judge(
    subject: &str,
    server: &Server,
    port: Port,
    seen: &Result<Seen, String>,
) -> [Finding; 2] {
    let place = format!("{} port {}", server.host, port.number);
    let seen = match seen {
        Ok(seen) => seen,
        Err(reason) => {
            let remedy = "Correct the host or the trust anchors of the identity.";
            let failed = Finding::failed(TLS, subject, format!("{place}: {reason}"), remedy);
            return [failed, after_tls(subject, &place)];
        }
    };
    if let Some(failure) = before_tls(seen) {
        let skipped = format!("{place}: not tried, for want of a greeting");
        let found = format!("{place}: {}", said(failure));
        let greeting = bad(GREETING, subject, port, found, words_of_silence());
        return [Finding::skipped(TLS, subject, skipped), greeting];
    }
    let certificate = seen.certificate.as_deref().and_then(Certificate::read);
    let Some((version, suite)) = &seen.tls else {
        let tls = without_tls(subject, server, port, seen, certificate.as_ref());
        return [with(tls, certificate.as_ref()), after_tls(subject, &place)];
    };
    let until = certificate.as_ref().map_or(String::new(), |certificate| {
        format!(
            ", its certificate by {} until {}",
            certificate.issuer, certificate.not_after
        )
    });
    let tls = Finding::ok(
        TLS,
        subject,
        format!("{place} is secured ({}){until}", dotted(version)),
    )
    .detail("protocol", dotted(version))
    .detail("cipher", suite);
    [
        with(tls, certificate.as_ref()),
        greeting(subject, &place, port, seen),
    ]
}

/// What went wrong in clear, where TLS begins with STARTTLS.
fn before_tls(seen: &Seen) -> Option<&Failure> {
    let failure = seen.failure.as_ref().filter(|_| seen.tls.is_none())?;
    matches!(failure.stage, Stage::Greeting | Stage::Ehlo).then_some(failure)
}

/// `TLSv1_3` as people write it.
fn dotted(version: &str) -> String {
    version.replace("TLSv1_", "TLS 1.")
}

fn with(finding: Finding, certificate: Option<&Certificate>) -> Finding {
    match certificate {
        None => finding,
        Some(certificate) => finding
            .detail("subject", &certificate.subject)
            .detail("names", certificate.names.join(", "))
            .detail("issuer", &certificate.issuer)
            .detail("notBefore", certificate.not_before.to_string())
            .detail("notAfter", certificate.not_after.to_string()),
    }
}

fn after_tls(subject: &str, place: &str) -> Finding {
    Finding::skipped(
        GREETING,
        subject,
        format!("{place}: not asked, for want of TLS"),
    )
}

/// A failure where mail depends on the port, else a warning.
fn bad(
    check: zohorelay_process::checkup::Check,
    subject: &str,
    port: Port,
    found: String,
    remedy: impl Into<String>,
) -> Finding {
    match port.need {
        Need::Spare => Finding::warning(check, subject, found, remedy),
        Need::Used | Need::Either => Finding::failed(check, subject, found, remedy),
    }
}

fn without_tls(
    subject: &str,
    server: &Server,
    port: Port,
    seen: &Seen,
    certificate: Option<&Certificate>,
) -> Finding {
    let place = format!("{} port {}", server.host, port.number);
    let Some(failure) = &seen.failure else {
        return bad(
            TLS,
            subject,
            port,
            format!("{place}: no TLS"),
            "Compare host and port.",
        );
    };
    let said = said(failure);
    if !is_distrust(seen) {
        let remedy = "What answers there speaks no TLS as Zoho does: compare host, port and security (465 with \
                      ImplicitTls, 587 with StartTls), and look for a proxy or a firewall in between.";
        return bad(TLS, subject, port, format!("{place}: {said}"), remedy);
    }
    let (why, remedy) = distrust(server, certificate, &failure.detail);
    bad(
        TLS,
        subject,
        port,
        format!("{place}: the certificate is not to be trusted: {why}"),
        remedy,
    )
    .detail("error", said)
}

fn words_of_silence() -> &'static str {
    "The connection comes about and the server does not greet as SMTP does. Look for a proxy or a \
     firewall in between that takes the connection itself, and at status.zoho.com."
}

fn distrust(
    server: &Server,
    certificate: Option<&Certificate>,
    error: &str,
) -> (String, &'static str) {
    let (Some(certificate), now) = (certificate, Timestamp::now()) else {
        return (
            error.to_owned(),
            "Ask who runs the network what opens the connection.",
        );
    };
    if !certificate.fits(&server.host) {
        let names = certificate.names.join(", ");
        return (
            format!("it is for {names}, not for {}", server.host),
            "Another server answers, or a proxy in between. Compare the host with docs/zoho.md; ask who runs \
             the network for an exception for Zoho's hosts.",
        );
    }
    if certificate.not_after < now || certificate.not_before > now {
        return (
            format!(
                "it is valid from {} to {} only",
                certificate.not_before, certificate.not_after
            ),
            "Compare the clock of the node (`date -u`). If that is right, Zoho renews its certificates in \
             time, so somebody else's server answers.",
        );
    }
    (
        format!(
            "nobody that this pod trusts vouches for it; its issuer is {}",
            certificate.issuer
        ),
        "That is the mark of a proxy that opens TLS. Ask who runs the network to let Zoho's hosts through \
         untouched. If the server is your own, or you do trust that issuer: put its CA into the \
         identity's trust anchors.",
    )
}

fn greeting(subject: &str, place: &str, port: Port, seen: &Seen) -> Finding {
    let banner = seen
        .greeting
        .as_ref()
        .map(zohorelay_smtp::reply::Reply::text);
    let Some(ehlo) = &seen.ehlo else {
        let reason = seen.failure.as_ref().map_or("no greeting".to_owned(), said);
        return bad(
            GREETING,
            subject,
            port,
            format!("{place}: {reason}"),
            words_of_silence(),
        );
    };
    let offers: Vec<&str> = ehlo.lines().iter().skip(1).map(String::as_str).collect();
    let of = |keyword: &str| {
        let mut all = offers.iter().filter_map(|line| {
            let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
            first.eq_ignore_ascii_case(keyword).then(|| rest.to_owned())
        });
        all.next()
    };
    let logins = of("AUTH").unwrap_or_default();
    let is_known =
        |word: &str| word.eq_ignore_ascii_case("PLAIN") || word.eq_ignore_ascii_case("LOGIN");
    let finding = if logins.split(' ').any(is_known) {
        let size = of("SIZE").map_or(String::new(), |size| format!(", mails up to {size} bytes"));
        Finding::ok(
            GREETING,
            subject,
            format!("{place} offers AUTH {logins}{size}"),
        )
    } else {
        bad(
            GREETING,
            subject,
            port,
            format!("{place} offers neither AUTH PLAIN nor AUTH LOGIN"),
            "It is no server for submission, as the hosts of an MX record are none: take smtp. or smtppro. of \
             your data centre.",
        )
    };
    finding
        .detail("banner", banner.unwrap_or_default())
        .detail("extensions", offers.join("; "))
        .detail("auth", logins)
        .detail("size", of("SIZE").unwrap_or_default())
}

/// What a failure was, with the server's words where it said any.
pub(crate) fn said(failure: &Failure) -> String {
    match &failure.reply {
        None => failure.detail.clone(),
        Some(reply) => format!("the server said {} {}", reply.code(), reply.text()),
    }
}
