//! What arrived against what was sent: byte for byte, but for the header fields that the sidecar
//! puts on top and the ones that it takes away.

/// The first words of the sidecar's `Received`.
pub(crate) const RECEIVED: &[u8] = b"Received: from localhost by zohorelay with ESMTP id ";

/// The fields that are added where they are missing.
const ADDED: [&str; 3] = ["Message-ID", "Date", "From"];

/// The fields that never go out.
const REMOVED: [&str; 2] = ["Bcc", "Resent-Bcc"];

/// Asserts that `arrived` is `sent` with our header.
pub(crate) fn assert_is_sent(arrived: &[u8], sent: &[u8], what: &str) {
    let (kept, present) = without_removed(sent);
    let split = arrived
        .len()
        .checked_sub(kept.len())
        .filter(|&at| arrived[at..] == kept);
    let Some(split) = split else {
        panic!(
            "{what}: {} bytes sent, {} arrived; sent:\n{}\narrived:\n{}",
            sent.len(),
            arrived.len(),
            excerpt(&kept),
            excerpt(arrived)
        );
    };
    assert_is_our_header(&arrived[..split], &present, what);
}

/// `sent` without the fields that are removed, and the names of those that stay.
fn without_removed(sent: &[u8]) -> (Vec<u8>, Vec<String>) {
    let (fields, rest) = fields(sent);
    let (mut kept, mut names) = (Vec::new(), Vec::new());
    for (name, raw) in fields {
        if !REMOVED.iter().any(|gone| name.eq_ignore_ascii_case(gone)) {
            kept.extend_from_slice(raw);
            names.push(name);
        }
    }
    kept.extend_from_slice(rest);
    (kept, names)
}

fn assert_is_our_header(header: &[u8], present: &[String], what: &str) {
    let text = String::from_utf8_lossy(header);
    assert!(header.starts_with(RECEIVED), "{what}: {text}");
    let (fields, rest) = fields(header);
    // A mail without any byte has no blank line of its own.
    assert!(rest.is_empty() || rest == b"\r\n", "{what}: {text}");
    let has = |names: &[String], name: &str| names.iter().any(|n| n.eq_ignore_ascii_case(name));
    let mut names: Vec<String> = fields.into_iter().skip(1).map(|(name, _)| name).collect();
    for name in ADDED {
        assert_eq!(
            has(&names, name),
            !has(present, name),
            "{what}: {name}: {text}"
        );
        names.retain(|other| !other.eq_ignore_ascii_case(name));
    }
    assert!(names.is_empty(), "{what}: {text}");
}

/// The fields of a header with their names, each folded as it came, and what follows them.
fn fields(content: &[u8]) -> (Vec<(String, &[u8])>, &[u8]) {
    let (mut fields, mut rest): (Vec<(String, &[u8])>, _) = (Vec::new(), content);
    loop {
        let mut end = 0;
        while let Some(crlf) = rest[end..].windows(2).position(|two| two == b"\r\n") {
            end += crlf + 2;
            if !matches!(rest.get(end), Some(b' ' | b'\t')) {
                break;
            }
        }
        let (raw, after) = rest.split_at(end);
        let Some(colon) = raw.iter().position(|&byte| byte == b':') else {
            return (fields, rest);
        };
        let name = String::from_utf8_lossy(&raw[..colon]).trim_end().to_owned();
        fields.push((name, raw));
        rest = after;
    }
}

/// The first kilobyte, readable.
pub(crate) fn excerpt(content: &[u8]) -> String {
    content[..content.len().min(1024)]
        .escape_ascii()
        .to_string()
}

#[test]
fn a_mail_with_our_header_on_top_is_the_mail() {
    let sent = b"From: a@b.c\r\nBcc: x@y.z,\r\n w@y.z\r\nDate: now\r\n\r\nbody: 1\r\n";
    let arrived = [
        RECEIVED,
        b"0; now\r\nMessage-ID: <1@x>\r\nFrom: a@b.c\r\nDate: now\r\n\r\nbody: 1\r\n",
    ];
    assert_is_sent(&arrived.concat(), sent, "own");
}

#[test]
#[should_panic(expected = "bytes sent")]
fn a_mail_with_another_byte_is_another_mail() {
    let sent = b"From: a@b.c\r\nDate: now\r\nMessage-ID: <1@x>\r\n\r\nbody\r\n";
    let arrived = [
        RECEIVED,
        b"0; now\r\nFrom: a@b.c\r\nDate: now\r\nMessage-ID: <1@x>\r\n\r\nbodY\r\n",
    ];
    assert_is_sent(&arrived.concat(), sent, "own");
}
