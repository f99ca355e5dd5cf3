//! Identities: are they there, what the operator says of them, and the Secrets that they name. PURE.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use zohorelay_crds::MailIdentity;
use zohorelay_crds::keys::{RELEASE_HOLD, SECRET_PREFIX};
use zohorelay_crds::v1alpha1::{ConditionType, Reason};
use zohorelay_process::checkup::{Check, Finding};

use super::check::{DELIVERY, IDENTITY, LOGIN, SECRET};
use super::near::nearest;
use super::scene::Scene;
use super::skipped;

/// What a condition of an identity belongs to, in the order in which one looks. Ready comes last, since it
/// repeats the one that fails.
const CONDITIONS: [(ConditionType, Check); 5] = [
    (ConditionType::CredentialsVerified, LOGIN),
    (ConditionType::Published, IDENTITY),
    (ConditionType::Ready, IDENTITY),
    (ConditionType::RolledOut, IDENTITY),
    (ConditionType::Delivering, DELIVERY),
];

/// The names of the namespace's identities; none where they are not known.
pub fn names(scene: &Scene) -> Option<Vec<&str>> {
    let identities = scene.identities.as_ref().ok()?;
    Some(identities.iter().map(name).collect())
}

fn name(identity: &MailIdentity) -> &str {
    identity.metadata.name.as_deref().unwrap_or_default()
}

/// The identity that is asked about, or all of the namespace.
pub fn judge(scene: &Scene) -> Vec<Finding> {
    let identities = match &scene.identities {
        Ok(identities) => identities,
        Err(unread) => {
            let subject = scene.subject.identity.as_deref();
            return vec![skipped(IDENTITY, subject.unwrap_or_default(), unread)];
        }
    };
    let asked = scene.subject.identity.as_deref();
    let matter = { identities.iter() }.filter(|it| asked.is_none_or(|asked| asked == name(it)));
    let findings: Vec<Finding> = matter.flat_map(|it| one(scene, it)).collect();
    match asked {
        _ if !findings.is_empty() => findings,
        Some(asked) => vec![absent(scene, asked)],
        None if scene.subject.pod.is_some() => findings,
        None => vec![Finding::warning(
            IDENTITY,
            "",
            format!("namespace {} has none", scene.subject.namespace),
            "declare one (docs/identities.md), or give another namespace with -n",
        )],
    }
}

fn absent(scene: &Scene, asked: &str) -> Finding {
    let here = &scene.subject.namespace;
    let names = names(scene).unwrap_or_default();
    let remedy = match nearest(asked, names.iter().copied()) {
        Some(near) => format!("did you mean {near}?"),
        None if names.is_empty() => {
            format!(
                "namespace {here} has no identity at all: declare it (docs/identities.md), or \
                     give another namespace with -n"
            )
        }
        None => format!(
            "namespace {here} has {}; declare it, or name one of these",
            names.join(", ")
        ),
    };
    Finding::failed(
        IDENTITY,
        asked,
        format!("there is no such MailIdentity in namespace {here}"),
        remedy,
    )
}

fn one(scene: &Scene, identity: &MailIdentity) -> Vec<Finding> {
    let mut findings = vec![declared(identity)];
    findings.extend(secrets(scene, identity));
    findings.extend(conditions(identity));
    findings.extend(hold(scene, identity));
    findings
}

/// Whether the operator looked at what is declared now, and whether mail is wanted at all.
fn declared(identity: &MailIdentity) -> Finding {
    let name = name(identity);
    let status = identity.status.as_ref();
    let observed = status.and_then(|status| status.observed_generation);
    if observed != identity.metadata.generation {
        return Finding::failed(
            IDENTITY,
            name,
            "the operator has not looked at it as it is now",
            "if this stays for more than a minute: does an operator run, and does it look after this \
             namespace (rbac.namespaces)?",
        );
    }
    if identity.spec.suspend {
        return Finding::warning(
            IDENTITY,
            name,
            "it is suspended: pods answer 451 and nothing is sent",
            "set spec.suspend to false when mail shall flow again",
        );
    }
    let server = status.and_then(|status| status.server.as_deref());
    let found = format!(
        "{} by {}",
        identity.spec.address,
        server.unwrap_or("no server yet")
    );
    let revision = status.and_then(|status| status.revision);
    let revision = revision.map_or_else(|| "none".to_owned(), |it| it.to_string());
    Finding::ok(IDENTITY, name, found).detail("revision", revision)
}

/// The Secret with the password, and the one that pods read.
fn secrets(scene: &Scene, identity: &MailIdentity) -> Vec<Finding> {
    let here = &scene.subject.namespace;
    let reference = &identity.spec.credentials.password_secret_ref;
    let (secret, key) = (&reference.name, &reference.key);
    let create =
        format!("kubectl -n {here} create secret generic {secret} --from-literal={key}='…'");
    let password = scene.secrets.get(secret).map(|seen| match seen {
        Err(unread) => skipped(SECRET, secret, unread),
        Ok(None) => Finding::failed(
            SECRET,
            secret,
            format!("{} names it, and it is not there", name(identity)),
            create.clone(),
        ),
        Ok(Some(seen)) if lacks(identity, &seen.keys, key) => Finding::failed(
            SECRET,
            secret,
            format!("it has no key {key}; it has {}", listed(&seen.keys)),
            "set spec.credentials.passwordSecretRef.key to the key with the password, or add that key",
        ),
        Ok(Some(_)) => Finding::ok(SECRET, secret, "it is there; its content was not asked for"),
    });
    let rendered = format!("{SECRET_PREFIX}{}", name(identity));
    let is_published = identity
        .status
        .as_ref()
        .is_some_and(|it| it.revision.is_some());
    let lost = is_published && matches!(scene.secrets.get(&rendered), Some(Ok(None)));
    let lost = lost.then(|| {
        Finding::failed(
            SECRET,
            rendered,
            "the document that pods read is not there, although it was published",
            "the operator makes it anew within seconds; if not, look at its log",
        )
    });
    password.into_iter().chain(lost).collect()
}

/// The operator's word counts; else the names of keys, where those who wrote the Secret told them.
fn lacks(identity: &MailIdentity, keys: &[String], key: &String) -> bool {
    let told = of_type(identity, ConditionType::Published)
        .or_else(|| of_type(identity, ConditionType::Ready))
        .is_some_and(|it| it.reason == Reason::SecretKeyNotFound.as_str());
    told || (!keys.is_empty() && !keys.contains(key) && !is_ready(identity))
}

fn listed(keys: &[String]) -> String {
    if keys.is_empty() {
        "others, or none".to_owned()
    } else {
        keys.join(", ")
    }
}

fn is_ready(identity: &MailIdentity) -> bool {
    of_type(identity, ConditionType::Ready).is_some_and(|it| it.status == "True")
}

fn of_type(identity: &MailIdentity, kind: ConditionType) -> Option<&Condition> {
    let conditions = &identity.status.as_ref()?.conditions;
    conditions.iter().find(|it| it.type_ == kind.as_str())
}

/// What the operator says, with its remedy; what says the same twice stands once.
fn conditions(identity: &MailIdentity) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for (kind, check) in CONDITIONS {
        let Some(condition) = of_type(identity, kind) else {
            continue;
        };
        let title = title(kind, condition);
        let (found, remedy) = match rest_of_ready(identity, condition) {
            Some(rest) => (format!("{title}: {}", condition.message), rest),
            None => (title.clone(), condition.message.clone()),
        };
        // A suspended identity was told of.
        let said = condition.reason == Reason::Suspended.as_str()
            || findings.iter().any(|it| says(it, &condition.message));
        match &*condition.status {
            "True" => findings.push(Finding::ok(check, name(identity), title)),
            _ if said => {}
            "False" if kind == ConditionType::RolledOut => {
                findings.push(Finding::warning(check, name(identity), found, remedy));
            }
            "False" => findings.push(Finding::failed(check, name(identity), found, remedy)),
            _ if is_quiet(condition) => findings.push(Finding::ok(
                check,
                name(identity),
                format!("{found}: {remedy}"),
            )),
            _ => findings.push(Finding::warning(check, name(identity), found, remedy)),
        }
    }
    findings
}

/// Ready says first what another condition says, and then what to do.
fn rest_of_ready(identity: &MailIdentity, condition: &Condition) -> Option<String> {
    let ready = of_type(identity, ConditionType::Ready)?;
    let rest = ready.message.strip_prefix(&*condition.message)?;
    let rest = rest.trim_start_matches(['.', ';', ',', ' ']);
    (!rest.is_empty() && ready.status != "True").then(|| rest.to_owned())
}

/// Whether these words stand in a finding already.
fn says(finding: &Finding, words: &str) -> bool {
    let remedy = finding.remedy.as_deref().unwrap_or_default();
    let all = [remedy.to_owned(), format!("{}. {remedy}", finding.found)];
    all.iter().any(|text| text.ends_with(words))
}

fn title(kind: ConditionType, condition: &Condition) -> String {
    format!("{kind} is {} ({})", condition.status, condition.reason)
}

/// Nobody sent anything yet, or nobody would: that is no trouble.
fn is_quiet(condition: &Condition) -> bool {
    [Reason::NoMail, Reason::NoPods]
        .map(Reason::as_str)
        .contains(&&*condition.reason)
}

fn hold(scene: &Scene, identity: &MailIdentity) -> Option<Finding> {
    let hold = identity.status.as_ref()?.hold.as_ref()?;
    let until = hold.until.as_ref()?.0;
    if until <= scene.now {
        return None;
    }
    let found = format!(
        "all its pods hold mail back until {}, because of {}",
        until.strftime("%Y-%m-%d %H:%M UTC"),
        hold.reason.as_deref().unwrap_or("a failure")
    );
    let remedy = format!(
        "mend the cause first; then end the hold: kubectl annotate --overwrite mid {} -n {} \
         {RELEASE_HOLD}=$(date +%s)",
        name(identity),
        scene.subject.namespace
    );
    Some(Finding::failed(DELIVERY, name(identity), found, remedy))
}

#[cfg(test)]
mod tests;
