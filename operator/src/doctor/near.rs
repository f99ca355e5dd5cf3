//! Did you mean …? PURE.

/// The name that is most like `wanted`, if one is near enough to be what was meant.
pub(super) fn nearest<'a>(
    wanted: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let bound = (wanted.chars().count() / 3).max(1);
    let measured = names.into_iter().map(|name| (distance(wanted, name), name));
    let (_, name) = measured.filter(|(d, _)| *d <= bound).min()?;
    Some(name)
}

/// How many letters must be changed, added, taken away or swapped with the next one.
fn distance(one: &str, other: &str) -> usize {
    let one: Vec<char> = one.chars().collect();
    let other: Vec<char> = other.chars().collect();
    let width = other.len() + 1;
    let mut table = vec![0; (one.len() + 1) * width];
    for i in 0..=one.len() {
        for j in 0..=other.len() {
            let at = |row: usize, column: usize| table[row * width + column];
            table[i * width + j] = match (i, j) {
                (0, _) => j,
                (_, 0) => i,
                _ => {
                    let differs = usize::from(one[i - 1] != other[j - 1]);
                    let changed = at(i - 1, j - 1) + differs;
                    let least = (at(i - 1, j) + 1).min(at(i, j - 1) + 1).min(changed);
                    let swapped =
                        i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1];
                    if swapped {
                        least.min(at(i - 2, j - 2) + 1)
                    } else {
                        least
                    }
                }
            };
        }
    }
    table[one.len() * width + other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_the_name_and_another_word_does_not() {
        let names = ["billing", "alerts", "reports"];
        for wanted in ["biling", "billling", "bililng", "Billing", "billin"] {
            assert_eq!(nearest(wanted, names), Some("billing"), "{wanted}");
        }
        assert_eq!(nearest("alert", names), Some("alerts"));
        for wanted in ["shop", "", "invoices"] {
            assert_eq!(nearest(wanted, names), None, "{wanted}");
        }
    }
}
