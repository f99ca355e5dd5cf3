//! The table of conditions.

use zohorelay_crds::v1alpha1::{ConditionType, Reason};

use super::condition::{Said, Truth};
use super::{Login, Serving, Standing};
use crate::pods::PodTally;

/// While a refused login is tried once more.
const ONCE_MORE: &str = "the refused login is tried once more, as the annotation \
                         zohorelay.dev/release-hold asks; until there is a verdict the last one holds";

/// What is said of a type; nothing of one that is absent while all is well.
pub(super) fn say(
    kind: ConditionType,
    standing: &Standing,
    pods: &PodTally,
    delivering: &Said,
) -> Option<Said> {
    match kind {
        ConditionType::Ready => Some(ready(standing)),
        ConditionType::CredentialsVerified => Some(verified(standing)),
        ConditionType::Published => Some(published(standing)),
        ConditionType::RolledOut => Some(rolled_out(standing, pods)),
        ConditionType::Delivering => Some(delivering.clone()),
        ConditionType::Reconciling => reconciling(standing),
        ConditionType::Stalled => stalled(standing),
    }
}

fn ready(standing: &Standing) -> Said {
    if let Some(obstacle) = &standing.obstacle {
        return Said::new(Truth::False, obstacle.reason, obstacle.message.clone());
    }
    if standing.suspended {
        return Said::new(Truth::True, Reason::Suspended, suspended(standing));
    }
    let current = standing.serving.filter(|serving| serving.is_current);
    match (&standing.login, current) {
        (
            Login::Refused {
                reason,
                fact,
                remedy,
                ..
            },
            _,
        ) => Said::new(Truth::False, *reason, format!("{fact}. {remedy}")),
        (_, Some(serving)) if serving.is_verified => Said::new(
            Truth::True,
            Reason::Published,
            format!(
                "pods send as {} through {}",
                standing.address,
                server(standing)
            ),
        ),
        (_, Some(_)) => Said::new(
            Truth::True,
            Reason::PublishedUnverified,
            format!(
                "pods may send as {} through {}, but no login told yet whether the password is right",
                standing.address,
                server(standing)
            ),
        ),
        (Login::Pending { reason, message }, None) if *reason == Reason::Verifying => {
            Said::new(Truth::Unknown, *reason, message.clone())
        }
        (Login::Pending { reason, message } | Login::NotTried { reason, message }, None) => {
            Said::new(Truth::False, *reason, message.clone())
        }
        (Login::Accepted, None) => Said::new(
            Truth::Unknown,
            Reason::Pending,
            "the login was taken; the document is about to be published",
        ),
    }
}

fn verified(standing: &Standing) -> Said {
    match &standing.login {
        Login::Accepted => Said::new(
            Truth::True,
            Reason::LoginAccepted,
            format!("{} took the login", server(standing)),
        ),
        Login::Refused { reason, fact, .. } => Said::new(Truth::False, *reason, fact.clone()),
        Login::Pending { reason, message } | Login::NotTried { reason, message } => {
            Said::new(Truth::Unknown, *reason, message.clone())
        }
    }
}

fn published(standing: &Standing) -> Said {
    let Some(serving) = standing.serving else {
        let (reason, message) = why_nothing(standing);
        return Said::new(
            Truth::False,
            reason,
            format!("nothing is published for pods: {message}"),
        );
    };
    let Serving {
        revision,
        is_current,
        is_verified,
        is_suspended,
    } = serving;
    if !standing.is_readable {
        return Said::new(
            Truth::Unknown,
            why_nothing(standing).0,
            format!(
                "revision {revision} was published when this could be read last; pods that have it keep \
                 it: see Ready"
            ),
        );
    }
    if !is_current {
        let state = if is_suspended {
            "is published, suspended"
        } else {
            "still serves"
        };
        return Said::new(
            Truth::True,
            Reason::Published,
            format!("revision {revision}, of an earlier spec or Secret, {state}"),
        );
    }
    let message = format!("revision {revision} is published");
    if is_suspended {
        Said::new(Truth::True, Reason::Suspended, message)
    } else if is_verified {
        Said::new(Truth::True, Reason::Published, message)
    } else {
        Said::new(Truth::True, Reason::PublishedUnverified, message)
    }
}

fn why_nothing(standing: &Standing) -> (Reason, &str) {
    if let Some(obstacle) = &standing.obstacle {
        return (obstacle.reason, "see Ready");
    }
    if standing.suspended {
        return (Reason::Suspended, "spec.suspend is set");
    }
    match &standing.login {
        Login::Accepted => (Reason::Pending, "it is about to be"),
        Login::Refused { reason, .. } => (*reason, "the login was refused"),
        Login::Pending { reason, .. } | Login::NotTried { reason, .. } => {
            (*reason, "no login was taken yet")
        }
    }
}

fn rolled_out(standing: &Standing, pods: &PodTally) -> Said {
    let Some(serving) = standing.serving else {
        let message = "nothing is published for pods yet";
        return Said::new(Truth::False, Reason::Pending, message);
    };
    if !pods.listed {
        return Said::new(
            Truth::Unknown,
            Reason::Pending,
            "the pods are being counted",
        );
    }
    let revision = serving.revision;
    let of = |count: u32, examples: &[String]| {
        format!("{count} of {}{}", people(pods.attached), named(examples))
    };
    if pods.missing > 0 {
        let message = format!(
            "{}{} asked for the sidecar and did not get it: recreate them (kubectl rollout restart), \
             and look at their events and at the webhook if they stay without it",
            people(pods.missing),
            named(&pods.examples.missing)
        );
        return Said::new(Truth::False, Reason::SidecarMissing, message);
    }
    if pods.behind > 0 {
        let message = format!(
            "{} do not have revision {revision} yet; a mounted Secret follows within about two minutes",
            of(pods.behind, &pods.examples.behind)
        );
        return Said::new(Truth::False, Reason::PodsOutdated, message);
    }
    if pods.silent > 0 {
        let message = format!(
            "{} do not answer at their port zohorelay-admin (9465), which the operator must reach: \
             look at NetworkPolicies; or the sidecar does not run: look at the container zohorelay of \
             these pods",
            of(pods.silent, &pods.examples.silent)
        );
        return Said::new(Truth::Unknown, Reason::PodsUnreachable, message);
    }
    if pods.unread > 0 {
        let message = format!(
            "{} were not asked yet; one that stays so has not started: look at its events and at its \
             container zohorelay",
            of(pods.unread, &[])
        );
        return Said::new(Truth::Unknown, Reason::Pending, message);
    }
    if pods.attached == 0 {
        let message = "no pod asks for this identity: label one zohorelay.dev/inject: \"true\" and \
                       name the identity in its annotation zohorelay.dev/identities";
        return Said::new(Truth::True, Reason::NoPods, message);
    }
    let outdated = match pods.outdated {
        0 => String::new(),
        count => format!(
            "; {} run the sidecar of another release (kubectl rollout restart upgrades)",
            people(count)
        ),
    };
    let message = format!(
        "{} report revision {revision}{outdated}",
        of(pods.current, &[])
    );
    Said::new(Truth::True, Reason::AllPodsCurrent, message)
}

fn reconciling(standing: &Standing) -> Option<Said> {
    let said = ready(standing);
    let is_open = match (&standing.obstacle, &standing.login) {
        (Some(obstacle), _) => !obstacle.is_stalled,
        (None, Login::Refused { is_tried_again, .. }) if *is_tried_again => {
            return Some(Said::new(Truth::True, Reason::Verifying, ONCE_MORE));
        }
        (None, Login::Refused { .. }) => false,
        (None, _) => said.status != Truth::True,
    };
    is_open.then(|| Said::new(Truth::True, said.reason, said.message))
}

fn stalled(standing: &Standing) -> Option<Said> {
    let said = ready(standing);
    let is_stalled = said.status == Truth::False && reconciling(standing).is_none();
    is_stalled.then(|| Said::new(Truth::True, said.reason, said.message))
}

fn suspended(standing: &Standing) -> String {
    let pods = match standing.serving {
        Some(_) => "every pod answers 451 and nothing is sent",
        None => "nothing is published and nothing is sent",
    };
    format!("spec.suspend is set: {pods} until it is false again")
}

fn server(standing: &Standing) -> &str {
    standing.server.as_deref().unwrap_or("the server")
}

/// So many pods, in words.
pub(super) fn people(count: u32) -> String {
    match count {
        1 => "1 pod".to_owned(),
        count => format!("{count} pods"),
    }
}

fn named(examples: &[String]) -> String {
    if examples.is_empty() {
        String::new()
    } else {
        format!(" ({})", examples.join(", "))
    }
}
