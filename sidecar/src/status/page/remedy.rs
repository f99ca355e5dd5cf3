//! What to do about a failure, in a sentence or two: the short form of `docs/troubleshooting.md`.
//! Fields are those of the `MailIdentity`.

use zohorelay_upstream::failure::Class;

/// For a class by its name; nothing for another text.
pub(super) fn remedy(class: &str) -> &'static str {
    let class = Class::ALL.into_iter().find(|it| it.as_str() == class);
    class.map_or("", of)
}

const fn of(class: Class) -> &'static str {
    match class {
        Class::RelayDenied => {
            "Zoho does not let this mailbox send as the address in From. Add that address in Zoho \
             (Settings > Mail Accounts > Send Mail As, or an alias by the admin), or take it out of \
             aliases and set senderPolicy.foreignFrom to Reject, Rewrite or Attach."
        }
        Class::SenderRefused => {
            "An application sends with a From that is not one of this identity's addresses. Set its \
             From to one that this identity may send as; or add the alias, if Zoho has it; or set \
             senderPolicy.foreignFrom to Rewrite or Attach."
        }
        Class::AuthFailed => {
            "The server refused the login. Make a new app password in Zoho (accounts.zoho of your \
             data centre > Security > App Passwords) and put it into the identity's Secret: pods \
             have it within about two minutes, and nothing needs a restart."
        }
        Class::AccountBlocked => {
            "Zoho blocked the mailbox. Unblock it as its user at the web mail's page /UnblockMe, or \
             as admin at Admin Console > Security & Compliance > Blocked Accounts. Then send less \
             and slower: limits.messagesPerHour."
        }
        Class::RateLimited => {
            "Too many mails in too short a time. Set or lower limits.messagesPerHour; it counts in \
             each pod, so divide it by their number."
        }
        Class::Held => {
            "Nothing was sent because an earlier refusal was about the whole account. Cure that one; \
             mails go again when the hold is over."
        }
        Class::Tls => {
            "The server's certificate is not trusted, has ended or is for another host, or something \
             on the way opens the connection. Let it through untouched; a server of your own needs \
             its authority in the identity."
        }
        Class::Connect => {
            "No connection comes about. Look at the host's name, at DNS, at NetworkPolicies and \
             firewalls, and whether the cloud blocks ports 465 and 587."
        }
        Class::Timeout => {
            "The server does not answer in time. Look at the network between this pod and the \
             server, and at status.zoho.com."
        }
        Class::Protocol => {
            "What answers there speaks no proper SMTP. Compare the host and the port, and look for \
             a device in between."
        }
        Class::Transient => {
            "The server asks to try again: the application must do so after some minutes. If it \
             stays, look at status.zoho.com."
        }
        Class::UnknownOutcome => {
            "The reply to the end of the mail was lost: it may have been taken. Look for the \
             Message-ID in the mailbox's folder Sent before anything is sent again."
        }
        Class::NotConfigured => {
            "There is no document for this identity. Wait two minutes after it was made; then \
             compare its name, and see kubectl describe mid."
        }
        Class::Busy => {
            "More mails at once than there are connections, or no room for long mails. Send one \
             after another, or raise limits.connections."
        }
        Class::RecipientRefused => {
            "The server does not take a recipient, and nobody got the mail. Correct the address."
        }
        Class::MessageRefused => {
            "The server does not take this mail: its size, its content or a virus. Link to files \
             instead of attaching them, and look at the mail policy in the Admin Console."
        }
        Class::AppGone => {
            "The application hung up before its mail was sent. Raise its timeout to 60 seconds or \
             more."
        }
        Class::Framing => {
            "The application sends a lone CR or a NUL, which SMTP forbids. Encode binary content as \
             base64, and keep line ends out of headers."
        }
        Class::TooLarge => {
            "The mail is larger than this identity allows. Link to files instead of attaching them, \
             or raise limits.messageBytes."
        }
        Class::Paced => {
            "The mails of an hour are used up. Try again later, or raise limits.messagesPerHour if \
             Zoho allows you more."
        }
        Class::TooManyRecipients => {
            "More recipients in one mail than limits.recipientsPerMessage. Send in portions, or to a \
             group."
        }
        Class::Unclassified => {
            "The server refused the mail for a reason that is not in our tables. Its words are in \
             the reply that the application got."
        }
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
            let words = remedy(class.as_str());
            assert!(words.len() > 40 && words.ends_with('.'), "{class}: {words}");
            assert!(seen.insert(words), "{class}: {words}");
            assert!(docs.contains(&format!("\n## {class}\n")), "{class}");
        }
        assert_eq!(remedy("else"), "");
    }
}
