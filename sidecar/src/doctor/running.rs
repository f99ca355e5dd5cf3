//! The sidecar that runs beside: what it says of an identity.

use std::net::SocketAddr;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use zohorelay_config::Document;
use zohorelay_process::checkup::Finding;
use zohorelay_process::client;

use super::check::SIDECAR;
use super::remedy;

/// For one page.
const PATIENCE: Duration = Duration::from_secs(2);

/// What holds an account's mails, by the running sidecar or the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) reason: String,
    until: String,
}

impl Held {
    /// Whether a login or the account was refused, so that another try would do harm.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self.reason.as_str(), "auth_failed" | "account_blocked")
    }

    pub(crate) fn words(&self) -> String {
        format!("mails are held ({}), {}", self.reason, self.until)
    }
}

/// A page as text, or why there is none.
pub(crate) async fn page(address: SocketAddr, path: &str) -> Result<String, String> {
    match client::get(address, path, PATIENCE).await {
        Ok((200, body)) => Ok(String::from_utf8_lossy(&body).into_owned()),
        Ok((code, _)) => Err(format!("{address} answered {code} to {path}")),
        Err(error) => Err(error.to_string()),
    }
}

/// `/summary`.
pub(crate) async fn summary(admin: SocketAddr) -> Result<Value, String> {
    let text = page(admin, "/summary").await?;
    serde_json::from_str(&text).map_err(|_| format!("{admin} answered something that is no JSON"))
}

/// The identities that it knows.
pub(crate) fn names(summary: &Value) -> impl Iterator<Item = String> {
    let all = summary["identities"].as_array().into_iter().flatten();
    all.filter_map(|identity| identity["name"].as_str().map(str::to_owned))
}

fn of<'a>(summary: &'a Value, name: &str) -> Option<&'a Value> {
    let mut all = summary["identities"].as_array()?.iter();
    all.find(|identity| identity["name"] == name)
}

/// What holds the mails of an identity now.
pub(crate) fn held(
    summary: Option<&Value>,
    name: &str,
    document: &Document,
    now: Timestamp,
) -> Option<Held> {
    let breaker = summary.and_then(|summary| of(summary, name)?.get("breaker"));
    if let Some(breaker) = breaker {
        let seconds = breaker["againInSeconds"].as_u64().unwrap_or_default();
        return Some(Held {
            reason: breaker["reason"].as_str().unwrap_or_default().to_owned(),
            until: format!("the next try is in {seconds} s"),
        });
    }
    let hold = document.hold.filter(|hold| hold.until > now)?;
    Some(Held {
        reason: hold.reason.as_str().to_owned(),
        until: format!("until {}", hold.until),
    })
}

/// What the running sidecar says of an identity.
pub(crate) fn judge(
    subject: &str,
    summary: &Result<Value, String>,
    document: Option<&Document>,
) -> Finding {
    let summary = match summary {
        Ok(summary) => summary,
        Err(reason) => {
            let found =
                format!("no sidecar answers here, so nothing is known of its mails ({reason})");
            return Finding::skipped(SIDECAR, subject, found);
        }
    };
    let Some(identity) = of(summary, subject) else {
        let found = "the running sidecar does not serve this identity";
        let remedy =
            "Add it to the pod's annotation zohorelay.dev/identities, or to --identity of `run`.";
        return Finding::warning(SIDECAR, subject, found, remedy);
    };
    let text = |field: &str| identity[field].as_str().unwrap_or_default().to_owned();
    let finding = if let Some((found, remedy)) = trouble(identity, document) {
        Finding::warning(SIDECAR, subject, found, remedy)
    } else {
        let accepted = identity["accepted"].as_u64().unwrap_or_default();
        let state = text("state");
        let found = format!("runs, and is {state}; Zoho took {accepted} mails since its start");
        Finding::ok(SIDECAR, subject, found)
    };
    finding
        .detail("state", text("state"))
        .detail("lastAccepted", text("lastAccepted"))
        .detail("failed", identity["failed"].to_string())
        .detail("lastFailure", identity["lastFailure"].to_string())
}

fn trouble(identity: &Value, document: Option<&Document>) -> Option<(String, String)> {
    if let Some(breaker) = identity.get("breaker") {
        let reason = breaker["reason"].as_str().unwrap_or_default();
        let seconds = breaker["againInSeconds"].as_u64().unwrap_or_default();
        let found =
            format!("sends nothing since a refusal ({reason}); the next try is in {seconds} s");
        return Some((found, remedy(reason).to_owned()));
    }
    let has_older = document.is_some_and(|document| {
        let used = identity["revision"].as_u64();
        document.revision.is_some() && used.is_some() && document.revision != used
    });
    if has_older {
        let found = "has not taken the newest document yet".to_owned();
        let remedy = "It looks every few seconds. If it stays, its log says why it cannot use it.";
        return Some((found, remedy.to_owned()));
    }
    let at = |field: &str| identity[field].as_str()?.parse::<Timestamp>().ok();
    let last = &identity["lastFailure"];
    let failed = last["at"].as_str()?.parse::<Timestamp>().ok()?;
    if at("lastAccepted").is_some_and(|accepted| accepted > failed) {
        return None;
    }
    let class = last["class"].as_str().unwrap_or_default();
    Some((
        format!("its last mail failed: {class}, at {failed}"),
        remedy(class).to_owned(),
    ))
}
