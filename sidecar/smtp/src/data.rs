//! The content after `DATA`, in both directions (RFC 5321 section 4.5.2).

mod decoder;
mod encoder;

pub use decoder::{DataDecoder, DataSummary, Decoded, Violation};
pub use encoder::{ContentError, DataEncoder};

#[cfg(test)]
mod tests;
