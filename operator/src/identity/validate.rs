//! From a spec and its Secret to a document, or to the one thing that a person must do.

mod anchors;
#[cfg(test)]
pub(crate) mod fixtures;
mod password;
mod spec;
#[cfg(test)]
mod tests;
mod upstream;

use std::collections::BTreeMap;

use zeroize::Zeroizing;
use zohorelay_config::Document;
use zohorelay_crds::MailIdentity;
use zohorelay_crds::keys::SECRET_PREFIX;
use zohorelay_crds::v1alpha1::Reason;

use crate::host::AllowedHosts;
use crate::identity::attempt::AttemptKey;

/// What is known of the Secret that `passwordSecretRef` names.
#[derive(Clone, Debug)]
pub enum SecretFact {
    /// It is not there.
    Missing,
    /// The operator may not read it.
    Forbidden {
        /// What the API server said; it names verb, resource and namespace.
        message: String,
    },
    /// It is there.
    Found {
        /// Its resourceVersion.
        resource_version: String,
        /// All its keys.
        data: BTreeMap<String, Zeroizing<Vec<u8>>>,
    },
}

/// A document that could be published: without revision and hold, and with retry 0.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// The document, checked.
    pub document: Document,
    /// The resourceVersion of the Secret that the password is from.
    pub secret_resource_version: String,
    /// What is odd and may be meant so, for the day that the login is refused.
    pub hints: Vec<String>,
}

impl Draft {
    /// The login that it would make.
    pub fn attempt_key(&self) -> AttemptKey {
        AttemptKey::of(&self.document)
    }
}

/// Why there is no draft, or why it cannot be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The reason of the conditions.
    pub reason: Reason,
    /// What is wrong and what to do, in plain words; never a secret.
    pub message: String,
    /// Who must act.
    pub kind: Kind,
}

/// Who must act for a problem to go away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A person: Stalled at once.
    UserError,
    /// Perhaps another program, which may be on its way: Reconciling for five minutes, then Stalled.
    Waiting,
    /// The operator, by trying again: Reconciling.
    Retry,
}

impl Problem {
    /// A mistake in the spec.
    pub fn invalid_spec(message: impl Into<String>) -> Self {
        Self {
            reason: Reason::InvalidSpec,
            message: message.into(),
            kind: Kind::UserError,
        }
    }

    /// Somebody else has a Secret of the name that the operator writes to. Where it `has_maker`,
    /// nobody is told to delete it.
    pub fn name_taken(identity: &str, namespace: &str, has_maker: bool) -> Self {
        let remedy = if has_maker {
            "it belongs to something else, so give the identity another name".to_owned()
        } else {
            format!(
                "delete it (kubectl delete secret {SECRET_PREFIX}{identity} -n {namespace}), or give \
                 the identity another name"
            )
        };
        Self {
            reason: Reason::NameTaken,
            message: format!(
                "Secret {SECRET_PREFIX}{identity} is where the document of this identity goes, and \
                 one of that name is there that this identity does not own: {remedy}"
            ),
            kind: Kind::UserError,
        }
    }

    /// The API server does not let the operator do what it must; `refusal` is what it said.
    pub fn forbidden(verb: &str, resource: &str, namespace: &str, refusal: &str) -> Self {
        Self {
            reason: Reason::Forbidden,
            message: format!(
                "the operator may not {verb} {resource} in namespace {namespace}: give its \
                 ServiceAccount that right there (the chart does, with rbac.scope Cluster or with \
                 the namespace in rbac.namespaces); it is tried again every minute. The API server \
                 says: {}",
                one_line(refusal)
            ),
            kind: Kind::Waiting,
        }
    }

    /// The API server did not answer or refused for another reason.
    pub fn api_error(doing: &str, error: &str) -> Self {
        Self {
            reason: Reason::ApiError,
            message: format!(
                "{doing} failed and is tried again: {}; if it stays so, look at the operator's log",
                one_line(error)
            ),
            kind: Kind::Retry,
        }
    }
}

/// Checks a spec and its Secret. Mistakes of the spec come first, so that they show while the Secret
/// is still missing.
pub fn validate(
    identity: &MailIdentity,
    secret: &SecretFact,
    allowed: &AllowedHosts,
) -> Result<Draft, Problem> {
    let mut document = spec::document(identity, allowed)?;
    let password = password::read(identity, secret)?;
    document.login.password = password.secret;
    Ok(Draft {
        document,
        secret_resource_version: password.resource_version,
        hints: password.hints,
    })
}

/// A text of the API server for a condition.
fn one_line(text: &str) -> String {
    let plain: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(500)
        .collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}
