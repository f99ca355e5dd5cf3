use proptest::prelude::*;

use super::*;

#[test]
fn addresses_are_kept_byte_for_byte() {
    for (text, local, domain) in [
        ("billing@example.com", "billing", "example.com"),
        ("A.b+c=d/e@Example.COM", "A.b+c=d/e", "Example.COM"),
        (
            "\"john smith\"@example.com",
            "\"john smith\"",
            "example.com",
        ),
        (
            "\"a\\\"b@c\\\\\"@example.com",
            "\"a\\\"b@c\\\\\"",
            "example.com",
        ),
        ("\";sleep 66;\"@x", "\";sleep 66;\"", "x"),
        ("a@[IPv6:::1]", "a", "[IPv6:::1]"),
        ("a@[127.0.0.1]", "a", "[127.0.0.1]"),
        ("root@localhost", "root", "localhost"),
        ("a@under_score.example", "a", "under_score.example"),
        ("a@1.2", "a", "1.2"),
    ] {
        let address = Address::parse(text).expect(text);
        assert_eq!(address.as_str(), text);
        assert_eq!((address.local(), address.domain()), (local, domain));
        assert_eq!(address.to_string(), text);
    }
}

#[test]
fn s10_abuse_is_refused_with_the_reason() {
    for (text, error) in [
        ("", AddressError::NoDomain),
        ("postmaster", AddressError::NoDomain),
        ("\"a\"", AddressError::NoDomain),
        ("\"a\"b@x", AddressError::NoDomain),
        ("@example.com", AddressError::LocalPart),
        (";sleep 66;@x", AddressError::LocalPart),
        ("a b@x", AddressError::LocalPart),
        ("a..b@x", AddressError::LocalPart),
        (".a@x", AddressError::LocalPart),
        ("a.@x", AddressError::LocalPart),
        ("(comment)a@x", AddressError::LocalPart),
        ("\"a\r\nRCPT TO:<b>\"@x", AddressError::LocalPart),
        ("\"a\\\r\"@x", AddressError::LocalPart),
        ("\"unfinished@x", AddressError::LocalPart),
        ("\"a\\", AddressError::LocalPart),
        ("a@", AddressError::Domain),
        ("a@b@c", AddressError::Domain),
        ("a@x..y", AddressError::Domain),
        ("a@x.", AddressError::Domain),
        ("a@-x", AddressError::Domain),
        ("a@x-.y", AddressError::Domain),
        ("a@x y", AddressError::Domain),
        ("a@x\r\n", AddressError::Domain),
        ("a@x>", AddressError::Domain),
        ("a@x(comment)", AddressError::Domain),
        ("a@[]", AddressError::Domain),
        ("a@[127.0.0.1", AddressError::Domain),
        ("a@[::1]", AddressError::Domain),
        ("a@[IPv6:127.0.0.1]", AddressError::Domain),
        ("a@[tag:content]", AddressError::Domain),
        ("jürgen@example.com", AddressError::NonAscii),
        ("a@exämple.com", AddressError::NonAscii),
    ] {
        assert_eq!(Address::parse(text), Err(error), "{text:?}");
    }
}

#[test]
fn s10_lengths_are_limited_to_the_byte() {
    let local = "l".repeat(64);
    let domain = |bytes: usize| {
        let labels = "d".repeat(63) + "." + &"e".repeat(63) + "." + &"f".repeat(63);
        labels[..bytes].to_owned()
    };
    assert!(Address::parse(&format!("{local}@{}", domain(189))).is_ok());
    assert_eq!(
        Address::parse(&format!("{local}@{}", domain(190))),
        Err(AddressError::TooLong)
    );
    assert_eq!(
        Address::parse(&format!("l{local}@x")),
        Err(AddressError::LocalPartTooLong)
    );
    assert_eq!(
        Address::parse(&format!("a@{}", "d".repeat(64))),
        Err(AddressError::Domain)
    );
    assert_eq!(
        Address::parse(&("a".repeat(65_536) + "@x")),
        Err(AddressError::TooLong)
    );
    assert_eq!(
        Address::parse(&"(".repeat(10_000)),
        Err(AddressError::TooLong)
    );
}

#[test]
fn case_is_ignored_for_the_mailbox_and_kept_for_equality() {
    let lower = Address::parse("info@example.com").unwrap();
    let upper = Address::parse("Info@EXAMPLE.com").unwrap();
    assert!(lower.same_mailbox(&upper));
    assert_ne!(lower, upper);
    assert!(!lower.same_mailbox(&Address::parse("info+tag@example.com").unwrap()));
}

#[test]
fn paths_without_an_address_have_a_text() {
    assert_eq!(ReversePath::Null.as_str(), "");
    assert_eq!(ForwardPath::Postmaster.to_string(), "postmaster");
}

proptest! {
    #[test]
    fn what_parses_is_ascii_without_controls_and_parses_again(text in "\\PC{0,30}|[a\"\\\\@.<> \r\n\0-]{0,20}") {
        if let Ok(address) = Address::parse(&text) {
            prop_assert_eq!(address.as_str(), &text);
            prop_assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
            prop_assert_eq!(format!("{}@{}", address.local(), address.domain()), text.clone());
            prop_assert_eq!(text.parse::<Address>(), Ok(address));
        }
    }

    #[test]
    fn ordinary_addresses_parse(text in "[a-z0-9+_-]{1,20}(\\.[a-z0-9]{1,9}){0,3}@[a-z0-9]{1,20}(\\.[a-z]{1,9}){0,3}") {
        prop_assert_eq!(Address::parse(&text).map(|address| address.to_string()), Ok(text));
    }
}
