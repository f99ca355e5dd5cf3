//! What the leader has to write next, if anything. Pure but for the randomness of keys.

use jiff::Timestamp;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Secret;
use thiserror::Error;

use super::certificate::{CertificateError, Names};
use super::configuration::{self, Entry};
use super::rotation::{self, Kept, Lifetimes, Step};
use super::store;

/// What the API server has told of one object.
#[derive(Clone, Debug, PartialEq)]
pub enum Observed<K> {
    /// Nothing yet.
    Unknown,
    /// That there is none.
    Absent,
    /// This.
    Present(K),
}

impl<K> Observed<K> {
    /// The object, if there is one.
    pub fn present(&self) -> Option<&K> {
        match self {
            Self::Present(object) => Some(object),
            Self::Unknown | Self::Absent => None,
        }
    }
}

impl<K> From<Option<K>> for Observed<K> {
    fn from(object: Option<K>) -> Self {
        object.map_or(Self::Absent, Self::Present)
    }
}

/// What only a person can change.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Obstacle {
    /// The Secret holds something that the operator did not make.
    #[error(
        "the webhook's Secret is not of the operator's making, or is the document of an identity: \
         delete it or that identity, name another by --webhook-secret, or say by --cert-source who \
         keeps it"
    )]
    ForeignSecret,
    /// The configuration is missing, or our webhook is not in it.
    #[error(
        "there is no MutatingWebhookConfiguration with our webhook: install the chart with \
         webhook.enabled, check --webhook-configuration, or run with --no-webhook"
    )]
    NoWebhook,
}

/// What the leader does next.
#[derive(Clone, Debug, PartialEq)]
pub enum Due {
    /// Nothing, until this time if it is known.
    Nothing(Option<Timestamp>),
    /// Nothing, until a person has removed this.
    Stuck(Obstacle),
    /// Writes the Secret.
    Write {
        /// Why.
        step: Step,
        /// What it is to keep.
        kept: Box<Kept>,
    },
    /// Writes the caBundle.
    Publish {
        /// Where.
        entry: Entry,
        /// PEM.
        bundle: String,
    },
}

/// What is due now. The Secret comes first, so that what is published is always what is kept.
pub fn due(
    secret: &Observed<Secret>,
    configuration: &Observed<MutatingWebhookConfiguration>,
    names: &Names,
    lifetimes: Lifetimes,
    now: Timestamp,
) -> Result<Due, CertificateError> {
    if *secret == Observed::Unknown {
        return Ok(Due::Nothing(None));
    }
    if secret
        .present()
        .is_some_and(|secret| !store::is_ours(secret))
    {
        return Ok(Due::Stuck(Obstacle::ForeignSecret));
    }
    let kept = secret.present().and_then(store::read);
    let entry = configuration.present().and_then(configuration::find);
    let trusted = entry.as_ref().map_or("", |entry| &entry.bundle);
    let step = rotation::plan(kept.as_ref(), trusted, names, lifetimes, now);
    let bundle = kept.as_ref().map(Kept::bundle).unwrap_or_default();
    if let Some(kept) = rotation::take(step, kept, names, lifetimes, now)? {
        let kept = Box::new(kept);
        return Ok(Due::Write { step, kept });
    }
    Ok(match (entry, step) {
        (Some(entry), _) if entry.bundle != bundle => Due::Publish { entry, bundle },
        (Some(_), Step::Wait(until)) => Due::Nothing(until),
        (None, _) if *configuration != Observed::Unknown => Due::Stuck(Obstacle::NoWebhook),
        _ => Due::Nothing(None),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use k8s_openapi::ByteString;
    use k8s_openapi::api::admissionregistration::v1::MutatingWebhook;

    use super::*;
    use crate::webhook::certificate::Issue;
    use crate::webhook::rotation::Rotation;

    fn now() -> Timestamp {
        "2026-11-23T10:00:00Z".parse().unwrap()
    }

    fn kept(authority_count: usize) -> Kept {
        let names = Names::new("webhook", "mail", &[]).unwrap();
        let issue = || Issue::new(&names, now(), Lifetimes::default().validity).unwrap();
        let rotation = match authority_count {
            1 => Rotation::Idle,
            _ => Rotation::Announced {
                next: issue(),
                since: None,
            },
        };
        Kept {
            current: issue(),
            rotation,
        }
    }

    fn configuration(name: &str, bundle: &str) -> Observed<MutatingWebhookConfiguration> {
        let mut webhook = MutatingWebhook {
            name: name.to_owned(),
            ..MutatingWebhook::default()
        };
        webhook.client_config.ca_bundle = Some(ByteString(bundle.as_bytes().to_vec()));
        Observed::Present(MutatingWebhookConfiguration {
            webhooks: Some(vec![webhook]),
            ..MutatingWebhookConfiguration::default()
        })
    }

    fn due_of(
        secret: &Observed<Secret>,
        configuration: &Observed<MutatingWebhookConfiguration>,
    ) -> Due {
        let names = Names::new("webhook", "mail", &[]).unwrap();
        due(secret, configuration, &names, Lifetimes::default(), now()).unwrap()
    }

    #[test]
    fn nothing_is_written_before_the_api_server_has_told_what_there_is() {
        let nothing = Due::Nothing(None);
        assert_eq!(due_of(&Observed::Unknown, &Observed::Unknown), nothing);
        assert_eq!(due_of(&Observed::Unknown, &Observed::Absent), nothing);
        let secret = Observed::Present(store::write(&kept(1), None, None));
        assert_eq!(due_of(&secret, &Observed::Unknown), nothing);
    }

    #[test]
    fn a_certificate_is_made_whether_there_is_a_configuration_or_not() {
        for configuration in [Observed::Unknown, Observed::Absent] {
            let due = due_of(&Observed::Absent, &configuration);
            assert!(
                matches!(
                    due,
                    Due::Write {
                        step: Step::Replace,
                        ..
                    }
                ),
                "{due:?}"
            );
        }
    }

    #[test]
    fn the_bundle_is_published_when_it_is_missing_wiped_or_changed() {
        for authorities in [1, 2] {
            let kept = kept(authorities);
            let secret = Observed::Present(store::write(&kept, None, None));
            for before in ["", "garbage", &kept.current.authority.replace('\n', " ")] {
                let due = due_of(&secret, &configuration(configuration::WEBHOOK, before));
                let Due::Publish { bundle, .. } = due else {
                    panic!("{due:?}");
                };
                assert_eq!(bundle, kept.bundle());
            }
        }
    }

    #[test]
    fn all_is_quiet_until_the_renewal_once_the_bundle_is_published() {
        let kept = kept(1);
        let secret = Observed::Present(store::write(&kept, None, None));
        let due = due_of(
            &secret,
            &configuration(configuration::WEBHOOK, &kept.bundle()),
        );
        let renewal = now() + Duration::from_secs(60 * 24 * 60 * 60);
        assert_eq!(due, Due::Nothing(Some(renewal)));
    }

    #[test]
    fn what_is_not_ours_is_not_written() {
        let mut secret = store::write(&kept(1), None, None);
        let stuck = due_of(
            &Observed::Present(secret.clone()),
            &configuration("other.example.com", ""),
        );
        assert_eq!(stuck, Due::Stuck(Obstacle::NoWebhook));
        secret.metadata.labels = None;
        let stuck = due_of(
            &Observed::Present(secret),
            &configuration(configuration::WEBHOOK, ""),
        );
        assert_eq!(stuck, Due::Stuck(Obstacle::ForeignSecret));
    }
}
