//! A secret that is wiped from memory when dropped and never printed.

use std::fmt;

use serde::de::{Deserializer, Error, Visitor};
use zeroize::{Zeroize, Zeroizing};

/// The password of a login. `Debug` and `Display` print `[redacted]`; there is no `Serialize`, so
/// that only [`Document::to_json`](crate::Document::to_json) can render it.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Zeroizing<Box<str>>);

impl Password {
    /// Takes a secret over. The string's own memory is wiped.
    pub fn new(mut secret: String) -> Self {
        // A boxed copy has no spare capacity; shrinking in place could leave the old block behind.
        let boxed = Box::from(secret.as_str());
        secret.zeroize();
        Self(Zeroizing::new(boxed))
    }

    /// The secret itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl fmt::Display for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Reads a password without an intermediate `String` of growing capacity.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Password, D::Error> {
    input.deserialize_str(SecretVisitor)
}

struct SecretVisitor;

impl Visitor<'_> for SecretVisitor {
    type Value = Password;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, secret: &str) -> Result<Password, E> {
        Ok(Password(Zeroizing::new(Box::from(secret))))
    }

    fn visit_string<E: Error>(self, secret: String) -> Result<Password, E> {
        Ok(Password::new(secret))
    }
}

#[cfg(test)]
mod tests {
    use super::Password;

    #[test]
    fn no_format_prints_the_secret() {
        let password = Password::new("hunter2".to_owned());
        assert_eq!(
            format!("{password} {password:?} {password:#?}"),
            "[redacted] ".repeat(3).trim()
        );
        assert_eq!(password.expose(), "hunter2");
    }
}
