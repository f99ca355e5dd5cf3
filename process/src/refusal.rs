//! Why a program does not run.

use std::fmt;

/// Why a program does not run, with the exit code.
#[derive(Debug)]
pub struct Refusal {
    /// Exit code, as in [`exit`](crate::exit).
    pub code: u8,
    /// What is wrong and what to do.
    pub message: String,
}

impl Refusal {
    /// Of both.
    pub fn new(code: u8, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
