//! What an identity refers to, as the API server has it now. READ.

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use zeroize::Zeroizing;
use zohorelay_crds::MailIdentity;

use super::build::{read_rendered, secret_name};
use super::decide::Rendered;
use super::validate::SecretFact;

/// What an identity refers to.
pub struct Facts {
    /// The Secret with the password.
    pub secret: SecretFact,
    /// The Secret with the document.
    pub rendered: Rendered,
}

/// Reads both Secrets. An error is one that another try may not have.
pub async fn read(
    client: &Client,
    namespace: &str,
    identity: &MailIdentity,
) -> kube::Result<Facts> {
    let secrets = Api::<Secret>::namespaced(client.clone(), namespace);
    let password = &identity.spec.credentials.password_secret_ref.name;
    let rendered = secret_name(identity.metadata.name.as_deref().unwrap_or_default());
    let (secret, rendered) = tokio::join!(secrets.get_opt(password), secrets.get_opt(&rendered));
    Ok(Facts {
        secret: secret_fact(secret)?,
        rendered: match rendered {
            Ok(None) => Rendered::Absent,
            Ok(Some(secret)) => read_rendered(identity, &secret),
            Err(kube::Error::Api(status)) if status.is_forbidden() => Rendered::Forbidden {
                message: status.message.clone(),
            },
            Err(error) => return Err(error),
        },
    })
}

fn secret_fact(answer: kube::Result<Option<Secret>>) -> kube::Result<SecretFact> {
    match answer {
        Ok(None) => Ok(SecretFact::Missing),
        Ok(Some(secret)) => Ok(SecretFact::Found {
            resource_version: secret.metadata.resource_version.unwrap_or_default(),
            data: secret
                .data
                .unwrap_or_default()
                .into_iter()
                .map(|(key, value)| (key, Zeroizing::new(value.0)))
                .collect(),
        }),
        Err(kube::Error::Api(status)) if status.is_forbidden() => Ok(SecretFact::Forbidden {
            message: status.message.clone(),
        }),
        Err(error) => Err(error),
    }
}
