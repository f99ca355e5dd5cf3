//! The mails that are sent: valid, plain ASCII, lines of 76 characters, nothing to stuff.

/// The address of the identity that sends.
pub const SENDER: &str = "bench@example.com";
/// The address of the second identity.
pub const SECOND_SENDER: &str = "alerts@example.com";
/// Who gets the mails.
pub const RECIPIENT: &str = "reader@example.net";
/// Size of the mails of most cells, in bytes, header included.
pub const SMALL_BYTES: usize = 4 * 1024;
/// Size of the mails of the memory cell, in bytes, header included.
pub const LARGE_BYTES: usize = 25 * 1024 * 1024;

const LINE: &[u8] =
    b"MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1ub3BxcnN0dXZ3eHl6QUJDREVGR0hJSktMTU5PUFFSU1RV\r\n";

/// Content of `size_bytes` and after it the dot that ends it: what follows DATA on the wire. (A size
/// that leaves a single byte for the last line loses that byte.)
pub fn content_and_dot(sender: &str, size_bytes: usize) -> Vec<u8> {
    let header = format!(
        "From: Bench <{sender}>\r\nTo: {RECIPIENT}\r\nSubject: bench\r\n\
         Date: Mon, 23 Nov 2026 10:00:00 +0000\r\nMessage-ID: <bench@example.com>\r\n\
         MIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n"
    );
    let mut content = Vec::with_capacity(size_bytes + LINE.len());
    content.extend_from_slice(header.as_bytes());
    while content.len() + LINE.len() <= size_bytes {
        content.extend_from_slice(LINE);
    }
    let left = size_bytes.saturating_sub(content.len());
    if left >= 2 {
        content.resize(content.len() + left - 2, b'x');
        content.extend_from_slice(b"\r\n");
    }
    content.extend_from_slice(b".\r\n");
    content
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_has_the_size_asked_for_and_one_dot_line_at_its_end() {
        for size in [SMALL_BYTES, SMALL_BYTES + 1, 5000, 5077] {
            let content = content_and_dot(SENDER, size);
            let size_with_dot = content.len();
            assert!(
                size_with_dot.abs_diff(size + 3) <= 1,
                "{size}: {size_with_dot}"
            );
            assert!(content.ends_with(b"\r\n.\r\n"));
            let dots = content
                .windows(3)
                .filter(|window| window == b"\r\n.")
                .count();
            assert_eq!(dots, 1);
        }
        assert_eq!(content_and_dot(SENDER, SMALL_BYTES).len(), SMALL_BYTES + 3);
    }
}
