//! Amounts of CPU and memory, as Kubernetes writes them.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Why a text is no quantity.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum QuantityError {
    /// It is not a number with a unit.
    #[error(
        "{0:?} is no quantity; write a number and a unit, as in 100m or 0.5 of CPU, 64Mi of memory"
    )]
    Syntax(String),
    /// It is more than can be compared exactly.
    #[error("{0:?} is more than any machine has")]
    TooMuch(String),
}

/// An amount above nothing, compared by value (`1000m` is `1`), written as it was given.
///
/// The grammar is that of `k8s.io/apimachinery/pkg/api/resource.Quantity`, without a sign.
#[derive(Clone, Debug)]
pub struct Quantity {
    text: String,
    /// Billionths, rounded up, as Kubernetes does.
    nanos: i128,
}

const NANOS: i128 = 1_000_000_000;

impl FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let syntax = || QuantityError::Syntax(text.to_owned());
        let number_ends = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        let (number, unit) = text.split_at(number_ends);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
            return Err(syntax());
        }
        // 18 digits on each side of the point are beyond any machine, and keep the product exact.
        if whole.len() > 18 || fraction.len() > 18 {
            return Err(QuantityError::TooMuch(text.to_owned()));
        }
        let scale = i128::pow(10, u32::try_from(fraction.len()).map_err(|_| syntax())?);
        let digits: i128 = format!("{whole}{fraction}").parse().map_err(|_| syntax())?;
        let (times, per) = factor(unit).ok_or_else(syntax)?;
        let nanos = digits
            .checked_mul(times)
            .ok_or_else(|| QuantityError::TooMuch(text.to_owned()))?;
        let divisor = scale * per;
        Ok(Self {
            text: text.to_owned(),
            nanos: (nanos + divisor - 1) / divisor,
        })
    }
}

/// What a unit stands for, in billionths: multiply by the first, divide by the second.
fn factor(unit: &str) -> Option<(i128, i128)> {
    let binary = |power: u32| Some((i128::pow(1024, power) * NANOS, 1));
    let decimal = |power: u32| Some((i128::pow(10, power) * NANOS, 1));
    match unit {
        "n" => Some((1, 1)),
        "u" => Some((1_000, 1)),
        "m" => Some((1_000_000, 1)),
        "" => decimal(0),
        "k" => decimal(3),
        "M" => decimal(6),
        "G" => decimal(9),
        "T" => decimal(12),
        "P" => decimal(15),
        "E" => decimal(18),
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        "Ei" => binary(6),
        _ => {
            let exponent: i32 = unit.strip_prefix(['e', 'E'])?.parse().ok()?;
            let power = i128::checked_pow(10, exponent.unsigned_abs())?;
            match exponent {
                0..=18 => Some((power * NANOS, 1)),
                -18..0 => Some((NANOS, power)),
                _ => None,
            }
        }
    }
}

impl Quantity {
    /// Whether it is nothing: Kubernetes takes a limit of 0 for no limit.
    pub fn is_zero(&self) -> bool {
        self.nanos == 0
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantity(text: &str) -> Quantity {
        text.parse()
            .unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn quantities_of_one_value_are_equal_and_keep_their_spelling() {
        for (a, b) in [
            ("1", "1000m"),
            ("0.5", "500m"),
            (".5", "500m"),
            ("1.", "1"),
            ("1Gi", "1024Mi"),
            ("1.5Ki", "1536"),
            ("1k", "1e3"),
            ("1E", "1000P"),
            ("1e-3", "1m"),
            ("0.1n", "1n"),
            ("1000000u", "1"),
        ] {
            assert_eq!(quantity(a), quantity(b), "{a} and {b}");
            assert_eq!(quantity(a).to_string(), a);
        }
    }

    #[test]
    fn quantities_are_ordered_by_value() {
        for (less, more) in [("999m", "1"), ("1G", "1Gi"), ("64Mi", "0.1Gi"), ("9", "10")] {
            assert!(quantity(less) < quantity(more), "{less} < {more}");
        }
    }

    #[test]
    fn what_kubernetes_would_refuse_is_refused() {
        for bad in [
            "", ".", "Mi", "-1", "+1", "1 Mi", "1mi", "1KB", "1MB", "1.2.3", "1e", "1e99", "1e-99",
            "0x10", "1Mi ", "٣",
        ] {
            assert!(bad.parse::<Quantity>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_number_of_any_length_does_not_overflow() {
        for text in [
            "9".repeat(18),
            format!("{}Ei", "9".repeat(18)),
            format!("0.{}", "9".repeat(18)),
            "9".repeat(19),
            "9".repeat(100_000),
            format!("{}e18", "9".repeat(18)),
        ] {
            let _ = text.parse::<Quantity>();
        }
    }

    #[test]
    fn nothing_is_zero_in_every_unit() {
        assert!(quantity("0").is_zero());
        assert!(quantity("0.0Mi").is_zero());
        assert!(!quantity("1n").is_zero());
    }
}
