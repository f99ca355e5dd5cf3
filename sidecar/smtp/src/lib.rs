//! The receiving side of SMTP, without I/O.
