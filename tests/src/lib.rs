//! Actors and suites: real processes, real TLS, one ledger.
