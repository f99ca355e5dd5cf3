//! Arguments in, exit code out.

use std::process::ExitCode;

use clap::Parser;

use crate::exit;

/// Reads the command line. Where there is nothing to run, what to say is printed already: help and
/// version end with 0, a mistake with [`exit::USAGE`].
pub fn parse<C: Parser>() -> Result<C, ExitCode> {
    C::try_parse().map_err(|error| {
        let _ = error.print();
        if error.use_stderr() {
            ExitCode::from(exit::USAGE)
        } else {
            ExitCode::SUCCESS
        }
    })
}
