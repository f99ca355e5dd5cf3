//! What the keeper reads and writes in the cluster.

use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client, Resource as _};
use thiserror::Error;
use zohorelay_crds::keys::FIELD_MANAGER;

use super::configuration::{self, Entry};
use super::rotation::Kept;
use super::store;
use crate::args::WebhookArgs;

/// Why a write failed.
#[derive(Debug, Error)]
pub enum WriteError {
    /// Another replica or a person was faster, or it is not permitted.
    #[error("writing Secret {name}: {source}")]
    Secret {
        /// Its name.
        name: String,
        /// What the API server said.
        source: kube::Error,
    },
    /// The release is being removed: a Secret that is written now would stay behind.
    #[error("writing Secret {name}: its owner, the Deployment {deployment}, is gone")]
    Orphan {
        /// Its name.
        name: String,
        /// Name of the Deployment.
        deployment: String,
    },
    /// As the first.
    #[error("patching the caBundle of MutatingWebhookConfiguration {name}: {source}")]
    Configuration {
        /// Its name.
        name: String,
        /// What the API server said.
        source: kube::Error,
    },
}

/// The objects of the webhook, by name.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    namespace: String,
    secret: String,
    configuration: String,
    deployment: Option<String>,
    owner: Option<OwnerReference>,
}

impl Cluster {
    /// The objects that the arguments name; Secret and Deployment are in `namespace`.
    pub fn new(client: Client, namespace: &str, args: &WebhookArgs) -> Self {
        Self {
            client,
            namespace: namespace.to_owned(),
            secret: args.webhook_secret.clone(),
            configuration: args.webhook_configuration.clone(),
            deployment: args.deployment.clone(),
            owner: None,
        }
    }

    /// Name of the Secret.
    pub fn secret_name(&self) -> &str {
        &self.secret
    }

    /// Name of the configuration.
    pub fn configuration_name(&self) -> &str {
        &self.configuration
    }

    /// Where the Secret is.
    pub fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Where the configuration is.
    pub fn configurations(&self) -> Api<MutatingWebhookConfiguration> {
        Api::all(self.client.clone())
    }

    /// Remembers the Deployment as the owner, for the day it cannot be read: when a release is removed,
    /// the right to is gone with it, and a Secret without an owner would stay behind.
    pub async fn find_owner(&mut self) {
        if self.owner.is_none()
            && let Some(name) = &self.deployment
        {
            self.owner = self.read_owner(name).await.ok();
        }
    }

    /// Creates the Secret, or replaces the one that was observed and no other.
    pub async fn write_secret(
        &self,
        kept: &Kept,
        observed: Option<&Secret>,
    ) -> Result<Secret, WriteError> {
        let mut secret = store::write(kept, observed, self.owner().await?);
        secret.metadata.name = Some(self.secret.clone());
        let params = PostParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PostParams::default()
        };
        let written = match observed {
            Some(_) => self.secrets().replace(&self.secret, &params, &secret).await,
            None => self.secrets().create(&params, &secret).await,
        };
        written.map_err(|source| WriteError::Secret {
            name: self.secret.clone(),
            source,
        })
    }

    /// The Deployment takes the Secret with it when it goes. Without the right to read it all else works,
    /// so that is only told.
    async fn owner(&self) -> Result<Option<OwnerReference>, WriteError> {
        let Some(name) = &self.deployment else {
            return Ok(None);
        };
        match self.read_owner(name).await {
            Ok(owner) => Ok(Some(owner)),
            Err(kube::Error::Api(status)) if status.is_not_found() => Err(WriteError::Orphan {
                name: self.secret.clone(),
                deployment: name.clone(),
            }),
            Err(error) => {
                if self.owner.is_none() {
                    tracing::warn!(
                        error = crate::run::chain(&error),
                        deployment = name,
                        "the webhook's Secret will outlive the Deployment, which cannot be read"
                    );
                }
                Ok(self.owner.clone())
            }
        }
    }

    async fn read_owner(&self, name: &str) -> kube::Result<OwnerReference> {
        let deployments: Api<Deployment> = Api::namespaced(self.client.clone(), &self.namespace);
        let deployment = deployments.get_metadata(name).await?;
        Ok(OwnerReference {
            api_version: Deployment::api_version(&()).into_owned(),
            kind: Deployment::kind(&()).into_owned(),
            name: name.to_owned(),
            uid: deployment.metadata.uid.unwrap_or_default(),
            ..OwnerReference::default()
        })
    }

    /// Puts the bundle into our webhook of the configuration.
    pub async fn patch_bundle(
        &self,
        entry: &Entry,
        bundle: &str,
    ) -> Result<MutatingWebhookConfiguration, WriteError> {
        let params = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let patch = Patch::Json::<()>(configuration::patch(entry, bundle));
        let patched = self
            .configurations()
            .patch(&self.configuration, &params, &patch)
            .await;
        patched.map_err(|source| WriteError::Configuration {
            name: self.configuration.clone(),
            source,
        })
    }
}
