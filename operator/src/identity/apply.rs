//! Writes the rendered Secret and the status. WRITE.
//!
//! Each write carries the version that was read, so nobody who is behind writes over somebody who is
//! ahead.

use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams, PostParams};
use kube::core::Status;
use kube::{Api, Client, Resource};
use serde_json::json;
use zohorelay_crds::keys::FIELD_MANAGER;
use zohorelay_crds::{MailIdentity, MailIdentityStatus};

use super::decide::Rendered;
use super::validate::Problem;

/// What became of a write.
#[derive(Debug, PartialEq)]
pub enum Written {
    /// It is done.
    Done,
    /// The object changed meanwhile: read it again.
    Behind,
    /// The namespace is being deleted, or the object is gone: leave it alone.
    Leaving,
    /// The API server refuses it, and would again.
    Refused(Problem),
}

/// Creates or applies a rendered Secret; our fields win over any other manager's. `observed` is what
/// was there.
pub async fn apply(
    client: &Client,
    namespace: &str,
    secret: &Secret,
    observed: &Rendered,
) -> kube::Result<Written> {
    let secrets = Api::<Secret>::namespaced(client.clone(), namespace);
    let name = secret.metadata.name.as_deref().unwrap_or_default();
    let (verb, result) = match observed {
        Rendered::Absent => {
            let params = PostParams {
                field_manager: Some(FIELD_MANAGER.to_owned()),
                ..PostParams::default()
            };
            ("create", secrets.create(&params, secret).await)
        }
        // Applied, the new owner would stand beside the old one, which a Secret may not have.
        Rendered::Left { .. } => {
            let params = PatchParams {
                field_manager: Some(FIELD_MANAGER.to_owned()),
                ..PatchParams::default()
            };
            let patch = Patch::Merge(secret);
            ("patch", secrets.patch(name, &params, &patch).await)
        }
        _ => {
            let params = PatchParams::apply(FIELD_MANAGER).force();
            let patch = Patch::Apply(secret);
            ("patch", secrets.patch(name, &params, &patch).await)
        }
    };
    match result {
        Ok(_) => Ok(Written::Done),
        Err(kube::Error::Api(status)) => refusal(verb, namespace, *status),
        Err(error) => Err(error),
    }
}

fn refusal(verb: &str, namespace: &str, status: Status) -> kube::Result<Written> {
    if status.is_conflict() || status.is_already_exists() || status.is_not_found() {
        return Ok(Written::Behind);
    }
    if is_terminating(&status) {
        return Ok(Written::Leaving);
    }
    match status.code {
        403 => Ok(Written::Refused(Problem::forbidden(
            verb,
            "secrets",
            namespace,
            &status.message,
        ))),
        400 | 413 | 422 => Ok(Written::Refused(Problem::api_error(
            "writing the Secret with the document",
            &status.message,
        ))),
        _ => Err(kube::Error::Api(Box::new(status))),
    }
}

/// The API server refuses to create anything in a namespace that is being deleted.
fn is_terminating(status: &Status) -> bool {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    causes
        .into_iter()
        .any(|cause| cause.reason == "NamespaceTerminating")
}

/// Writes the status of `identity` as it was read.
pub async fn write_status(
    client: &Client,
    namespace: &str,
    identity: &MailIdentity,
    status: &MailIdentityStatus,
) -> kube::Result<Written> {
    let identities = Api::<MailIdentity>::namespaced(client.clone(), namespace);
    let name = identity.metadata.name.as_deref().unwrap_or_default();
    let patch = json!({
        "apiVersion": MailIdentity::api_version(&()),
        "kind": MailIdentity::kind(&()),
        "metadata": {
            "name": name,
            "uid": identity.metadata.uid,
            "resourceVersion": identity.metadata.resource_version,
        },
        "status": status,
    });
    let params = PatchParams::apply(FIELD_MANAGER).force();
    match identities
        .patch_status(name, &params, &Patch::Apply(patch))
        .await
    {
        Ok(_) => Ok(Written::Done),
        Err(kube::Error::Api(status)) if status.is_conflict() => Ok(Written::Behind),
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(Written::Leaving),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use zohorelay_crds::v1alpha1::Reason;

    use super::*;

    fn status(code: u16, reason: &str) -> Status {
        Status::failure("the message of the server", reason).with_code(code)
    }

    #[test]
    fn whoever_is_behind_reads_again() {
        for (code, reason) in [(409, "Conflict"), (409, "AlreadyExists"), (404, "NotFound")] {
            let written = refusal("patch", "shop", status(code, reason)).unwrap();
            assert_eq!(written, Written::Behind, "{code} {reason}");
        }
    }

    #[test]
    fn a_namespace_that_is_being_deleted_is_left_alone() {
        let mut terminating = status(403, "Forbidden");
        let details = json!({"causes": [{"reason": "NamespaceTerminating"}]});
        terminating.details = serde_json::from_value(details).unwrap();
        let written = refusal("create", "shop", terminating).unwrap();
        assert_eq!(written, Written::Leaving);
    }

    #[test]
    fn what_would_be_refused_again_is_told_with_verb_namespace_and_the_words_of_the_server() {
        for (code, reason, expected) in [
            (403, "Forbidden", Reason::Forbidden),
            (422, "Invalid", Reason::ApiError),
        ] {
            let written = refusal("create", "shop", status(code, reason)).unwrap();
            let Written::Refused(problem) = written else {
                panic!("{code}: {written:?}");
            };
            assert_eq!(problem.reason, expected);
            assert!(problem.message.contains("the message of the server"));
        }
        let forbidden = refusal("create", "shop", status(403, "Forbidden")).unwrap();
        let Written::Refused(problem) = forbidden else {
            panic!("{forbidden:?}");
        };
        assert!(problem.message.contains("create secrets in namespace shop"));
    }

    #[test]
    fn what_passes_by_itself_is_an_error_to_try_again() {
        for code in [429, 500, 503, 504] {
            refusal("patch", "shop", status(code, "Busy")).unwrap_err();
        }
    }
}
