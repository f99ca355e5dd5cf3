//! Exit codes, by the names of BSD's `sysexits.h`.

/// All is well; also after SIGTERM.
pub const OK: u8 = 0;
/// Wrong flags, or a folder of the configuration that is not there.
pub const USAGE: u8 = 64;
/// A port cannot be had.
pub const UNAVAILABLE: u8 = 69;
/// A file cannot be written.
pub const CANNOT_CREATE: u8 = 73;
/// A fault of ours.
pub const SOFTWARE: u8 = 70;
