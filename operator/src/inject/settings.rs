//! What the sidecar is made of unless a pod says otherwise: flags, parsed once.

use thiserror::Error;
use zohorelay_process::telemetry::{self, TelemetryError};

use super::quantity::{Quantity, QuantityError};
use crate::args::SidecarArgs;

/// Highest user id that Kubernetes takes.
const MAX_UID: i64 = 2_147_483_647;

/// Why the flags about the sidecar are refused.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// The image is empty or has white space in it.
    #[error("reading --sidecar-image: {0:?} is no image; write name:tag or name@sha256:digest")]
    Image(String),
    /// A pull secret is empty or has white space in it.
    #[error("reading --sidecar-image-pull-secret: {0:?} is no name of a Secret")]
    PullSecret(String),
    /// The user id is not one that may run the sidecar.
    #[error(
        "reading --sidecar-run-as-user: {0:?} is not a user id of 1 to 2147483647 (0 is root); \
         `none` leaves it to the cluster"
    )]
    RunAsUser(String),
    /// An amount cannot be read.
    #[error("reading {flag}")]
    Quantity {
        /// Which flag.
        flag: &'static str,
        /// Why not.
        source: QuantityError,
    },
    /// An amount is nothing.
    #[error("reading {0}: it must be more than 0")]
    Nothing(&'static str),
    /// A request is above its limit.
    #[error(
        "reading {flag}: {request} is more than the limit {limit}; lower it or raise the limit"
    )]
    AboveLimit {
        /// Which flag has the request.
        flag: &'static str,
        /// The request.
        request: Quantity,
        /// The limit.
        limit: Quantity,
    },
    /// The log filter cannot be read.
    #[error("reading --sidecar-log")]
    Log(#[source] TelemetryError),
}

/// What the sidecar is made of unless a pod says otherwise.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(super) image: String,
    pub(super) image_pull_policy: Option<String>,
    pub(super) image_pull_secrets: Vec<String>,
    /// None leaves it to the cluster, as `OpenShift` wants it.
    pub(super) run_as_user: Option<i64>,
    pub(super) cpu_request: Quantity,
    pub(super) cpu_limit: Option<Quantity>,
    pub(super) memory_request: Quantity,
    pub(super) memory_limit: Quantity,
    pub(super) log: String,
}

impl Settings {
    /// Checks the flags.
    pub fn from_args(args: &SidecarArgs) -> Result<Self, SettingsError> {
        if !is_word(&args.image) {
            return Err(SettingsError::Image(args.image.clone()));
        }
        if let Some(bad) = args.image_pull_secrets.iter().find(|name| !is_word(name)) {
            return Err(SettingsError::PullSecret(bad.clone()));
        }
        telemetry::parse_filter(&args.sidecar_log).map_err(SettingsError::Log)?;
        let settings = Self {
            image: args.image.clone(),
            image_pull_policy: args.image_pull_policy.clone(),
            image_pull_secrets: args.image_pull_secrets.clone(),
            run_as_user: parse_uid(&args.run_as_user)?,
            cpu_request: parse("--sidecar-cpu-request", &args.cpu_request)?,
            cpu_limit: match &args.cpu_limit {
                Some(limit) => Some(parse("--sidecar-cpu-limit", limit)?),
                None => None,
            },
            memory_request: parse("--sidecar-memory-request", &args.memory_request)?,
            memory_limit: parse("--sidecar-memory-limit", &args.memory_limit)?,
            log: args.sidecar_log.clone(),
        };
        below(
            "--sidecar-cpu-request",
            &settings.cpu_request,
            settings.cpu_limit.as_ref(),
        )?;
        below(
            "--sidecar-memory-request",
            &settings.memory_request,
            Some(&settings.memory_limit),
        )?;
        Ok(settings)
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && !text.contains(char::is_whitespace)
}

fn parse_uid(text: &str) -> Result<Option<i64>, SettingsError> {
    if text == "none" {
        return Ok(None);
    }
    match text.parse() {
        Ok(uid) if (1..=MAX_UID).contains(&uid) => Ok(Some(uid)),
        _ => Err(SettingsError::RunAsUser(text.to_owned())),
    }
}

fn parse(flag: &'static str, text: &str) -> Result<Quantity, SettingsError> {
    let quantity: Quantity = text
        .parse()
        .map_err(|source| SettingsError::Quantity { flag, source })?;
    if quantity.is_zero() {
        return Err(SettingsError::Nothing(flag));
    }
    Ok(quantity)
}

fn below(
    flag: &'static str,
    request: &Quantity,
    limit: Option<&Quantity>,
) -> Result<(), SettingsError> {
    match limit {
        Some(limit) if request > limit => Err(SettingsError::AboveLimit {
            flag,
            request: request.clone(),
            limit: limit.clone(),
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inject::fixtures::args;

    fn refused(change: impl FnOnce(&mut SidecarArgs)) -> String {
        let mut args = args();
        change(&mut args);
        Settings::from_args(&args)
            .expect_err("was taken")
            .to_string()
    }

    #[test]
    fn each_bad_flag_is_named_in_its_refusal() {
        assert!(refused(|a| a.image = String::new()).contains("--sidecar-image:"));
        assert!(refused(|a| a.image = "a b".to_owned()).contains("--sidecar-image:"));
        assert!(
            refused(|a| a.image_pull_secrets = vec![String::new()])
                .contains("--sidecar-image-pull-secret")
        );
        assert!(refused(|a| a.cpu_request = "10 m".to_owned()).contains("--sidecar-cpu-request"));
        assert!(refused(|a| a.cpu_limit = Some("much".to_owned())).contains("--sidecar-cpu-limit"));
        assert!(
            refused(|a| a.memory_request = "0".to_owned()).contains("--sidecar-memory-request")
        );
        assert!(refused(|a| a.memory_limit = "1GB".to_owned()).contains("--sidecar-memory-limit"));
        assert!(
            refused(|a| a.memory_limit = "8Mi".to_owned()).contains("--sidecar-memory-request")
        );
        assert!(refused(|a| a.cpu_limit = Some("1m".to_owned())).contains("--sidecar-cpu-request"));
        assert!(refused(|a| a.sidecar_log = "loud".to_owned()).contains("--sidecar-log"));
    }

    #[test]
    fn root_and_words_are_no_user_id_but_none_is_an_answer() {
        for bad in ["0", "-1", "root", "", "2147483648", "None"] {
            assert!(refused(|a| a.run_as_user = bad.to_owned()).contains("--sidecar-run-as-user"));
        }
        let mut args = args();
        args.run_as_user = "none".to_owned();
        assert_eq!(Settings::from_args(&args).unwrap().run_as_user, None);
    }
}
