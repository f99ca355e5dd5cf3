use proptest::prelude::*;

use super::*;

fn encoded(reply: &Reply) -> String {
    let mut out = Vec::new();
    reply.encode(&mut out);
    String::from_utf8(out).unwrap()
}

fn decoded(input: &[u8]) -> Result<Option<(Reply, usize)>, ReplyError> {
    ReplyDecoder::new().decode(input)
}

/// What comes out when the bytes arrive one by one.
fn decoded_bytewise(input: &[u8]) -> Result<Option<(Reply, usize)>, ReplyError> {
    let mut decoder = ReplyDecoder::new();
    for end in 0..=input.len() {
        match decoder.decode(&input[..end]) {
            Ok(None) => {}
            done => return done,
        }
    }
    Ok(None)
}

#[test]
fn each_line_carries_both_codes() {
    let reply = Reply::with_lines(553, Some(EnhancedCode(5, 7, 1)), ["first", "second"]);
    assert_eq!(encoded(&reply), "553-5.7.1 first\r\n553 5.7.1 second\r\n");
    assert_eq!(reply.text(), "first second");
    assert!(reply.is_permanent() && !reply.is_transient() && !reply.is_positive());
}

#[test]
fn u20_text_cannot_add_a_line_or_a_control_character() {
    let reply = Reply::new(550, None, "no\r\n250 ok\u{1b}[31m\0\u{9b}x\u{2028}y\x7f");
    assert_eq!(encoded(&reply), "550 no 250 ok [31m x y\r\n");
    let (read, _) = decoded(b"550 \x1b]0;title\x07 \xff no\r\n")
        .unwrap()
        .unwrap();
    assert_eq!(encoded(&read), "550 ]0;title  \u{fffd} no\r\n");
}

#[test]
fn u20_long_text_becomes_several_lines_of_one_reply() {
    let words = "word ".repeat(1_000);
    for text in [words.as_str(), &"x".repeat(5_000), &"ü".repeat(2_500)] {
        let reply = Reply::new(550, Some(EnhancedCode(5, 1, 1)), text);
        let wire = encoded(&reply);
        let lines: Vec<&str> = wire.split_terminator("\r\n").collect();
        assert!(lines.len() > 9);
        assert!(lines.iter().all(|line| line.len() <= LINE_LIMIT_BYTES));
        let (last, others) = lines.split_last().unwrap();
        assert!(others.iter().all(|line| line.starts_with("550-5.1.1 ")));
        assert!(last.starts_with("550 5.1.1 "));
        assert_eq!(reply.text().replace(' ', ""), text.replace(' ', ""));
    }
}

#[test]
fn an_enhanced_code_of_another_class_is_dropped() {
    assert_eq!(
        Reply::new(250, Some(EnhancedCode(5, 7, 1)), "ok").enhanced(),
        None
    );
    assert_eq!(
        Reply::new(354, Some(EnhancedCode(2, 0, 0)), "go").enhanced(),
        None
    );
    let (reply, _) = decoded(b"250 5.7.1 ok\r\n").unwrap().unwrap();
    assert_eq!(
        (reply.enhanced(), reply.text().as_str()),
        (None, "5.7.1 ok")
    );
}

#[test]
fn enhanced_codes_have_three_short_numbers() {
    assert_eq!(EnhancedCode::parse("4.7.12"), Some(EnhancedCode(4, 7, 12)));
    for text in [
        "", "5", "5.1", "5.1.1.1", "3.0.0", "5.1000.1", "5.01.1", "5.+1.1", "5..1", "x",
    ] {
        assert_eq!(EnhancedCode::parse(text), None, "{text}");
    }
}

#[test]
fn a_reply_ends_with_its_last_line_and_leaves_the_rest() {
    let input = b"250-mx.zohomail.com Hello\r\n250-AUTH LOGIN PLAIN\r\n250 SIZE 53477376\r\n220 x";
    let (reply, length) = decoded(input).unwrap().unwrap();
    assert_eq!(
        reply.lines(),
        ["mx.zohomail.com Hello", "AUTH LOGIN PLAIN", "SIZE 53477376"]
    );
    assert_eq!(&input[length..], b"220 x");
}

#[test]
fn u11_replies_without_text_and_foreign_bytes_are_legal() {
    for (input, lines) in [
        (&b"250\r\n"[..], vec![""]),
        (b"250 \r\n", vec![""]),
        (b"250-\r\n250\r\n", vec!["", ""]),
        (b"550 \xe9t\xe9\r\n", vec!["\u{fffd}t\u{fffd}"]),
    ] {
        let (reply, length) = decoded(input).unwrap().unwrap();
        assert_eq!(reply.lines(), lines);
        assert_eq!(length, input.len());
    }
    let (reply, _) = decoded(b"550 5.1.1\r\n").unwrap().unwrap();
    assert_eq!(
        (reply.enhanced(), reply.text()),
        (Some(EnhancedCode(5, 1, 1)), String::new())
    );
}

#[test]
fn u11_malformed_replies_are_errors_however_they_arrive() {
    for (input, error) in [
        (&b"250-a\r\n550 b\r\n"[..], ReplyError::MixedCodes),
        (b"25\r\n", ReplyError::NoCode),
        (b"2500 x\r\n", ReplyError::NoCode),
        (b"250x\r\n", ReplyError::NoCode),
        (b"\r\n", ReplyError::NoCode),
        (b"150 x\r\n", ReplyError::NoCode),
        (b"650 x\r\n", ReplyError::NoCode),
        (b"250-a\r\n\r\n", ReplyError::NoCode),
        (b"250-a\r\nb\r\n", ReplyError::NoCode),
        (b"\x15\x03\x01\x00\x02\x02\x28", ReplyError::NoCode),
        (b"HTTP/1.1 400 Bad Request", ReplyError::NoCode),
        (b"250 a\0b\r\n", ReplyError::Nul),
        (b"250 a\rb\r\n", ReplyError::BareCr),
        (b"250\r\r\n", ReplyError::BareCr),
        (b"250 a\n", ReplyError::BareLf),
        (b"250\n", ReplyError::BareLf),
    ] {
        assert_eq!(decoded(input), Err(error), "{input:?}");
        assert_eq!(decoded_bytewise(input), Err(error), "{input:?}");
    }
}

#[test]
fn u10_an_endless_reply_ends_at_the_limit() {
    let lines = b"250-a\r\n".repeat(20_000);
    let line = [&b"250 "[..], &vec![b'x'; 10_000_000]].concat();
    for input in [&lines, &line] {
        assert_eq!(decoded(input), Err(ReplyError::TooLong));
        assert_eq!(decoded(&input[..REPLY_LIMIT_BYTES - 1]), Ok(None));
        let mut decoder = ReplyDecoder::new();
        assert_eq!(decoder.decode(&input[..REPLY_LIMIT_BYTES - 1]), Ok(None));
        assert_eq!(
            decoder.decode(&input[..REPLY_LIMIT_BYTES]),
            Err(ReplyError::TooLong)
        );
    }
    let whole = [&b"250 "[..], &vec![b'x'; REPLY_LIMIT_BYTES - 6], b"\r\n"].concat();
    assert_eq!(decoded(&whole).unwrap().unwrap().1, REPLY_LIMIT_BYTES);
}

#[test]
fn u12_nothing_is_carried_to_the_next_reply() {
    let mut decoder = ReplyDecoder::new();
    let input = b"550-5.1.1 x\r\n550 5.1.1 y\r\n451 \r\n";
    let (first, length) = decoder.decode(input).unwrap().unwrap();
    assert_eq!(
        (first.enhanced(), first.text().as_str()),
        (Some(EnhancedCode(5, 1, 1)), "x y")
    );
    let (second, _) = decoder.decode(&input[length..]).unwrap().unwrap();
    assert_eq!(second, Reply::new(451, None, ""));
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_itself(
        code in 0_u16..700,
        enhanced in proptest::option::of((0_u8..7, 0_u16..1_100, 0_u16..1_100)),
        texts in proptest::collection::vec("\\PC{0,40}|[245.0 \r\n\\x1b]{0,9}|(word ü){90,200}", 0..4),
        after in proptest::collection::vec(any::<u8>(), 0..9),
    ) {
        let enhanced = enhanced.map(|(class, subject, detail)| EnhancedCode(class, subject, detail));
        let reply = Reply::with_lines(code, enhanced, &texts);
        let mut wire = Vec::new();
        reply.encode(&mut wire);
        let length = wire.len();
        prop_assert_eq!(wire.split(|&byte| byte == b'\n').count(), reply.lines().len() + 1);
        prop_assert!(wire.split(|&byte| byte == b'\n').all(|line| line.len() <= 511));
        wire.extend_from_slice(&after);
        prop_assert_eq!(decoded(&wire), Ok(Some((reply.clone(), length))));
        prop_assert_eq!(decoded_bytewise(&wire), Ok(Some((reply, length))));
    }

    #[test]
    fn any_bytes_give_the_same_result_however_they_arrive(
        input in "([2-5][0-9]{0,3}[ x-]?[a\r\n\\x00]{0,3}(\r\n)?){0,4}",
    ) {
        prop_assert_eq!(decoded(input.as_bytes()), decoded_bytewise(input.as_bytes()));
    }

    #[test]
    fn no_bytes_panic(input in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = decoded(&input);
    }
}
