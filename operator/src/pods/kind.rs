//! What each kind of failure means for delivery: who must act, and how soon. Pure.

use zohorelay_crds::v1alpha1::Reason;
use zohorelay_upstream::failure::Class;

/// How a failure weighs on delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// The mailbox or the way to it is out of order: somebody must act. A later mail that goes out from
    /// the same pod shows that it is mended.
    Mailbox,
    /// An application sends what this mailbox may not send: somebody must act. Other mails that go out
    /// show nothing, so that it counts for a while.
    Sender,
    /// It heals by itself, as a rule: it counts when it goes on for a while and no mail gets through.
    Passing,
    /// It is about one mail or one recipient: it never counts.
    Mail,
}

/// How a failure of this kind weighs.
pub const fn weight(class: Class) -> Weight {
    match class {
        Class::AuthFailed
        | Class::AccountBlocked
        | Class::RateLimited
        | Class::Tls
        | Class::Held => Weight::Mailbox,
        Class::RelayDenied | Class::SenderRefused => Weight::Sender,
        Class::Connect
        | Class::Timeout
        | Class::Protocol
        | Class::Transient
        | Class::UnknownOutcome
        | Class::Unclassified
        | Class::NotConfigured
        | Class::Busy => Weight::Passing,
        Class::RecipientRefused
        | Class::MessageRefused
        | Class::AppGone
        | Class::Framing
        | Class::TooLarge
        | Class::Paced
        | Class::TooManyRecipients => Weight::Mail,
    }
}

/// The kinds after which a sidecar makes no connection for a while: mails that it then holds back failed
/// for that reason.
pub const BREAKERS: [Class; 3] = [Class::AccountBlocked, Class::AuthFailed, Class::RateLimited];

/// The kinds that weigh, that which stops most mail first: so that the same failures always have the
/// same reason, whichever came last.
pub const RANKED: [Class; 15] = [
    Class::AccountBlocked,
    Class::AuthFailed,
    Class::RateLimited,
    Class::Held,
    Class::Tls,
    Class::RelayDenied,
    Class::SenderRefused,
    Class::Connect,
    Class::Timeout,
    Class::NotConfigured,
    Class::Protocol,
    Class::Unclassified,
    Class::UnknownOutcome,
    Class::Transient,
    Class::Busy,
];

/// The reason of conditions and events; none of a kind that never weighs.
pub const fn reason(class: Class) -> Option<Reason> {
    Some(match class {
        Class::AccountBlocked => Reason::AccountBlocked,
        Class::AuthFailed => Reason::AuthFailed,
        Class::RateLimited => Reason::RateLimited,
        Class::Held => Reason::Held,
        Class::Tls => Reason::Tls,
        Class::RelayDenied => Reason::RelayDenied,
        Class::SenderRefused => Reason::SenderRefused,
        Class::Connect => Reason::Connect,
        Class::Timeout => Reason::Timeout,
        Class::NotConfigured => Reason::NotConfigured,
        Class::Protocol => Reason::Protocol,
        Class::Unclassified => Reason::Unclassified,
        Class::UnknownOutcome => Reason::UnknownOutcome,
        Class::Transient => Reason::Transient,
        Class::Busy => Reason::Busy,
        Class::RecipientRefused
        | Class::MessageRefused
        | Class::AppGone
        | Class::Framing
        | Class::TooLarge
        | Class::Paced
        | Class::TooManyRecipients => return None,
    })
}

/// The words as a sentence: with a capital, without a full stop.
pub fn sentence(words: &str) -> String {
    let mut rest = words.chars();
    let first = rest.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_that_weighs_has_a_rank_and_a_reason_and_no_other_has() {
        for class in Class::ALL {
            let weighs = weight(class) != Weight::Mail;
            assert_eq!(RANKED.contains(&class), weighs, "{class}");
            assert_eq!(reason(class).is_some(), weighs, "{class}");
        }
    }

    #[test]
    fn a_reason_is_the_name_of_its_kind() {
        for class in RANKED {
            let snake = reason(class).unwrap().as_str().chars();
            let snake = snake.flat_map(|it| {
                let break_ = it.is_ascii_uppercase().then_some('_');
                break_.into_iter().chain([it.to_ascii_lowercase()])
            });
            let snake: String = snake.collect();
            assert_eq!(snake.trim_start_matches('_'), class.as_str());
        }
    }

    #[test]
    fn breakers_stop_the_whole_mailbox() {
        for class in BREAKERS {
            assert_eq!(weight(class), Weight::Mailbox);
        }
    }
}
