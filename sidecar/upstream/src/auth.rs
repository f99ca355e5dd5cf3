//! The lines of AUTH PLAIN and AUTH LOGIN (RFC 4954, RFC 4616), in memory that is wiped.
//!
//! lettre's own AUTH would leave the password behind, in strings that nobody wipes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;
use zohorelay_config::Login;

/// A line with its CRLF.
pub(crate) type Line = Zeroizing<Vec<u8>>;

/// The whole of AUTH PLAIN, with its initial response.
pub(crate) fn plain(login: &Login) -> Line {
    let (username, password) = (
        login.username.as_bytes(),
        login.password.expose().as_bytes(),
    );
    let length = username.len() + password.len() + 2;
    let mut message = Zeroizing::new(Vec::with_capacity(length));
    for part in [b"\0", username, b"\0", password] {
        message.extend_from_slice(part);
    }
    line(b"AUTH PLAIN ", &message)
}

/// The responses of AUTH LOGIN, in the order in which they are asked for.
pub(crate) fn login(login: &Login) -> [Line; 2] {
    let password = login.password.expose().as_bytes();
    [line(b"", login.username.as_bytes()), line(b"", password)]
}

/// With its final capacity from the start, no copy is left behind by growing.
fn line(start: &[u8], message: &[u8]) -> Line {
    let encoded_bytes = message.len().div_ceil(3) * 4;
    let mut line = Zeroizing::new(Vec::with_capacity(start.len() + encoded_bytes + 2));
    line.extend_from_slice(start);
    line.resize(start.len() + encoded_bytes, 0);
    // The room is exact, so there is no error to handle.
    let _ = STANDARD.encode_slice(message, &mut line[start.len()..]);
    line.extend_from_slice(b"\r\n");
    line
}

#[cfg(test)]
mod tests {
    use zohorelay_config::Password;

    use super::*;

    fn credential(username: &str, password: &str) -> Login {
        Login {
            username: username.to_owned(),
            password: Password::new(password.to_owned()),
        }
    }

    #[test]
    fn the_lines_are_those_of_the_rfcs_whatever_the_padding() {
        for (password, encoded) in [
            ("a", "AUTH PLAIN AHUAYQ==\r\n"),
            ("ab", "AUTH PLAIN AHUAYWI=\r\n"),
            ("abc", "AUTH PLAIN AHUAYWJj\r\n"),
            ("\u{e4}~?", "AUTH PLAIN AHUAw6R+Pw==\r\n"),
        ] {
            let line = plain(&credential("u", password));
            assert_eq!(String::from_utf8_lossy(&line), encoded);
        }
        let [username, password] = login(&credential("user", "a"));
        assert_eq!(*username, b"dXNlcg==\r\n");
        assert_eq!(*password, b"YQ==\r\n");
    }

    #[test]
    fn no_line_grows_while_it_is_made() {
        for length in 0..100 {
            let credential = credential("user", &"x".repeat(length));
            let [_, password] = login(&credential);
            for line in [plain(&credential), password] {
                assert_eq!(line.len(), line.capacity());
            }
        }
    }
}
