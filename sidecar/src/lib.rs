//! The sidecar: a local SMTP port that forwards to Zoho and says why a mail failed.
