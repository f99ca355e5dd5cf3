//! The password in a Secret: what cannot be sent is refused, what is odd is named.

use zohorelay_config::{Password, bounds};
use zohorelay_crds::MailIdentity;
use zohorelay_crds::keys::SECRET_PREFIX;
use zohorelay_crds::v1alpha1::{Reason, SecretKeyRef};

use super::{Kind, Problem, SecretFact};

/// How many keys of a Secret are named.
const KEYS_NAMED: usize = 10;

/// A password that can be sent.
pub(super) struct Found {
    pub(super) secret: Password,
    pub(super) resource_version: String,
    pub(super) hints: Vec<String>,
}

/// Reads the password that `passwordSecretRef` names.
pub(super) fn read(identity: &MailIdentity, secret: &SecretFact) -> Result<Found, Problem> {
    let place = Place::of(identity);
    let own = identity.metadata.name.as_deref().unwrap_or_default();
    if place.reference.name.strip_prefix(SECRET_PREFIX) == Some(own) {
        return Err(problem(
            Reason::NameTaken,
            Kind::UserError,
            "spec.credentials.passwordSecretRef names the Secret that the operator itself writes for \
             this identity: put the password into a Secret of another name",
        ));
    }
    let (resource_version, data) = match secret {
        SecretFact::Missing => return Err(place.missing()),
        SecretFact::Forbidden { message } => {
            return Err(Problem::forbidden(
                "get",
                "secrets",
                place.namespace,
                message,
            ));
        }
        SecretFact::Found {
            resource_version,
            data,
        } => (resource_version, data),
    };
    let Some(bytes) = data.get(&place.reference.key) else {
        let keys: Vec<&str> = data.keys().map(String::as_str).collect();
        return Err(place.key_missing(&keys));
    };
    let text = place.check(bytes)?;
    Ok(Found {
        secret: Password::new(text.to_owned()),
        resource_version: resource_version.clone(),
        hints: place.hints(text),
    })
}

/// Where the password stands, for messages.
struct Place<'a> {
    reference: &'a SecretKeyRef,
    namespace: &'a str,
}

impl<'a> Place<'a> {
    fn of(identity: &'a MailIdentity) -> Self {
        Self {
            reference: &identity.spec.credentials.password_secret_ref,
            namespace: identity.metadata.namespace.as_deref().unwrap_or("default"),
        }
    }

    fn missing(&self) -> Problem {
        let Self { namespace, .. } = self;
        let SecretKeyRef { name, key } = self.reference;
        let message = format!(
            "there is no Secret {name} in namespace {namespace}: create it, for example with kubectl \
             create secret generic {name} -n {namespace} --from-literal={key}=…"
        );
        problem(Reason::SecretNotFound, Kind::Waiting, message)
    }

    fn key_missing(&self, keys: &[&str]) -> Problem {
        let SecretKeyRef { name, key } = self.reference;
        let there = match keys {
            [] => "it has no key at all".to_owned(),
            [one] => format!("it has the key {one}"),
            many => {
                let named = many.iter().take(KEYS_NAMED).copied();
                let more = if many.len() > KEYS_NAMED { ", …" } else { "" };
                format!(
                    "it has the keys {}{more}",
                    named.collect::<Vec<_>>().join(", ")
                )
            }
        };
        let message = format!(
            "Secret {name} has no key {key}; {there}: name the right one in \
             spec.credentials.passwordSecretRef.key, or add {key} to the Secret"
        );
        problem(Reason::SecretKeyNotFound, Kind::Waiting, message)
    }

    /// The password as text that AUTH can carry.
    fn check<'b>(&self, bytes: &'b [u8]) -> Result<&'b str, Problem> {
        let most = bounds::PASSWORD_BYTES_MAX;
        if bytes.is_empty() {
            return Err(self.invalid("is empty: put the app password there"));
        }
        if bytes.len() > most {
            return Err(self.invalid(&format!(
                "has {} bytes, and a password has at most {most}: put the app password alone there",
                bytes.len()
            )));
        }
        let Ok(text) = str::from_utf8(bytes) else {
            return Err(self.invalid(
                "is not UTF-8 text: put the app password there as text (data: holds it in base64 \
                 once, stringData: as it is)",
            ));
        };
        let trimmed = text.trim_end_matches(['\r', '\n']);
        if trimmed.chars().any(char::is_control) {
            return Err(self.invalid(&format!(
                "has a control character, such as a line end or a tab, inside: {}",
                self.rewrite()
            )));
        }
        if trimmed.is_empty() {
            return Err(self.invalid("is a line end and nothing else: put the app password there"));
        }
        if trimmed.len() < text.len() {
            return Err(self.invalid(&format!("ends with a line end: {}", self.rewrite())));
        }
        Ok(text)
    }

    fn invalid(&self, what: &str) -> Problem {
        let SecretKeyRef { name, key } = self.reference;
        let message = format!("the password in Secret {name}, key {key} {what}");
        problem(Reason::SecretInvalid, Kind::UserError, message)
    }

    fn rewrite(&self) -> String {
        let Self { namespace, .. } = self;
        let SecretKeyRef { name, key } = self.reference;
        format!(
            "write it again with kubectl create secret generic {name} -n {namespace} \
             --from-literal={key}=… --dry-run=client -o yaml | kubectl apply -f -, or make the file \
             with printf %s, which adds no line end as echo does"
        )
    }

    fn hints(&self, text: &str) -> Vec<String> {
        let SecretKeyRef { name, key } = self.reference;
        let begins = text.starts_with(char::is_whitespace);
        let ends = text.ends_with(char::is_whitespace);
        let edge = match (begins, ends) {
            (false, false) => return Vec::new(),
            (true, false) => "begins with a blank",
            (false, true) => "ends with a blank",
            (true, true) => "begins and ends with a blank",
        };
        vec![format!(
            "the password in Secret {name}, key {key} {edge}, which is sent as it stands: remove it, \
             unless it belongs to the password"
        )]
    }
}

fn problem(reason: Reason, kind: Kind, message: impl Into<String>) -> Problem {
    Problem {
        reason,
        message: message.into(),
        kind,
    }
}
