//! What a browser sends of a form.

/// The value of a field in the query of an address (`application/x-www-form-urlencoded`); empty where
/// it is not there. Bytes that are no UTF-8 are replaced.
pub fn field(query: &str, name: &str) -> String {
    let mut fields = query.split('&').filter_map(|field| field.split_once('='));
    let found = fields.find(|(known, _)| *known == name);
    found.map_or_else(String::new, |(_, value)| decode(value))
}

fn decode(value: &str) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let [first, tail @ ..] = rest {
        let (byte, tail) = match (first, tail) {
            (b'%', [high, low, tail @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => (high * 16 + low, tail),
                _ => (b'%', &rest[1..]),
            },
            (b'+', tail) => (b' ', tail),
            (other, tail) => (*other, tail),
        };
        bytes.push(byte);
        rest = tail;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn digit(character: u8) -> Option<u8> {
    let digit = char::from(character).to_digit(16)?;
    u8::try_from(digit).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_what_was_typed_and_what_is_no_escape_stays() {
        assert_eq!(field("q=shop+billing&x=1", "q"), "shop billing");
        assert_eq!(field("x=1&q=a%2Bb%26%C3%A4", "q"), "a+b&\u{e4}");
        assert_eq!(field("q=100%&r", "q"), "100%");
        assert_eq!(field("q=%zz%4", "q"), "%zz%4");
        assert_eq!(field("q=%ff", "q"), "\u{fffd}");
        assert_eq!(field("", "q"), "");
        assert_eq!(field("q", "q"), "");
    }
}
