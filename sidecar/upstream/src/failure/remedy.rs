//! What to do about a failure, in a sentence or two: the short form of `docs/troubleshooting.md`.
//! Conditions, events and pages say it. Fields are those of the `MailIdentity`.

use super::Class;

impl Class {
    /// What to do about it, in whole sentences.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::RelayDenied => {
                "Zoho does not let this mailbox send as the address in From. Add that address in Zoho \
                 (Settings > Mail Accounts > Send Mail As, or an alias by the admin), or take it out of \
                 spec.aliases and set spec.senderPolicy.foreignFrom to Reject, Rewrite or Attach."
            }
            Self::SenderRefused => {
                "An application sends with a From that is not one of this identity's addresses; its log \
                 has the address. Set its From to spec.address or one of spec.aliases; add the alias, if \
                 Zoho has it; or set spec.senderPolicy.foreignFrom to Rewrite or Attach."
            }
            Self::AuthFailed => {
                "The server refused the login, and mails are held back. Make a new app password in Zoho \
                 (accounts.zoho of your data centre > Security > App Passwords) and put it into the \
                 Secret of spec.credentials.passwordSecretRef: pods have it within about two minutes, \
                 and nothing needs a restart."
            }
            Self::AccountBlocked => {
                "Zoho blocked the mailbox, and mails are held back. Unblock it as its user at the web \
                 mail's page /UnblockMe, or as admin at Admin Console > Security & Compliance > Blocked \
                 Accounts. Then send less and slower: spec.limits.messagesPerHour."
            }
            Self::RateLimited => {
                "Too many mails in too short a time; mails are held back for minutes to hours. Set or \
                 lower spec.limits.messagesPerHour; it counts in each pod, so divide it by their number."
            }
            Self::Held => {
                "Nothing is sent because an earlier refusal was about the whole account. See Ready of \
                 the identity for the cause and cure that one; mails go again when the hold is over."
            }
            Self::Tls => {
                "The server's certificate is not trusted, has ended or is for another host, or something \
                 on the way opens the connection. Have whoever runs proxy or firewall let it through \
                 untouched; a server of your own needs its authority in spec.server.caBundle."
            }
            Self::Connect => {
                "No connection comes about. Look at the host's name, at DNS, at NetworkPolicies and \
                 firewalls, and whether the cloud blocks ports 465 and 587."
            }
            Self::Timeout => {
                "The server does not answer in time. Look at the network between the pods and the \
                 server, and at status.zoho.com."
            }
            Self::Protocol => {
                "What answers there speaks no proper SMTP. Compare spec.server, and look for a proxy or \
                 another device in between."
            }
            Self::Transient => {
                "The server asks to try again: applications must do so after some minutes. If it stays, \
                 look at status.zoho.com."
            }
            Self::UnknownOutcome => {
                "The reply to the end of the mail was lost: it may have been taken. Look at the network, \
                 and for the Message-ID in the mailbox's folder Sent before anything is sent again."
            }
            Self::NotConfigured => {
                "The sidecar has no document of this identity. Wait two minutes after it was made; then \
                 compare its name with the pod's annotation zohorelay.dev/identities, and see kubectl \
                 describe mid."
            }
            Self::Busy => {
                "More mails at once than there are connections, or no room for long mails. Send one \
                 after another, raise spec.limits.connections, or give the pod's node more disk."
            }
            Self::RecipientRefused => {
                "The server does not take a recipient, and nobody got the mail. Correct the address."
            }
            Self::MessageRefused => {
                "The server does not take this mail: its size, its content or a virus. Link to files \
                 instead of attaching them, and look at the mail policy in the Admin Console."
            }
            Self::AppGone => {
                "The application hung up before its mail was sent. Raise its timeout to 60 seconds or \
                 more."
            }
            Self::Framing => {
                "The application sends a lone CR or a NUL, which SMTP forbids. Encode binary content as \
                 base64, and keep line ends out of headers."
            }
            Self::TooLarge => {
                "The mail is larger than this identity allows. Link to files instead of attaching them, \
                 or raise spec.limits.messageBytes."
            }
            Self::Paced => {
                "The mails of an hour are used up. Try again later, or raise spec.limits.messagesPerHour \
                 if Zoho allows you more."
            }
            Self::TooManyRecipients => {
                "More recipients in one mail than spec.limits.recipientsPerMessage. Send in portions, or \
                 to a group."
            }
            Self::Unclassified => {
                "The server refused the mail for a reason that is not in our tables. Its words are in \
                 the reply that the application got, and in the sidecar's log at debug."
            }
        }
    }

    /// The one of that name, as in metrics.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_words_of_its_own_and_a_section_in_the_docs() {
        let docs = include_str!("../../../../docs/troubleshooting.md");
        let mut seen = std::collections::HashSet::new();
        for class in Class::ALL {
            let words = class.remedy();
            assert!(words.len() > 40 && words.ends_with('.'), "{class}: {words}");
            assert!(seen.insert(words), "{class}: {words}");
            assert!(docs.contains(&format!("\n## {class}\n")), "{class}");
            assert_eq!(Class::parse(class.as_str()), Some(class));
        }
        assert_eq!(Class::parse("else"), None);
    }

    #[test]
    fn a_field_that_is_named_is_one_of_a_mail_identity() {
        let reference = include_str!("../../../../docs/reference/identity.md");
        for class in Class::ALL {
            for path in class.remedy().split("spec.").skip(1) {
                let end = path.find(|c: char| !c.is_ascii_alphabetic() && c != '.');
                let path = path[..end.unwrap_or(path.len())].trim_end_matches('.');
                assert!(reference.contains(path), "{class}: spec.{path}");
            }
        }
    }
}
