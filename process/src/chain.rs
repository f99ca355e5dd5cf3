//! How errors are written into a log line.

use std::error::Error;
use std::fmt::Write as _;

/// An error with its causes, in one line. A cause that the text before ends with is not said twice.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.ends_with(&said) {
            let _ = write!(text, ": {said}");
        }
        cause = error.source();
    }
    text
}
