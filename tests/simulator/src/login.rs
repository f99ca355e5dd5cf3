//! What AUTH carries: base64 of LOGIN's two answers and of PLAIN's one (RFC 4616).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::account::Credentials;

/// A base64 line as text; `None` when it is not base64 or not UTF-8.
pub(crate) fn decode(line: &str) -> Option<String> {
    // RFC 4954: a lone `=` is an empty initial response.
    if line == "=" {
        return Some(String::new());
    }
    String::from_utf8(STANDARD.decode(line.trim_end()).ok()?).ok()
}

/// `authorisation NUL username NUL password`.
pub(crate) fn parse_plain(decoded: &str) -> Option<Credentials> {
    let mut parts = decoded.split('\0').map(str::to_owned);
    let credentials = Credentials {
        authorisation: parts.next()?,
        username: parts.next()?,
        password: parts.next()?,
    };
    parts.next().is_none().then_some(credentials)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_has_exactly_three_parts() {
        let parsed = parse_plain("\0billing@example.com\0app").unwrap();
        assert_eq!(parsed.authorisation, "");
        assert_eq!(parsed.username, "billing@example.com");
        assert_eq!(parsed.password, "app");
        assert!(parse_plain("billing@example.com\0app").is_none());
        assert!(parse_plain("a\0b\0c\0d").is_none());
    }

    #[test]
    fn what_is_not_base64_is_not_decoded() {
        assert_eq!(decode("YXBw").as_deref(), Some("app"));
        assert_eq!(decode("=").as_deref(), Some(""));
        assert_eq!(decode("app!"), None);
    }
}
