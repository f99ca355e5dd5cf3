//! What the server offers in its reply to EHLO (RFC 5321 section 4.1.1.1).

use lettre::transport::smtp::authentication::Mechanism;
use zohorelay_smtp::reply::Reply;

/// The extensions that we use. Keywords are case-insensitive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Capabilities {
    pub(crate) starttls: bool,
    /// How to log in: PLAIN where it is offered, else LOGIN.
    pub(crate) mechanism: Option<Mechanism>,
    /// Whether MAIL takes SIZE= (RFC 1870).
    pub(crate) size: bool,
    /// The largest mail, where the server names one.
    pub(crate) size_limit_bytes: Option<u64>,
}

impl Capabilities {
    /// Reads the lines after the first, which is the server's name.
    pub(crate) fn parse(reply: &Reply) -> Self {
        let mut offered = Self::default();
        for line in reply.lines().iter().skip(1) {
            let mut words = line.split_ascii_whitespace();
            let keyword = words.next().unwrap_or_default();
            if keyword.eq_ignore_ascii_case("STARTTLS") {
                offered.starttls = true;
            } else if keyword.eq_ignore_ascii_case("SIZE") {
                offered.size = true;
                let limit = words.next().and_then(|word| word.parse().ok());
                offered.size_limit_bytes = limit.filter(|limit| *limit > 0);
            } else if keyword.eq_ignore_ascii_case("AUTH") {
                words.for_each(|word| offered.add_mechanism(word));
            }
        }
        offered
    }

    /// Whether a mail of that size may be offered to the server.
    pub(crate) fn take(self, size_bytes: u64) -> bool {
        self.size_limit_bytes
            .is_none_or(|limit| size_bytes <= limit)
    }

    /// A reply to EHLO that says only this, for a reader that knows upper-case keywords only.
    pub(crate) fn render(self, code: u16) -> String {
        match self.mechanism {
            Some(mechanism) => format!("{code}-server\r\n{code} AUTH {mechanism}\r\n"),
            None => format!("{code} server\r\n"),
        }
    }

    fn add_mechanism(&mut self, word: &str) {
        if word.eq_ignore_ascii_case("PLAIN") {
            self.mechanism = Some(Mechanism::Plain);
        } else if word.eq_ignore_ascii_case("LOGIN") {
            self.mechanism.get_or_insert(Mechanism::Login);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(lines: &[&str]) -> Capabilities {
        Capabilities::parse(&Reply::with_lines(250, None, lines))
    }

    #[test]
    fn keywords_are_read_in_any_case() {
        let offered = parse(&["mx", "auth login plain", "size 53477376", "StartTLS"]);
        assert_eq!(
            offered,
            Capabilities {
                starttls: true,
                mechanism: Some(Mechanism::Plain),
                size: true,
                size_limit_bytes: Some(53_477_376),
            }
        );
    }

    #[test]
    fn plain_is_preferred_and_login_is_known() {
        for (line, mechanism) in [
            ("AUTH PLAIN LOGIN", Some(Mechanism::Plain)),
            ("AUTH LOGIN PLAIN", Some(Mechanism::Plain)),
            ("AUTH LOGIN XOAUTH2", Some(Mechanism::Login)),
            ("AUTH CRAM-MD5", None),
        ] {
            assert_eq!(parse(&["mx", line]).mechanism, mechanism, "{line}");
        }
    }

    #[test]
    fn the_first_line_is_a_name_and_offers_nothing() {
        assert_eq!(parse(&["AUTH PLAIN"]), Capabilities::default());
    }

    #[test]
    fn a_size_of_zero_or_none_is_no_limit() {
        for line in ["SIZE", "SIZE 0", "SIZE x"] {
            let offered = parse(&["mx", line]);
            assert!(offered.size && offered.take(u64::MAX), "{line}");
        }
        assert!(parse(&["mx", "SIZE 10"]).take(10));
        assert!(!parse(&["mx", "SIZE 10"]).take(11));
    }
}
