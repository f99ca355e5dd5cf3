//! The controller of `MailIdentity`.
