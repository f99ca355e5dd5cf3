//! Programs that tell what is linked.

use std::process::Command;

use super::SbomError;

/// What `command` prints; `program` is its name in errors.
pub(super) fn run(command: &mut Command, program: &'static str) -> Result<String, SbomError> {
    let output = command
        .output()
        .map_err(|source| SbomError::Run { program, source })?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(SbomError::Failed {
            program,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }
}
