//! What a person can do about a login, in plain words (`docs/zoho.md` R5, R9 to R11, R23, R25).

use zohorelay_crds::MailIdentity;
use zohorelay_crds::keys::RELEASE_HOLD;
use zohorelay_crds::v1alpha1::{DataCenter, Reason, SecretKeyRef, Service};
use zohorelay_upstream::{Class, Stage};

use super::login::Refusal;
use crate::identity::validate::Draft;

/// That a login was refused, and what the server said.
pub(super) fn refused(draft: &Draft, refusal: &Refusal) -> String {
    let upstream = &draft.document.upstream;
    let said = refusal
        .text
        .clone()
        .unwrap_or_else(|| refusal.code.to_string());
    let who = format!(
        "the login {} at {}:{}",
        draft.document.login.username, upstream.host, upstream.port
    );
    if refusal.reason == Reason::AccountBlocked {
        return format!("Zoho blocked the account: it answered {who} with {said}");
    }
    format!("{} refused {who}: {said}", whose(upstream.host.as_str()))
}

/// What to do after a refusal: the likeliest cause first, and what to click.
pub(super) fn after_refusal(identity: &MailIdentity, draft: &Draft, reason: Reason) -> String {
    if reason == Reason::AccountBlocked {
        return unblock(identity, asked(identity, draft));
    }
    let server = whose(draft.document.upstream.host.as_str());
    let mut causes: Vec<String> = draft.hints.clone();
    match identity.spec.zoho.service {
        Service::Mail => causes.extend(causes_at_mail(identity, asked(identity, draft))),
        Service::ZeptoMail => causes.extend(causes_at_zeptomail(identity, asked(identity, draft))),
    }
    let causes = causes.iter().enumerate();
    let causes = causes.map(|(index, cause)| format!("({}) {cause}", index + 1));
    format!(
        "It is not tried again until the password, the user name or the \
         server changes, since failed logins can block the account. Likely causes, the likeliest \
         first: {}. If the cause was at {server}'s end and is mended, have it tried once more: {}",
        causes.collect::<Vec<_>>().join("; "),
        release(identity)
    )
}

/// The command that ends a hold, and has a refused login tried once more.
pub(super) fn release(identity: &MailIdentity) -> String {
    let meta = &identity.metadata;
    format!(
        "kubectl annotate --overwrite mid {} -n {} {RELEASE_HOLD}=$(date +%s)",
        meta.name.as_deref().unwrap_or_default(),
        meta.namespace.as_deref().unwrap_or_default()
    )
}

/// The data centre that was asked: a server of one's own choice may be one of Zoho's, too.
fn asked(identity: &MailIdentity, draft: &Draft) -> DataCenter {
    let host = &draft.document.upstream.host;
    crate::host::data_center_of(host).unwrap_or(identity.spec.zoho.data_center)
}

/// What says which data centre is asked.
fn choice(identity: &MailIdentity) -> &'static str {
    match identity.spec.server {
        Some(_) => "spec.server.host, which goes before spec.zoho.dataCenter",
        None => "spec.zoho.dataCenter",
    }
}

fn causes_at_mail(identity: &MailIdentity, center: DataCenter) -> Vec<String> {
    let spec = &identity.spec;
    let SecretKeyRef { name, key } = &spec.credentials.password_secret_ref;
    vec![
        format!(
            "an app password is needed instead of the account's own (always with two-factor or \
             federated login), or it was mistyped: make one at https://accounts.{} > Security > App \
             Passwords, and put it into Secret {name}, key {key}, without blanks",
            domain(center)
        ),
        format!(
            "the account lives in another data centre than {}: log in to the web mail and look at \
             the address there (mail.zoho.eu means EU), then set {}",
            center.as_str(),
            choice(identity)
        ),
        "SMTP is switched off for the mailbox, or logins are limited to listed IP addresses: have \
         the admin of the organisation look at the mailbox and at Allowed IPs in the Admin Console"
            .to_owned(),
        "the user name is an alias, or not of this account: set spec.credentials.username to the \
         mailbox's primary address"
            .to_owned(),
        "the plan has no SMTP: ask Zoho about the plan".to_owned(),
    ]
}

fn causes_at_zeptomail(identity: &MailIdentity, center: DataCenter) -> Vec<String> {
    let spec = &identity.spec;
    let SecretKeyRef { name, key } = &spec.credentials.password_secret_ref;
    vec![
        format!(
            "the password is not the send-mail token of the Mail Agent: copy it in ZeptoMail from \
             Mail Agents > SMTP/API > SMTP, and put it into Secret {name}, key {key}"
        ),
        format!(
            "the agent lives in another data centre than {}: look at the address of the ZeptoMail \
             page, then set {}",
            center.as_str(),
            choice(identity)
        ),
        "the credits are used up, or the ZeptoMail account is blocked: look at its page".to_owned(),
        "the user name is not emailapikey: remove spec.credentials.username".to_owned(),
    ]
}

fn unblock(identity: &MailIdentity, center: DataCenter) -> String {
    let domain = domain(center);
    format!(
        "Unblock it at https://mail.{domain}/UnblockMe, \
         or have the admin do it (Admin Console > Security & Compliance > Blocked Accounts); after a \
         suspicious login change the password first; then send less and slower \
         (spec.limits.messagesPerHour). The operator tries the login again once an hour, and at once after: {}",
        release(identity)
    )
}

/// Why there was no verdict. What an unproven server says is left out by the caller.
pub(super) fn unheard(draft: &Draft, class: Class, stage: Stage, text: Option<&str>) -> String {
    let upstream = &draft.document.upstream;
    let said = text.map_or_else(String::new, |text| format!(", it said: {text}"));
    let remedy = match (class, stage) {
        (Class::Connect | Class::Timeout, Stage::Connect) => {
            "the name may be wrong, or the cluster or the cloud blocks outgoing mail ports: look at \
             DNS, NetworkPolicies and the provider's rules for ports 465 and 587"
        }
        (Class::Tls | Class::Connect, Stage::Tls) => {
            "the certificate is not trusted or does not name the host, or something between speaks \
             no TLS: look for a proxy, set spec.server.caBundle for a server with a CA of its own, \
             and see that port and security fit (465 ImplicitTls, 587 StartTls)"
        }
        _ => "this tells nothing of the password; wait, or look at the state of Zoho's services",
    };
    format!(
        "no verdict on the login at {}:{} yet, it is tried again: {class} at {stage}{said}; {remedy}",
        upstream.host, upstream.port
    )
}

fn whose(host: &str) -> &'static str {
    if crate::host::is_published(host) {
        "Zoho"
    } else {
        "the server"
    }
}

/// The domain of a data centre's own pages.
const fn domain(center: DataCenter) -> &'static str {
    match center {
        DataCenter::Us => "zoho.com",
        DataCenter::Eu => "zoho.eu",
        DataCenter::In => "zoho.in",
        DataCenter::Au => "zoho.com.au",
        DataCenter::Jp => "zoho.jp",
        DataCenter::Cn => "zoho.com.cn",
        DataCenter::Ca => "zohocloud.ca",
        DataCenter::Sa => "zoho.sa",
        DataCenter::Ae => "zoho.ae",
    }
}
