//! Zoho's own reading of the header From, naive as it is, and the 553 that follows from it.
//!
//! Zoho takes what stands between `<` and `>`, else the whole value: a comment after the address
//! or an empty From is denied, and the text echoes what it took (`docs/zoho.md R1`). Where
//! nothing is known (two From fields), this is the strict reading.

use crate::account::Account;

/// The sender as Zoho's parser sees it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NaiveFrom {
    /// `None` when no plain address came out.
    pub(crate) address: Option<String>,
    /// What the 553 says after `Relaying disallowed as`.
    pub(crate) echo: String,
}

/// Why a mail is not relayed: the text that the old wording echoes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RelayDenied {
    pub(crate) echo: String,
}

/// Judges the header From, then the envelope sender: each must be the account's own.
pub(crate) fn check(
    account: &Account,
    reverse_path: &str,
    content: &[u8],
) -> Result<(), RelayDenied> {
    let from = naive_from(content);
    if !from
        .address
        .as_deref()
        .is_some_and(|address| account.owns(address))
    {
        return Err(RelayDenied { echo: from.echo });
    }
    if !account.owns(reverse_path) {
        let echo = if reverse_path.is_empty() {
            "@"
        } else {
            reverse_path
        };
        return Err(RelayDenied {
            echo: echo.to_owned(),
        });
    }
    Ok(())
}

/// The fields of a header block by name, unfolded and trimmed. Lines end with CRLF only.
pub(crate) fn header_values(content: &[u8], name: &str) -> Vec<String> {
    let end = content
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap_or(content.len());
    let end = if content.starts_with(b"\r\n") { 0 } else { end };
    let block = String::from_utf8_lossy(&content[..end]);
    let mut values: Vec<String> = Vec::new();
    let mut within = false;
    for line in block.split("\r\n") {
        if line.starts_with([' ', '\t']) {
            if let (true, Some(value)) = (within, values.last_mut()) {
                value.push_str(line);
            }
            continue;
        }
        let field = line
            .split_once(':')
            .filter(|(found, _)| found.eq_ignore_ascii_case(name));
        within = field.is_some();
        values.extend(field.map(|(_, value)| value.to_owned()));
    }
    values
        .into_iter()
        .map(|value| value.trim().to_owned())
        .collect()
}

fn naive_from(content: &[u8]) -> NaiveFrom {
    let values = header_values(content, "From");
    let value = values.first().map_or("", String::as_str);
    let address = if values.len() == 1 {
        naive_address(value)
    } else {
        None
    };
    let echo = if value.is_empty() { "@" } else { value };
    // The echo stands in one reply line.
    let echo = echo.chars().filter(|c| !c.is_control()).take(400).collect();
    NaiveFrom { address, echo }
}

fn naive_address(value: &str) -> Option<String> {
    let inner = match value.rsplit_once('<') {
        Some((_, rest)) => rest.strip_suffix('>')?,
        None => value,
    };
    let is_plain = inner.contains('@') && !inner.contains(|c: char| " \t,;()<>\"".contains(c));
    is_plain.then(|| inner.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> Account {
        Account::new("billing@example.com", "app-password").alias("invoices@example.com")
    }

    fn judge(header: &str, reverse_path: &str) -> Result<(), RelayDenied> {
        check(
            &account(),
            reverse_path,
            format!("{header}\r\n\r\nbody\r\n").as_bytes(),
        )
    }

    const ALLOWED: [&str; 9] = [
        "From: billing@example.com",
        "From: <billing@example.com>",
        "From: Example Billing <billing@example.com>",
        "From: \"Billing, Example\" <billing@example.com>",
        "from:BILLING@Example.com",
        "Subject: x\r\nFrom: =?utf-8?q?B=C3=B6?= <invoices@example.com>\r\nTo: a@b",
        "From: \"a long name\"\r\n <billing@example.com>",
        "From: \"<root@example.org>\" <billing@example.com>",
        "X-From: root@example.org\r\n From: no@example.org\r\nFrom: billing@example.com",
    ];

    const DENIED: [(&str, &str); 11] = [
        ("From: root@example.org (fcron)", "root@example.org (fcron)"),
        (
            "From: billing@example.com (Billing)",
            "billing@example.com (Billing)",
        ),
        (
            "From: <billing@example.com> (Billing)",
            "<billing@example.com> (Billing)",
        ),
        ("From:", "@"),
        ("Subject: no From at all", "@"),
        ("From: webmaster@localhost", "webmaster@localhost"),
        (
            "From: Visitor <visitor@example.net>",
            "Visitor <visitor@example.net>",
        ),
        (
            "From: billing@example.com, invoices@example.com",
            "billing@example.com, invoices@example.com",
        ),
        ("From: billing+tag@example.com", "billing+tag@example.com"),
        (
            "From: billing@example.com\r\nFrom: billing@example.com",
            "billing@example.com",
        ),
        ("Subject: x\nFrom: billing@example.com", "@"),
    ];

    #[test]
    fn plain_forms_of_an_own_address_are_relayed() {
        for header in ALLOWED {
            assert_eq!(judge(header, "billing@example.com"), Ok(()), "{header}");
        }
    }

    #[test]
    fn comments_lists_and_foreign_senders_are_denied_with_their_echo() {
        for (header, echo) in DENIED {
            let denied = RelayDenied {
                echo: echo.to_owned(),
            };
            assert_eq!(
                judge(header, "billing@example.com"),
                Err(denied),
                "{header}"
            );
        }
    }

    #[test]
    fn a_foreign_envelope_alone_is_denied() {
        for (reverse_path, echo) in [("bounce@example.org", "bounce@example.org"), ("", "@")] {
            let denied = RelayDenied {
                echo: echo.to_owned(),
            };
            assert_eq!(
                judge("From: billing@example.com", reverse_path),
                Err(denied)
            );
        }
    }

    #[test]
    fn a_from_in_the_body_counts_for_nothing() {
        let content = b"Subject: x\r\n\r\nFrom: billing@example.com\r\n";
        let denied = RelayDenied {
            echo: "@".to_owned(),
        };
        assert_eq!(
            check(&account(), "billing@example.com", content),
            Err(denied)
        );
    }
}
