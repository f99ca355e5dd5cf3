//! Command lines and the paths of MAIL and RCPT (RFC 5321 4.1.1).

/// A verb in upper case, and the rest of the line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Command<'a> {
    pub(crate) verb: String,
    pub(crate) arguments: &'a str,
}

impl<'a> Command<'a> {
    pub(crate) fn parse(line: &'a str) -> Self {
        let (verb, arguments) = line.split_once(' ').unwrap_or((line, ""));
        Self {
            verb: verb.to_ascii_uppercase(),
            arguments: arguments.trim(),
        }
    }
}

/// The argument of MAIL or RCPT.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Path {
    /// Without the angle brackets.
    pub(crate) address: String,
    pub(crate) parameters: Vec<String>,
}

impl Path {
    /// `FROM:<a@b> SIZE=1`; `prefix` is `FROM:` or `TO:`. No blank may stand before the `<`.
    pub(crate) fn parse(arguments: &str, prefix: &str) -> Option<Self> {
        let (found, rest) = arguments.split_at_checked(prefix.len())?;
        let rest = rest
            .strip_prefix('<')
            .filter(|_| found.eq_ignore_ascii_case(prefix))?;
        let end = closing_bracket(rest)?;
        let (address, parameters) = (&rest[..end], &rest[end + 1..]);
        let well_formed = rest.is_ascii() && (parameters.is_empty() || parameters.starts_with(' '));
        well_formed.then(|| Self {
            address: address.to_owned(),
            parameters: parameters
                .split_ascii_whitespace()
                .map(str::to_owned)
                .collect(),
        })
    }

    /// `local@domain` with both parts there.
    pub(crate) fn is_mailbox(&self) -> bool {
        let parts = self.address.rsplit_once('@');
        parts.is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty())
    }
}

/// Where the `>` stands that is not inside a quoted local part.
fn closing_bracket(text: &str) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    for (index, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '>' if !quoted => return Some(index),
            ' ' if !quoted => return None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_with_their_parameters() {
        let rows = [
            ("FROM:<a@b> SIZE=550", Some(("a@b", vec!["SIZE=550"]))),
            ("from:<>", Some(("", vec![]))),
            (
                "FROM:<\"a> b\"@c> SIZE=1 BODY=7BIT",
                Some(("\"a> b\"@c", vec!["SIZE=1", "BODY=7BIT"])),
            ),
            ("FROM: <a@b>", None),
            ("FROM:a@b", None),
            ("FROM:<a@b", None),
            ("FROM:<a b>", None),
            ("FROM:<a@b>SIZE=1", None),
            ("FROM:<ä@b>", None),
            ("TO:<a@b>", None),
            ("", None),
        ];
        for (line, expected) in rows {
            let found = Path::parse(line, "FROM:");
            let expected = expected.map(|(address, parameters)| Path {
                address: address.to_owned(),
                parameters: parameters.into_iter().map(str::to_owned).collect(),
            });
            assert_eq!(found, expected, "{line}");
        }
    }
}
