//! What starts and ends with the process.

use std::error::Error;
use std::fmt;
use std::fmt::Write as _;

use zohorelay_process::exit;

use crate::args::RunArgs;

/// Why the operator does not run, with the exit code.
#[derive(Debug)]
pub struct Refusal {
    /// Exit code, as in `sysexits.h`.
    pub code: u8,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// An error with its causes, in one line.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}

/// Runs until SIGTERM or SIGINT.
#[expect(clippy::unused_async, reason = "the parts are wired one after another")]
pub async fn run(_args: RunArgs) -> Result<(), Refusal> {
    Err(Refusal {
        code: exit::SOFTWARE,
        message: "nothing to run yet".to_owned(),
    })
}
