//! The HTTPS server for admission.
