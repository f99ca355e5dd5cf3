//! A number of bytes, as people write it: `40Mi`, `512Ki`, or a plain number.

use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

/// A size in bytes, 1Ki to 51Mi. In YAML an integer or a string with `Ki` or `Mi`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(u64);

/// Why a size cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SizeError {
    /// It is not a number with a unit.
    #[error("write a size as in 40Mi, 512Ki or 1048576")]
    Syntax,
    /// It is below 1Ki or above 51Mi.
    #[error("a size is 1Ki to 51Mi")]
    Range,
}

impl Size {
    const RANGE: std::ops::RangeInclusive<u64> = 1024..=51 * 1024 * 1024;

    /// A size of so many bytes.
    pub fn from_bytes(bytes: u64) -> Result<Self, SizeError> {
        if Self::RANGE.contains(&bytes) {
            Ok(Self(bytes))
        } else {
            Err(SizeError::Range)
        }
    }

    /// The bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for Size {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (digits, unit) = match text.strip_suffix("Ki") {
            Some(digits) => (digits, 1024),
            None => text
                .strip_suffix("Mi")
                .map_or((text, 1), |digits| (digits, 1024 * 1024)),
        };
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if !plain || digits.starts_with('0') || digits.len() > 9 {
            return Err(SizeError::Syntax);
        }
        let count: u64 = digits.parse().map_err(|_| SizeError::Syntax)?;
        Self::from_bytes(count * unit)
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        if self.0.is_multiple_of(1024 * 1024) {
            output.collect_str(&format_args!("{}Mi", self.0 / (1024 * 1024)))
        } else if self.0.is_multiple_of(1024) {
            output.collect_str(&format_args!("{}Ki", self.0 / 1024))
        } else {
            output.serialize_u64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum IntOrString {
            Int(u64),
            String(String),
        }
        match IntOrString::deserialize(input)? {
            IntOrString::Int(bytes) => Self::from_bytes(bytes),
            IntOrString::String(text) => text.parse(),
        }
        .map_err(de::Error::custom)
    }
}

impl JsonSchema for Size {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Size".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"x-kubernetes-int-or-string": true, "maxLength": 11})
    }
}
