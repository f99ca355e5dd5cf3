//! Load and sink for make bench, with TLS and AUTH.
