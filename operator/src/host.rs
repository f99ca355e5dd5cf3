//! Which servers are Zoho's, and which others are allowed.
