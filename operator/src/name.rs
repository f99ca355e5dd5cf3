//! Names as Kubernetes takes them.

/// Whether it is a label of RFC 1123 in lower case: the name of a namespace and of an identity, safe
/// as a folder and as a part of a longer name.
pub fn is_dns_label(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&name.len())
        && name.bytes().all(inner)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::is_dns_label;

    #[test]
    fn a_name_of_kubernetes_is_told_from_a_path_and_from_other_text() {
        for name in ["a", "0", "shop", "a-b", &"x".repeat(63)] {
            assert!(is_dns_label(name), "{name}");
        }
        let long = "x".repeat(64);
        for text in ["", "-a", "a-", "A", "a.b", "a/b", "..", "é", "a b", &long] {
            assert!(!is_dns_label(text), "{text}");
        }
    }
}
