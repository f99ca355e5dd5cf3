//! Which events an identity is worth: one for each change of a condition, and for each kind of failure
//! that begins; none for sameness. PURE.

use kube::runtime::events::{Event, EventType};
use zohorelay_crds::MailIdentityStatus;
use zohorelay_crds::v1alpha1::{ConditionType, Reason};
use zohorelay_upstream::Class;

use crate::pods::kind;

/// The conditions that are told of. The others, Reconciling and Stalled, say the same again.
const TOLD: [ConditionType; 5] = [
    ConditionType::Ready,
    ConditionType::CredentialsVerified,
    ConditionType::Published,
    ConditionType::RolledOut,
    ConditionType::Delivering,
];

/// Bytes of a note at most; the API takes 1,024.
const NOTE_BYTES: usize = 1000;

/// The events for a status that follows another. One reason is told once, by the first condition
/// that has it.
pub fn events(before: Option<&MailIdentityStatus>, after: &MailIdentityStatus) -> Vec<Event> {
    let mut told: Vec<Event> = Vec::new();
    for kind in TOLD {
        let Some((status, reason, message)) = find(after, kind) else {
            continue;
        };
        let earlier = before.and_then(|before| find(before, kind));
        let is_same = earlier.is_some_and(|(was, why, _)| was == status && why == reason);
        if is_same || is_quiet(reason) || told.iter().any(|event| event.reason == reason) {
            continue;
        }
        told.push(Event {
            type_: kind_of(status, reason),
            reason: reason.to_owned(),
            note: Some(note(message)),
            action: kind.as_str().to_owned(),
            secondary: None,
        });
    }
    let begun = begun(before, after);
    let unsaid = begun.filter(|class| {
        let reason = kind::reason(*class).map(Reason::as_str);
        reason.is_some_and(|reason| told.iter().all(|event| event.reason != reason))
    });
    let unsaid: Vec<Event> = unsaid.filter_map(failing).collect();
    told.extend(unsaid);
    told.extend(hold(before, after));
    told
}

/// A hold that begins or ends; one that goes on for longer is the same.
fn hold(before: Option<&MailIdentityStatus>, after: &MailIdentityStatus) -> Option<Event> {
    let until = |status: &MailIdentityStatus| Some(status.hold.as_ref()?.until.as_ref()?.0);
    let (type_, reason, note) = match (before.and_then(until), until(after)) {
        (None, Some(until)) => {
            let reason = after.hold.as_ref()?.reason.as_deref().unwrap_or_default();
            let note = format!(
                "a pod met {reason}: every pod holds its mails until {until}, so that no more of them try in \
                 vain. Delivering says what to do, and how to end it before (kubectl describe mid)"
            );
            (EventType::Warning, Reason::Held, note)
        }
        (Some(_), None) => {
            let note = "the hold is over: pods send again once they have the new document, which takes up \
                        to two minutes";
            (EventType::Normal, Reason::HoldEnded, note.to_owned())
        }
        _ => return None,
    };
    Some(Event {
        type_,
        reason: reason.as_str().to_owned(),
        note: Some(note),
        action: "Hold".to_owned(),
        secondary: None,
    })
}

/// The kinds of failures that weigh now and did not before.
fn begun(
    before: Option<&MailIdentityStatus>,
    after: &MailIdentityStatus,
) -> impl Iterator<Item = Class> {
    let failing = |status: &MailIdentityStatus| {
        let delivery = status.delivery.as_ref();
        let failing = delivery.map_or(&[][..], |delivery| &delivery.failing);
        let classes: Vec<String> = failing.iter().map(|it| it.class.clone()).collect();
        classes
    };
    let known = before.map(failing).unwrap_or_default();
    let new = failing(after).into_iter();
    new.filter(move |class| !known.contains(class))
        .filter_map(|class| Class::parse(&class))
}

fn failing(class: Class) -> Option<Event> {
    Some(Event {
        type_: EventType::Warning,
        reason: kind::reason(class)?.as_str().to_owned(),
        note: Some(format!("mails fail: {class}. {}", class.remedy())),
        action: ConditionType::Delivering.as_str().to_owned(),
        secondary: None,
    })
}

/// What Ready says now, as status and reason, if that is another than before.
pub fn turn<'a>(
    before: Option<&MailIdentityStatus>,
    after: &'a MailIdentityStatus,
) -> Option<(&'a str, &'a str)> {
    ready(after).filter(|now| before.and_then(ready).as_ref() != Some(now))
}

fn ready(status: &MailIdentityStatus) -> Option<(&str, &str)> {
    find(status, ConditionType::Ready).map(|(is, reason, _)| (is, reason))
}

fn find(status: &MailIdentityStatus, kind: ConditionType) -> Option<(&str, &str, &str)> {
    let condition = status
        .conditions
        .iter()
        .find(|condition| condition.type_ == kind.as_str())?;
    Some((&condition.status, &condition.reason, &condition.message))
}

/// The beginning of a message, as much as an event may hold.
fn note(message: &str) -> String {
    if message.len() <= NOTE_BYTES {
        return message.to_owned();
    }
    let most = NOTE_BYTES - '…'.len_utf8();
    let mut ends = (0..=most).rev();
    let end = ends.find(|&at| message.is_char_boundary(at)).unwrap_or(0);
    format!("{}…", &message[..end])
}

/// What every identity goes through and nobody needs to be told.
fn is_quiet(reason: &str) -> bool {
    let quiet = [
        Reason::Pending,
        Reason::NoPods,
        Reason::Verifying,
        Reason::NoMail,
        // PodsUnreachable of RolledOut says it.
        Reason::SidecarsUnreachable,
    ];
    quiet.iter().any(|quiet| quiet.as_str() == reason)
}

fn kind_of(status: &str, reason: &str) -> EventType {
    let is_calm = [Reason::Suspended, Reason::PodsOutdated]
        .iter()
        .any(|calm| calm.as_str() == reason);
    if is_calm || (status == "True" && reason != Reason::PublishedUnverified.as_str()) {
        EventType::Normal
    } else {
        EventType::Warning
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
    use k8s_openapi::jiff::Timestamp;
    use zohorelay_crds::v1alpha1::{DeliveryStatus, FailedMail, HoldStatus};

    use super::*;

    fn status(conditions: &[(&str, &str, &str, &str)]) -> MailIdentityStatus {
        let condition = |(type_, status, reason, message): &(&str, &str, &str, &str)| Condition {
            type_: (*type_).to_owned(),
            status: (*status).to_owned(),
            reason: (*reason).to_owned(),
            message: (*message).to_owned(),
            last_transition_time: Time(Timestamp::UNIX_EPOCH),
            observed_generation: None,
        };
        MailIdentityStatus {
            conditions: conditions.iter().map(condition).collect(),
            ..MailIdentityStatus::default()
        }
    }

    fn told(before: Option<&MailIdentityStatus>, after: &MailIdentityStatus) -> Vec<String> {
        events(before, after)
            .into_iter()
            .map(|event| format!("{:?} {} {}", event.type_, event.action, event.reason))
            .collect()
    }

    #[test]
    fn a_reason_that_two_conditions_share_is_told_once() {
        let refused = status(&[
            ("Ready", "False", "LoginRefused", "a"),
            ("CredentialsVerified", "False", "LoginRefused", "a"),
            ("Stalled", "True", "LoginRefused", "a"),
        ]);
        assert_eq!(told(None, &refused), ["Warning Ready LoginRefused"]);
    }

    #[test]
    fn the_same_status_and_reason_with_another_message_is_not_told() {
        let before = status(&[("RolledOut", "False", "PodsOutdated", "3 of 4 pods")]);
        let after = status(&[("RolledOut", "False", "PodsOutdated", "2 of 4 pods")]);
        assert!(told(Some(&before), &after).is_empty());
        assert_eq!(told(None, &after), ["Normal RolledOut PodsOutdated"]);
    }

    #[test]
    fn a_new_status_or_a_new_reason_is_told() {
        let suspended = status(&[("Ready", "True", "Suspended", "")]);
        let ready = status(&[("Ready", "True", "Published", "")]);
        let broken = status(&[("Ready", "False", "Published", "")]);
        assert_eq!(told(Some(&suspended), &ready), ["Normal Ready Published"]);
        assert_eq!(told(Some(&ready), &broken), ["Warning Ready Published"]);
    }

    #[test]
    fn a_turn_of_ready_is_another_status_or_reason_and_not_another_message() {
        let verifying = status(&[("Ready", "Unknown", "Verifying", "a")]);
        let refused = status(&[("Ready", "False", "LoginRefused", "a")]);
        let refused_again = status(&[("Ready", "False", "LoginRefused", "b")]);
        assert_eq!(turn(None, &verifying), Some(("Unknown", "Verifying")));
        let told = turn(Some(&verifying), &refused);
        assert_eq!(told, Some(("False", "LoginRefused")));
        assert_eq!(turn(Some(&refused), &refused_again), None);
    }

    #[test]
    fn a_kind_of_failure_that_begins_beside_a_graver_one_is_told_once() {
        let failing = |classes: &[&str]| {
            let failed = classes.iter().map(|class| FailedMail {
                class: (*class).to_owned(),
                stage: None,
                code: None,
                at: Time(Timestamp::UNIX_EPOCH),
                pod: "web".to_owned(),
            });
            MailIdentityStatus {
                delivery: Some(DeliveryStatus {
                    as_of: Time(Timestamp::UNIX_EPOCH),
                    accepted: 0,
                    failed: 0,
                    last_success: None,
                    last_failure: None,
                    failing: failed.collect(),
                }),
                ..status(&[("Delivering", "False", "AuthFailed", "")])
            }
        };
        let (first, both) = (
            failing(&["auth_failed"]),
            failing(&["auth_failed", "relay_denied"]),
        );
        assert_eq!(told(None, &first), ["Warning Delivering AuthFailed"]);
        assert_eq!(
            told(Some(&first), &both),
            ["Warning Delivering RelayDenied"]
        );
        assert!(told(Some(&both), &both).is_empty());
        assert!(told(Some(&both), &first).is_empty());
    }

    #[test]
    fn a_hold_that_begins_and_one_that_ends_is_told_and_one_that_goes_on_is_not() {
        let until = |second: Option<i64>| MailIdentityStatus {
            hold: Some(HoldStatus {
                until: second.map(|second| Time(Timestamp::from_second(second).unwrap())),
                reason: second.map(|_| "auth_failed".to_owned()),
                last_handled_release: Some("1".to_owned()),
            }),
            ..MailIdentityStatus::default()
        };
        let (free, first, longer) = (until(None), until(Some(3600)), until(Some(7200)));
        assert_eq!(told(None, &first), ["Warning Hold Held"]);
        assert!(told(Some(&first), &longer).is_empty());
        assert_eq!(told(Some(&longer), &free), ["Normal Hold HoldEnded"]);
        assert!(told(Some(&free), &free).is_empty());
        let note = events(None, &first).remove(0).note.unwrap();
        assert!(note.starts_with("a pod met auth_failed") && note.contains("1970-01-01T01:00:00Z"));
    }

    #[test]
    fn publishing_untried_is_a_warning_though_it_is_ready() {
        let untried = status(&[("Ready", "True", "PublishedUnverified", "")]);
        assert_eq!(told(None, &untried), ["Warning Ready PublishedUnverified"]);
    }

    #[test]
    fn a_message_is_told_whole_if_it_fits_and_else_as_much_of_it_as_fits() {
        for (message, expected) in [
            ("x".repeat(1000), "x".repeat(1000)),
            ("x".repeat(1001), "x".repeat(997) + "…"),
            ("é".repeat(2000), "é".repeat(498) + "…"),
        ] {
            let after = status(&[("Ready", "False", "InvalidSpec", &message)]);
            let note = events(None, &after).remove(0).note.unwrap();
            assert!(note.len() <= 1024);
            assert_eq!(note, expected);
        }
    }
}
