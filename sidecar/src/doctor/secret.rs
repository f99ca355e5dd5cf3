//! Taking out what nobody may read: passwords in any form, and most of a mail address.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;
use zohorelay_config::Document;

/// Shorter ones would take half of a text with them.
const SECRET_BYTES_MIN: usize = 4;

const HIDDEN: &str = "(hidden)";

/// The passwords of all documents that were read, in each form in which one may be written down.
#[derive(Default)]
pub(crate) struct Secrets(Vec<Zeroizing<String>>);

impl Secrets {
    /// Those of one more document.
    pub(crate) fn add(&mut self, document: &Document) {
        let (username, password) = (&document.login.username, document.login.password.expose());
        if password.len() < SECRET_BYTES_MIN {
            return;
        }
        let plain = Zeroizing::new(format!("\0{username}\0{password}"));
        let both = Zeroizing::new(format!("{username}:{password}"));
        self.0.push(Zeroizing::new(password.to_owned()));
        self.0.push(Zeroizing::new(password.trim().to_owned()));
        for form in [password, plain.as_str(), both.as_str()] {
            for engine in [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
                self.0.push(Zeroizing::new(engine.encode(form)));
            }
        }
        // The longest first, so that no form leaves its padding behind.
        self.0.sort_by_key(|form| std::cmp::Reverse(form.len()));
    }

    /// The text without them.
    pub(crate) fn hide(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, form| {
            if text.contains(form.as_str()) {
                text.replace(form.as_str(), HIDDEN)
            } else {
                text
            }
        })
    }
}

/// A text with its mail addresses shortened so that whoever knows one recognises it:
/// `billing@example.com` is `b…g@example.com`.
pub(crate) fn mask_addresses(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('@') {
        let start = rest[..at]
            .char_indices()
            .rev()
            .take_while(|(_, c)| is_of_local_part(*c))
            .last()
            .map_or(at, |(index, _)| index);
        masked.push_str(&rest[..start]);
        masked.push_str(&mask_name(&rest[start..at]));
        masked.push('@');
        rest = &rest[at + 1..];
    }
    masked.push_str(rest);
    masked
}

/// First and last character of a name.
pub(crate) fn mask_name(name: &str) -> String {
    let mut chars = name.chars();
    match (chars.next(), chars.next_back()) {
        (Some(first), Some(last)) if name.chars().count() > 3 => format!("{first}…{last}"),
        (Some(first), _) => format!("{first}…"),
        (None, _) => String::new(),
    }
}

fn is_of_local_part(c: char) -> bool {
    c.is_alphanumeric() || "!#$%&*+-/=?^_`{|}~.".contains(c)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fixtures;

    #[test]
    fn a_password_is_hidden_in_each_form_in_which_it_may_be_written() {
        let password = "canary+Pass/word~1";
        let login = json!({"login": {"username": "billing@example.com", "password": password}});
        let mut secrets = Secrets::default();
        secrets.add(&fixtures::document("billing", &login));
        let plain = STANDARD.encode(format!("\0billing@example.com\0{password}"));
        let basic = STANDARD.encode(format!("billing@example.com:{password}"));
        for form in [password, &STANDARD.encode(password), &plain, &basic] {
            let text = secrets.hide(&format!("535 no {form}."));
            assert_eq!(text, "535 no (hidden).");
        }
        assert_eq!(secrets.hide("pass"), "pass");
    }

    #[test]
    fn an_address_is_still_to_be_recognised() {
        for (text, masked) in [
            ("billing@example.com", "b…g@example.com"),
            ("from <bo@x.example>, ann@x", "from <b…@x.example>, a…@x"),
            ("\"jörg.müller+x@example.com\"", "\"j…x@example.com\""),
            ("no address", "no address"),
            ("@", "@"),
        ] {
            assert_eq!(mask_addresses(text), masked);
        }
    }
}
