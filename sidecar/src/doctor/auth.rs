//! One login, and only where it was asked for: a refused one counts at Zoho (docs/zoho.md).

use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use tokio::time::Instant;
use zohorelay_config::Document;
use zohorelay_process::chain;
use zohorelay_process::checkup::Finding;
use zohorelay_upstream::{Resolver, Target, verify};

use super::check::AUTH;
use super::dialog::said;
use super::remedy;
use super::running::Held;
use crate::args::Auth;

/// For connecting and logging in together.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why there is no login now, if there is none.
pub(crate) fn refuse(subject: &str, auth: Option<Auth>, held: Option<&Held>) -> Option<Finding> {
    let Some(auth) = auth else {
        let why = "not asked for: --auth logs in once (a refused login counts at Zoho)";
        return Some(Finding::skipped(AUTH, subject, why));
    };
    let held = held.filter(|_| auth == Auth::Once)?;
    let found = format!("not logged in: {}", held.words());
    if held.is_refusal() {
        let remedy = format!(
            "{} One more refused login would prolong it; --auth=force tries all the same.",
            remedy(&held.reason)
        );
        return Some(Finding::failed(AUTH, subject, found, remedy));
    }
    Some(Finding::skipped(AUTH, subject, found))
}

/// Logs in once.
pub(crate) async fn log_in(
    subject: &str,
    document: &Document,
    ehlo_name: &str,
    resolver: Arc<Resolver>,
    roots: &Arc<RootCertStore>,
) -> Finding {
    let target = match Target::new(document, ehlo_name, resolver, roots) {
        Ok(target) => target,
        Err(error) => {
            let remedy = "Correct what the text names.";
            return Finding::failed(AUTH, subject, chain(&error), remedy);
        }
    };
    let username = &document.login.username;
    match verify(&target, Instant::now() + PATIENCE).await {
        Ok(()) => Finding::ok(
            AUTH,
            subject,
            format!("the server takes the login of {username}"),
        ),
        Err(failure) => Finding::failed(
            AUTH,
            subject,
            format!(
                "the login of {username} failed at {}: {}",
                failure.stage,
                said(&failure)
            ),
            remedy(failure.class.as_str()),
        )
        .detail("class", failure.class.as_str())
        .detail("stage", failure.stage.as_str()),
    }
}
