//! The DNS records of the sender's domain: SPF, DKIM, MX. Zoho takes mails without them; recipients
//! do not trust them.

use std::collections::VecDeque;

use zohorelay_process::checkup::{Check, Finding};
use zohorelay_upstream::Resolver;
use zohorelay_upstream::resolve::ResolveError;

use super::check::{DKIM, MX, SPF};

/// RFC 7208 section 4.6.4.
const LOOKUPS_MAX: usize = 10;

/// What the console proposes as selector, and what guides name (docs/zoho.md).
const USUAL_SELECTORS: [&str; 2] = ["zmail", "zoho"];

/// Names under which Zoho has its mail hosts, before the suffix of the data centre.
const ZOHO_LABELS: [&str; 5] = ["zoho", "zohomail", "zohocloud", "zeptomail", "transmail"];

/// Looks at the records of `domain` for mails that go by `host`.
pub(crate) async fn check(
    subject: &str,
    domain: &str,
    host: &str,
    selectors: &[String],
    resolver: &Resolver,
) -> [Finding; 3] {
    tokio::join!(
        spf(subject, domain, host, resolver),
        dkim(subject, domain, selectors, resolver),
        mx(subject, domain, host, resolver)
    )
    .into()
}

/// The data centre of one of Zoho's host names, by its suffix: `eu` of `smtp.zoho.eu`.
fn data_centre(host: &str) -> Option<String> {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let labels: Vec<&str> = host.split('.').collect();
    let at = labels
        .iter()
        .rposition(|label| ZOHO_LABELS.contains(label))?;
    let suffix = labels[at + 1..].join(".");
    let is_suffix =
        matches!(suffix.as_str(), "com" | "net" | "com.au" | "com.cn") || suffix.len() == 2;
    // ZeptoMail's hosts of the US are under .net and .com.
    is_suffix.then(|| {
        if suffix == "net" {
            "com".to_owned()
        } else {
            suffix
        }
    })
}

fn unreadable(check: Check, subject: &str, domain: &str, error: &ResolveError) -> Finding {
    match error {
        ResolveError::NoSuchName { .. } => Finding::warning(
            check,
            subject,
            format!("{domain} is not in DNS"),
            "DNS admin: is the domain spelt right, registered and delegated?",
        ),
        _ => Finding::skipped(check, subject, format!("{domain}: {error}")),
    }
}

async fn spf(subject: &str, domain: &str, host: &str, resolver: &Resolver) -> Finding {
    match walk(domain, resolver).await {
        Err(error) => unreadable(SPF, subject, domain, &error),
        Ok(walk) => judge_spf(subject, domain, host, &walk),
    }
}

/// What following the includes of an SPF record brought up.
#[derive(Debug, Default)]
struct Walk {
    /// The records of the domain itself.
    records: Vec<String>,
    /// Zoho's hosts among the includes.
    zoho: Vec<String>,
    /// DNS look-ups that a receiver needs at least.
    lookups: usize,
}

async fn walk(domain: &str, resolver: &Resolver) -> Result<Walk, ResolveError> {
    let mut walk = Walk {
        records: spf_records(domain, resolver).await?,
        ..Walk::default()
    };
    let mut waiting: VecDeque<String> = walk.records.first().cloned().into_iter().collect();
    while let Some(record) = waiting.pop_front() {
        for name in included(&record, &mut walk.lookups) {
            if data_centre(&name).is_some() {
                walk.zoho.push(name);
            } else if walk.lookups <= LOOKUPS_MAX {
                let next = spf_records(&name, resolver).await.unwrap_or_default();
                waiting.extend(next.into_iter().next());
            }
        }
    }
    Ok(walk)
}

async fn spf_records(domain: &str, resolver: &Resolver) -> Result<Vec<String>, ResolveError> {
    let texts = resolver.texts(domain).await?;
    let is_spf = |text: &String| {
        let first = text.split(' ').next().unwrap_or_default();
        first.eq_ignore_ascii_case("v=spf1")
    };
    Ok(texts.into_iter().filter(is_spf).collect())
}

/// The names that a record includes or redirects to; counts the terms that need DNS.
fn included(record: &str, lookups: &mut usize) -> Vec<String> {
    let mut names = Vec::new();
    for term in record.split_ascii_whitespace().skip(1) {
        let term = term
            .trim_start_matches(['+', '-', '~', '?'])
            .to_ascii_lowercase();
        let kind = term.split([':', '=', '/']).next().unwrap_or_default();
        if matches!(kind, "include" | "redirect" | "a" | "mx" | "ptr" | "exists") {
            *lookups += 1;
        }
        let name = term
            .strip_prefix("include:")
            .or_else(|| term.strip_prefix("redirect="));
        names.extend(name.map(str::to_owned));
    }
    names
}

fn judge_spf(subject: &str, domain: &str, host: &str, walk: &Walk) -> Finding {
    let wanted = data_centre(host);
    let warn = |found: String, remedy: String| Finding::warning(SPF, subject, found, remedy);
    let include = format!(
        "Zoho's admin console names the include for your data centre (Domains > {domain} > Email Configuration \
         > SPF)."
    );
    let finding = match walk.records.as_slice() {
        [] => warn(
            format!("{domain} has no SPF record"),
            format!("DNS admin: add one TXT record, v=spf1 include:<Zoho's> ~all. {include}"),
        ),
        [_, _, ..] => warn(
            format!(
                "{domain} has {} SPF records, so receivers use none",
                walk.records.len()
            ),
            "DNS admin: make them one TXT record.".to_owned(),
        ),
        [_] if walk.lookups > LOOKUPS_MAX => warn(
            format!(
                "the SPF record of {domain} needs more than {LOOKUPS_MAX} DNS look-ups, so receivers use none"
            ),
            "DNS admin: take out what no longer sends for the domain.".to_owned(),
        ),
        // A server that is not Zoho's: what it needs, its owner knows.
        [_] if wanted.is_none() => Finding::ok(
            SPF,
            subject,
            format!("{domain} has one SPF record; {host} is not Zoho's"),
        ),
        [_] if walk.zoho.is_empty() => warn(
            format!("the SPF record of {domain} does not let Zoho send"),
            format!("DNS admin: add Zoho's include before the last term. {include}"),
        ),
        [_] if !walk.zoho.iter().any(|name| data_centre(name) == wanted) => warn(
            format!(
                "the SPF record of {domain} includes {}, and {host} is of another data centre",
                walk.zoho.join(", ")
            ),
            format!("DNS admin: include that of your data centre. {include}"),
        ),
        [_] => Finding::ok(
            SPF,
            subject,
            format!("{domain} lets Zoho send ({})", walk.zoho.join(", ")),
        ),
    };
    finding
        .detail("records", walk.records.join(" | "))
        .detail("job", "DNS admin")
}

async fn dkim(subject: &str, domain: &str, given: &[String], resolver: &Resolver) -> Finding {
    let usual = USUAL_SELECTORS.map(str::to_owned);
    let selectors = if given.is_empty() { &usual[..] } else { given };
    let mut revoked = None;
    for selector in selectors {
        let name = format!("{selector}._domainkey.{domain}");
        let texts = match resolver.texts(&name).await {
            Ok(texts) => texts,
            Err(ResolveError::NoSuchName { .. }) => continue,
            Err(error) => return unreadable(DKIM, subject, domain, &error),
        };
        match texts.iter().find_map(|text| key(text)) {
            Some(true) => {
                return Finding::ok(
                    DKIM,
                    subject,
                    format!("{domain} has a DKIM key: selector {selector}"),
                )
                .detail("name", name);
            }
            Some(false) => revoked = Some(name),
            None => {}
        }
    }
    if let Some(name) = revoked {
        let remedy =
            "DNS admin: publish the key that Zoho's admin console shows for this selector.";
        return Finding::warning(
            DKIM,
            subject,
            format!("the DKIM key at {name} is revoked (empty p=)"),
            remedy,
        );
    }
    Finding::warning(
        DKIM,
        subject,
        format!("{domain} has no DKIM key with the selector {}", selectors.join(" or ")),
        format!(
            "Mail admin: the selector stands in Zoho's admin console, Domains > {domain} > Email Configuration > \
             DKIM; make a key there if there is none, let the DNS admin publish it, then verify it there. If you \
             have another selector: --dkim-selector NAME."
        ),
    )
    .detail("job", "mail admin, then DNS admin")
}

/// Whether a text is a key (RFC 6376 section 3.6.1), and has one.
fn key(text: &str) -> Option<bool> {
    let mut tags = text.split(';').filter_map(|tag| tag.trim().split_once('='));
    let (_, key) = tags.find(|(name, _)| name.trim() == "p")?;
    Some(!key.trim().is_empty())
}

async fn mx(subject: &str, domain: &str, host: &str, resolver: &Resolver) -> Finding {
    match resolver.mail_exchangers(domain).await {
        Err(error) => unreadable(MX, subject, domain, &error),
        Ok(hosts) => judge_mx(subject, domain, host, &hosts),
    }
}

fn judge_mx(subject: &str, domain: &str, host: &str, hosts: &[String]) -> Finding {
    let listed = hosts.join(", ");
    let centre = hosts.iter().find_map(|mx| data_centre(mx));
    let finding = match (hosts.is_empty(), centre, data_centre(host)) {
        (true, _, _) => Finding::warning(
            MX,
            subject,
            format!("{domain} has no MX: answers and bounces reach nobody"),
            "DNS admin: add the MX records that Zoho's admin console shows.",
        ),
        (false, Some(receives), Some(sends)) if receives != sends => Finding::warning(
            MX,
            subject,
            format!(
                "the mail of {domain} comes to {listed}, but is sent by {host}: two data centres"
            ),
            "Mail admin: an account lives in one data centre, and the wrong one refuses the login as if the \
             password were wrong. Take the host of the data centre where you log in to the web mail.",
        ),
        (false, Some(_), _) => Finding::ok(
            MX,
            subject,
            format!("the mail of {domain} comes to Zoho ({listed})"),
        ),
        (false, None, _) => Finding::ok(
            MX,
            subject,
            format!(
                "the mail of {domain} comes to {listed}, which is not Zoho's; sending does not need that"
            ),
        ),
    };
    finding.detail("job", "DNS admin")
}

#[cfg(test)]
mod tests {
    use zohorelay_process::checkup::Verdict;

    use super::*;

    #[test]
    fn the_data_centre_is_read_from_zohos_own_names_only() {
        for (host, centre) in [
            ("smtp.zoho.eu", Some("eu")),
            ("smtppro.zoho.com.au.", Some("com.au")),
            ("mx.zohomail.com", Some("com")),
            ("one.zoho.com", Some("com")),
            ("spf.ZOHO.in", Some("in")),
            ("smtp.zohocloud.ca", Some("ca")),
            ("spf.zeptomail.net", Some("com")),
            ("zoho.eu.evil.example", None),
            ("notzoho.eu", None),
            ("localhost", None),
        ] {
            assert_eq!(data_centre(host).as_deref(), centre, "{host}");
        }
    }

    fn spf(records: &[&str], zoho: &[&str], lookups: usize) -> Finding {
        let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        let walk = Walk {
            records: owned(records),
            zoho: owned(zoho),
            lookups,
        };
        judge_spf("billing", "example.com", "smtp.zoho.eu", &walk)
    }

    #[test]
    fn spf_is_one_record_that_lets_zohos_right_data_centre_send_in_ten_look_ups() {
        let one = &["v=spf1 include:zohomail.eu ~all"];
        for (finding, verdict, part) in [
            (spf(one, &["zohomail.eu"], 1), Verdict::Ok, "lets Zoho send"),
            (spf(&[], &[], 0), Verdict::Warning, "no SPF record"),
            (
                spf(&[one[0], one[0]], &["zohomail.eu"], 1),
                Verdict::Warning,
                "2 SPF records",
            ),
            (spf(one, &[], 1), Verdict::Warning, "does not let Zoho"),
            (
                spf(one, &["zoho.com"], 1),
                Verdict::Warning,
                "another data centre",
            ),
            (
                spf(one, &["zoho.com", "zoho.eu"], 2),
                Verdict::Ok,
                "lets Zoho send",
            ),
            (
                spf(one, &["zohomail.eu"], 11),
                Verdict::Warning,
                "more than 10",
            ),
        ] {
            assert_eq!(finding.verdict, verdict, "{finding:?}");
            assert!(finding.found.contains(part), "{finding:?}");
        }
    }

    #[test]
    fn terms_are_counted_and_includes_followed() {
        let mut lookups = 0;
        let record = "v=spf1 a mx/24 ip4:192.0.2.0/24 +include:_SPF.example.com ?exists:x -all redirect=zoho.eu";
        let names = included(record, &mut lookups);
        assert_eq!(names, ["_spf.example.com", "zoho.eu"]);
        assert_eq!(lookups, 5);
    }

    #[test]
    fn mx_of_another_data_centre_is_told() {
        let judge = |hosts: &[&str]| {
            let hosts: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
            judge_mx("billing", "example.com", "smtp.zoho.eu", &hosts)
        };
        assert_eq!(judge(&["mx.zoho.eu"]).verdict, Verdict::Ok);
        assert_eq!(judge(&["mail.example.com"]).verdict, Verdict::Ok);
        assert!(judge(&["mx.zoho.com"]).found.contains("two data centres"));
        assert!(judge(&[]).found.contains("no MX"));
    }

    #[test]
    fn a_key_without_p_is_none_and_an_empty_one_is_revoked() {
        assert_eq!(key("v=DKIM1; k=rsa; p=MIGf"), Some(true));
        assert_eq!(key("v=DKIM1; p="), Some(false));
        assert_eq!(key("v=spf1 -all"), None);
    }
}
