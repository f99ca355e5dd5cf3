//! What each kind of failure means for delivery: who must act, how soon, and what to do. Pure.

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

/// The kind of that name, as in metrics.
pub fn parse(name: &str) -> Option<Class> {
    Class::ALL.into_iter().find(|class| class.as_str() == name)
}

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

/// What happened and what to do, in plain words (`docs/troubleshooting.md`).
pub const fn remedy(class: Class) -> &'static str {
    match class {
        Class::AccountBlocked => {
            "Zoho blocked the mailbox and every mail is held back. Unblock it at the web mail's page \
             /UnblockMe, or have the admin do it (Admin Console > Security & Compliance > Blocked \
             Accounts); then send less and slower (spec.limits.messagesPerHour)"
        }
        Class::AuthFailed => {
            "the server refused the login of the sidecar and every mail is held back. See \
             CredentialsVerified; mostly a new app password is needed in the Secret of \
             spec.credentials.passwordSecretRef, which pods have within about two minutes"
        }
        Class::RateLimited => {
            "too many mails in too short a time; mails are held back for minutes to hours. Send slower: \
             set spec.limits.messagesPerHour, which counts in each pod"
        }
        Class::Held => {
            "mails are held back without a try at the server, by the hold of the identity or after \
             refusals. See Ready for the cause"
        }
        Class::Tls => {
            "there is no trustworthy TLS to the server: its certificate is not trusted, ended, or names \
             another host, or something on the way breaks TLS open. For a server of your own set \
             spec.server.caBundle; else have whoever runs proxy or firewall let it through untouched"
        }
        Class::RelayDenied => {
            "Zoho does not let this mailbox send as the address in From. Add that address in Zoho \
             (Settings > Mail Accounts > Send Mail As, or an alias by the admin), or take it out of \
             spec.aliases and set spec.senderPolicy.foreignFrom to Reject, Rewrite or Attach"
        }
        Class::SenderRefused => {
            "an application sends with a From that is not one of this identity's addresses; its log has \
             the address. Set its From to spec.address or one of spec.aliases, add the alias if Zoho has \
             it, or set spec.senderPolicy.foreignFrom to Rewrite or Attach"
        }
        Class::Connect => {
            "no connection to the server comes about: look at DNS, at NetworkPolicies and firewalls, and \
             whether the cloud blocks ports 465 and 587"
        }
        Class::Timeout => {
            "the server does not answer in time: look at the network between the pods and the server, \
             and at Zoho's status page"
        }
        Class::NotConfigured => {
            "the sidecar has no document of this identity: see Ready and Published, and the name in the \
             pod's annotation zohorelay.dev/identities"
        }
        Class::Protocol => {
            "the server's answers are no SMTP: something on the way answers in its place, or it is no \
             mail server. Look at spec.server and at proxies"
        }
        Class::Unclassified => {
            "the server refuses mails for a reason that is not known to this version: its words are in \
             the application's log, and in the log of the container zohorelay at debug"
        }
        Class::UnknownOutcome => {
            "the server's reply to whole mails is lost, so that nobody knows whether they were taken: \
             look at the network, and in Sent before anything is sent again"
        }
        Class::Transient => {
            "the server asks to try again later: applications must do so. If it stays, look at Zoho's \
             status page"
        }
        Class::Busy => {
            "the sidecar has no free connection or no room for long mails: raise \
             spec.limits.connections, or give the pod's node more disk"
        }
        Class::RecipientRefused => "the server does not take a recipient: correct its address",
        Class::MessageRefused => {
            "the server does not take this mail: its size, its content or a virus"
        }
        Class::AppGone => "the application hung up before its mail was sent: raise its timeout",
        Class::Framing => "the application sent a mail with a bare CR or NUL: correct its library",
        Class::TooLarge => "a mail is larger than spec.limits.messageBytes",
        Class::Paced => "the mails of an hour are used up: see spec.limits.messagesPerHour",
        Class::TooManyRecipients => {
            "a mail has more recipients than spec.limits.recipientsPerMessage"
        }
    }
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
            assert_eq!(parse(class.as_str()), Some(class));
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
