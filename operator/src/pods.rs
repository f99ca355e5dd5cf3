//! Which pods ask for which identity, and what they report.
