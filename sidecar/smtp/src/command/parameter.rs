//! The parameters of `MAIL` and `RCPT` (RFC 5321 section 4.1.1.11).

/// Why parameters are not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ParameterError {
    #[error("a parameter is not keyword or keyword=value")]
    Form,
    #[error("a parameter is there twice")]
    Duplicate,
    #[error("SIZE is not a number of bytes")]
    Size,
    #[error("a parameter is not offered")]
    NotOffered,
}

/// The parameters of `MAIL` that have a meaning.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct MailParameters {
    /// `SIZE=` in bytes (RFC 1870).
    pub(crate) size_bytes: Option<u64>,
    /// Whether there is an `AUTH=` (RFC 4954 section 5), whose value has no use here.
    pub(crate) has_auth: bool,
    has_body: bool,
}

/// Parses the parameters of `MAIL`.
///
/// `BODY=7BIT` and `BODY=8BITMIME` are taken although they are not offered: libraries send them
/// unasked, and content passes unchanged anyway.
pub(crate) fn parse_mail_parameters(text: &str) -> Result<MailParameters, ParameterError> {
    let mut parameters = MailParameters::default();
    for parameter in split(text) {
        let (keyword, value) = parameter?;
        let is_duplicate = match (keyword.to_ascii_uppercase().as_str(), value) {
            ("SIZE", value) => parameters.size_bytes.replace(parse_size(value)?).is_some(),
            ("BODY", Some(body)) if is_body(body) => {
                std::mem::replace(&mut parameters.has_body, true)
            }
            ("AUTH", Some(_)) => std::mem::replace(&mut parameters.has_auth, true),
            _ => return Err(ParameterError::NotOffered),
        };
        if is_duplicate {
            return Err(ParameterError::Duplicate);
        }
    }
    Ok(parameters)
}

/// `RCPT` has no parameter that we offer.
pub(crate) fn parse_rcpt_parameters(text: &str) -> Result<(), ParameterError> {
    match split(text).next() {
        None => Ok(()),
        Some(Ok(_)) => Err(ParameterError::NotOffered),
        Some(Err(error)) => Err(error),
    }
}

type Parameter<'a> = (&'a str, Option<&'a str>);

fn split(text: &str) -> impl Iterator<Item = Result<Parameter<'_>, ParameterError>> {
    text.split(' ')
        .filter(|parameter| !parameter.is_empty())
        .map(|parameter| {
            let (keyword, value) = match parameter.split_once('=') {
                None => (parameter, None),
                Some((keyword, value)) => (keyword, Some(value)),
            };
            let is_good = is_keyword(keyword) && value.is_none_or(is_value);
            if is_good {
                Ok((keyword, value))
            } else {
                Err(ParameterError::Form)
            }
        })
}

/// `esmtp-keyword`.
fn is_keyword(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// `esmtp-value`, with the `=` that it may not have and Base64 brings along.
fn is_value(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_body(value: &str) -> bool {
    value.eq_ignore_ascii_case("8BITMIME") || value.eq_ignore_ascii_case("7BIT")
}

/// `size-value`: 1 to 20 digits (RFC 1870 section 8).
fn parse_size(value: Option<&str>) -> Result<u64, ParameterError> {
    value
        .filter(|text| text.len() <= 20 && text.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|text| text.parse().ok())
        .ok_or(ParameterError::Size)
}
