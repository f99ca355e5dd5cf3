//! The document between operator and sidecar.
