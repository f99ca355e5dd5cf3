//! The way to the API server.

use std::error::Error;

use kube::Client;
use kube::config::{Config, InferConfigError, KubeconfigError};
use zohorelay_process::exit;

use zohorelay_process::Refusal;

use super::chain;

/// The way to the API server, which need not be there yet.
pub(crate) async fn connect() -> Result<Client, Refusal> {
    let config = Config::infer().await.map_err(|error| {
        let kubeconfig = kubeconfig_problem(&error);
        let pod = Config::incluster().err();
        let pod = pod.map_or_else(String::new, |error| chain(&error));
        let message = format!(
            "finding the API server: {kubeconfig}; as in a pod: {pod}; run the operator in a pod with \
             the token of its ServiceAccount, or set KUBECONFIG to the path of a kubeconfig"
        );
        Refusal::new(exit::USAGE, message)
    })?;
    Client::try_from(config).map_err(|error| {
        let message = format!("preparing the way to the API server: {}", chain(&error));
        Refusal::new(exit::USAGE, message)
    })
}

/// What is wrong with the kubeconfig. The parser's own words are left out: they show the lines around,
/// with tokens and keys in them.
fn kubeconfig_problem(error: &InferConfigError) -> String {
    match error.source().and_then(<dyn Error>::downcast_ref) {
        Some(KubeconfigError::ReadConfig(error, path)) => {
            format!("reading the kubeconfig {}: {error}", path.display())
        }
        Some(KubeconfigError::Parse(error)) => {
            let place = error.location().map_or_else(String::new, |at| {
                format!(" at line {} column {}", at.line(), at.column())
            });
            format!("reading the kubeconfig: it is not one{place}")
        }
        Some(other) => format!("reading the kubeconfig: {}", chain(other)),
        None => chain(error),
    }
}
