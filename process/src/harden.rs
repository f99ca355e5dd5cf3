//! Keeps secrets in memory from other processes of the same user.

use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use thiserror::Error;

/// What the kernel refused. The program may go on: log it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum HardenError {
    /// A crash may leave a core dump.
    #[error("turning core dumps off: {0}")]
    CoreLimit(#[source] Errno),
    /// Another process of the same user may read our memory.
    #[error("turning ptrace and core dumps off for this process: {0}")]
    Dumpable(#[source] Errno),
}

/// Turns core dumps off (`RLIMIT_CORE` 0, soft and hard) and makes the process not dumpable, which
/// also forbids ptrace to others of the same user. Both are tried; the first failure is returned.
pub fn harden() -> Result<(), HardenError> {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let core_limit = setrlimit(Resource::Core, none).map_err(HardenError::CoreLimit);
    let dumpable =
        set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(HardenError::Dumpable);
    core_limit.and(dumpable)
}

#[cfg(test)]
mod tests {
    use rustix::process::{DumpableBehavior, Resource, dumpable_behavior, getrlimit};

    use super::harden;

    #[test]
    fn a_hardened_process_leaves_no_core_and_cannot_be_traced() {
        harden().unwrap();
        harden().expect("a second time is no error");
        let limit = getrlimit(Resource::Core);
        assert_eq!((limit.current, limit.maximum), (Some(0), Some(0)));
        assert_eq!(dumpable_behavior(), Ok(DumpableBehavior::NotDumpable));
    }
}
