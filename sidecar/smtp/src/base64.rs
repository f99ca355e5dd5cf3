//! Base64 (RFC 4648 section 4), strict: padded, without blanks, no spare bits set.

use crate::wiped::Wiped;

/// Decodes the text, or gives `None` if it is not Base64.
pub(crate) fn decode(text: &[u8]) -> Option<Wiped> {
    if !text.len().is_multiple_of(4) {
        return None;
    }
    let padding = text.iter().rev().take_while(|&&byte| byte == b'=').count();
    let digits = &text[..text.len() - padding];
    if padding > 2 || digits.iter().any(|&byte| value(byte).is_none()) {
        return None;
    }
    // With its final capacity from the start, no copy is left behind by growing.
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let mut is_canonical = true;
    for group in digits.chunks(4) {
        let bits = group
            .iter()
            .filter_map(|&byte| value(byte))
            .fold(0, |bits, v| bits << 6 | v);
        let shifted: u32 = bits << (6 * (4 - group.len()));
        let [_, decoded @ ..] = shifted.to_be_bytes();
        let (used, spare) = decoded.split_at(group.len() - 1);
        bytes.extend_from_slice(used);
        is_canonical &= spare.iter().all(|&byte| byte == 0);
    }
    let bytes = Wiped::new(bytes);
    is_canonical.then_some(bytes)
}

fn value(byte: u8) -> Option<u32> {
    let value = match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decoded(text: &str) -> Option<Vec<u8>> {
        decode(text.as_bytes()).map(|bytes| bytes.to_vec())
    }

    #[test]
    fn the_vectors_of_rfc_4648_decode() {
        for (text, bytes) in [
            ("", ""),
            ("Zg==", "f"),
            ("Zm8=", "fo"),
            ("Zm9v", "foo"),
            ("Zm9vYg==", "foob"),
            ("Zm9vYmE=", "fooba"),
            ("Zm9vYmFy", "foobar"),
        ] {
            assert_eq!(decoded(text).as_deref(), Some(bytes.as_bytes()), "{text}");
        }
        assert_eq!(decoded("+/+/"), Some(vec![0xfb, 0xff, 0xbf]));
    }

    #[test]
    fn what_is_not_strict_base64_is_refused() {
        for text in [
            "Z", "Zg", "Zg=", "Z===", "====", "=", "Zg==Zg==", "Zm9\n", "Zm9 ", "Zm9-", "Zh==",
        ] {
            assert_eq!(decoded(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_lengths_fit(text in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Some(bytes) = decode(&text) {
                prop_assert!(bytes.len() <= text.len() / 4 * 3);
            }
        }
    }
}
