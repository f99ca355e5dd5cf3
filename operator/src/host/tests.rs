use super::*;

const CENTERS: [DataCenter; 9] = [
    DataCenter::Us,
    DataCenter::Eu,
    DataCenter::In,
    DataCenter::Au,
    DataCenter::Jp,
    DataCenter::Cn,
    DataCenter::Ca,
    DataCenter::Sa,
    DataCenter::Ae,
];

fn allowed(patterns: &[&str]) -> AllowedHosts {
    let patterns: Vec<String> = patterns.iter().map(|&it| it.to_owned()).collect();
    AllowedHosts::parse(&patterns).unwrap()
}

#[test]
fn the_hosts_are_those_of_the_table_in_the_docs() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/zoho.md");
    let docs = std::fs::read_to_string(path).unwrap();
    for center in CENTERS {
        let host = |account| published_host(Service::Mail, center, account).unwrap();
        let row = format!(
            "| {} | {} | {} |",
            center.as_str(),
            host(AccountType::Personal),
            host(AccountType::Organization)
        );
        assert!(docs.contains(&row), "{row}");
    }
}

#[test]
fn zeptomail_has_a_host_in_five_data_centres_whatever_the_account() {
    let zepto = |center| published_host(Service::ZeptoMail, center, AccountType::Personal);
    let hosts: Vec<_> = CENTERS.into_iter().filter_map(zepto).collect();
    let domains = ["com", "eu", "in", "com.au", "com.cn"].map(|it| format!("smtp.zeptomail.{it}"));
    assert_eq!(hosts, domains);
    for center in [
        DataCenter::Jp,
        DataCenter::Ca,
        DataCenter::Sa,
        DataCenter::Ae,
    ] {
        assert_eq!(zepto(center), None);
    }
}

#[test]
fn every_published_host_is_allowed_and_below_a_domain_of_zoho() {
    for center in CENTERS {
        for service in [Service::Mail, Service::ZeptoMail] {
            for account in [AccountType::Organization, AccountType::Personal] {
                let Some(host) = published_host(service, center, account) else {
                    continue;
                };
                assert!(
                    is_published(&host.to_uppercase()) && allowed(&[]).allows(host),
                    "{host}"
                );
                let domains = zohorelay_config::bounds::ZOHO_DOMAINS;
                assert!(
                    domains.iter().any(|domain| host.ends_with(domain)),
                    "{host}"
                );
            }
        }
    }
}

#[test]
fn nothing_else_is_allowed_but_what_a_pattern_names() {
    let hosts = allowed(&["mail.example.com", "*.Gateway.example.com", "localhost"]);
    for host in [
        "mail.example.com",
        "MAIL.example.com",
        "a.gateway.example.com",
        "a.b.gateway.example.com",
        "localhost",
    ] {
        assert!(hosts.allows(host), "{host}");
    }
    for host in [
        "example.com",
        "x.mail.example.com",
        "gateway.example.com",
        ".gateway.example.com",
        "agateway.example.com",
        "smtp.zoho.com.example.net",
        "mx.zoho.com",
        "smtp.zoho.com.",
        "",
    ] {
        assert!(!hosts.allows(host), "{host}");
    }
}

#[test]
fn a_pattern_that_is_no_host_is_refused_by_name() {
    for pattern in [
        "",
        "*",
        "*.",
        "**.example.com",
        "a.*.com",
        "mail.example.com:465",
        "10.0.0.1",
        "a b",
        "-a.com",
        "mail.example.com.",
        "https://x",
    ] {
        let error = AllowedHosts::parse(&[pattern.to_owned()]).unwrap_err();
        assert_eq!(error.pattern, pattern);
        assert!(error.to_string().contains("write a DNS name"), "{error}");
    }
}
